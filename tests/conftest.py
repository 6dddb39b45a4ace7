"""Fixtures of all tests."""

import os
import sys
from pathlib import Path

import pytest

from akid.sensing.datasets.location import data_path


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> None:
    """Compute on one core: for tensors this small, several cost more than they bring.

    On a busy machine, where they wait for each other, ten times as much.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture
def real_data():
    """Return a function that gives a folder of real data, or skips the test where there is none."""

    def find(folder: str) -> Path:
        path = Path(data_path(), folder)
        if not path.is_dir() or not any(path.iterdir()):
            message = f"no real data at {path}: set AKID_DATA_PATH"
            if os.environ.get("AKID_REQUIRE_DATA") == "1":
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find
