import copy
import pickle

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from akid.core import seeding
from akid.layers.padding import PaddingLayer
from akid.sensing import mover
from akid.sensing.joker import PlacingJoker
from akid.sensing.joker_system import JokerSystem
from akid.sensing.jokers.crop import CropJoker
from akid.sensing.jokers.flip import FlipJoker
from akid.sensing.mover import Mover, Places
from akid.sensing.prepared import Pixels
from akid.sensing.window import Normalization, Window

NORMALIZATION = Normalization(subtract=127.5, divide=255.0)


class Shift(PlacingJoker):
    """Somebody's own joker: up by one row, zeros below."""

    def move(self, window: Window, generator: torch.Generator | None) -> Window:  # noqa: ARG002
        one = torch.ones_like(window.top)
        return window.pad(1, 0).crop(one * 2, one * 0, window.height_px, window.width_px)


def jokers(*blocks: object) -> JokerSystem:
    system = JokerSystem("jokers")
    for block in blocks or (FlipJoker(), PaddingLayer(padding=[4, 4]), CropJoker(32, 32)):
        system.attach(block)
    return system


def images(num: int = 50) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (num, 3, 32, 32), generator=generator, dtype=torch.uint8)


def plain(number: int, place: int, seed: int, epoch: int) -> Tensor:
    """Do to one image what the documentation says, one step after another."""
    block, row = divmod(place, 2048)
    generator = torch.Generator().manual_seed(seeding.derive(seed, "moves", epoch, block))
    coins = torch.rand(2048, generator=generator)
    tops, lefts = (torch.randint(9, (2048,), generator=generator) for _ in range(2))
    image = (images()[number].float() - 127.5) / 255
    if coins[row] < 0.5:
        image = image.flip(2)
    image = functional.pad(image, [4, 4, 4, 4])
    return image[:, tops[row] :, lefts[row] :][:, :32, :32]


@pytest.mark.parametrize("first", [0, 2040, 4090])
def test_every_image_is_bit_for_bit_what_a_plain_program_makes_of_it(first: int) -> None:
    """Flip, pad and crop of each image by itself, with the numbers that were drawn for its place;
    the first and the last images, whose windows leave the memory, too."""
    indices = torch.cat([torch.tensor([0, 49]), torch.arange(0, 50, 3), torch.tensor([49, 0])])
    places = Places(seed=5, epoch=2, numbers=range(first, first + len(indices)))

    moved = Mover(jokers()).move(
        Pixels(images=images(), normalization=NORMALIZATION), indices, places
    )

    for number, place, image in zip(indices.tolist(), places.numbers, moved, strict=True):
        assert torch.equal(image, plain(number, place, 5, 2))


def test_what_is_drawn_depends_on_the_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on how places are cut into batches or shared, and another seed or epoch gives others."""
    pixels, indices = Pixels(images=images(), normalization=NORMALIZATION), torch.arange(50)
    monkeypatch.setattr(mover, "_BLOCK", 16)
    whole = Mover(jokers()).move(pixels, indices, Places(0, 0, range(7, 57)))

    pieces, shares = Mover(jokers()), Mover(jokers())
    cut = [
        pieces.move(pixels, indices[at : at + 9], Places(0, 0, range(7, 57)[at : at + 9]))
        for at in range(0, 50, 9)
    ]
    for rank in (1, 2, 0):
        part = shares.move(pixels, indices[rank::3], Places(0, 0, range(7, 57)[rank::3]))
        assert torch.equal(part, whole[rank::3])
    assert torch.equal(torch.cat(cut), whole)
    for other in (Places(1, 0, range(7, 57)), Places(0, 1, range(7, 57))):
        assert not torch.equal(pieces.move(pixels, indices, other), whole)


def test_an_empty_share_is_an_empty_batch() -> None:
    """At the end of an epoch a worker may get nothing."""
    moved = Mover(jokers()).move(
        Pixels(images=images(2)), torch.zeros(0, dtype=torch.int64), Places(0, 0, range(3, 3))
    )

    assert moved.shape == (0, 3, 32, 32)


def test_a_joker_of_ones_own_is_composed_too() -> None:
    """It says where its windows are, and costs no pass of its own."""
    data = torch.rand(4, 1, 5, 6)

    moved = Mover(jokers(Shift(), Shift())).move(
        Pixels(images=data), torch.arange(4), Places(0, 0, range(4))
    )

    assert torch.equal(moved[:, :, :3], data[:, :, 2:])
    assert not moved[:, :, 3:].any()


def test_images_of_another_shape_are_drawn_for_anew() -> None:
    """What was drawn for one kind of images is not used for another."""
    own = Mover(jokers(CropJoker(2, 2)))
    small, large = Pixels(images=torch.rand(9, 1, 3, 3)), Pixels(images=torch.rand(9, 1, 30, 30))
    places = Places(0, 0, range(9))
    own.move(small, torch.arange(9), places)

    moved = own.move(large, torch.arange(9), places)

    assert torch.equal(moved, Mover(jokers(CropJoker(2, 2))).move(large, torch.arange(9), places))


def test_copies_move_alike() -> None:
    """Nothing that was drawn travels: it is drawn again."""
    pixels, places = Pixels(images=images()), Places(0, 0, range(50))
    own = Mover(jokers())
    expected = own.move(pixels, torch.arange(50), places)

    for other in (copy.deepcopy(own), pickle.loads(pickle.dumps(own))):
        assert torch.equal(other.move(pixels, torch.arange(50), places), expected)
    assert len(pickle.dumps(own)) < 20_000
