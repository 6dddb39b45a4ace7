import pytest

from akid.errors import SetupError
from akid.models.brains import ImagenetResNet


@pytest.mark.parametrize(
    ("depth", "width", "expected"),
    [
        (18, 1, 11_689_512),
        (34, 1, 21_797_672),
        (50, 1, 25_557_032),
        (50, 2, 68_883_240),
        (101, 1, 44_549_160),
        (152, 1, 60_192_808),
    ],
)
def test_resnets_have_the_published_parameters(
    count, depth: int, width: int, expected: int
) -> None:
    """Facts 4.3.27: depths 18 and 34 have basic units, and a bottleneck's widths are integers."""
    assert count(ImagenetResNet(depth=depth, width=width), 224) == expected


@pytest.mark.parametrize("depth", [18, 50])
def test_both_kinds_of_units_take_a_step(step, batch, depth: int) -> None:
    """Forward, backward and update work."""
    step(ImagenetResNet(depth=depth, class_num=10), batch(32, count=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 51}, r"one of \[18, 34, 50, 101, 152, 200\], got depth=51"),
        ({"depth": 18, "width": 2}, "got width=2"),
    ],
)
def test_wrong_options_are_errors(options: dict, message: str) -> None:
    """Unknown depths and wide basic units are refused."""
    with pytest.raises(SetupError, match=message):
        ImagenetResNet(**options)
