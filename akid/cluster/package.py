"""Package: which files of an experiment's folder travel to a cluster.

Git knows what belongs to a project, so where there is a repository, what it ignores stays at home;
what looks like a secret, a store of results or a virtual environment stays at home everywhere.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from akid.cluster import temporary
from akid.errors import ResourceError

LIMIT_BYTES: Final = 100 * 2**20

_SECRETS: Final = (
    ".env*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_ed25519*",
    "id_ecdsa*",
    "id_dsa*",
    "*.ppk",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    ".netrc",
    ".pgpass",
    ".pypirc",
    ".npmrc",
    ".s3cfg",
    ".boto",
    ".htpasswd",
    ".*_history",
    "*credential*",
    "*secret*",
    "*password*",
    "token",
    "token.*",
    "*[_-]token",
    "*[_-]token.*",
    "service?account*.json",
    "kubeconfig*",
    "rclone.conf",
    "*.tfstate*",
    ".aws",
    ".azure",
    ".gcloud",
    ".docker*",
    ".huggingface",
    ".kaggle",
    ".ssh",
    ".kube",
    ".gnupg",
)
_RESULTS: Final = (".git", ".hg", "__pycache__", ".*_cache", "akid_runs", "mlruns", "mlflow.db*")
_LARGEST_SHOWN: Final = 3
_MIB: Final = 2**20


@contextmanager
def packed(folder: Path) -> Iterator[Path]:
    """Copy what travels into a folder of its own for the time of the `with` block.

    Args:
        folder: The experiment's folder.

    Yields:
        The copy.

    Raises:
        ResourceError: If it is more than 100 MiB; the largest files are named.
    """
    files = travelling(folder)
    _check_size(folder, files)
    with temporary.folder("package") as copy:
        for file in files:
            target = copy / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / file, target)
        yield copy


def travelling(folder: Path) -> list[Path]:
    """Return the files that travel, relative to `folder`, in order."""
    found = _known_to_git(folder)
    if found is None:
        found = [path.relative_to(folder) for path in _walk(folder)]
    return sorted(
        file
        for file in found
        if not any(_stays(part) for part in file.parts)
        and (folder / file).is_file()
        and not _leads_to_secret(folder / file)
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; no link, and nothing below what stays, is followed."""
    for path in folder.iterdir():
        if path.is_symlink() and path.is_dir():
            continue
        if path.is_dir() and not _stays(path.name) and not (path / "pyvenv.cfg").exists():
            yield from _walk(path)
        elif path.is_file():
            yield path


def _leads_to_secret(file: Path) -> bool:
    """Whether a link of a harmless name leads to what stays at home: its content would travel."""
    return file.is_symlink() and any(map(_stays, file.resolve().parts[-2:]))


def _stays(name: str) -> bool:
    return any(fnmatch(name.lower(), pattern) for pattern in (*_SECRETS, *_RESULTS))


def _known_to_git(folder: Path) -> list[Path] | None:
    """Return what git tracks or would track in a folder; None if that is nothing."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return None
    if done.returncode != 0:
        return None
    return [Path(name) for name in done.stdout.decode().split("\0") if name] or None


def _check_size(folder: Path, files: list[Path]) -> None:
    sizes = {file: (folder / file).stat().st_size for file in files}
    total = sum(sizes.values())
    if total <= LIMIT_BYTES:
        return
    largest = sorted(sizes, key=lambda file: sizes[file], reverse=True)[:_LARGEST_SHOWN]
    listed = ", ".join(f"{file} ({sizes[file] / _MIB:.0f} MiB)" for file in largest)
    raise ResourceError(
        f"package: expected at most {LIMIT_BYTES / _MIB:.0f} MiB to send to the cluster, got"
        f" {total / _MIB:.0f} MiB in {folder}, the largest being {listed}. Keep data on a volume"
        " that the cluster sees, or let git ignore what is not code."
    )
