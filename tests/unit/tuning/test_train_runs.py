"""Whether Ray Train's state tracking is on and as expected."""

import logging
import sys

import pytest

from akid.tuning import train_runs


def test_it_is_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own default; nothing is loaded to find out."""
    monkeypatch.delenv(train_runs.SWITCH, raising=False)

    assert not train_runs.are_kept()


def test_rays_variable_turns_it_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The installed Ray takes a run as akid makes it."""
    monkeypatch.setenv(train_runs.SWITCH, "1")

    assert train_runs.are_kept()
    assert not caplog.messages


@pytest.mark.parametrize("change", ["the module is gone", "a field has become required"])
def test_another_ray_is_told_of_once_and_done_without(
    change: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What Ray keeps is no public interface, so a sweep must not hang on it."""
    from ray.train.v2._internal.state import schema

    monkeypatch.setenv(train_runs.SWITCH, "1")
    if change == "the module is gone":
        monkeypatch.delattr(sys.modules["ray.train.v2._internal.state"], "schema")
        monkeypatch.setitem(sys.modules, "ray.train.v2._internal.state.schema", None)
    else:

        class Stricter(schema.RunSettings):
            owner: str

        monkeypatch.setattr(schema, "RunSettings", Stricter)

    with caplog.at_level(logging.WARNING):
        assert not train_runs.are_kept()
    (message,) = caplog.messages
    assert train_runs.SWITCH in message
    assert "The trials are not listed" in message
