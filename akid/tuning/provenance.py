"""Provenance: which code, data, versions and machines a trial ran with."""

import getpass
import platform
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from akid.cluster import machine, processor
from akid.tuning import own_code
from akid.tuning.owner import Owner

VERSION: Final = "akid.version."
"""How the tags begin that say which version of what a run had."""

PROCESSOR: Final = "akid.processor"
"""The tag that says which processor a trial had."""

WORKERS: Final = "akid.workers"
"""The tag that says how many workers practise a trial together."""

_GPU: Final = "akid.gpu."
_VERSIONS: Final = ("akid", "torch", "ray", "mlflow", "numpy")
_AROUND: Final = frozenset({"ray", "mlflow"})  # they start trials and note what came of them
_MAX_DIFF_CHARS: Final = 1_000_000
_MAX_TAG_CHARS: Final = 5000


def tags(source: Path | None, *, data_fingerprint: str = "") -> dict[str, str]:
    """Return what the driver says of each run: versions, host, command, data, the source's commit.

    Args:
        source: The experiment's file, whose repository is asked; None for the working folder's.
        data_fingerprint: The hash of the experiment's data files; empty without any.
    """
    folder = Path.cwd() if source is None else source.resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    known = {
        "mlflow.source.name": str(source) if source is not None else sys.argv[0],
        "mlflow.source.type": "LOCAL",
        **_user(),
        "akid.command": shlex.join(sys.orig_argv)[:_MAX_TAG_CHARS],
        "akid.folder_of_command": str(Path.cwd()),
        **Owner.here().tags(),
        **{f"{VERSION}{name}": version for name, version in versions().items()},
        own_code.TAG: own_code.fingerprint(),
    }
    if data_fingerprint:
        known["akid.data"] = data_fingerprint
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


@cache
def worker_tags() -> dict[str, str]:
    """Return what the process that practises says of its trial's run: host, processor and GPUs.

    Of GPUs that Ray only counts nothing is said.
    """
    known = {"akid.worker_host": socket.gethostname(), PROCESSOR: processor.processor()}
    found = machine.local_gpus()
    if isinstance(found, str):
        return known
    return known | {
        f"{_GPU}names": ", ".join(gpu.name for gpu in found),
        f"{_GPU}uuids": ", ".join(gpu.uuid for gpu in found),
        f"{VERSION}driver": found[0].driver,
    }


def joined(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what the workers of a gang say as one: the GPUs of all, each host and version once.

    >>> each = [{"akid.worker_host": "a", "akid.gpu.names": "NVIDIA H200"}] * 2
    >>> joined(each)
    {'akid.worker_host': 'a', 'akid.gpu.names': 'NVIDIA H200, NVIDIA H200'}
    """
    names = dict.fromkeys(name for each in tags for name in each)
    said = {name: [each[name] for each in tags if name in each] for name in names}
    return {
        name: ", ".join(values if name.startswith(_GPU) else dict.fromkeys(values))
        for name, values in said.items()
    }


def may_be_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that wrote these tags may still run; of another machine's, who knows."""
    owner = Owner.of(tags)
    return owner is None or owner.is_alive() is not False


def uncommitted(source: Path | None) -> str:
    """Return what is not committed in the source's repository, as a diff; "" without any."""
    folder = Path.cwd() if source is None else source.resolve().parent
    return _git(folder, "diff", "HEAD")[:_MAX_DIFF_CHARS]


def _user() -> dict[str, str]:
    """Return who runs this, for MLflow's column "Created by"; nothing where nobody has a name."""
    try:
        return {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError):  # a container's user that no file knows
        return {}


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
            encoding="utf-8",
            errors="replace",  # a diff has bytes of any kind
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
