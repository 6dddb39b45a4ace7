"""Two sweeps of one experiment, in processes and folders of their own."""

import pytest


def trials(storm) -> list[int]:
    """Return how many runs each trial has."""
    return [len(found) for found in storm.runs().values()]


@pytest.mark.timeout(600)
def test_the_second_waits_and_takes_over_from_a_dead_one(storm, wait_until) -> None:
    """Started at once on a new store; the one that trains is killed; no trial runs twice."""
    first = storm.start("--work-dir", "one")
    second = storm.start("--work-dir", "two")
    wait_until(
        lambda: "waits for the sweep" in storm.said(1) + storm.said(2), "one waits", within_s=120
    )
    wait_until(lambda: storm.n_finished() >= 2, "the other one trains", within_s=120)
    waiter, holder = (first, second) if "waits for" in storm.said(1) else (second, first)

    holder.kill()
    holder.wait()

    assert waiter.wait(timeout=240) == 0, storm.said(1) + storm.said(2)
    assert "which has died" in storm.said(1) + storm.said(2)
    assert trials(storm) == [1] * 24
    assert {run.info.status for found in storm.runs().values() for run in found} == {"FINISHED"}
