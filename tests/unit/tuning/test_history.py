"""Which of the runs in a store count."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from akid.tuning.history import History, StoredRun
from akid.tuning.owner import Owner
from akid.tuning.plan import KnownRun


def stored(
    number: int, *, lr: float = 0.1, seed: int = 0, source: str = "a", status: str = "FINISHED"
) -> StoredRun:
    """A run that started as the `number`th."""
    known = KnownRun(
        key=f"{source} {lr} {seed}",
        run_id=f"run{number}",
        status=status,
        source_key=f"{source} {lr}",
        seed=seed,
        started_s=float(number),
    )
    return StoredRun(
        known=known,
        experiment="test",
        label=f"lr={lr} #{seed}",
        index=seed,
        repeat=seed,
        columns={"net.act.type": "relu", "opt.lr": lr},
        tags={},
        parent_id="",
    )


runs = st.lists(
    st.builds(
        dict,
        lr=st.sampled_from([0.1, 0.2]),
        seed=st.integers(0, 2),
        source=st.sampled_from("ab"),
        status=st.sampled_from(["FINISHED", "FAILED", "RUNNING"]),
    ),
    max_size=12,
).map(lambda found: [stored(number, **fields) for number, fields in enumerate(found)])


def ids(found) -> list[str]:
    return [run.run_id for run in found]


@settings(max_examples=30)
@given(runs, st.randoms())
def test_every_run_counts_once_or_is_left_out_for_one_reason(found, random) -> None:
    """In whatever order they come: a seed of a combination counts once, from one source."""
    history = History.of(found)
    random.shuffle(found)

    sorted_in = [*history.counted, *history.repeated, *history.outdated]
    assert sorted(ids(sorted_in)) == sorted(ids(found))
    seeds = [(run.columns["opt.lr"], run.known.seed) for run in history.counted]
    assert len(set(seeds)) == len(seeds)
    sources = {(run.columns["opt.lr"], run.known.source_key) for run in history.counted}
    assert len(sources) == len({lr for lr, _ in sources})
    assert History.of(found) == history


def test_a_trial_that_ran_again_counts_by_its_finished_run() -> None:
    """Though a later attempt failed; of two finished ones the later counts."""
    failed_later = History.of([stored(0), stored(1, status="FAILED")])
    finished_twice = History.of([stored(0), stored(1)])

    assert (ids(failed_later.counted), ids(failed_later.repeated)) == (["run0"], ["run1"])
    assert (ids(finished_twice.counted), ids(finished_twice.repeated)) == (["run1"], ["run0"])


def test_a_changed_setup_counts_for_its_combination_only() -> None:
    """All its earlier runs are left out, whatever their seed; other combinations stay."""
    before = [stored(0, seed=0), stored(1, seed=1), stored(2, lr=0.2)]

    history = History.of([*before, stored(3, source="b")])

    assert ids(history.counted) == ["run2", "run3"]
    assert ids(history.outdated) == ["run0", "run1"]
    (note,) = history.notes()
    assert note.startswith("left out 2 runs of an earlier setup or earlier data;")


def test_changed_data_replace_the_run_of_their_seed() -> None:
    """The source is the same, the key is not."""
    run = stored(0)
    later = stored(1)
    later = replace(later, known=replace(later.known, key="other data"))

    assert ids(History.of([run, later]).counted) == ["run1"]


def test_records_have_what_a_comparison_needs() -> None:
    """Columns under the names of the store, runs by their ids, numbers in order."""
    one, two = History.of([stored(0, lr=0.2), stored(1, seed=1)]).records()

    assert (one.index, two.index) == (0, 1)
    assert one.columns == {"net.act.type": "relu", "opt.lr": 0.2}
    assert (two.run_id, two.seed, two.repeat, two.reused) == ("run1", 1, 1, True)


def test_a_run_that_its_sweep_left_open_was_killed() -> None:
    """One whose sweep's process lives is running."""
    here = Owner.here()
    living, dead = stored(0, status="RUNNING"), stored(1, seed=1, status="RUNNING")
    gone = replace(here, pid=2**22 + 1)  # above what Linux gives out
    runs = [replace(living, tags=here.tags()), replace(dead, tags=gone.tags())]

    assert [record.status for record in History.of(runs).records()] == ["RUNNING", "KILLED"]


def test_only_a_result_that_does_not_count_is_warned_of() -> None:
    """What failed and ran again is missed by nobody."""
    failed = stored(0, status="FAILED")
    finished = replace(stored(1), known=replace(stored(1).known, key=failed.known.key))
    again = replace(finished, known=replace(finished.known, run_id="again", started_s=9.0))

    assert History.of([failed, finished]).notes() == []
    (note,) = History.of([failed, finished, again]).notes()
    assert note.startswith("left out 1 run of trials that finished more than once")
