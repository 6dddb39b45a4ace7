"""How the store is named."""

from akid.tuning.mlflow_store import default_uri


def test_the_default_store_lies_here(tmp_path, monkeypatch) -> None:
    """Unless the environment names another."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert default_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.org")
    assert default_uri() == "http://example.org"
