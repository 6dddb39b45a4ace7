"""A tracking store that can't be used is told of before anything is trained."""

import socket
import sqlite3
import time

import pytest


def _sweep(place, uri):
    place.uri = uri
    return place.sweep(place.empty(body=f"open({str(place.folder / 'trained')!r}, 'w')"))


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("sqlite:///{folder}/missing/mlflow.db", "does not exist"),
        ("sqlite:///{folder}/text.db", "not a database"),
        ("sqlite:////proc/mlflow.db", "unable to open database file"),
        ("sqlite:///{folder}", "which is a folder"),
        ("nonsense://here", "nonsense"),
    ],
)
def test_a_store_that_cannot_be_opened(place, cluster, uri, told) -> None:
    """Exit code 2 with the store's address, what is wrong and no traceback."""
    (place.folder / "text.db").write_text("this is no database " * 100)

    ran = _sweep(place, uri.format(folder=place.folder))

    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert told in ran.err
    assert place.uri in ran.err
    assert not (place.folder / "trained").exists()


def test_a_store_that_takes_no_runs(place, cluster) -> None:
    """It is found out when the sweep's own run is opened, before the first trial."""
    assert place.sweep(place.empty(), "--dry-run").code == 0
    from akid.tuning.mlflow_tracker import MlflowTracker

    MlflowTracker(place.uri, "experiment_file")
    with sqlite3.connect(place.folder / "mlflow.db") as store:
        store.execute(
            "CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT RAISE(FAIL, 'disk full'); END"
        )
    store.close()

    ran = _sweep(place, place.uri)

    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert "disk full" in ran.err
    assert not (place.folder / "trained").exists()


def test_a_server_that_is_not_there(place, cluster) -> None:
    """A refused connection is told at once."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    ran = _sweep(place, f"http://127.0.0.1:{port}")

    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert str(port) in ran.err


def test_a_server_that_does_not_answer(place, cluster) -> None:
    """The wait has an end, long before that of MLflow itself: two minutes, and that eight times."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        started_s = time.monotonic()

        ran = _sweep(place, f"http://127.0.0.1:{listener.getsockname()[1]}")

    assert ran.code == 2
    assert time.monotonic() - started_s < 100
