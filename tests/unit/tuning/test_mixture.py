"""What the programs behind some runs were not the same in."""

from akid.tuning.mixture import changed, mixed

OLD = {"akid.version.torch": "2.12.0", "akid.version.ray": "2.60.0", "akid.seed": "0"}
NEW = {**OLD, "akid.version.torch": "2.13.0", "mlflow.source.git.commit": "0123456789abcdef"}


def test_what_differs_is_named_with_its_counts() -> None:
    """What is the same everywhere is not."""
    assert mixed([OLD, NEW, NEW]) == ["torch 2.12.0 (1 run) and 2.13.0 (2 runs)"]


def test_commits_count_as_versions() -> None:
    """Where a run does not tell its own, it is not counted."""
    other = {**NEW, "mlflow.source.git.commit": "fedcba9876543210"}

    assert mixed([OLD | {"akid.version.torch": "2.13.0"}, NEW, other]) == [
        "git commit 0123456789abcdef (1 run) and fedcba9876543210 (1 run)"
    ]


def test_one_version_everywhere_is_nothing_to_say() -> None:
    """Nor are no runs at all."""
    assert mixed([NEW, NEW]) == []
    assert mixed([]) == []


def test_what_changed_since_a_run_is_told() -> None:
    """Versions, the machine, and that its code was never committed."""
    then = {**NEW, "akid.driver_host": "one", "akid.git.dirty": "True"}

    assert changed(then, {**then, "akid.driver_host": "two", "akid.version.ray": "2.61.0"}) == [
        "ray: 2.60.0 then, 2.61.0 now",
        "host: one then, two now",
        "the run's repository had changes that were not committed",
    ]
    assert changed(NEW, NEW) == []
