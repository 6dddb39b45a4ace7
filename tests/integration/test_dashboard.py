"""A sweep as the Ray dashboard shows it, read back over HTTP."""

import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
import ray

from akid.tuning.board import Board

pytestmark = pytest.mark.usefixtures("cluster")


def dashboard() -> str:
    return f"http://{ray.get_runtime_context().worker.node.webui_url}"


def asked(path: str) -> dict:
    """Return what the dashboard answers to someone who has the token."""
    from ray.job_submission import JobSubmissionClient

    answer = JobSubmissionClient(dashboard())._do_request("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tasks_called(name: str) -> list:
    from ray.util.state import list_tasks

    return list_tasks(address=dashboard(), filters=[("name", "=", name)], detail=True)


def eventually(find: Callable[[], object]) -> object:
    """Return what is found once there is something; Ray tells of tasks and metrics late."""
    deadline_s = time.monotonic() + 90.0
    while not (found := find()) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return found


def test_each_trial_is_a_task_that_bears_its_label(place) -> None:
    """Finished ones, and failed ones with their error; meanwhile its process is called by it."""
    called = place.folder / "called"
    rate = round(0.125 + time.time() % 1e-3, 7)  # a label that no other test has
    file = place.empty(
        f"opt_paras_list = [{{'lr': {rate!r}}}, {{'lr': 'much'}}]",
        lr='{{ opt_paras["lr"] }}',
        after=f"""
from pathlib import Path

Path({str(called)!r}).write_bytes(Path("/proc/self/cmdline").read_bytes())
""",
    )

    place.sweep(file)

    assert called.read_bytes().strip(b"\0") == f"ray::akid lr={rate}".encode()
    (done,) = eventually(lambda: [t for t in tasks_called(f"lr={rate}") if t.state == "FINISHED"])
    assert done.type == "ACTOR_TASK"
    failed = eventually(lambda: [t for t in tasks_called("lr=much") if t.state == "FAILED"])
    assert "TrialFailed" in failed[0].error_message


def test_trials_that_end_with_the_sweep_are_shown_as_they_ended() -> None:
    """However little time the board has between their ends and its own."""
    labels = [f"last moment {index} of {time.time_ns()}" for index in range(50)]
    with Board("last moments", waiting=len(labels)) as board:
        for index, label in enumerate(labels):
            board.begin(index, label)
        eventually(lambda: [t for t in tasks_called(labels[-1]) if t.state == "RUNNING"])
        for index in range(len(labels)):
            board.end(index, "FINISHED", "")

    def shown() -> list:
        states = [task.state for label in labels for task in tasks_called(label)]
        return states if set(states) <= {"FINISHED", "FAILED"} else []

    assert eventually(shown) == ["FINISHED"] * len(labels)


def test_a_trial_that_ends_before_its_retry_begins_is_shown_once() -> None:
    """Nobody had room for the retry: its first attempt stays the only one."""
    label = f"without room at {time.time_ns()}"
    with Board("retries", waiting=1) as board:
        board.begin(0, label)
        board.retry(0, "its process was lost")
        board.retry(0, "its process did not come up")
        board.end(0, "FAILED", "no machine has room for it")

    (task,) = eventually(lambda: [t for t in tasks_called(label) if t.state == "FAILED"])
    assert "its process was lost" in task.error_message
    assert not tasks_called(f"{label} (attempt 2)")


def test_trials_are_counted_by_state(place) -> None:
    """As `ray_akid_trials` where Prometheus asks each node."""
    place.sweep(place.empty("repeat_times = 2"))

    def counted() -> list[str]:
        (node,) = ray.nodes()
        url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        ours = [line for line in lines if "akid_trials{" in line and "experiment_file" in line]
        return [line for line in ours if 'state="finished"' in line and line.endswith(" 2.0")]

    assert eventually(counted)


def test_the_job_says_which_experiment_it_sweeps() -> None:
    """As metadata of the entry in the list of jobs."""
    from ray.job_submission import JobSubmissionClient

    jobs = JobSubmissionClient(dashboard()).list_jobs()

    assert "tests" in [(job.metadata or {}).get("akid.experiment") for job in jobs]


@pytest.fixture
def state_tracking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Turn Ray Train's state tracking on; what it keeps in the cluster is gone afterwards."""
    from ray.train.v2._internal.state.state_actor import get_state_actor

    monkeypatch.setenv("RAY_TRAIN_ENABLE_STATE_TRACKING", "1")
    yield
    ray.kill(get_state_actor())


@pytest.mark.usefixtures("state_tracking")
def test_with_state_tracking_trials_are_train_runs(place) -> None:
    """With their parameters, their ends, and the processes that practised them, gangs' too."""
    file = place.empty(
        """
net_paras_list = [{"engine": "single"}, {"engine": {"name": "data_parallel", "num_gpu": 2}}]
opt_paras_list = [{"lr": 0.5}, {"lr": "much"}]
cpu_num_per_instance = 0.5
""",
        lr='{{ opt_paras["lr"] }}',
    )
    engine = 'engine={{ net_paras["engine"] }}'
    text = file.read_text().replace("max_epoch=1", f"max_epoch=1, {engine}")
    file.write_text(text.replace("gpu_num_per_instance = 0", ""))

    place.sweep(file)

    def ended() -> dict:
        runs = asked("/api/train/v2/runs/v1")["train_runs"]
        return {run["name"]: run for run in runs if run["end_time_ns"]}

    runs = eventually(lambda: found if len(found := ended()) == 4 else None)
    assert sorted((run["status"], len(run["attempts"][0]["workers"])) for run in runs.values()) == [
        ("ERRORED", 0),
        ("ERRORED", 1),
        ("FINISHED", 1),
        ("FINISHED", 2),
    ]
    for name, run in runs.items():
        (attempt,) = run["attempts"]
        assert f"lr={run['run_settings']['train_loop_config']['opt.lr']}" in name
        assert "much" not in name or "TypeError" in run["status_detail"]
        assert run["job_details"]["metadata"]["akid.experiment"] == "tests"
        assert run["start_time_ns"] < run["end_time_ns"] == attempt["end_time_ns"]
        assert run["run_settings"]["scaling_config"]["use_gpu"]
        gpus = [worker["gpu_ids"] for worker in attempt["workers"]]
        assert len({str(each) for each in gpus}) == len(gpus)
        actors = asked("/logical/actors")["data"]["actors"]
        assert {worker["actor_id"] for worker in attempt["workers"]} <= set(actors)
        assert run["controller_actor_id"] in actors
