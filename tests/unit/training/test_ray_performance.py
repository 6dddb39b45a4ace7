"""What the process that waits for a worker group gives it, and takes for the loss of a worker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import cloudpickle
from ray.exceptions import ActorDiedError, NodeDiedError, RayError, RaySystemError, RayTaskError

from akid.training.kid import Kid
from akid.training.ray_performance import Performance, copy_of

MakeKid = Callable[..., Kid]
OF_A_TASK = RayTaskError("practise", "Traceback", ValueError("a bug"))
UNREADABLE = RaySystemError(RuntimeError("Attempting to deserialize object on a CUDA device"))


def got(monkeypatch: pytest.MonkeyPatch, error: RayError) -> Performance:
    """Return a performance that has heard of an error."""

    def fail(reference: Any) -> None:
        raise error

    monkeypatch.setattr(ray, "get", fail)
    kid: Any = None
    performance = Performance(kid, b"", {}, kid)
    assert performance._got("reference") is None
    return performance


@pytest.mark.parametrize(
    "error", [ActorDiedError(), NodeDiedError("gone"), RaySystemError("the raylet is gone")]
)
def test_what_died_is_lost(monkeypatch: pytest.MonkeyPatch, error: RayError) -> None:
    """A process, a machine, or what speaks for it."""
    assert got(monkeypatch, error)._fault is error


@pytest.mark.parametrize("error", [OF_A_TASK, UNREADABLE])
def test_a_worker_that_lives_is_not_lost(monkeypatch: pytest.MonkeyPatch, error: RayError) -> None:
    """It has raised, or said what can't be read here: practising again would give the same."""
    with pytest.raises(type(error)):
        got(monkeypatch, error)


def test_workers_go_on_with_the_scale_of_the_last_practice(make_kid: MakeKid) -> None:
    """It has been lowered until no gradient overflows; the first one would leave updates out."""
    options = {"precision": "float16"}
    kid = make_kid(engine={"name": "data_parallel", "num_gpu": 2, **options})
    kid.setup()
    state = kid.engine.get_extra_state()
    state["scaler"]["scale"] = 64.0
    kid.engine.set_extra_state(state)

    sent = cloudpickle.loads(copy_of(kid, options))

    assert sent.engine.get_extra_state()["scaler"]["scale"] == 64.0


def test_workers_write_where_the_caller_stands(
    make_kid: MakeKid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may stand elsewhere."""
    monkeypatch.chdir(tmp_path)
    kid = make_kid(engine="data_parallel", log_dir="here")
    kid.setup()

    assert cloudpickle.loads(copy_of(kid, {})).log_dir == tmp_path / "here"
