"""What a trial raises reaches the driver in words, whatever it is."""

from pathlib import Path

import pytest

from akid.testing.tracker_contract import make_trial
from akid.tuning.attempt import config_of
from akid.tuning.failure import Failure
from akid.tuning.orders import StopOrders
from akid.tuning.worker import TrialWorker, crash_of


class MuteError(Exception):
    """An error of a user's whose text can't be had."""

    def __str__(self) -> str:
        return self.args[5]


def test_an_error_whose_text_can_not_be_had_ends_its_trial_all_the_same() -> None:
    """It hung for ever: the thread that tells of the end was ended by the error's own error."""
    crash = crash_of(MuteError("a"))

    assert crash.kind == Failure.BUG
    assert crash.message == "MuteError: <exception str() failed>"
    assert crash.traceback_text.strip().endswith("MuteError: <exception str() failed>")


def test_an_error_of_which_nothing_can_be_told_ends_its_trial_all_the_same() -> None:
    """Whatever else of it fails."""

    class OddError(Exception):
        @property
        def cause(self) -> None:
            raise SystemExit(3)

    crash = crash_of(OddError("mine"))

    assert (crash.kind, crash.traceback_text) == (Failure.BUG, "")
    assert crash.message == "OddError, of which SystemExit is all that can be told"


def test_a_cause_that_is_no_error_is_the_users_own() -> None:
    """Ray's errors have their cause under that name."""
    error = ValueError("mine")
    error.cause = "the weather"  # type: ignore[attr-defined]

    assert crash_of(error).message == "ValueError: mine"


@pytest.mark.parametrize("text", ["bad name \udcff", "bad\0name"])
def test_an_error_can_be_printed_and_stored(text: str) -> None:
    """Also one that quotes bytes which are no text."""
    crash = crash_of(ValueError(text))

    for told in (crash.message, crash.traceback_text):
        assert "\0" not in told
        told.encode("utf-8")


def test_a_process_that_can_not_be_set_up_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray asks for it when it tells of the error; without an answer it tells of that one."""

    def refuse(name: str) -> None:
        raise ImportError(name)

    trial = make_trial(0)
    monkeypatch.setattr("akid.tuning.worker.import_module", refuse)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as the worker sets them, for its process
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    config = config_of(0, 1, name="0-trial", need=trial.request, sources=())
    worker = TrialWorker.__new__(TrialWorker)

    with pytest.raises(ImportError):
        worker.setup(config, trials=(trial,), orders=StopOrders(Path()))
    assert repr(worker) == f"akid trials, first {trial.label}"
