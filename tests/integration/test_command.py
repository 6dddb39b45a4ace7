"""The command in a process of its own, with a cluster of its own: what it prints, and Ctrl-C."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

SLOW = """
if {{ opt_paras["number"] }} and os.environ.get("AKID_TEST_SLOW"):
    kid.hooks.on_batch_begin.append(lambda kid: time.sleep(1000))
"""
_PATIENCE_S = 180  # nobody waits for the end of a trial that sleeps


@contextmanager
def _started(place, *arguments, **environment):
    """Start the command at the head of a process group, as a shell does."""
    command = [sys.executable, "-m", "akid.sweep", *(str(a) for a in arguments)]
    process = subprocess.Popen(
        [*command, "--tracking-uri", place.uri, "--num-cpus", "2", "--num-gpus", "0"],
        cwd=place.folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    watch = threading.Timer(_PATIENCE_S, process.kill)
    watch.start()
    try:
        yield process
    finally:
        watch.cancel()
        process.kill()
        process.communicate()


def _read_until(process, text: str) -> None:
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"the command ended without saying {text!r}")


def _group_is_gone(process) -> bool:
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_a_whole_command(bare_place) -> None:
    """Standard output is pure JSON, standard error tells of each trial and of nothing else."""
    file = bare_place.empty(
        "opt_paras_list = [{'lr': 0.1}, {'lr': 0.2}]",
        body="print('printed')\nimport warnings\nwarnings.warn('warned')",
        lr="{{ opt_paras['lr'] }}",
    )

    with _started(bare_place, file, "--json", "--csv", "table.csv", "--name", "named") as process:
        out, err = process.communicate()

    assert process.returncode == 0
    assert [trial["status"] for trial in json.loads(out)["trials"]] == ["FINISHED"] * 2
    dashboard, *trials = err.splitlines()
    assert dashboard.startswith("Ray dashboard: http://127.0.0.1:")
    assert all(re.search(r"\d/2 done, \d running", line) for line in trials), err
    with (bare_place.folder / "table.csv").open() as table:
        assert [row["opt.lr"] for row in csv.DictReader(table)] == ["0.1", "0.2"]
    assert len(bare_place.runs("named")) == 2
    assert {path.name for path in bare_place.folder.iterdir()} == {
        "akid_runs",
        "experiment_file.py",
        "mlflow.db",
        "mlruns",
        "table.csv",
    }
    assert _group_is_gone(process)


def _interrupt(place, times: int):
    """Sweep three trials of which two hang, and interrupt once the first is done."""
    file = place.empty(
        "opt_paras_list = [{'number': n} for n in range(3)]",
        body="import os, time",
        after=SLOW,
    )
    with _started(place, file, AKID_TEST_SLOW="1") as process:
        _read_until(process, "1/3 done")
        time.sleep(1.0)
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.5)
        out, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "1 FINISHED" in out
    assert "2 KILLED" in out
    assert _group_is_gone(process)
    (parent,) = place.runs(kind="sweep")
    assert parent.info.status == "KILLED"
    statuses = [run.info.status for run in place.runs()]
    assert statuses[0] == "FINISHED"
    assert set(statuses[1:]) == {"KILLED"}
    return file, err


def test_ctrl_c_prints_what_is_done_and_the_next_sweep_does_the_rest(place) -> None:
    """Exit code 130; the interrupted runs are marked KILLED, and only they run again."""
    file, err = _interrupt(place, times=1)

    ran = place.sweep(file, "--json")

    assert ran.code == 0
    assert [trial["reused"] for trial in json.loads(ran.out)["trials"]] == [True, False, False]
    assert "KILLED: interrupted |" in err
    assert "interrupted at once" not in err


def test_ctrl_c_twice_ends_at_once(place) -> None:
    """The table is printed and the runs are marked all the same."""
    _, err = _interrupt(place, times=2)

    assert "KILLED: interrupted at once |" in err
