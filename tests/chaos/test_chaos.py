"""Sweeps whose processes are killed at random: nothing is lost, nothing is done twice."""

import time

import pytest

N_TRIALS = 24
DEATHS = ("akid.sweep", "raylet/raylet", "")  # the driver, the cluster's head, all together


def rage(storm, driver, death: str, until: int) -> None:
    """Kill trial workers while the sweep goes on, and at last what `death` names."""
    kills = [storm.random.randint(until - 4, until - 1) for _ in range(2)]
    while driver.poll() is None and (done := storm.n_finished()) < until:
        time.sleep(storm.random.uniform(0.1, 0.3))
        if any(kill <= done for kill in kills):
            storm.kill_a_worker()
            kills.remove(min(kills))
    time.sleep(storm.random.uniform(0.0, 0.5))
    assert storm.kill(death), f"expected a process to kill: {death!r}; {storm.said()}"
    driver.wait(timeout=120)


def weather(storm) -> None:
    """Let the sweep die three times and end."""
    deaths = storm.random.sample(DEATHS, 3)
    for number, death in enumerate(deaths, start=1):
        rage(storm, storm.start(), death, until=number * 4 + storm.random.randint(0, 2))
    storm.start("--json")
    storm.ends_well()


def check(storm, calm, wait_until) -> None:
    """Compare everything with the undisturbed sweep."""
    calm.ends_well()
    runs = storm.runs()
    statuses = {key: [run.info.status for run in found] for key, found in runs.items()}
    assert len(statuses) == N_TRIALS
    assert statuses == {key: ["FINISHED"] for key in calm.runs()}
    assert len(calm.weights()) == 2 * N_TRIALS
    assert storm.weights() == calm.weights()
    assert storm.histories() == calm.histories()
    wait_until(lambda: not storm.processes(), "no process is left", within_s=60)
    wait_until(lambda: not storm.litter(), "nothing is left", within_s=15)


@pytest.mark.timeout(600)
def test_a_sweep_that_is_killed_again_and_again_loses_nothing(storm, calm, wait_until) -> None:
    """24 trials finish once each, with the weights and curves of an undisturbed sweep."""
    weather(storm)

    check(storm, calm, wait_until)


@pytest.mark.timeout(600)
def test_a_restarted_tracking_server_loses_nothing(server, server_storm, calm, wait_until) -> None:
    """The server is killed while the driver runs, and again before it is killed itself."""
    driver = server_storm.start()
    wait_until(lambda: server_storm.n_finished() >= 4, "trials have finished", within_s=120)
    server.stop()
    wait_until(lambda: server_storm.n_finished() >= 8, "training goes on", within_s=120)
    server.start()
    rage(server_storm, driver, "akid.sweep", until=14)
    server.stop()
    server.start()
    server.wait()
    server_storm.start()
    server_storm.ends_well()

    check(server_storm, calm, wait_until)
