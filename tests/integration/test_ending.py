"""How a command ends: Ctrl-C at any time, a machine that is taken away, a closed terminal.

Each is a process with a cluster of its own, and leaves nothing behind.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SLOW = """
def dawdle(kid):
    if kid.step:
        open(os.path.join(kid.log_dir, "practises"), "w").close()
    time.sleep(0.5)

if os.environ.get("AKID_TEST_SLOW") and {{ opt_paras["number"] }}:
    kid.hooks.on_batch_begin.append(dawdle)
"""
FILE_ENDS = """
if os.environ.get("AKID_TEST_PLANS"):
    open(os.environ["AKID_TEST_PLANS"], "w").close()
    time.sleep(60)
"""
_PATIENCE_S = 120.0  # a slow trial takes longer
_RETRIES = "is tried again"


class Command:
    """A command at the head of a session of its own, with its own folder for temporary files.

    What it prints goes to `out` and `err`, or to a terminal.
    """

    def __init__(self, place, *arguments: object, terminal: int | None = None, **environment: str):
        self.out, self.err = place.folder / "out.txt", place.folder / "err.txt"
        self._temporary = Path(
            tempfile.mkdtemp(prefix="akid-", dir="/tmp")
        )  # paths of sockets are short
        self._segments = _segments()
        cluster = ["--tracking-uri", place.uri, "--num-cpus", "2", "--num-gpus", "0"]
        command = [sys.executable, "-m", "akid.sweep", *(str(a) for a in arguments), *cluster]
        with self.out.open("w") as out, self.err.open("w") as err:
            self._process = subprocess.Popen(
                command,
                cwd=place.folder,
                env={**os.environ, "TMPDIR": str(self._temporary), **environment},
                stdin=terminal,
                stdout=out,
                stderr=err if terminal is None else terminal,
                start_new_session=True,
                preexec_fn=None if terminal is None else _take_terminal,  # noqa: PLW1509
            )
        self.pid = self._process.pid

    def says(self, text: str) -> None:
        """Wait until it has said a text."""

        def has_said() -> bool:
            said = self.err.read_text()
            assert text in said or self._process.poll() is None, f"it ended without {text!r}"
            return text in said

        _until(has_said, f"it says {text!r}")

    def wait(self) -> int:
        return self._process.wait(_PATIENCE_S)

    def leaves_nothing(self) -> None:
        """No process of the session, no temporary file, no shared memory that nobody uses."""
        _until(lambda: not _session(self.pid), "no process is left", within_s=15)
        # Ray keeps its logs, torch what it compiled.
        left = {path.name.partition("_")[0] for path in self._temporary.iterdir()}
        assert left <= {"ray", "torchinductor"}
        _until(
            lambda: not _segments() - self._segments - _used_segments(),
            "no shared memory is left",
            within_s=15,  # that of other programs comes and goes
        )

    def kill(self) -> None:
        for pid in _session(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._temporary)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _segments() -> set[str]:
    return {path.name for path in Path("/dev/shm").iterdir()}


def _used_segments() -> set[str]:
    """Return the shared memory that living processes have mapped: that of other programs."""
    used = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            used |= {line.rpartition("/dev/shm/")[2] for line in maps.read_text().splitlines()}
    return used


def _session(leader: int) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z" and int(fields[3]) == leader:
                found.add(int(stat.parent.name))
    return found


def _runs(leader: int, program: str) -> bool:
    lines = []
    for pid in _session(leader):
        with contextlib.suppress(OSError):
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return any(program.encode() in line for line in lines)


def _until(is_so: Callable[[], bool], what: str, *, within_s: float = _PATIENCE_S) -> None:
    deadline_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"expected that {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def _running(place, *arguments: object, **options) -> Iterator[Command]:
    command = Command(place, *arguments, **options)
    try:
        yield command
        command.leaves_nothing()
    finally:
        command.kill()
        sys.stdout.write(command.out.read_text() + command.err.read_text())


@pytest.fixture
def file(place) -> Path:
    """Return an experiment of three trials, of which two are slow and write checkpoints."""
    file = place.empty(
        f"import os, time\nopt_paras_list = [{{'number': n}} for n in range(3)]\n{FILE_ENDS}",
        body="import os, time",
        after=SLOW,
    )
    short, long = "max_epoch=1, save_chk_point=False", "max_epoch=200, val_log_step=400"
    file.write_text(file.read_text().replace(short, long))
    return file


def test_a_machine_that_is_taken_away_leaves_time_for_checkpoints(place, cluster, file) -> None:
    """SIGTERM: 143, a partial table; the next sweep comes to an undisturbed one's numbers."""
    with _running(place, file, AKID_TEST_SLOW="1") as command:
        command.says("1/3 done")
        practise = place.folder / "akid_runs"
        _until(lambda: len(list(practise.rglob("practises"))) == 2, "two trials practise")
        os.kill(command.pid, signal.SIGTERM)
        code = command.wait()
        err = command.err.read_text()
    assert code == 143
    assert "running trials write a checkpoint; after 20 s they are ended at once" in err
    assert "2 interrupted, 0 failed" in err
    assert "Traceback" not in err
    assert "SIGTERM" not in err  # Ray would print its own stacks
    assert "1 FINISHED, 2 KILLED" in command.out.read_text()
    assert {run.info.status for run in place.runs()} == {"FINISHED", "KILLED"}

    ran = place.sweep(file, "--json")

    assert ran.code == 0
    calm, *ended = json.loads(ran.out)["trials"]
    for trial in ended:
        assert trial["final"]["val_loss"] == calm["final"]["val_loss"]
        log = (place.artifacts(trial["run_id"]) / "training.log").read_text()
        assert "goes on from" in log


