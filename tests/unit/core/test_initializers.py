import math
import random
import re

import numpy as np
import pytest
import torch
from scipy import stats

from akid.core.initializers import INITIALIZERS, initialize
from akid.errors import SetupError, ShapeError

SHAPE = (20, 10, 3, 3)
FAN_IN, FAN_OUT = 90, 180


def draw(init_para, *, shape=(40, 40, 5, 5), seed=0):
    return initialize(
        init_para,
        shape,
        fan_in=FAN_IN,
        fan_out=FAN_OUT,
        generator=torch.Generator().manual_seed(seed),
    )


UNIFORM = [
    ({"name": "default"}, 1 / math.sqrt(FAN_IN)),
    ({"name": "uniform", "range": 0.005}, 0.005),
    ({"name": "uniform_unit_scaling"}, math.sqrt(3 / FAN_IN)),
    ({"name": "uniform_unit_scaling", "factor": 2}, 2 * math.sqrt(3 / FAN_IN)),
    ({"name": "xavier"}, math.sqrt(6 / (FAN_IN + FAN_OUT))),
]
NORMAL = [
    ({"name": "normal", "stddev": 0.3}, 0.3),
    ({"name": "default", "normal_dist": True}, 1 / math.sqrt(FAN_IN)),
    ({"name": "xavier", "normal_dist": True}, math.sqrt(2 / (FAN_IN + FAN_OUT))),
]
TRUNCATED = [
    ({"name": "truncated_normal"}, 0.1),
    ({"name": "truncated_normal", "stddev": 1e-4}, 1e-4),
    ({"name": "msra"}, math.sqrt(2 / FAN_OUT)),
    ({"name": "msra_init", "factor": 3.0}, 3 * math.sqrt(2 / FAN_OUT)),
    ({"name": "msra", "mode": "fan_in"}, math.sqrt(2 / FAN_IN)),
    ({"name": "msra", "mode": "fan_avg"}, math.sqrt(4 / (FAN_IN + FAN_OUT))),
]


def p_value(tensor, law) -> float:
    return stats.kstest(tensor.double().flatten().numpy(), law.cdf).pvalue


@pytest.mark.parametrize(("init_para", "bound"), UNIFORM)
def test_uniform_laws(init_para, bound) -> None:
    """The values follow U(-bound, bound) by a Kolmogorov-Smirnov test."""
    assert p_value(draw(init_para), stats.uniform(-bound, 2 * bound)) > 1e-3


@pytest.mark.parametrize(("init_para", "stddev"), NORMAL)
def test_normal_laws_are_centred_on_zero(init_para, stddev) -> None:
    """The values follow N(0, stddev), around 0 and not around -stddev."""
    assert p_value(draw(init_para), stats.norm(0, stddev)) > 1e-3


@pytest.mark.parametrize(("init_para", "stddev"), TRUNCATED)
def test_truncated_laws_end_at_two_standard_deviations(init_para, stddev) -> None:
    """The values follow a normal law cut off at 2 stddev; none lies beyond."""
    values = draw(init_para)

    assert p_value(values, stats.truncnorm(-2, 2, 0, stddev)) > 1e-3
    assert values.abs().max() <= 2 * stddev * (1 + 1e-6)


@pytest.mark.parametrize(
    "init_para", [*(p for p, _ in UNIFORM + NORMAL + TRUNCATED), {"name": "orthogonal"}]
)
def test_the_generator_alone_decides(init_para) -> None:
    """One seed gives the same bits, going on gives others; no global generator is touched."""
    before = torch.get_rng_state(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
    generator = torch.Generator().manual_seed(1)
    fans = {"fan_in": FAN_IN, "fan_out": FAN_OUT, "generator": generator}

    first, second = (initialize(init_para, SHAPE, **fans) for _ in range(2))

    assert torch.equal(first, draw(init_para, shape=SHAPE, seed=1))
    assert not torch.equal(first, second)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (str(np.random.get_state()), random.getstate())  # noqa: NPY002


def test_constants_and_tensors_are_taken_as_they_are() -> None:
    """constant and scalar fill; tensor copies and must have the shape."""
    value = torch.arange(6.0).reshape(2, 3)

    assert draw({"name": "constant", "value": 2}, shape=(2,)).tolist() == [2.0, 2.0]
    assert draw({"name": "scalar", "value": 0.5}, shape=()).item() == 0.5
    copied = draw({"name": "tensor", "value": value}, shape=(2, 3))
    assert torch.equal(copied, value)
    assert copied.data_ptr() != value.data_ptr()
    with pytest.raises(ShapeError, match=re.escape("of shape (3, 2), got (2, 3)")):
        draw({"name": "tensor", "value": value}, shape=(3, 2))


def test_orthogonal_rows_are_orthonormal() -> None:
    """W Wᵀ is the identity, times the factor squared."""
    weights = draw({"name": "orthogonal", "factor": 2.0}, shape=(8, 16))

    torch.testing.assert_close(weights @ weights.T, 4 * torch.eye(8))


def test_a_standard_deviation_of_zero_gives_zeros() -> None:
    """The degenerate law is not a division by zero."""
    assert not draw({"name": "truncated_normal", "stddev": 0}, shape=(3,)).any()


def test_values_have_the_default_dtype() -> None:
    """torch.set_default_dtype governs what is drawn."""
    torch.set_default_dtype(torch.float64)
    try:
        dtypes = {
            draw({"name": name, **fields}, shape=(2, 2)).dtype for name, fields in FIELDS.items()
        }
    finally:
        torch.set_default_dtype(torch.float32)

    assert dtypes == {torch.float64}


FIELDS = {name: {} for name in INITIALIZERS} | {
    "uniform": {"range": 1.0},
    "constant": {"value": 1.0},
    "scalar": {"value": 1.0},
    "tensor": {"value": [[1, 2], [3, 4]]},
}


@pytest.mark.parametrize(
    ("init_para", "message"),
    [
        (
            {"name": "gauss"},
            "'truncated_normal', 'uniform', 'uniform_unit_scaling', 'xavier'], ...}, got",
        ),
        ({"stddev": 0.1}, "got init_para={'stddev': 0.1}"),
        ("xavier", "got init_para='xavier'"),
        (
            {"name": "uniform"},
            "have the fields ['range'] (required: ['range']), got init_para={'name': 'uniform'}",
        ),
        ({"name": "normal", "sigma": 1}, "have the fields ['stddev'] (required: []), got"),
        (
            {"name": "msra", "mode": "both"},
            "one of ['fan_avg', 'fan_in', 'fan_out'], got mode='both'",
        ),
    ],
)
def test_a_wrong_description_lists_what_is_known(init_para, message) -> None:
    """Unknown names list the known ones; wrong fields list the law's own."""
    with pytest.raises(SetupError, match=re.escape(message)):
        draw(init_para)
