"""Strict JSON: what every reader of JSON takes, so without NaN and infinities."""

import json
import math
from collections.abc import Mapping
from typing import Any


def dumps(value: Any) -> str:
    """Return `value` as JSON, indented; what is NaN or infinite is null.

    >>> dumps([float("nan"), (1, 2.5)]).split()
    ['[', 'null,', '[', '1,', '2.5', ']', ']']
    """
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
