"""Searching: how an experiment says that its combinations are suggested one after another.

The setting is `search = {"name": "tpe", "startup": 10, "batch": 4}`, beside `sample`, which says
how many.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from akid.errors import ExperimentError

NAME: Final = "tpe"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tpe:
    """The tree-structured Parzen estimator (Bergstra et al. 2011).

    Attributes:
        startup: So many combinations are random, and trained at once.
        batch: After those, so many are suggested at a time.
    """

    startup: int = 10
    batch: int = 4


def read_search(value: object) -> Tpe | None:
    """Return what the setting `search` says; None where nothing is suggested.

    Raises:
        ExperimentError: If it can't be understood.

    >>> read_search({"name": "tpe", "batch": 2})
    Tpe(startup=10, batch=2)
    """
    if value is None or value == {"name": "none"}:
        return None
    known = {field.name for field in fields(Tpe)}
    is_known = isinstance(value, Mapping) and value.get("name") == NAME
    given = {k: v for k, v in value.items() if k != "name"} if isinstance(value, Mapping) else {}
    is_right = set(given) <= known and all(
        isinstance(number, int) and not isinstance(number, bool) and number >= 1
        for number in given.values()
    )
    if not is_known or not is_right:
        raise ExperimentError(
            f"search: expected None or {{'name': '{NAME}', ...}} with {' and '.join(sorted(known))}"
            f" of at least 1, got search={value!r}."
        )
    return Tpe(**given)
