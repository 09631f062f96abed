"""A restart under many clients, all in the middle of talking: all resume, and nothing is lost or
comes twice. `XMPPD_TEST_CROWD` says how many; `make crash` takes 500.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.people import LOST, PATIENCE_S, chat
from tests.faults.phones import Phone
from tests.support.server import ServerProcess

CROWD = int(os.environ.get("XMPPD_TEST_CROWD", "100"))
DEVICES = 10  # of each account
TALK, BREAK = 12, 4  # messages of each; after how many of them the server is stopped
Serve = Callable[..., ServerProcess]


class Guest(Phone):
    """Knows what it has said: it says again what the server has not handled."""

    patience_s = 2 * PATIENCE_S  # all come at once, and their keys are computed on this machine

    def __init__(self, server: ServerProcess, address: str) -> None:
        super().__init__(server, address)
        self.client.socket.settimeout(self.patience_s)
        self.said: list[str] = []
        self.says("<presence/>")

    def says(self, stanza: str) -> None:
        self.said.append(stanza)
        try:
            self.client.sends(stanza)
        except OSError:
            return  # which it finds out when it comes back

    def reads_to_the_end(self) -> None:
        """Of the stream that the server ends."""
        try:
            self.nonza("none")
        except LOST:
            return

    def returns(self) -> str:
        """What the server answers: "resumed"."""
        self.reads_to_the_end()
        answer = self.comes_back()
        if answer.name == "resumed":
            self.client.sends("".join(self.said[int(answer.get("h") or 0) :]))
        return answer.name


@pytest.fixture
def server(serve: Serve) -> ServerProcess:
    return serve(options={"sm": {"max_resume": "120s", "max_unacked": 10_000}})


def test_all_resume_after_a_restart_and_nothing_is_lost_or_doubled(server: ServerProcess) -> None:
    users = [f"guest{number}@example.org" for number in range(-(-CROWD // DEVICES))]
    for user in users:
        server.create(user)
    with ThreadPoolExecutor(16) as pool:
        addresses = [f"{users[n // DEVICES]}/{n % DEVICES}" for n in range(CROWD)]
        guests = list(pool.map(lambda address: Guest(server, address), addresses))
        talking = threading.Barrier(2)
        talk = pool.submit(talks, guests, talking)
        talking.wait()
        server.stop()
        talk.result()
        server.start()
        assert set(pool.map(Guest.returns, guests)) == {"resumed"}, server.log[-4000:]
        came = list(pool.map(hears_all, guests, range(-1, CROWD - 1)))
    for number, bodies in enumerate(came):
        sender = guests[number - 1]
        assert bodies == said_by(number - 1), (guests[number].address, sender.told, server.log)


def talks(guests: list[Guest], talking: threading.Barrier) -> None:
    """Each to the next, in a circle, to the very device."""
    for turn in range(TALK):
        if turn == BREAK:
            talking.wait()
        for number, guest in enumerate(guests):
            to = guests[(number + 1) % len(guests)].address
            guest.says(chat(said_by(number)[turn], to))


def said_by(number: int) -> list[str]:
    return [f"{number % CROWD}-{turn}" for turn in range(TALK)]


def hears_all(guest: Guest, sender: int) -> list[str]:
    """The ids of all messages up to now, and the server has handled all that the guest said."""
    try:
        guest.until(said_by(sender)[-1])
    except TimeoutError:
        return guest.bodies
    assert guest.acknowledged() == len(guest.said)
    return guest.bodies
