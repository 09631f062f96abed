"""Ports for the servers under test, and who holds one that is not free."""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
LISTEN = "0A"  # a state in /proc/net/tcp
TRIES = 100


class PortTaken(Exception):
    """A sentence: which port, and who has it."""


def free_port(address: str) -> int:
    with socket.create_server((address, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def common_port(addresses: Sequence[str]) -> int:
    """One that is free at all of these."""
    for _ in range(TRIES):
        port = free_port(addresses[0])
        with suppress(PortTaken):
            check(addresses, port)
            return port
    raise PortTaken(f"no port is free at all of {', '.join(addresses)}")


def check(addresses: Sequence[str], port: int) -> None:
    """Raises PortTaken if one of them cannot be had."""
    for address in addresses:
        try:
            socket.create_server((address, port)).close()
        except OSError as error:
            raise PortTaken(
                f"{address}:{port} cannot be had ({error.strerror}): {holders(port)}"
            ) from None


def holders(port: int) -> str:
    """Who listens at the port, at whatever address: a socket at 0.0.0.0 takes all of them."""
    inodes = _listening(port)
    found = [
        f"{_command(process)} (process {process.name})"
        for process in PROC.iterdir()
        if process.name.isdigit() and not inodes.isdisjoint(_sockets(process))
    ]
    return f"held by {' and '.join(found)}" if found else "held by a process of somebody else"


def _listening(port: int) -> set[str]:
    """The inodes of sockets that listen there."""
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found


def _sockets(process: Path) -> set[str]:
    found = set()
    with suppress(OSError):  # it is another user's, or has ended
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                found.add(os.readlink(descriptor))
    return found


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process that has ended"
