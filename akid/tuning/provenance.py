"""Provenance: which code, versions and machine a sweep ran with."""

import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from akid.tuning.owner import Owner

VERSION: Final = "akid.version."
"""How the tags begin that say which version of what a run had."""

_VERSIONS: Final = ("akid", "torch", "ray", "mlflow", "numpy")
_AROUND: Final = frozenset({"ray", "mlflow"})  # they start trials and note what came of them
_MAX_DIFF_CHARS: Final = 1_000_000


def tags(source: Path | None) -> dict[str, str]:
    """Return what is said of each run: versions, host, command, and the source's commit.

    Args:
        source: The experiment's file, whose repository is asked; None for the working folder's.
    """
    folder = Path.cwd() if source is None else source.resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    known = {
        "mlflow.source.name": str(source) if source is not None else sys.argv[0],
        "mlflow.source.type": "LOCAL",
        "akid.command": shlex.join(sys.argv),
        **Owner.here().tags(),
        **{f"{VERSION}{name}": version for name, version in versions().items()},
    }
    if commit:
        known["mlflow.source.git.commit"] = commit
        known["akid.git.dirty"] = str(bool(_git(folder, "status", "--porcelain")))
    return known


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are noted; none of them is loaded."""
    packages = {name: version for name in _VERSIONS if (version := _version(name))}
    return {"python": platform.python_version(), **packages}


def deciding_versions() -> dict[str, str]:
    """Return those of `versions` that decide a trial's numbers."""
    return {name: version for name, version in versions().items() if name not in _AROUND}


def may_be_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that wrote these tags may still run; of another machine's, who knows."""
    owner = Owner.of(tags)
    return owner is None or owner.is_alive() is not False


def uncommitted(source: Path | None) -> str:
    """Return what is not committed in the source's repository, as a diff; "" without any."""
    folder = Path.cwd() if source is None else source.resolve().parent
    return _git(folder, "diff", "HEAD")[:_MAX_DIFF_CHARS]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints, or "" where there is no git or no repository."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
