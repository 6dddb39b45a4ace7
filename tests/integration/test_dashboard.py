"""A sweep as the Ray dashboard shows it, read back over HTTP."""

import time
import urllib.request
from collections.abc import Callable

import pytest
import ray

pytestmark = pytest.mark.usefixtures("cluster")


def dashboard() -> str:
    return f"http://{ray.get_runtime_context().worker.node.webui_url}"


def tasks_called(name: str) -> list:
    from ray.util.state import list_tasks

    return list_tasks(address=dashboard(), filters=[("name", "=", name)], detail=True)


def eventually(find: Callable[[], object]) -> object:
    """Return what is found once there is something; Ray tells of tasks and metrics late."""
    deadline_s = time.monotonic() + 30.0
    while not (found := find()) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return found


def test_each_trial_is_a_task_that_bears_its_label(place) -> None:
    """Finished ones, and failed ones with their error."""
    rate = round(0.125 + time.time() % 1e-3, 7)  # a label that no other test has
    file = place.empty(
        f"opt_paras_list = [{{'lr': {rate!r}}}, {{'lr': 'much'}}]", lr='{{ opt_paras["lr"] }}'
    )

    place.sweep(file)

    (done,) = eventually(lambda: [t for t in tasks_called(f"lr={rate}") if t.state == "FINISHED"])
    assert done.type == "ACTOR_TASK"
    failed = eventually(lambda: [t for t in tasks_called("lr=much") if t.state == "FAILED"])
    assert "TrialFailed" in failed[0].error_message


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
