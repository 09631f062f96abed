"""What systemd is told, read from a socket that stands for its own."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from xmppd.systemd import Notifier, Watchdog


class Listener:
    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(address)

    def hears(self) -> list[str]:
        """The lines of the next datagram; none when nothing was said."""
        try:
            return self.socket.recv(4096).decode().split("\n")
        except BlockingIOError:
            return []


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(str(tmp_path / "notify"))
    yield made
    made.socket.close()


@pytest.fixture
def notifier(tmp_path: Path, listener: Listener) -> Notifier:
    return Notifier(str(tmp_path / "notify"), watchdog_s=10.0)


def test_ready_comes_with_a_status(notifier: Notifier, listener: Listener) -> None:
    notifier.ready("Serving example.org")
    assert listener.hears() == ["READY=1", "STATUS=Serving example.org"]


def test_reloading_carries_the_monotonic_clock(notifier: Notifier, listener: Listener) -> None:
    notifier.reloading()
    first, stamp, _ = listener.hears()
    assert first == "RELOADING=1"
    assert stamp.removeprefix("MONOTONIC_USEC=").isdecimal()


def test_stopping_is_said(notifier: Notifier, listener: Listener) -> None:
    notifier.stopping()
    assert listener.hears()[0] == "STOPPING=1"


def test_an_abstract_socket_is_found() -> None:
    name = f"xmppd-test-{id(object())}"
    listener = Listener("\0" + name)
    Notifier("@" + name).ready("")
    assert listener.hears()[0] == "READY=1"
    listener.socket.close()


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    Notifier(None).ready("")
    Notifier(str(tmp_path / "gone")).ready("")


@pytest.mark.parametrize(
    "environ, watchdog_s",
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
    ],
)
def test_the_watchdog_is_that_of_our_own_process(
    environ: dict[str, str], watchdog_s: float | None
) -> None:
    assert Notifier.from_environment(environ, 7).watchdog_s == watchdog_s


def test_the_watchdog_is_fed_twice_a_period_while_it_runs(
    notifier: Notifier, listener: Listener
) -> None:
    clock = Clock()
    watchdog = Watchdog(notifier, clock)
    watchdog.startService()
    assert listener.hears() == ["WATCHDOG=1"]
    clock.advance(4.9)
    assert listener.hears() == []
    clock.advance(0.1)
    assert listener.hears() == ["WATCHDOG=1"]
    watchdog.stopService()
    clock.advance(60)
    assert listener.hears() == []


def test_no_watchdog_is_fed_when_none_waits(tmp_path: Path, listener: Listener) -> None:
    watchdog = Watchdog(Notifier(str(tmp_path / "notify")), Clock())
    watchdog.startService()
    assert listener.hears() == []
    watchdog.stopService()
