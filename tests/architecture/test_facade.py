"""The package's table of contents."""

import pytest

import akid


def test_every_public_name_is_there() -> None:
    """Each name that the facade promises can be loaded from it."""
    missing = [name for name in akid.__all__ if getattr(akid, name, None) is None]

    assert missing == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The error lists what there is."""
    with pytest.raises(AttributeError, match="Brain"):
        akid.Neural  # noqa: B018
