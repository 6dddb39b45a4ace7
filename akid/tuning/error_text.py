"""Error text: what an error of a user's says, also one that fails to say it."""

import traceback

from akid.tuning.storable import storable


def text_of(error: BaseException) -> str:
    """Return an error's class and its text; Python's own words where the text can't be had.

    >>> text_of(KeyError("lr"))
    "KeyError: 'lr'"
    """
    said = traceback.TracebackException(type(error), error, None)
    return storable(f"{type(error).__name__}: {said}")
