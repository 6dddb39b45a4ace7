"""Storage: files that are either there and whole, or not there."""

from pathlib import Path
from tempfile import NamedTemporaryFile


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file in one go, its folder made if it is missing, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path
