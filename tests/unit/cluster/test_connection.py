"""Joining a cluster: what is refused before Ray is loaded."""

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


def test_nobody_is_connected_where_ray_is_not_loaded(monkeypatch) -> None:
    """And it is not loaded to find out."""
    monkeypatch.delitem(sys.modules, "ray", raising=False)

    assert not connection.is_connected()
    assert "ray" not in sys.modules