def test_a_closed_terminal_ends_the_sweep(place, file) -> None:
    """SIGHUP: 129; nothing is written to where nothing can be written, what is elsewhere is."""
    terminal, end = os.openpty()
    try:
        with _running(place, file, terminal=end, AKID_TEST_SLOW="1") as command:
            os.close(end)
            end = -1
            _read_until(terminal, b"1/3 done")
            os.close(terminal)
            terminal = -1
            code = command.wait()
    finally:
        for number in {terminal, end} - {-1}:
            os.close(number)
    assert code == 129
    assert "1 FINISHED, 2 KILLED" in command.out.read_text()
    assert {run.info.status for run in place.runs()} == {"FINISHED", "KILLED"}


def _read_until(terminal: int, text: bytes) -> None:
    watch = threading.Timer(_PATIENCE_S, os.close, [terminal])
    watch.start()
    found = b""
    while text not in found:
        found += os.read(terminal, 4096)
    watch.cancel()


def test_ctrl_c_while_it_plans(place, file) -> None:
    """130, a word, nothing else."""
    plans = place.folder / "plans"
    with _running(place, file, AKID_TEST_PLANS=str(plans)) as command:
        _until(plans.exists, "it plans")
        os.kill(command.pid, signal.SIGINT)
        code = command.wait()
    assert code == 130
    assert command.err.read_text() == "interrupted\n"


def test_ctrl_c_in_the_pause_before_a_retry(place, file) -> None:
    """130 and a table: it is not tried again."""
    fails = 'raise RuntimeError("mine")'
    text = (
        file.read_text().replace("    return kid", f"    {fails}").replace("range(3)", "range(1)")
    )
    file.write_text(f"{text}\nmax_failures = 9\nabort_after = 0\n")
    with _running(place, file) as command:
        _until(lambda: command.err.read_text().count(_RETRIES) == 4, "it has failed four times")
        os.kill(command.pid, signal.SIGINT)  # within a pause of 8 seconds
        code = command.wait()
        assert command.err.read_text().count(_RETRIES) == 4
    assert code == 130
    assert "1 KILLED" in command.out.read_text()
    assert [run.info.status for run in place.runs()] == ["KILLED"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_two_rounds_ends_a_search(place, signum) -> None:
    """What there is by then is printed; the cluster that serves all rounds is gone."""
    with _searching(place) as command:
        command.says("2/2 done")
        os.kill(command.pid, signum)
        code = command.wait()
    assert code == 128 + signum
    assert "2 FINISHED" in command.out.read_text()
    assert "Traceback" not in command.err.read_text()


def test_ctrl_c_while_ray_starts_for_a_search(place) -> None:
    """130, and the processes that were on their way up are gone."""
    with _searching(place) as command:
        _until(lambda: _runs(command.pid, "gcs_server"), "Ray starts")
        os.killpg(command.pid, signal.SIGINT)
        code = command.wait()
    assert code == 130
    assert "Traceback" not in command.err.read_text()
    assert "2 SKIPPED" in command.out.read_text()


def _searching(place) -> contextlib.AbstractContextManager[Command]:
    law = "from akid import loguniform\nopt_paras_list = [{'lr': loguniform(1e-3, 1e-1)}]\n"
    file = place.empty(law, lr='{{ opt_paras["lr"] }}')
    return _running(place, file, "--search", "tpe,startup=2,batch=1", "--sample", "9")


def test_ctrl_c_while_ray_starts(place, file) -> None:
    """130, and the processes that were on their way up are gone."""
    with _running(place, file) as command:
        _until(lambda: _runs(command.pid, "gcs_server"), "Ray starts")
        os.killpg(command.pid, signal.SIGINT)
        code = command.wait()
    assert code == 130
    assert "Traceback" not in command.err.read_text()
    assert "3 SKIPPED" in command.out.read_text()
    assert command.err.read_text().endswith("interrupted; the same command goes on from here\n")
