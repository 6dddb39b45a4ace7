"""What is shown of a run, and of two runs' differences."""

from dataclasses import replace

from akid.tuning.history import StoredRun
from akid.tuning.plan import KnownRun
from akid.tuning.run_text import Described, diff, show

KNOWN = KnownRun(
    key="k",
    run_id="0123456789abcdef",
    status="FINISHED",
    seed=3,
    final={"val_loss": 0.1 + 0.2, "lr": 0.1},
    best={"val_loss": 0.25, "step": 4.0},
    test={"test_loss": 0.5},
    duration_s=1.25,
)
RUN = StoredRun(
    known=KNOWN,
    experiment="digits",
    label="lr=0.1 #3",
    index=0,
    repeat=3,
    columns={"net.act": "0.1", "opt.lr": 0.1},
    tags={"akid.version.torch": "2.13.0", "akid.key": "k", "akid.kind": "trial"},
    parent_id="sweep",
    usage={"gpu/energy_joules": 2.0},
)
ONE = Described(run=RUN, source="SEED = 3\n\n\ndef setup():\n    pass\n", files=["trial.py"])


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_all_that_is_known_is_shown() -> None:
    """Numbers with all their digits, strings that look like numbers in quotes, the source last."""
    text = show(ONE)

    found = lines(text)
    for line in (
        "status FINISHED after 1.2 s, begun 1970-01-01",
        "net.act '0.1'",
        "opt.lr 0.1",
        "val_loss 0.25 0.30000000000000004",
        "test_loss 0.5",
        "gpu/energy_joules 2",
        "akid.version.torch 2.13.0",
        "trial.py",
    ):
        assert any(one.startswith(line) for one in found), line
    assert "akid.kind" not in text
    assert text.endswith(ONE.source.rstrip())


def test_a_failed_run_without_files_shows_its_error() -> None:
    """And says that there is no source."""
    known = replace(KNOWN, status="FAILED", error="ValueError: no", duration_s=None)

    found = lines(show(Described(run=replace(RUN, known=known), source=None, files=[])))

    assert "ValueError: no" in found
    assert found[-1] == "not kept: the run has no trial.py"


def test_a_run_does_not_differ_from_itself() -> None:
    """All sections say so."""
    assert [line for line in lines(diff(ONE, ONE)) if "same" in line] == [
        "parameters: all 4 are the same",
        "environment: all 1 are the same",
        "metrics: all 7 are the same",
        "the same",
    ]


def test_differences_stand_side_by_side() -> None:
    """Of parameters, versions, metrics to the last digit, and source; what is equal is counted."""
    changed = replace(
        RUN,
        known=replace(KNOWN, final={"val_loss": 0.3, "lr": 0.1}, key="other"),
        columns={**RUN.columns, "opt.lr": 0.2},
        tags={**RUN.tags, "akid.version.torch": "2.12.0", "akid.key": "other"},
    )
    other = Described(run=changed, source=ONE.source.replace("SEED = 3", "SEED = 4"), files=[])

    found = lines(diff(ONE, other))

    for line in (
        "parameters (3 more are the same)",
        "opt.lr 0.1 0.2",
        "environment (0 more are the same)",
        "akid.version.torch 2.13.0 2.12.0",
        "metrics (6 more are the same)",
        "val_loss 0.30000000000000004 0.3",
        "-SEED = 3",
        "+SEED = 4",
    ):
        assert line in found, line


def test_long_values_stand_one_below_the_other() -> None:
    """So that lines are not broken."""
    wide = Described(run=replace(RUN, columns={"net.act": "x" * 120}), source=None, files=[])

    found = lines(diff(ONE, wide))

    assert found[found.index("net.act") + 1 :][:2] == ["- '0.1'", "+ " + "x" * 120]
    assert found[-1] == "not kept: no trial.py in 01234567 lr=0.1 #3"
