"""How the store is named."""

import pytest

from akid.errors import TrackingError
from akid.tuning.mlflow_store import default_uri, open_client, translated


def test_the_default_store_lies_here(tmp_path, monkeypatch) -> None:
    """Unless the environment names another."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert default_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.org")
    assert default_uri() == "http://example.org"


def test_an_error_says_that_it_is_the_stores_and_what_was_tried(tmp_path) -> None:
    """Whoever asked: who reads is told the same as who writes."""
    with (
        pytest.raises(TrackingError, match=r"^tracking store: could not read x: KeyError: 'a'"),
        translated("read x"),
    ):
        raise KeyError("a")
    with pytest.raises(TrackingError, match=r"^tracking store: expected a folder"):
        open_client(f"sqlite:///{tmp_path}/none/mlflow.db", for_writing=False)
