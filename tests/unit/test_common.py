from akid.common import init


def test_init_starts_a_clock_at_zero() -> None:
    """The documented call works and gives the clock."""
    assert (init().step, init().epoch) == (0, 0)


def test_clocks_are_not_shared() -> None:
    """Winding one does not move another."""
    first, second = init(), init()
    first.tick()

    assert (first.step, second.step) == (1, 0)
