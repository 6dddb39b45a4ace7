"""What is waited for, in silence, aloud, and not any more."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from akid.cluster.demand import Demand
from akid.cluster.resources import ClusterCapacity, Node, ResourceRequest
from akid.tuning.waiting import Scene, Waiting

ONE_CPU = ResourceRequest(cpus=1)
TWO_CPUS = ResourceRequest(cpus=2)
ONE_GPU = ResourceRequest(cpus=1, gpus=1)


def scene(need=ONE_CPU, *, cpus=2, free=0, gpus=0, n_running=0, n_starting=0) -> Scene:
    return Scene(
        needs=[need] if need else [],
        all_=ClusterCapacity(nodes=(Node(cpus=cpus, gpus=gpus, name="a"),)),
        free=ClusterCapacity(nodes=(Node(cpus=free),)),
        n_running=n_running,
        n_starting=n_starting,
    )


def test_waiting_for_ones_own_trials_is_silent() -> None:
    """A queue is no news."""
    waiting = Waiting(10)

    assert [waiting.judge(scene(n_running=1), now_s) for now_s in (0, 100, 1e6)] == [[], [], []]
    assert waiting.text == ""


def test_what_others_hold_is_waited_for_aloud_and_without_end() -> None:
    """After a moment one sees what, and how much of it is free."""
    waiting = Waiting(10)
    waiting.judge(scene(ONE_GPU, gpus=2), 0)
    assert waiting.text == ""

    found = [waiting.judge(scene(ONE_GPU, gpus=2), now_s) for now_s in (5, 1e6)]

    assert found == [[], []]
    assert waiting.text == (
        "waiting for 1 CPU, 1 GPU: 0 of 2 CPUs and 0 of 2 GPUs are free, the rest is held by others"
    )
    waiting.judge(scene(ONE_GPU, gpus=2, n_running=1), 1e6 + 1)
    assert waiting.text == ""


def test_what_is_free_is_waited_for_in_silence_for_a_while() -> None:
    """Ray takes a moment to hand it out; nobody else has it."""
    waiting = Waiting(None)
    texts = []
    for now_s in (0, 5, 29, 30):
        assert waiting.judge(scene(TWO_CPUS, free=2), now_s) == []
        texts.append(waiting.text)

    assert texts == [
        "",
        "",
        "",
        "waiting for Ray to hand out 2 CPUs, 0 GPUs, which a node has free",
    ]


def test_free_parts_of_gpus_are_no_gpu() -> None:
    """Others may hold a half of each of two: that makes one, which nobody can have."""
    waiting = Waiting(None)
    halves = replace(scene(ONE_GPU, gpus=2), free=ClusterCapacity(nodes=(Node(cpus=2, gpus=1),)))

    for now_s in (0, 5):
        assert waiting.judge(halves, now_s) == []

    assert waiting.text.endswith(
        "1 of 2 GPUs are free, the rest is held by others;"
        " what is free may be parts of several GPUs"
    )


def test_what_no_node_has_any_more_is_told_at_once_and_given_up() -> None:
    """Also while other trials run; a node that comes back in time changes it."""
    waiting = Waiting(10)
    assert waiting.judge(scene(TWO_CPUS, cpus=1, n_running=1), 0) == []
    assert waiting.text == (
        "waiting, for at most 10 s for 2 CPUs, 0 GPUs, which no node has: a: 1 CPU, 0 GPUs"
    )
    assert waiting.judge(scene(TWO_CPUS, cpus=2, n_running=1), 9) == []
    assert waiting.text == ""
    assert waiting.judge(scene(TWO_CPUS, cpus=1, n_running=1), 11) == []

    (given_up,) = waiting.judge(scene(TWO_CPUS, cpus=1, n_running=1), 21)

    assert given_up.need == TWO_CPUS
    assert "expected a node with 2 CPUs, 0 GPUs within 10 s (wait_seconds)" in given_up.error
    assert "a: 1 CPU, 0 GPUs" in given_up.error


def test_a_process_that_does_not_come_up_is_given_up() -> None:
    """Its time begins when it has its resources, however long those took."""
    waiting = Waiting(70)
    assert waiting.judge(scene(), 0) == []
    assert waiting.judge(scene(), 1000) == []
    assert waiting.judge(scene(n_starting=1), 1001) == []
    assert waiting.text == ""
    assert waiting.judge(scene(n_starting=1), 1031) == []
    assert waiting.text == "waiting for the first process to come up"

    assert waiting.judge(scene(n_starting=1), 1070) == []

    (given_up,) = waiting.judge(scene(n_starting=1), 1071)

    assert given_up.need is None
    assert "expected a process within 70 s (wait_seconds, at least 60 s)" in given_up.error


def test_a_process_has_a_minute_to_come_up() -> None:
    """However short what no node has is waited for: on a busy machine to load torch takes long."""
    waiting = Waiting(5)
    assert [waiting.judge(scene(n_starting=1), now_s) for now_s in (0, 6, 59)] == [[], [], []]

    (given_up,) = waiting.judge(scene(n_starting=1), 60)

    assert "expected a process within 60 s (wait_seconds, at least 60 s)" in given_up.error


def test_a_time_in_which_nobody_listened_is_not_the_process() -> None:
    """It may have come up meanwhile."""
    waiting = Waiting(5)
    waiting.judge(scene(n_starting=1), 0)
    waiting.stand_still(1000)

    assert waiting.judge(scene(n_starting=1), 1059) == []
    assert len(waiting.judge(scene(n_starting=1), 1060)) == 1


@given(
    st.lists(
        st.builds(
            scene,
            st.sampled_from([None, ONE_CPU, TWO_CPUS, ONE_GPU]),
            cpus=st.integers(0, 2),
            n_running=st.integers(0, 1),
            n_starting=st.integers(0, 1),
        ),
        max_size=30,
    )
)
def test_without_a_limit_nothing_is_given_up(scenes: list[Scene]) -> None:
    """Whatever happens; and where nothing waits nothing is said."""
    waiting = Waiting(None)
    for step, seen in enumerate(scenes):
        assert waiting.judge(seen, 1000.0 * step) == []
        assert not waiting.text or seen.needs


def test_of_labelled_nodes_only_those_that_are_meant_are_counted() -> None:
    """What is free elsewhere is no help."""
    demand = Demand.of({"slot": 1}, None, {"region": "eu"})
    nodes = [
        Node(cpus=2, resources={"slot": number}, labels={"region": region}, name=region)
        for number, region in ((1, "eu"), (8, "us"))
    ]
    held = replace(nodes[0], cpus=0, resources={})
    waited = Scene(
        needs=[ResourceRequest(demand=demand)],
        all_=ClusterCapacity(nodes=tuple(nodes)),
        free=ClusterCapacity(nodes=(held, nodes[1])),
        n_running=0,
        n_starting=0,
    )
    waiting = Waiting(None)

    waiting.judge(waited, 0)
    waiting.judge(waited, 5)

    assert waiting.text.startswith(
        "waiting for 1 CPU, 0 GPUs, 1 slot, region=eu: 0 of 2 CPUs and 0 of 1 slot"
    )
