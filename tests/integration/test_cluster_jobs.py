"""Sweeps whose driver runs on the cluster."""

import os
import threading
import time

import pytest
import ray
from ray.job_submission import JobSubmissionClient

from akid.cluster.jobs import JobServer
from akid.sweep import main

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(scope="module")
def dashboard() -> str:
    """Return the address of the tests' cluster's job server."""
    return f"http://{ray.get_runtime_context().worker.node.webui_url}"


def submit(place, dashboard, *arguments: str) -> int:
    kept = ["--work-dir", str(place.folder / "akid_runs"), "--tracking-uri", place.uri]
    file = str(place.folder / "code" / "job.py")
    return main(["submit", file, "--address", dashboard, *kept, *arguments])


def written(place, text: str) -> None:
    """Write the experiment into a folder of its own, with a module that it imports."""
    (place.folder / "code").mkdir()
    file = place.empty(body="from neighbour import LR", lr="LR")
    file.rename(place.folder / "code" / "job.py")
    (place.folder / "code" / "neighbour.py").write_text(text)


def test_a_job_is_followed_and_its_code_travels(place, dashboard, capsys) -> None:
    """What it prints comes here, its exit code is returned, its runs are in the store."""
    written(place, "LR = 0.1")

    assert submit(place, dashboard, "--", "--repeat", "2") == 0
    out, err = capsys.readouterr()
    assert "trials: 2 FINISHED" in out
    assert "ray job stop" in err
    assert [run.info.status for run in place.runs("job")] == ["FINISHED", "FINISHED"]


def test_a_job_need_not_be_waited_for(place, dashboard, capsys) -> None:
    """Its id is printed; who follows it later gets its exit code: 1, some trials failed."""
    written(place, "raise ValueError('no rate today')")
    heard = []

    assert submit(place, dashboard, "--no-wait") == 0
    job = capsys.readouterr().out.strip()
    assert JobServer(dashboard).follow(job, heard.append) == 1
    assert "no rate today" in "".join(heard)


@pytest.mark.parametrize("ends_meanwhile", [False, True])
def test_a_job_that_is_out_of_reach_is_followed_again(
    place, dashboard, gate, caplog, ends_meanwhile
) -> None:
    """As where a forwarded port drops: each line comes once, and so does the exit code."""
    away, begun, ended = (place.folder / name for name in ("away", "begun", "ended"))
    written(place, "LR = 0.1")
    wait = f"""
import time
from pathlib import Path

Path({str(begun)!r}).touch()
while not Path({str(ended)!r}).exists():
    time.sleep(0.1)
"""
    file = place.empty(body="from neighbour import LR", lr="LR", after=wait)
    file = file.rename(place.folder / "code" / "job.py")
    heard = []

    def drop() -> None:
        while not begun.exists():
            time.sleep(0.1)
        away.touch()
        time.sleep(3.0)
        if ends_meanwhile:
            ended.touch()
            while not client.get_job_status(job).is_terminal():
                time.sleep(0.1)
        away.unlink()
        ended.touch()

    client = JobSubmissionClient(dashboard)
    with gate(int(dashboard.rpartition(":")[2]), away) as port:
        server = JobServer(f"http://127.0.0.1:{port}")
        kept = ["--work-dir", str(place.folder / "akid_runs"), "--tracking-uri", place.uri]
        job = server.submit(file, kept)
        threading.Thread(target=drop, daemon=True).start()
        assert server.follow(job, heard.append) == 0

    assert caplog.text.count("is not heard") == 1
    assert "".join(heard).count("trials: 1 FINISHED") == 1
    assert "".join(heard).count("1/1 done") == 1


def test_results_are_not_left_in_a_folder_that_goes(place, monkeypatch, capsys) -> None:
    """A job needs a store outside of it."""
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    assert main([str(place.empty())]) == 2
    assert "--tracking-uri" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "message"),
    [("ray://head:10001", "the cluster's dashboard"), ("http://127.0.0.1:9", "the job server")],
)
def test_an_address_that_takes_no_jobs_is_exit_code_3(place, address, message, capsys) -> None:
    """With what was expected."""
    written(place, "LR = 0.1")

    assert submit(place, address) == 3
    assert message in capsys.readouterr().err
    assert os.environ.get("RAY_ADDRESS") is None
