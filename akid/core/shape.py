"""Shape: the arithmetic of sizes, strides and padding, with TensorFlow's SAME and VALID. Pure."""

from collections.abc import Sequence
from numbers import Integral
from typing import Final, Literal, TypeAlias, cast

from akid.errors import SetupError, ShapeError

Size: TypeAlias = int | Sequence[int]
"""A size of an image's window as written in a model: `5`, `[5, 5]` or `[1, 5, 5, 1]`."""

Padding: TypeAlias = Literal["SAME", "VALID"]

PADDINGS: Final = ("SAME", "VALID")


def to_pair(size: Size, *, who: str, what: str, minimum: int = 1) -> tuple[int, int]:
    """Return (height, width) of a size in any of the documented forms.

    Args:
        size: `n` for a square, `[height, width]`, or `[1, height, width, 1]` (NHWC).
        who: The block's label, for the message.
        what: The argument's name, for the message.
        minimum: The least that either side may be.

    Raises:
        SetupError: If `size` is in none of these forms or too small.

    >>> to_pair(5, who="conv1", what="ksize")
    (5, 5)
    >>> to_pair([1, 5, 3, 1], who="conv1", what="ksize")
    (5, 3)
    """
    sides = _integers(size)
    if len(sides) == 1 and isinstance(size, Integral):
        sides = (sides[0], sides[0])
    elif len(sides) == 4 and sides[0] == sides[3] == 1:
        sides = sides[1:3]
    if len(sides) != 2 or min(sides) < minimum:
        raise SetupError(
            f"{who}: expected {what} as n, [height, width] or [1, height, width, 1]"
            f" of integers not below {minimum}, got {what}={size!r}."
        )
    return sides[0], sides[1]


def to_length(size: Size, *, who: str, what: str, minimum: int = 1) -> int:
    """Return the one number of a one-dimensional size: `n`, `[n]` or `[1, n, 1]`.

    Raises:
        SetupError: If `size` is in none of these forms or too small.

    >>> to_length([1, 3, 1], who="conv1", what="ksize")
    3
    """
    sides = _integers(size)
    if len(sides) == 3 and sides[0] == sides[2] == 1:
        sides = sides[1:2]
    if len(sides) != 1 or sides[0] < minimum:
        raise SetupError(
            f"{who}: expected {what} as n, [n] or [1, n, 1] of integers not below {minimum},"
            f" got {what}={size!r}."
        )
    return sides[0]


def _integers(size: Size) -> tuple[int, ...]:
    if isinstance(size, Integral):
        numbers: tuple[int, ...] = (int(size),) if not isinstance(size, bool) else ()
    else:
        numbers = tuple(size) if isinstance(size, Sequence) else ()
    if any(isinstance(number, bool) or not isinstance(number, Integral) for number in numbers):
        return ()
    return tuple(map(int, numbers))


def to_padding(padding: str, *, who: str) -> Padding:
    """Return `padding` if it is SAME or VALID.

    Raises:
        SetupError: If it is anything else.
    """
    if padding not in PADDINGS:
        raise SetupError(
            f"{who}: expected padding to be one of {PADDINGS}, got padding={padding!r}."
        )
    return cast("Padding", padding)


def same_padding(size_px: int, ksize: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Return the SAME padding (before, after) of one side: the odd one goes right or below.

    >>> same_padding(4, ksize=3, stride=2)
    (0, 1)
    >>> same_padding(28, ksize=5, stride=1)
    (2, 2)
    """
    reach = (ksize - 1) * dilation + 1
    total = max((-(-size_px // stride) - 1) * stride + reach - size_px, 0)
    return total // 2, total - total // 2


def output_size(size_px: int, ksize: int, stride: int, padding: Padding, dilation: int = 1) -> int:
    """Return how many windows fit one side; 0 or less if a VALID window is larger than the side.

    >>> output_size(28, ksize=5, stride=2, padding="SAME")
    14
    >>> output_size(28, ksize=5, stride=2, padding="VALID")
    12
    """
    if padding == "SAME":
        return -(-size_px // stride)
    return (size_px - (ksize - 1) * dilation - 1) // stride + 1


def check_window_fits(
    sides_px: Sequence[int],
    ksize: Sequence[int],
    padding: Padding,
    *,
    who: str,
    dilation: Sequence[int] | None = None,
) -> None:
    """Check that a VALID window is not larger than what it slides over.

    Raises:
        ShapeError: If it is.
    """
    reach = [(k - 1) * d + 1 for k, d in zip(ksize, dilation or [1] * len(ksize), strict=True)]
    if padding == "VALID" and any(r > side for r, side in zip(reach, sides_px, strict=True)):
        raise ShapeError(
            f"{who}: expected an input of at least {'x'.join(map(str, reach))} pixels for a VALID"
            f" window of that size, got {'x'.join(map(str, sides_px))}."
            ' Take padding="SAME", a smaller window, or fewer reductions before this block.'
        )
