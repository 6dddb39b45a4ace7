"""What workers say is read where there are no GPUs."""

from typing import Any

import pytest
import torch

from akid.training.ray_bytes import from_bytes, to_bytes


class Holder:
    """Any object that has a tensor."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tensors be pickled with the device of a GPU, which nothing here can read."""
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")


@pytest.mark.parametrize("wrap", [list, tuple, lambda held: {"a": held}, lambda held: held[0]])
def test_tensors_come_to_the_cpu_from_wherever_they_are(on_a_gpu: None, wrap: Any) -> None:
    """In lists, tuples, dicts and objects of any class."""
    data = to_bytes(wrap([Holder(torch.arange(3.0))]))

    found = from_bytes(data)
    while not isinstance(found, Holder):
        found = found["a"] if isinstance(found, dict) else found[0]
    assert found.tensor.device.type == "cpu"
    assert found.tensor.tolist() == [0, 1, 2]


def test_shared_memory_is_sent_once() -> None:
    """A thousand gradients in one vector are as long as the vector."""
    vector = torch.zeros(100_000)

    assert len(to_bytes(list(vector.split(1_000)))) < 2 * vector.nbytes


def test_an_exception_and_a_class_of_a_program_that_is_no_module_come_through() -> None:
    """As in a trial, whose program is executed and not imported."""
    program: dict[str, Any] = {"__name__": "akid_trial_setup"}
    exec("class Wrong(ValueError): pass", program)

    found = from_bytes(to_bytes(program["Wrong"]("a bug", torch.zeros(1))))

    assert isinstance(found, ValueError)
    assert found.args[0] == "a bug"
