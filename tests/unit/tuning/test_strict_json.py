"""JSON that every reader takes."""

import json
import math

import pytest

from akid.tuning.strict_json import dumps


def test_there_is_no_nan_in_it() -> None:
    """Whatever holds one, and however deep; the rest is as it was."""
    value = {"a": [math.nan, (1, {"b": -math.inf})], "c": 0.1, "d": True, "e": None}

    found = json.loads(dumps(value), parse_constant=pytest.fail)

    assert found == {"a": [None, [1, {"b": None}]], "c": 0.1, "d": True, "e": None}
