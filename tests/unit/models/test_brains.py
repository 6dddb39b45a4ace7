import copy
import pickle

import pytest
import torch

from akid.core import seeding
from akid.core.export import export, load
from akid.models import brains

SMALL = [
    (brains.LeNet, {}, 28, 1),
    (brains.OneLayerBrain, {}, 28, 1),
    (brains.MnistTfTutorialNet, {}, 28, 1),
    (brains.CifarAlexNet, {}, 24, 3),
    (brains.MnistMaxoutNet, {}, 28, 1),
    (brains.CifarResNet, {"depth": 10, "width": 1}, 32, 3),
    (brains.AllConvNet, {}, 32, 3),
]
kinds = pytest.mark.parametrize(("kind", "options", "side_px", "channels"), SMALL)


def set_up(kind, options, inputs, seed=0):
    brain = kind(name="brain", **options)
    with seeding.seed_scope(seed):
        brain.setup(inputs)
    return brain


def test_the_catalogue_lists_every_brain() -> None:
    """Each name of the catalogue is a brain, and is set up by default arguments."""
    assert sorted(brains.__all__) == brains.__all__
    assert all(issubclass(getattr(brains, name), brains.LeNet.__base__) for name in brains.__all__)


@kinds
def test_a_seed_gives_the_same_bits(kind, options, side_px: int, channels: int, batch) -> None:
    """Two of one seed are equal, also in training with dropout; another seed differs."""
    inputs = batch(side_px, channels=channels)
    one, same, other = (set_up(kind, options, inputs, seed) for seed in (0, 0, 1))

    assert torch.equal(one(inputs), same(inputs))
    assert not torch.equal(one.get_filters()[0], other.get_filters()[0])


@kinds
def test_copies_compute_the_same_and_share_nothing(
    kind, options, side_px: int, channels: int, batch
) -> None:
    """deepcopy, pickle and state_dict work after a call, in evaluation mode to the bit."""
    inputs = batch(side_px, channels=channels)
    brain = set_up(kind, options, inputs)
    brain(inputs)
    brain.eval()
    expected = brain(inputs)
    fresh = set_up(kind, options, inputs, seed=5)
    fresh.load_state_dict(brain.state_dict())

    for twin in (copy.deepcopy(brain), pickle.loads(pickle.dumps(brain)), fresh.eval()):
        assert torch.equal(twin(inputs), expected)
        assert twin.get_filters()[0].data_ptr() != brain.get_filters()[0].data_ptr()


@kinds
def test_the_loss_has_the_gradients_of_the_closed_form(
    kind, options, side_px: int, channels: int, batch
) -> None:
    """Differentiating `loss` equals data_loss and add_regularization_gradients, to 1e-7."""
    inputs = batch(side_px, channels=channels)
    brain = set_up(kind, options, inputs).double().eval()
    inputs = [inputs[0].double(), inputs[1]]
    twin = copy.deepcopy(brain)
    brain(inputs)
    twin(inputs)

    brain.loss.backward()
    twin.data_loss.backward()
    twin.add_regularization_gradients()

    for one, other in zip(brain.get_filters(), twin.get_filters(), strict=True):
        assert (one.grad - other.grad).abs().max() < 1e-7


@kinds
def test_exported_brains_predict_the_same(
    kind, options, side_px: int, channels: int, batch, tmp_path
) -> None:
    """The program takes images alone, in batches of any size, and gives the logits."""
    inputs = batch(side_px, channels=channels)
    brain = set_up(kind, options, inputs).eval()
    logits = next(reversed([n for n in brain.blocks if not n.endswith("loss")]))

    program = load(export(brain, tmp_path / "brain.pt2"))

    torch.testing.assert_close(program(inputs[0][:3]), brain(inputs, end_block=logits)[:3])


@kinds
def test_summaries_count_what_is_trained(kind, options, side_px: int, channels: int, batch) -> None:
    """The rows' parameters sum up to the brain's."""
    brain = set_up(kind, options, batch(side_px, channels=channels))

    assert brain.summary().num_parameters == brain.num_parameters()
