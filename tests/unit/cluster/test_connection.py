"""Joining a cluster, or starting one: what happens before Ray is there."""

import os
import socket
import sys
from dataclasses import replace

import pytest

from akid.cluster import connection, nvml
from akid.cluster.gpus import VISIBLE, Gpu
from akid.errors import ResourceError

ONE_OF_EACH = {"num_cpus": 1, "num_gpus": 1}


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


def test_a_private_cluster_is_started_without_a_lost_gpu(monkeypatch) -> None:
    """Ray would hand it out."""
    sound = Gpu(index=1, name="L4", uuid="GPU-1", memory_bytes=1, free_bytes=1, driver="570")
    monkeypatch.setattr(nvml, "survey", lambda: [replace(sound, index=0, fault="lost"), sound])
    monkeypatch.delenv(VISIBLE, raising=False)
    inherited = []

    def init(*told: object, **arguments: object) -> None:
        inherited.append(os.environ.get(VISIBLE))
        raise ResourceError("enough")

    monkeypatch.setattr(connection, "_init", init)
    with pytest.raises(ResourceError, match="enough"), connection._private({}, **ONE_OF_EACH):
        pass

    assert inherited == ["GPU-1"]
