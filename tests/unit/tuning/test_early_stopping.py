"""The setting `scheduler`."""

import re

import pytest

from akid.errors import ExperimentError
from akid.tuning.early_stopping import Asha, parse_named, read_scheduler


def test_names_and_defaults_are_those_of_tune() -> None:
    """What is left out is as Tune has it; time is counted in epochs."""
    assert read_scheduler({"name": "asha"}) == Asha(max_t=100, grace_period=1, reduction_factor=4)
    assert read_scheduler(None) is None
    assert read_scheduler({"name": "none"}) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("asha", "scheduler: expected None or {'name': 'asha', ...} with time_attr, max_t"),
        ({"name": "hyperband"}, "got scheduler={'name': 'hyperband'}"),
        ({"name": "asha", "graceperiod": 1}, "got 'graceperiod'. Did you mean grace_period?"),
        (
            {"name": "asha", "time_attr": "hour"},
            "time_attr 'epoch' or 'step', got time_attr='hour'",
        ),
        ({"name": "asha", "max_t": "9"}, "expected numbers, got max_t='9'"),
        ({"name": "asha", "max_t": 2, "grace_period": 3}, "0 < grace_period <= max_t"),
        ({"name": "asha", "reduction_factor": 1}, "reduction_factor > 1, got"),
    ],
)
def test_what_can_not_be_understood_is_refused(value: object, message: str) -> None:
    """The message says what was expected and what came."""
    with pytest.raises(ExperimentError, match=re.escape(message)):
        read_scheduler(value)


def test_the_command_line_writes_it_in_one_word() -> None:
    """Numbers are numbers, words are words."""
    setting = parse_named("asha,max_t=27,time_attr=step,reduction_factor=3")

    assert read_scheduler(setting) == Asha(max_t=27, time_attr="step", reduction_factor=3)
    assert read_scheduler(parse_named("none")) is None
    with pytest.raises(ExperimentError, match="got ''"):
        read_scheduler(parse_named("asha,"))
