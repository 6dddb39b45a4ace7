"""Every joker of akid keeps the contract for jokers."""

import inspect
from importlib import import_module
from pkgutil import iter_modules

import pytest

import akid.sensing.jokers
from akid.core.block import Block
from akid.sensing.jokers.color import ColorJoker
from akid.sensing.jokers.crop import CropJoker
from akid.sensing.jokers.cutout import CutoutJoker
from akid.sensing.jokers.flip import FlipJoker
from akid.sensing.jokers.light import LightJoker
from akid.sensing.jokers.mixup import MixupJoker
from akid.sensing.jokers.resize import ResizeJoker
from akid.sensing.jokers.resized_crop import ResizedCropJoker
from akid.sensing.jokers.rotation import RotationJoker
from akid.sensing.jokers.whiten import RescaleJoker, WhitenJoker
from akid.testing.joker_contract import JokerContract

WHOLE = (12, 10)
CASES = {
    "ColorJoker": (ColorJoker, WHOLE, True),
    "CropJoker": (lambda: CropJoker(7, 8), (7, 8), True),
    "CropJoker centre": (lambda: CropJoker(7, 8, center=True), (7, 8), False),
    "CutoutJoker": (lambda: CutoutJoker(4), WHOLE, True),
    "FlipJoker": (FlipJoker, WHOLE, True),
    "FlipJoker always": (lambda: FlipJoker(flip_left_right=False, probability=1), WHOLE, False),
    "LightJoker": (LightJoker, WHOLE, True),
    "MixupJoker": (lambda: MixupJoker(3), WHOLE, True),
    "ResizeJoker": (lambda: ResizeJoker(6, 14), (6, 14), False),
    "ResizedCropJoker": (lambda: ResizedCropJoker(6, 14), (6, 14), True),
    "RotationJoker": (lambda: RotationJoker(30.0), WHOLE, True),
    "RescaleJoker": (RescaleJoker, WHOLE, False),
    "WhitenJoker": (WhitenJoker, WHOLE, False),
}


class TestJokers(JokerContract):
    """The contract, for each joker."""

    @pytest.fixture(autouse=True, params=CASES.values(), ids=list(CASES))
    def _case(self, request):
        self.make, self.size, self.is_random = request.param

    def make_joker(self):
        return self.make()

    def expected_size(self):
        return self.size


def test_no_joker_is_left_out() -> None:
    """Each joker class has a case."""
    public = {
        name
        for module in iter_modules(akid.sensing.jokers.__path__)
        for name, kind in vars(import_module(f"akid.sensing.jokers.{module.name}")).items()
        if inspect.isclass(kind) and issubclass(kind, Block) and not inspect.isabstract(kind)
        if kind.__module__.startswith("akid.sensing.jokers.")
    }

    assert public == {name.split()[0] for name in CASES}
