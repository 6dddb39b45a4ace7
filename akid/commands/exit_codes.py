"""Exit codes: what each command tells the shell."""

from typing import Final

FINISHED: Final = 0
FAILED: Final = 1
USAGE: Final = 2
RESOURCES: Final = 3
INTERRUPTED: Final = 130

EXPLAINED: Final = (
    "Exit codes: 0 all trials finished, 1 some failed, 2 wrong usage or experiment,"
    " 3 resources that can't be had, 129 terminal closed, 130 interrupted, 143 terminated."
)


def of_signal(signum: int) -> int:
    """Return the code of a sweep that a signal ended, as shells count."""
    return 128 + signum
