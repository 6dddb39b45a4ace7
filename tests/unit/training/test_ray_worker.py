"""What a worker of a group does that needs no cluster."""

import os
import pickle
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import ray
import torch

from akid.training.exchange import Exchange
from akid.training.kid import Kid
from akid.training.ray_bytes import from_bytes
from akid.training.ray_worker import GroupWorker, Place, Task, _Performance, _reseed

MakeKid = Callable[..., Kid]


def place(rank: int = 0) -> Place:
    return Place(rank=rank, num_workers=2, host="", port=0)


def task() -> Task:
    return Task(
        name="kid",
        kid=b"",
        options={},
        heard=(),
        asked=(),
        resumes=False,
        folder="",
        seed=0,
        threads=1,
    )


def test_each_worker_draws_from_a_stream_of_its_own(make_kid: MakeKid) -> None:
    """All but the first, and the same again at the same step."""
    states = []
    for rank in (0, 1, 2, 2):
        kid = make_kid(seed=0)
        kid.setup()
        _reseed(kid, rank)
        states.append(kid.brain.blocks["drop1"].get_extra_state()["state"].tolist())

    assert states[2] == states[3]
    assert len({tuple(state) for state in states}) == 3


@pytest.mark.parametrize(("share", "expected"), [([], ""), (["3"], "3")])
def test_a_worker_without_a_share_sees_no_gpu(
    monkeypatch: pytest.MonkeyPatch, share: list[str], expected: str
) -> None:
    """Ray hides them from such a worker only where the cluster was started so."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    context = SimpleNamespace(get_accelerator_ids=lambda: {"GPU": share})
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)

    GroupWorker()

    assert os.environ["CUDA_VISIBLE_DEVICES"] == expected


def test_what_a_worker_on_a_gpu_tells_is_read_at_home(
    make_kid: MakeKid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, gradients, the optimiser's state and the best weights, where there is no GPU."""
    there, home, exchange = make_kid(), make_kid(), Exchange()
    there.practice()
    home.setup()
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")

    told = _Performance(task(), place(), exchange)
    told._tell(there, "on_train_end", is_question=False, is_whole=True)
    event = pickle.loads(pickle.dumps(exchange.next()))  # as Ray does
    home.resemble(from_bytes(event.likeness))

    assert home.report == there.report
    with there._best.in_place(there.brain), home._best.in_place(home.brain):
        for mine, other in zip(home.brain.parameters(), there.brain.parameters(), strict=True):
            assert torch.equal(mine, other)
            assert torch.equal(mine.grad, other.grad)


class OddError(Exception):
    """An error of a user's that can neither be printed nor sent."""

    def __str__(self) -> str:
        return self.args[5]

    def __reduce__(self) -> str:
        raise SystemExit(3)


class OddWorker(GroupWorker):
    """A worker whose practice fails."""

    def perform(self, task: Task, place: Place) -> None:  # noqa: ARG002 (the base's names)
        raise OddError


def test_an_error_that_can_neither_be_printed_nor_sent_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not taken for a practice that came to its end."""
    context = SimpleNamespace(get_accelerator_ids=lambda: {"GPU": []})
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

    failure = OddWorker().practise(task(), place(rank=1))

    assert failure is not None
    assert (failure.rank, failure.error) == (1, None)
    assert failure.text.strip().endswith("OddError: <exception str() failed>")
