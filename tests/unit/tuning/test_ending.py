"""The signals that end a sweep."""

import os
import signal
import threading

import pytest

from akid.tuning import ending
from akid.tuning.ending import Ending, EndRequested

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def send(signum: int) -> None:
    """Send a signal to this process, and let Python hear it."""
    os.kill(os.getpid(), signum)


@pytest.mark.parametrize("signum", SIGNALS)
def test_before_the_trials_run_a_signal_ends_the_program(signum) -> None:
    """Planning holds nothing that has to be ended first."""
    with Ending() as heard, pytest.raises(EndRequested) as caught:
        send(signum)

    assert caught.value.signum == heard.signum == signum


def test_ctrl_c_is_counted_and_the_third_raises() -> None:
    """Once gracefully, twice at once; a sweep that does not come to that is left."""
    with Ending() as heard, heard.counted():
        assert heard.wishes() == 0
        send(signal.SIGINT)
        assert heard.wishes() == 1
        send(signal.SIGINT)
        assert heard.wishes() == 2
        with pytest.raises(EndRequested):
            send(signal.SIGINT)
        assert heard.wishes() == 2


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_the_time_of_a_machine_that_is_taken_away_is_short(signum, monkeypatch) -> None:
    """SIGTERM is one Ctrl-C, and after its grace two."""
    now_s = [5.0]
    monkeypatch.setattr(ending.time, "monotonic", lambda: now_s[0])
    with Ending() as heard, heard.counted():
        send(signum)
        assert heard.wishes() == 1
        now_s[0] += ending.GRACE_S
        assert heard.wishes() == 2


def test_the_programs_own_handlers_are_put_back() -> None:
    """A program that calls `tune` keeps what it had."""
    before = [signal.getsignal(signum) for signum in SIGNALS]
    with Ending():
        assert [signal.getsignal(signum) for signum in SIGNALS] != before

    assert [signal.getsignal(signum) for signum in SIGNALS] == before


def test_in_another_thread_no_signal_is_heard() -> None:
    """Python hears signals in the main thread only; a sweep elsewhere just runs."""
    seen = []

    def enter() -> None:
        with Ending() as heard:
            seen.append((heard.wishes(), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()

    assert seen == [(0, signal.getsignal(signal.SIGTERM))]


def test_what_is_written_to_a_closed_terminal_goes_nowhere() -> None:
    """A terminal that is gone refuses each write; a pipe is left as it is."""
    terminal, end = os.openpty()
    read_end, write_end = os.pipe()
    kept = os.dup(1), os.dup(2)
    os.dup2(end, 1)
    os.dup2(write_end, 2)
    os.close(terminal)
    try:
        with pytest.raises(OSError, match="Input/output error"):
            os.write(1, b"x")
        ending._leave_closed_terminals()
        os.write(1, b"x")
        os.write(2, b"y")
    finally:
        for number, stream in enumerate(kept, start=1):
            os.dup2(stream, number)
            os.close(stream)
        os.close(write_end)

    assert os.read(read_end, 9) == b"y"
    os.close(read_end)
    os.close(end)
