"""akid's side of the comparison with Keras."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

collect_ignore = ["regenerate.py"]  # needs Keras
cases = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("cases.py"))))


@pytest.fixture(scope="session")
def expected():
    """Return Keras's numbers by case."""
    return cases.expected()


@pytest.fixture
def agrees(expected):
    """Return a check that numbers are Keras's, to single precision."""

    def check(name, found, *, rtol=1e-5, atol=1e-6):
        found = found.detach().numpy() if isinstance(found, torch.Tensor) else found
        np.testing.assert_allclose(found, expected[name], rtol=rtol, atol=atol)

    return check


@pytest.fixture
def values():
    """Return a function that gives the numbers of a name, in double precision."""

    def draw(name, *shape):
        return torch.from_numpy(cases.values(name, *shape))

    return draw


@pytest.fixture
def channels_first(values):
    """Return a function that gives the numbers of a name, the channels moved to the front."""

    def draw(name, *shape):
        return values(name, *shape).movedim(-1, 1)

    return draw
