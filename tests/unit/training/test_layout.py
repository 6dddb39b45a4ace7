from collections.abc import Sequence

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from akid.core.clock import Clock
from akid.models.brains import CifarResNet
from akid.training import layout
from akid.training.engine import EngineParts
from akid.training.kongfu import GradientDescentKongFu
from akid.training.single_engine import SingleEngine


@example(shape=[1, 2, 1, 1])
@example(shape=[1, 1, 2, 2])
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_values_stay_and_channels_lie_side_by_side(shape: Sequence[int]) -> None:
    """Only the strides of images change, also of those with one channel, or cut out of others."""
    whole = torch.arange(2 * torch.Size(shape).numel()).reshape(-1, *shape[1:])
    batch = [whole[: shape[0]], whole[shape[0] :]]
    turned = layout.channels_last(batch)

    for before, after in zip(batch, turned, strict=True):
        assert torch.equal(before, after)
        if len(shape) == 4:
            assert after.is_contiguous(memory_format=torch.channels_last)
            assert after.stride(1) == 1
        else:
            assert after is before


@pytest.mark.parametrize("channels", [1, 3])
def test_torch_takes_it_for_channels_last(channels: int) -> None:
    """A convolution gives what it gets: the layout goes through the whole network."""
    (images,) = layout.channels_last([torch.zeros(2, channels, 4, 4)])
    output = torch.conv2d(images, torch.zeros(2, channels, 1, 1))

    assert output.is_contiguous(memory_format=torch.channels_last)


def test_it_is_chosen_for_large_batches_of_images_on_a_cpu() -> None:
    """Small batches, other data and other devices keep their layout; the channels do not matter."""
    images = torch.zeros(layout.FEWEST_IMAGES, 3, 2, 2)

    assert layout.is_faster([images])
    assert layout.is_faster([images[:, :1]])
    assert not layout.is_faster([images[1:]])
    assert not layout.is_faster([images[:, 0]])
    assert not layout.is_faster([images.to("meta")])


def test_a_step_is_the_same_in_both_layouts() -> None:
    """Loss, metrics, weights and running averages agree up to rounding."""
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(4)
    found = []
    for channels_last in (False, True):
        brain = CifarResNet(depth=10, width=1)
        torch.manual_seed(0)
        brain.setup([images, labels])
        kongfu = GradientDescentKongFu(lr=0.1)
        kongfu.setup(brain)
        engine = SingleEngine(device="cpu", channels_last=channels_last)
        engine.setup(EngineParts(brain=brain, kongfu=kongfu, clock=Clock()))
        engine.step([images, labels], measure=True)
        found.append(
            (engine.measurements(), engine.evaluate([[images, labels]]), brain.state_dict())
        )

    (one, evaluated, state), (other, other_evaluated, other_state) = found
    assert other == pytest.approx(one, rel=1e-5)
    assert other_evaluated == pytest.approx(evaluated, rel=1e-4)
    torch.testing.assert_close(other_state, state)
