"""Demand: what a trial asks of its node besides CPUs and GPUs: resources, accelerators, labels.

The names and the rules are Ray's own (Ray documentation, "Resources", "Accelerator types" and "Use
labels to control scheduling").
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ACCELERATOR: Final = "accelerator_type:"
"""How the resource begins by which Ray says that a node has a model of GPU."""
RAYS_OWN: Final = ("memory", "object_store_memory")
"""Resources that Ray gives each node by itself."""

_TOUCH: Final = 0.001  # Ray's own: a node has 1 of each model, however many GPUs there are
_PRECISION: Final = 1e-4  # Ray counts in ten-thousandths
_WORD: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?"
_KEY: Final = re.compile(rf"(?:{_WORD}/)?{_WORD}")
_SELECTOR: Final = re.compile(rf"!?(?:{_WORD}|in\({_WORD}(?:, ?{_WORD})*\))")
_OTHER_SETTING: Final = {"CPU": "cpu_num_per_instance", "GPU": "gpu_num_per_instance"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What a trial, or each worker of a gang, asks of its node.

    Attributes:
        resources: How much of each resource it takes, by Ray's names.
        labels: What the node's labels have to be: `eu`, `!eu`, `in(eu, us)` or `!in(eu, us)`.
    """

    resources: tuple[tuple[str, float], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        resources_per_instance: Mapping[str, float] | None,
        accelerator_type: str | None,
        label_selector: Mapping[str, str] | None,
    ) -> "Demand":
        """Return what an experiment's settings ask for.

        >>> str(Demand.of({"slot": 1}, "A100", {"region": "in(eu, us)"}))
        'an A100, 1 slot, region=in(eu, us)'
        """
        taken = {name: float(value) for name, value in (resources_per_instance or {}).items()}
        if accelerator_type is not None:
            taken[f"{ACCELERATOR}{accelerator_type}"] = _TOUCH
        labels = tuple(sorted((label_selector or {}).items()))
        return cls(resources=tuple(sorted(taken.items())), labels=labels)

    @property
    def names(self) -> list[str]:
        """The names of the resources that are used up; a model of GPU is not."""
        return [name for name, _ in self.resources if not name.startswith(ACCELERATOR)]

    def suits(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is one that is asked for.

        >>> demand = Demand.of(None, None, {"region": "!in(eu, us)"})
        >>> demand.suits({"region": "eu"}), demand.suits({"region": "asia"}), demand.suits({})
        (False, True, True)
        """
        return all(_matches(selector, labels.get(key)) for key, selector in self.labels)

    def times(self, resources: Mapping[str, float]) -> float:
        """Return how many times a node's resources suffice: a whole number, or infinity.

        >>> Demand.of({"slot": 2}, None, None).times({"slot": 5})
        2
        """
        return min(
            (
                math.floor(resources.get(name, 0.0) / need + _PRECISION)
                for name, need in self.resources
            ),
            default=math.inf,
        )

    def __str__(self) -> str:
        return ", ".join([*map(_taken, self.resources), *(f"{k}={v}" for k, v in self.labels)])


NOTHING: Final = Demand()
"""No demand: any node will do."""


def demand_faults(given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the settings about resources, accelerators and labels.

    >>> demand_faults({"resources_per_instance": {"GPU": 1}})[0][-41:]
    "got 'GPU', which is gpu_num_per_instance."
    """
    return [
        *_resource_faults(given.get("resources_per_instance")),
        *_accelerator_faults(given.get("accelerator_type")),
        *_label_faults(given.get("label_selector")),
    ]


def _resource_faults(value: Any) -> list[str]:
    name = "resources_per_instance"
    if value is None:
        return []
    if not isinstance(value, Mapping):
        return [f'{name}: expected a dict such as {{"slot": 1}}, or None, got {name}={value!r}.']
    faults = (_resource_fault(kind, number) for kind, number in value.items())
    return [f"{name}: {fault}" for fault in faults if fault]


def _resource_fault(kind: Any, number: Any) -> str:
    """Return what is wrong with one resource; empty if nothing is."""
    if not isinstance(kind, str) or not kind:
        return f"expected resources' names, got {kind!r}."
    if kind in _OTHER_SETTING:
        return f"expected other resources, got {kind!r}, which is {_OTHER_SETTING[kind]}."
    if kind in RAYS_OWN or kind.startswith(("node:", "bundle")):
        return f"expected a resource that nodes were started with, got {kind!r}, Ray's own."
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not math.isfinite(number) or number < _PRECISION:
        return f"expected a number of {kind!r}, at least {_PRECISION}, got {number!r}."
    if number > 1 and number != int(number):
        return (
            f"expected a part of 1 or a whole number of {kind!r} (Ray takes only whole numbers"
            f" above 1), got {number!r}."
        )
    return ""


def _accelerator_faults(value: Any) -> list[str]:
    if value is None or (isinstance(value, str) and _KEY.fullmatch(value)):
        return []
    expected = 'expected one of Ray\'s names of accelerators, such as "A100", or None'
    return [f"accelerator_type: {expected}, got accelerator_type={value!r}."]


def _label_faults(value: Any) -> list[str]:
    name = "label_selector"
    if value is None:
        return []
    if not isinstance(value, Mapping):
        return [
            f'{name}: expected a dict such as {{"region": "eu"}}, or None, got {name}={value!r}.'
        ]
    faults = []
    for key, selector in value.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            faults.append(f"{name}: expected labels' names, got {key!r}.")
        elif not isinstance(selector, str) or not _SELECTOR.fullmatch(selector):
            faults.append(
                f"{name}: expected for {key!r} a value, or one of value, !value, in(value, value)"
                f" and !in(value, value), got {selector!r}."
            )
    return faults


def _matches(selector: str, label: str | None) -> bool:
    """Whether a label is what a selector says; a label that is not there is unlike any value."""
    is_not, plain = selector.startswith("!"), selector.removeprefix("!")
    values = plain[3:-1].split(",") if plain.startswith("in(") else [plain]
    return (label in {value.strip() for value in values}) != is_not


def _taken(resource: tuple[str, float]) -> str:
    name, number = resource
    if not name.startswith(ACCELERATOR):
        return f"{number:g} {name}"
    model = name.removeprefix(ACCELERATOR)
    return f"{'an' if model[:1] in 'AEHIOX' else 'a'} {model}"
