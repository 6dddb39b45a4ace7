"""Python's collector of cycles, held back where there is nothing for it to find."""

import gc

import pytest

from akid.tuning.garbage import garbage_kept, loading


def test_nothing_is_collected_within() -> None:
    """And all is as before behind it, also where that was off."""
    with garbage_kept():
        assert not gc.isenabled()
    assert gc.isenabled()

    gc.disable()
    try:
        with garbage_kept():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_error_within_turns_the_collector_on_again() -> None:
    """A library that can't be loaded is no reason to keep garbage for ever."""
    with pytest.raises(ImportError), loading():
        raise ImportError

    assert gc.isenabled()


def test_what_was_loaded_is_set_aside() -> None:
    """Later collections do not look at it."""
    gc.unfreeze()
    with loading():
        made = [[] for _ in range(1000)]

    assert gc.get_freeze_count() >= len(made)
