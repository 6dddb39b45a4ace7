from pathlib import Path

import pytest

from akid.sensing.datasets.location import data_path


def test_the_variable_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A later change of the environment is seen, and the result can be joined as a string."""
    monkeypatch.setenv("AKID_DATA_PATH", str(tmp_path))

    assert data_path() + "/mnist" == f"{tmp_path}/mnist"


@pytest.mark.parametrize("value", [None, ""])
def test_the_default_lies_in_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """Unset and empty mean the default."""
    monkeypatch.delenv("AKID_DATA_PATH", raising=False)
    if value is not None:
        monkeypatch.setenv("AKID_DATA_PATH", value)

    assert data_path() == str(Path("~/.akid/data").expanduser())
