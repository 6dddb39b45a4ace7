"""Interface: which network interface of this machine has an address."""

import fcntl
import socket
import struct
from contextlib import suppress
from typing import Final

_SIOCGIFADDR: Final = 0x8915
"""The request for an interface's IPv4 address (Linux manual page netdevice(7))."""


def interface_of(address: str) -> str | None:
    """Return the name of the interface with an IPv4 address; None if none has it.

    >>> interface_of("127.0.0.1")
    'lo'
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # an interface that has no IPv4 address
                request = struct.pack("256s", name.encode()[:15])
                found = fcntl.ioctl(sock.fileno(), _SIOCGIFADDR, request)
                if socket.inet_ntoa(found[20:24]) == address:
                    return name
    return None
