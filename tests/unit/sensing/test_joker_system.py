import pytest
import torch
from torch.nn import functional

from akid.errors import SetupError
from akid.layers.padding import PaddingLayer
from akid.sensing.joker import BatchJoker, Joker
from akid.sensing.joker_system import JokerSystem
from akid.sensing.jokers.crop import CropJoker
from akid.sensing.jokers.flip import FlipJoker
from akid.sensing.jokers.mixup import MixupJoker
from akid.sensing.jokers.whiten import WhitenJoker


def system(*blocks: Joker | BatchJoker | PaddingLayer) -> JokerSystem:
    result = JokerSystem("jokers")
    for block in blocks:
        result.attach(block)
    return result


def one_by_one(
    blocks: list[Joker | PaddingLayer], images: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    for block in blocks:
        images = block.play(images, generator) if isinstance(block, Joker) else block(images)
    return images


@pytest.mark.parametrize(
    "blocks",
    [
        [FlipJoker(), PaddingLayer(padding=[4, 4]), CropJoker(8, 8)],
        [
            CropJoker(5, 5),
            PaddingLayer(padding=[2, 2]),
            FlipJoker(flip_left_right=False),
            CropJoker(6, 6),
        ],
        [CropJoker(3, 3), CropJoker(9, 9, center=True), WhitenJoker(), FlipJoker()],
        [WhitenJoker(), CropJoker(5, 5)],
        [],
    ],
)
def test_composed_moves_give_what_the_blocks_give_one_by_one(
    blocks: list[Joker | PaddingLayer],
) -> None:
    """Moving them in one copy is only faster."""
    images, labels = torch.rand(20, 3, 8, 8), torch.arange(20)

    result, same = system(*blocks).play([images, labels], torch.Generator().manual_seed(3))

    assert torch.equal(result, one_by_one(blocks, images, torch.Generator().manual_seed(3)))
    assert same is labels


def test_called_as_a_block_it_plays_on_the_whole_batch() -> None:
    """The list of images and labels goes in and comes out."""
    images, labels = torch.rand(4, 1, 2, 2), torch.arange(4)

    result, same = system(PaddingLayer(padding=1))([images, labels])

    assert torch.equal(result, functional.pad(images, [1] * 4))
    assert same is labels


def test_a_batch_joker_changes_the_labels_too() -> None:
    """Mixup makes them dense."""
    _, labels = system(FlipJoker(), MixupJoker(3))([torch.rand(4, 1, 2, 2), torch.arange(4) % 3])

    assert labels.shape == (4, 3)


def test_only_jokers_and_padding_can_be_attached() -> None:
    """The error says where layers belong."""
    with pytest.raises(SetupError, match=r"got JokerSystem. Layers belong into the brain"):
        system(JokerSystem())
