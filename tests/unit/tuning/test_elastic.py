"""With how many workers a trial starts that takes any number between two."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from akid.cluster.resources import ClusterCapacity, Node, ResourceRequest
from akid.tuning.elastic import GIVEN_BACK_S, SETTLED_S, Elastic

NEED = ResourceRequest(gpus=1, workers=2, most_workers=4)


def free(gpus: float) -> ClusterCapacity:
    return ClusterCapacity(nodes=(Node(cpus=64, gpus=gpus),))


def number(
    elastic: Elastic,
    gpus: float,
    now_s: float,
    *,
    n_running: int = 0,
    n_starting: int = 0,
    all_gpus: float = 0,
) -> int | None:
    """Return the number of workers; None while it can't be said."""
    sized = elastic.sized(
        NEED, free(gpus), free(all_gpus), now_s, n_running=n_running, n_starting=n_starting
    )
    assert sized is None or sized.most_workers == 0
    return None if sized is None else sized.workers


def test_the_first_takes_what_is_free_up_to_its_most() -> None:
    """Without waiting."""
    assert [number(Elastic(), gpus, 0) for gpus in (2, 3, 4, 9)] == [2, 3, 4, 4]


def test_with_less_than_the_least_it_waits_for_trials_of_its_sweep() -> None:
    """If only others hold the rest, it asks for the least and waits as every trial does."""
    assert number(Elastic(), 1, 0, n_running=1) is None
    assert number(Elastic(), 1, 0, n_starting=1) is None
    assert number(Elastic(), 1, 0) == 2


def test_what_was_just_given_away_is_not_counted_as_free() -> None:
    """Ray tells it a moment later."""
    elastic = Elastic()
    elastic.hand_out(10)

    assert number(elastic, 4, 10.5, n_starting=1) is None
    assert number(elastic, 2, 10 + SETTLED_S, n_running=1) == 2


def test_the_next_takes_the_workers_of_the_one_that_finished() -> None:
    """They are warm, until somebody else is given something."""
    elastic = Elastic()
    elastic.end(NEED.with_workers(3), 10, is_kept=True)
    assert number(elastic, 0, 10.1) == 3
    elastic.hand_out(10.2)
    assert number(elastic, 0, 10.3, n_starting=1) is None


def test_what_tune_keeps_of_another_kind_of_trial_counts_as_free() -> None:
    """Tune lets go of it when it is handed a trial that needs something else."""
    elastic = Elastic()
    elastic.end(ResourceRequest(gpus=1), 10, is_kept=True)
    elastic.end(ResourceRequest(gpus=8), 10, is_kept=True)  # one is kept, not more

    assert number(elastic, 2, 10.1) is None
    any_number = replace(NEED, workers=1)
    assert elastic.sized(any_number, free(2), free(4), 10.1, n_running=0, n_starting=0) is None
    assert number(elastic, 2, 10 + SETTLED_S) == 3


def test_after_a_loss_it_looks_again_at_what_there_is() -> None:
    """Once Ray has told what is left, it may be another number."""
    elastic = Elastic()
    elastic.hand_out(0)
    elastic.end(NEED.with_workers(4), 10, is_kept=False)

    assert number(elastic, 0, 10.1) is None
    assert number(elastic, 3, 10 + SETTLED_S) == 3
    assert number(elastic, 2, 10 + SETTLED_S, all_gpus=3) is None
    assert number(elastic, 3, 10 + SETTLED_S, all_gpus=3) == 3
    assert number(elastic, 2, 10 + GIVEN_BACK_S, all_gpus=3) == 2


@given(
    st.lists(st.tuples(st.sampled_from("hef"), st.floats(0, 5)), max_size=8),
    st.integers(0, 9),
    st.integers(0, 2),
    st.integers(0, 2),
)
def test_a_number_is_one_that_was_asked_for_and_comes_at_last(
    events: list[tuple[str, float]], gpus: int, n_running: int, n_starting: int
) -> None:
    """Whatever happened before; if nothing runs it comes once Ray has settled."""
    elastic, now_s = Elastic(), 0.0
    for kind, pause_s in events:
        now_s += pause_s
        if kind == "h":
            elastic.hand_out(now_s)
        else:
            elastic.end(NEED.with_workers(2), now_s, is_kept=kind == "f")

    found = number(elastic, gpus, now_s, n_running=n_running, n_starting=n_starting)

    assert found is None or 2 <= found <= 4
    settled = number(elastic, gpus, now_s + SETTLED_S + 0.1)
    assert settled is not None
    assert settled >= min(max(gpus, 2), 4)
