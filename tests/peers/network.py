"""Where the servers of the lab are: each in a network namespace of its own, or, where these cannot
be made, each on a loopback address of its own.
"""

import ctypes
import os
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

CLONE_NEWNET = 0x40000000
NETWORK = "198.51.100"  # TEST-NET-2 (RFC 5737): nobody else's, and seen by the lab only
LOOPBACK = "127.51.100"


class Place(Protocol):
    """One server's place in the network."""

    address: str
    before: Sequence[str]  # stands before the command of who lives here

    def connect(self, address: tuple[str, int], timeout_s: float) -> socket.socket:
        """A connection as made by somebody who lives here. Raises OSError."""


class Network(Protocol):
    """The places, which all reach each other."""

    net: str  # in CIDR notation

    def place(self, name: str) -> Place: ...

    def close(self) -> None: ...


class Namespace:
    """A network namespace, tied to the hub by a pair of virtual Ethernet devices."""

    def __init__(self, name: str, address: str, resolv: Path) -> None:
        self.name = name
        self.address = address
        self.before: Sequence[str] = ("ip", "netns", "exec", name, *asking(resolv))
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        # A socket belongs to the namespace of the thread that makes it, for ever.
        self._thread = ThreadPoolExecutor(1, f"in {name}", initializer=enter, initargs=(name,))

    def connect(self, address: tuple[str, int], timeout_s: float) -> socket.socket:
        return self._thread.submit(socket.create_connection, address, timeout_s).result()

    def loses(self, *chains: str) -> None:
        """What comes in (INPUT) or goes out (OUTPUT) is dropped from now on, without a word."""
        for chain in chains:
            run("ip", "netns", "exec", self.name, "iptables", "-A", chain, "-j", "DROP")

    def close(self) -> None:
        self._thread.shutdown()
        ip("netns", "del", self.name)


class Namespaces:
    """A hub with a bridge, and a namespace for each place. Raises OSError where it may not be."""

    net = f"{NETWORK}.0/24"

    def __init__(self, resolv: Path, stem: str = "xmppd") -> None:
        self._resolv = resolv
        resolv.write_text(f"nameserver {NETWORK}.1\n")
        self._stem = f"{stem}{os.getpid()}"
        self._hub = f"{self._stem}-hub"
        self._made: list[Namespace] = []
        ip("netns", "add", self._hub)
        try:
            ip("-n", self._hub, "link", "add", "bridge", "type", "bridge")
            ip("-n", self._hub, "link", "set", "bridge", "up")
        except OSError:
            self.close()
            raise

    def place(self, name: str) -> Namespace:
        number = len(self._made) + 1
        place = Namespace(f"{self._stem}-{name}", f"{NETWORK}.{number}", self._resolv)
        self._made.append(place)
        ip("-n", self._hub, "link", "add", f"to{number}", "type", "veth",
           "peer", "name", "eth0", "netns", place.name)  # fmt: skip
        ip("-n", self._hub, "link", "set", f"to{number}", "master", "bridge", "up")
        ip("-n", place.name, "address", "add", f"{place.address}/24", "dev", "eth0")
        ip("-n", place.name, "link", "set", "eth0", "up")
        return place

    def close(self) -> None:
        for place in self._made:
            place.close()
        ip("netns", "del", self._hub)


class LoopbackPlace:
    """An address of 127.0.0.0/8. Connections to others come from 127.0.0.1."""

    def __init__(self, address: str, resolv: Path) -> None:
        self.address = address
        self.before: Sequence[str] = ("unshare", "--mount", *asking(resolv))

    def connect(self, address: tuple[str, int], timeout_s: float) -> socket.socket:
        return socket.create_connection(address, timeout_s)


class Loopback:
    """Addresses beside each other on this machine. Raises OSError where port 53 is not ours to
    take, or a mount namespace not to be made.
    """

    net = "127.0.0.0/8"

    def __init__(self, resolv: Path) -> None:
        self._resolv = resolv
        self._count = 0
        resolv.write_text(f"nameserver {LOOPBACK}.1\n")
        run("unshare", "--mount", *asking(resolv), "true")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((f"{LOOPBACK}.1", 53))

    def place(self, name: str) -> LoopbackPlace:
        self._count += 1
        return LoopbackPlace(f"{LOOPBACK}.{self._count}", self._resolv)

    def close(self) -> None:
        pass


def make_network(resolv: Path) -> Network:
    """The best there can be here; the first place in it is the DNS server's, and `resolv` what
    the others have as /etc/resolv.conf. Raises OSError where nothing can be.
    """
    try:
        return Namespaces(resolv)
    except OSError:
        return Loopback(resolv)


def asking(resolv: Path) -> Sequence[str]:
    """What runs a command in this mount namespace with another /etc/resolv.conf: all servers read
    it, by themselves or in the C library.
    """
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    return ("sh", "-c", script, str(resolv))


def ip(*arguments: str) -> None:
    """Run ip(8). Raises OSError with what it said."""
    run("ip", *arguments)


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def enter(name: str) -> None:
    """Take this thread to a network namespace (setns(2); `os.setns` comes with Python 3.12)."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{name}") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {name}")
