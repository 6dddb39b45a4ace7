"""Mixture: what the programs behind some runs were not the same in."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from akid.tuning import own_code, owner, provenance

_OTHERS: Final = {
    "akid's code": own_code.TAG,
    "git commit": "mlflow.source.git.commit",
}
_GPUS: Final = "akid.gpu.names"
_HOSTS: Final = ("akid.worker_host", owner.HOST)
_DIRTY: Final = "akid.git.dirty"
_SHOWN_CHARS: Final = 40


def versions(tags: Mapping[str, str]) -> dict[str, str]:
    """Return what a run's tags say of the program: packages with their versions, commit, GPU.

    Without a GPU it is the processor, whose kernels then decide the last digits.

    >>> versions({"akid.version.torch": "2.13.0", "akid.seed": "0"})
    {'torch': '2.13.0'}
    >>> versions({"akid.processor": "Xeon, AVX2", "akid.gpu.names": ""})
    {'processor': 'Xeon, AVX2'}
    """
    found = _said(tags)
    if "GPU" in found:
        found.pop("processor", None)
    return found


def _said(tags: Mapping[str, str]) -> dict[str, str]:
    found = {
        name.removeprefix(provenance.VERSION): text
        for name, text in sorted(tags.items())
        if name.startswith(provenance.VERSION)
    }
    found |= {name: tags[tag][:_SHOWN_CHARS] for name, tag in _OTHERS.items() if tag in tags}
    if gpus := tags.get(_GPUS):
        found["GPU"] = ", ".join(sorted(set(gpus.split(", "))))
    if processor := tags.get(provenance.PROCESSOR):
        found["processor"] = processor
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


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return a text for each thing that may let a program come to something else now than then.

    Args:
        then: The tags of a run.
        now: The tags that it would have now.

    >>> changed({"akid.version.torch": "2.12.0"}, {"akid.version.torch": "2.13.0"})
    ['torch: 2.12.0 then, 2.13.0 now']
    """
    old = {**versions(then), **_place(then)}
    new = {**_said(now), **_place(now)}
    texts = [
        f"{name}: {old[name]} then, {new.get(name, 'none')} now"
        for name in old
        if old[name] != new.get(name)
    ]
    if then.get(_DIRTY) == "True":
        texts.append("the run's repository had changes that were not committed")
    return texts


def _place(tags: Mapping[str, str]) -> dict[str, str]:
    host = next((tags[tag] for tag in _HOSTS if tag in tags), None)
    return {} if host is None else {"host": host}


def _listed(found: Counter[str]) -> str:
    texts = [f"{version} ({n} run{'s' * (n != 1)})" for version, n in sorted(found.items())]
    return " and ".join([", ".join(texts[:-1]), texts[-1]])
