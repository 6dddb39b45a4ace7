"""Joining a cluster: what is refused before Ray is loaded."""

import socket
import sys

import pytest

from akid.cluster import connection
from akid.errors import ResourceError


def test_a_ray_client_address_is_refused() -> None:
    """Ray Tune's driver has to run inside of the cluster."""
    with (
        pytest.raises(ResourceError, match=r"got address='ray://host:10001'.*start the sweep on"),
        connection.connect("ray://host:10001"),
    ):
        pass


def test_an_address_where_nobody_listens_is_refused_at_once(monkeypatch) -> None:
    """Ray would try for minutes."""
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # but does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        with (
            pytest.raises(ResourceError, match=f"at address='{address}', got .*refused"),
            connection.connect(address),
        ):
            pass
    assert "ray" not in sys.modules


def test_nobody_is_connected_where_ray_is_not_loaded(monkeypatch) -> None:
    """And it is not loaded to find out."""
    monkeypatch.delitem(sys.modules, "ray", raising=False)

    assert not connection.is_connected()
    assert "ray" not in sys.modules
