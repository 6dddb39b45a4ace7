"""Owner: the process that carries out a sweep, so that others can tell whether it still runs."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

HOST: Final = "akid.driver_host"
PID: Final = "akid.driver_pid"
_MACHINE: Final = "akid.driver_machine"
_STARTED: Final = "akid.driver_started"


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A process, so that a later one with the same number is not taken for it.

    Attributes:
        host: The machine's name, for people.
        machine: What its processes have in common: the machine's boot and its space of process
            numbers, which two containers of one name do not share. Empty if unknown.
        pid: The process's number.
        started: When it started, in the kernel's ticks since the boot. Empty if unknown.
    """

    host: str
    machine: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Self:
        """Return this process."""
        pid = os.getpid()
        return cls(
            host=socket.gethostname(), machine=_machine(), pid=pid, started=_started(pid) or ""
        )

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Self | None:
        """Return the process that the tags name, or None if they name none."""
        if HOST not in tags or not tags.get(PID, "").isdigit():
            return None
        return cls(
            host=tags[HOST],
            machine=tags.get(_MACHINE, ""),
            pid=int(tags[PID]),
            started=tags.get(_STARTED, ""),
        )

    def tags(self) -> dict[str, str]:
        """Return the tags that name this process."""
        named = {HOST: self.host, PID: str(self.pid)}
        known = {_MACHINE: self.machine, _STARTED: self.started}
        return {**named, **{name: text for name, text in known.items() if text}}

    def is_alive(self) -> bool | None:
        """Whether it still runs; None if that can't be known from here."""
        if self.host != socket.gethostname() or (self.machine and self.machine != _machine()):
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        started = _started(self.pid)
        return not (self.started and started is not None and started != self.started)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux: host and number have to do
        return ""


def _started(pid: int) -> str | None:
    """Return when a process started, "" where it is a dead one that was not waited for yet."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return "" if fields[0] in "ZX" else fields[19]
