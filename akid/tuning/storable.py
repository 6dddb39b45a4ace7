"""Storable: texts as every store, terminal and pipe can take them."""

from collections.abc import Mapping


def storable(text: str) -> str:
    r"""Return a text with escapes in the place of what UTF-8 or a database has no room for.

    These are lone surrogates, which stand for bytes that are no text, and NUL.

    >>> storable("bad name \udcff\0"), storable("größer ✓")
    ('bad name \\udcff\\x00', 'größer ✓')
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", r"\x00")


def all_storable(texts: Mapping[str, str]) -> dict[str, str]:
    """Return texts by their names, each as `storable` gives it."""
    return {name: storable(text) for name, text in texts.items()}
