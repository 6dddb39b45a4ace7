"""Full disk: the refusals of a file system that training outlives (errno(3))."""

import errno
from typing import Final

_REFUSALS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or what led to it, is a disk without room, a quota, or a disk that fails.

    What a wrong path or missing rights lead to is none: that has to be mended by its owner.

    Args:
        error: What was raised; torch.save reports a full disk as a RuntimeError after an OSError.

    >>> is_full_disk(OSError(errno.ENOSPC, "No space left on device"))
    True
    >>> is_full_disk(PermissionError(errno.EACCES, "Permission denied"))
    False
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _REFUSALS:
            return True
        error = error.__cause__ or error.__context__
    return False
