"""The network interface that has an address."""

from akid.cluster.interface import interface_of


def test_the_loopback_interface_is_found_by_its_address() -> None:
    """It is there on every machine."""
    assert interface_of("127.0.0.1") == "lo"


def test_an_address_of_another_machine_has_none() -> None:
    """192.0.2.0/24 is for documents, its last address for nobody."""
    assert interface_of("192.0.2.255") is None
