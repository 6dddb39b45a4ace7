"""Mixture: what the programs behind some runs were not the same in."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from akid.tuning import provenance

_COMMIT: Final = "mlflow.source.git.commit"
_SHOWN_COMMIT: Final = 10


def versions(tags: Mapping[str, str]) -> dict[str, str]:
    """Return what a run's tags say of the program: packages with their versions, and the commit.

    >>> versions({"akid.version.torch": "2.13.0", "akid.seed": "0"})
    {'torch': '2.13.0'}
    """
    found = {
        name.removeprefix(provenance.VERSION): text
        for name, text in sorted(tags.items())
        if name.startswith(provenance.VERSION)
    }
    if commit := tags.get(_COMMIT):
        found["git commit"] = commit[:_SHOWN_COMMIT]
    return found


def mixed(runs: Iterable[Mapping[str, str]]) -> list[str]:
    """Return a text for each part of the program that is not the same in all runs.

    Runs that do not say which version they had are not counted.

    Args:
        runs: The tags of each run.

    >>> mixed([{"akid.version.torch": "2.12.0"}, {"akid.version.torch": "2.13.0"}])
    ['torch 2.12.0 (1 run) and 2.13.0 (1 run)']
    """
    counts: dict[str, Counter[str]] = {}
    for tags in runs:
        for name, version in versions(tags).items():
            counts.setdefault(name, Counter())[version] += 1
    return [f"{name} {_listed(found)}" for name, found in counts.items() if len(found) > 1]


def _listed(found: Counter[str]) -> str:
    texts = [f"{version} ({n} run{'s' * (n != 1)})" for version, n in sorted(found.items())]
    return " and ".join([", ".join(texts[:-1]), texts[-1]])
