"""Names that a function uses from outside of itself."""

import pytest

from akid.tuning.names import undefined_names


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return len(__name__)", []),
        ("import a.b\n    return a", []),
        ("from a import b as c\n    return b, c", ["b"]),
        ("x = [y for y in z]\n    return x", ["z"]),
        ("def inner():\n        return outer\n    outer = 1\n    return inner", []),
        ("class A(Base):\n        x: Kind = y\n    return A", ["Base", "Kind", "y"]),
        ("global g\n    g = 1\n    return setup, g", []),
        ("return lambda k=d: k", ["d"]),
        ("try:\n        pass\n    except Fault as f:\n        print(f)\n    return 1", ["Fault"]),
        ("return f'{missing}'", ["missing"]),
    ],
)
def test_undefined_names(body: str, expected: list[str]) -> None:
    """What is neither built in, nor imported, nor assigned, is named."""
    assert undefined_names(f"def setup():\n    {body}\n") == expected
