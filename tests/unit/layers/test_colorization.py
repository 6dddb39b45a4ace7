import re

import pytest
import torch

from akid.errors import SetupError, ShapeError
from akid.layers.colorization import ColorizationReLULayer


@pytest.mark.parametrize("wipe_negative", [False, True])
def test_rectified_features_are_multiplied_by_each_colour(wipe_negative) -> None:
    """All features by the first colour come first; negative products go if asked to."""
    features, colours = torch.randn(2, 4, 5, 5), torch.randn(2, 3, 5, 5)

    result = ColorizationReLULayer(wipe_negative=wipe_negative)([features, colours])

    expected = torch.cat([features.clamp(min=0) * colours[:, k : k + 1] for k in range(3)], 1)
    torch.testing.assert_close(result, expected.clamp(min=0) if wipe_negative else expected)


def test_wrong_inputs_are_refused() -> None:
    """Both must be images of one size."""
    with pytest.raises(ShapeError, match=re.escape("(2, 4, 5, 5) and (2, 3, 4, 4).")):
        ColorizationReLULayer().setup([torch.zeros(2, 4, 5, 5), torch.zeros(2, 3, 4, 4)])
    with pytest.raises(SetupError, match=re.escape("[features, colours], got one tensor")):
        ColorizationReLULayer().setup(torch.zeros(2, 4, 5, 5))


def test_colorization_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(ColorizationReLULayer, [torch.randn(2, 4, 5, 5), torch.randn(2, 3, 5, 5)])
