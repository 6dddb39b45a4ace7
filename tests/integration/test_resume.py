"""Trials that lose their process, and sweeps in which nothing works."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("cluster")

CRASH = """
marker = {{ opt_paras["marker"] }}

def crash_once(kid):
    import os
    from pathlib import Path

    if marker and kid.clock.epoch == 3 and not Path(marker).exists():
        Path(marker).touch()
        os._exit(1)

kid.hooks.on_epoch_end.append(crash_once)
"""


WRONG = """
number = {{ opt_paras["number"] }}
raise KeyError("missing")
"""


def long_experiment(place, markers: list[str]) -> Path:
    """Write an experiment of five epochs with checkpoints; a marker's trial crashes once."""
    cells = [{"marker": marker} for marker in markers]
    file = place.empty(f"opt_paras_list = {cells}", after=CRASH)
    short, long = "max_epoch=1, save_chk_point=False", "max_epoch=5, log_by_epoch=True"
    file.write_text(file.read_text().replace(short, long))
    return file


def history(place, run, metric: str) -> list[tuple[int, float]]:
    """Return a metric's steps and values, in the order in which they were logged."""
    from mlflow import MlflowClient

    found = MlflowClient(tracking_uri=place.uri).get_metric_history(run.info.run_id, metric)
    return [(point.step, point.value) for point in found]


def test_a_lost_process_changes_no_number(place) -> None:
    """The trial goes on from its last checkpoint; each step is in MLflow once, as undisturbed."""
    marker = place.folder / "crashed"

    ran = place.sweep(long_experiment(place, ["", str(marker)]))

    calm, stormy = place.runs()
    assert ran.code == 0
    assert marker.exists()
    assert "is tried again: lost" in ran.err
    assert history(place, stormy, "val_loss") == history(place, calm, "val_loss")
    assert history(place, stormy, "train_loss") == history(place, calm, "train_loss")
    for prefix in ("best/", "test/", "val_"):
        numbers = {k: v for k, v in calm.data.metrics.items() if k.startswith(prefix)}
        assert {k: stormy.data.metrics[k] for k in numbers} == numbers
    log = (place.artifacts(stormy.info.run_id) / "training.log").read_text()
    assert "checkpoint" in log


def test_a_sweep_ends_when_everything_fails_alike(place) -> None:
    """After three equal failures the rest is not tried; the reason is said, the exit code is 1."""
    cells = [{"number": number} for number in range(20)]

    ran = place.sweep(place.empty(f"opt_paras_list = {cells}", body=WRONG))

    assert ran.code == 1
    assert "failed alike" in ran.err
    assert len(place.runs()) < 20


def test_max_failures_tries_a_bug_again(place) -> None:
    """A trial that fails once is tried as often as the experiment allows."""
    marker = place.folder / "tried"
    body = f"""
    from pathlib import Path

    if not Path({str(marker)!r}).exists():
        Path({str(marker)!r}).touch()
        raise OSError("not yet")
    """
    file = place.empty("max_failures = 1", body="\n".join(s[4:] for s in body.splitlines()))

    ran = place.sweep(file)

    assert ran.code == 0
    assert "is tried again: bug, OSError: not yet" in ran.err


def test_a_lack_of_memory_is_tried_again_on_the_whole_machine(place) -> None:
    """The retry holds all CPUs of the cluster's machine, and computes with its own threads."""
    seen = place.folder / "cpus"
    body = f"""
    from pathlib import Path

    import ray

    seen = Path({str(seen)!r})
    cpus = ray.get_runtime_context().get_assigned_resources()["CPU"]
    with seen.open("a") as file:
        file.write(f"{{cpus:g}} ")
    if cpus < 2:
        raise MemoryError("too large")
    """
    file = place.empty(body="\n".join(line[4:] for line in body.splitlines()))

    ran = place.sweep(file)

    assert ran.code == 0
    assert seen.read_text() == "1 2 "
