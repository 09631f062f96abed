"""What systemd is told, by datagrams to the socket that it named in NOTIFY_SOCKET (sd_notify(3)).

Without systemd all of this does nothing.
"""

import os
import socket
import time
from collections.abc import Mapping

from twisted.application.service import Service
from twisted.internet.task import LoopingCall

from xmppd.admin.reactor import Clock


class Notifier:
    """The words of sd_notify(3). `watchdog_s` is systemd's patience; None: it has no watchdog."""

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self.address = address
        self.watchdog_s = watchdog_s

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], pid: int) -> "Notifier":
        """As sd_watchdog_enabled(3): the watchdog counts when WATCHDOG_PID is ours or absent."""
        microseconds = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        enabled = ours and microseconds.isdecimal() and int(microseconds) > 0
        watchdog_s = int(microseconds) / 1_000_000 if enabled else None
        return cls(environ.get("NOTIFY_SOCKET") or None, watchdog_s)

    def ready(self, status: str) -> None:
        """Also ends what `reloading` began."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        # MONOTONIC_USEC is asked for by Type=notify-reload; systemd 252 takes it as well
        stamp = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={stamp}", "STATUS=Reloading")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=Closing streams")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            try:
                sender.sendto("\n".join(lines).encode(), address)
            except OSError:  # systemd gone or its queue full: no reason to stop serving
                return


class Watchdog(Service):
    """Says that we live, twice in the period that systemd grants, as long as the reactor turns.

    It is a reactor's timer on purpose: a reactor that hangs must go silent, so that systemd
    restarts the process.
    """

    def __init__(self, notifier: Notifier, clock: Clock) -> None:
        self._notifier = notifier
        self._loop = LoopingCall(notifier.alive)
        self._loop.clock = clock  # type: ignore[assignment]  # mypy reads no zope Interface

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        if self._notifier.watchdog_s is not None:
            _ = self._loop.start(self._notifier.watchdog_s / 2)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()


def forget_environment() -> None:
    """Children must not speak for us; LISTEN_FDS is kept, Twisted reads it at import."""
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        os.environ.pop(name, None)
