"""The values of a deployment."""

import pytest

from akid.cluster.deploy.values import Values, read, to_toml
from akid.errors import DeployError


def test_values_go_through_a_file_unchanged(tmp_path) -> None:
    """What was written is read."""
    values = Values(name="lab", worker_ips=["192.0.2.7", "192.0.2.8"], gpus_per_worker=0)
    (tmp_path / "values.toml").write_text(to_toml(values))

    assert read(tmp_path / "values.toml") == values


def test_settings_change_values() -> None:
    """Numbers are numbers, lists are split at commas."""
    changed = Values().with_settings(["max_workers=8", "worker_ips=a,b", "image=x=y"])

    assert (changed.max_workers, changed.worker_ips, changed.image) == (8, ["a", "b"], "x=y")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "My Lab"}, "lower-case letters"),
        ({"shared_size": "100"}, "Mi, Gi or Ti"),
        ({"min_workers": 0}, "at least 1"),
        ({"max_workers": 0}, "at least 1"),
        ({"min_workers": 3, "max_workers": 2}, "at least min_workers=3"),
        ({"shared": "data"}, "absolute path"),
        ({"slurm_time": "2 days"}, "hours:minutes:seconds"),
        ({"image": "a\nb"}, "one line"),
        ({"gpus_per_worker": "1"}, "expected int"),
        ({"worker_ips": "192.0.2.1"}, "list of texts"),
    ],
)
def test_a_wrong_value_is_told(change, message) -> None:
    """With what was expected and what came in."""
    with pytest.raises(DeployError, match=message):
        Values(**change)


def test_an_unknown_value_is_told_with_the_known_ones(tmp_path) -> None:
    """In a file and on the command line."""
    (tmp_path / "values.toml").write_text("max_worker = 3")

    with pytest.raises(DeployError, match=r"max_workers.*got 'max_worker'"):
        read(tmp_path / "values.toml")
    with pytest.raises(DeployError, match="expected one of the values"):
        Values().with_settings(["max_worker=3"])
    with pytest.raises(DeployError, match="expected NAME=VALUE"):
        Values().with_settings(["max_workers"])
    with pytest.raises(DeployError, match="expected a whole number"):
        Values().with_settings(["max_workers=many"])
