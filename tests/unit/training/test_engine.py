import pytest
import torch

from akid.errors import SetupError
from akid.training import engine
from akid.training.single_engine import SingleEngine


def test_single_engine_is_found_by_name_and_by_dict() -> None:
    """Both forms and an engine itself work."""
    made = engine.get({"name": "single", "device": "cpu"})

    assert isinstance(made, SingleEngine)
    assert engine.get(made) is made
    assert engine.get("single", device="cpu").device == torch.device("cpu")


def test_the_device_is_the_best_there_is() -> None:
    """The GPU where there is one."""
    expected = "cuda" if torch.cuda.is_available() else "cpu"

    assert engine.get("single").device.type == expected


def test_an_unknown_engine_is_an_error_with_the_known_ones() -> None:
    """The message lists them."""
    with pytest.raises(SetupError, match=r"among \[.*'single'.*got name='triple'"):
        engine.get({"name": "triple"})


def test_an_unknown_option_is_an_error_with_the_known_ones() -> None:
    """The message lists them."""
    with pytest.raises(SetupError, match=r"expected options \[.*'device'.*got \['gpus'\]"):
        engine.get({"name": "single", "gpus": 2})
