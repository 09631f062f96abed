"""Which name servers to ask: those configured, or those of the system."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path

from xmppd.config.outgoing import read_nameserver

RESOLV_CONF = Path("/etc/resolv.conf")
PORT = 53
MOST = 3  # resolv.conf(5): MAXNS

Server = tuple[str, int]


class Nameservers:
    """`configured` as in `s2s.nameservers`; if that is empty, `path` is read when it changes."""

    def __init__(self, configured: Sequence[str] = (), path: Path = RESOLV_CONF) -> None:
        self._fixed = [read_nameserver(text) for text in configured]
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._read: list[Server] = []

    @property
    def servers(self) -> list[Server]:
        """In the order to ask; one on this machine where the system names none."""
        return self._fixed or self._of_system() or [("127.0.0.1", PORT)]

    def _of_system(self) -> list[Server]:
        try:
            stat = self._path.stat()
            now = (stat.st_mtime_ns, stat.st_size)
            if now != self._seen:
                self._read = parse(self._path.read_text(errors="replace"))
                self._seen = now
        except OSError:
            return self._read  # it is being replaced, or there is none
        return self._read


def parse(text: str) -> list[Server]:
    """The `nameserver` lines of resolv.conf(5)."""
    found: list[Server] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            ipaddress.ip_address(words[1])
        except ValueError:
            continue
        found.append((words[1], PORT))
    return found[:MOST]


def is_local(server: Server) -> bool:
    """Nobody on the way can set the AD bit of its answers (RFC 6698 appendix A.3)."""
    return ipaddress.ip_address(server[0]).is_loopback
