"""Location: where data sets lie on this machine, the folder that `AKID_DATA_PATH` names."""

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "AKID_DATA_PATH"
DEFAULT: Final = "~/.akid/data"


def data_path() -> str:
    """Return the folder that holds all data sets, read from the environment at each call.

    Returns:
        An absolute path without a slash at its end, as a string: `data_path() + "/mnist"` is a
        folder in it. Nothing is created.

    >>> import os
    >>> before = os.environ.get(VARIABLE)
    >>> os.environ[VARIABLE] = "/data"
    >>> data_path() + "/mnist"
    '/data/mnist'
    >>> _ = os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before})
    """
    return str(Path(os.environ.get(VARIABLE) or DEFAULT).expanduser().absolute())
