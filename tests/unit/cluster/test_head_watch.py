"""A cluster whose head dies."""

import logging
import time

import pytest

from akid.cluster.head_watch import HeadWatch


def wait() -> None:
    """Sleep in short pieces, between which Python sees that it is interrupted."""
    for _ in range(500):
        time.sleep(0.01)


def test_the_main_thread_is_interrupted_when_the_head_dies(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is said what happened and what to do; the dashboard's death is none of the sweep's."""
    monkeypatch.setattr("akid.cluster.head_watch._LOOK_S", 0.01)
    died = ["dashboard"]

    with HeadWatch(lambda: died):
        time.sleep(0.05)
        assert not caplog.records
        died.append("raylet")
        with pytest.raises(KeyboardInterrupt):
            wait()

    assert "raylet" in caplog.text
    assert "same command again" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


def test_an_ended_watch_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Ray's processes end with the sweep."""
    died: list[str] = []
    with HeadWatch(lambda: died):
        pass
    died.append("gcs_server")

    assert not caplog.records
