"""How an attempt learns that it is to end."""

from akid.tuning import orders
from akid.tuning.orders import StopOrders, Summons


def test_an_order_is_for_one_attempt(tmp_path) -> None:
    """Another trial, and a later attempt, go on; without any order there is no folder."""
    given = StopOrders(tmp_path / "orders")
    assert not given.has(1, 1)
    assert not (tmp_path / "orders").exists()

    given.give(1, 2)

    assert given.has(1, 2)
    assert not given.has(1, 1)
    assert not given.has(12, 2)


def test_an_attempt_looks_seldom(tmp_path, monkeypatch) -> None:
    """Before each batch costs nothing; a moment later it looks."""
    now_s = [100.0]
    monkeypatch.setattr(orders.time, "monotonic", lambda: now_s[0])
    given = StopOrders(tmp_path / "orders")
    summons = Summons(given, 0, 1)
    given.give(0, 1)

    assert not summons()
    now_s[0] += 0.6
    assert summons()
    assert not summons()
