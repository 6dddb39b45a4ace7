"""Trial artifacts: the files in a trial's folder that go into its run."""

from pathlib import Path
from typing import Final

from akid.tuning import output

SCRIPT: Final = "trial.py"
_LOG: Final = "training.log"
_BEST: Final = Path("model") / "best.pt"


def of(folder: Path) -> dict[str, Path]:
    """Return the files by their names in the run; some may be missing.

    >>> of(Path("/a"))["best.pt"].as_posix()
    '/a/model/best.pt'
    """
    here = folder.resolve()
    names = (SCRIPT, _LOG, output.FILE_NAME)
    return {**{name: here / name for name in names}, _BEST.name: here / _BEST}
