"""The crash test: a server that is killed at random moments owes nobody an acknowledged message.

Somebody writes numbered messages, counted by stream management, to who is online, to whose
connection is lost (the session hibernates), and to who is away. In the end each message that the
server had acknowledged must have been received, or wait, exactly once: in the archive where there
is one, in the store for offline messages where there is none. `make crash` does it for long.
"""

import itertools
import os
import random
import threading
from dataclasses import dataclass, field

import pytest

from tests.faults.cluster import NEEDS_POSTGRESQL, Cluster
from tests.faults.people import (
    JULIET,
    LOST,
    NURSE,
    ROMEO,
    TYBALT,
    chat,
    joins,
    populate,
    reads_offline,
    taken,
)
from tests.faults.phones import Phone, R
from tests.faults.test_archive_kill import reads_archive
from tests.support.server import ServerProcess

ROUNDS = int(os.environ.get("XMPPD_TEST_CRASHES", "2"))
SEED = int(os.environ.get("XMPPD_TEST_SEED", "1"))
AHEAD = 4  # requests that wait for their acknowledgement
CHUNK = 5  # messages to each, before each request
BIG = {"offline": {"limit": 1_000_000, "max_bytes": 1_000_000_000}, "sm": {"max_unacked": 100_000}}


@dataclass
class Tally:
    """What came of all rounds."""

    sent: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    def judge(self, who: str, acknowledged: list[str], found: list[str]) -> None:
        self.acknowledged += len(acknowledged)
        self.lost += [f"{who}: {each}" for each in acknowledged if each not in set(found)]
        self.doubled += [f"{who}: {each}" for each in set(found) if found.count(each) > 1]

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, acknowledged {self.acknowledged}, "
            f"lost {len(self.lost)}, doubled {len(self.doubled)}"
        )


class Writer:
    """Sends until the connection is lost; knows what the server has answered for."""

    def __init__(self, phone: Phone, *to: str) -> None:
        self.phone = phone
        self.to = to
        self.sent: list[tuple[str, str]] = []
        self.handled = 0

    def writes(self) -> None:
        requests = 0
        try:
            for number in itertools.count():
                new = [(to, f"{number * CHUNK + n:06}") for n in range(CHUNK) for to in self.to]
                self.sent += new
                self.phone.client.sends("".join(chat(id_, to) for to, id_ in new) + R)
                requests += 1
                while requests > AHEAD:
                    self._hears()
                    requests -= 1
        except ConnectionError:
            self._hears_the_rest()
        except LOST:
            return

    def _hears(self) -> None:
        self.handled = int(self.phone.nonza("a").get("h") or -1)

    def _hears_the_rest(self) -> None:
        try:
            while True:
                self._hears()
        except LOST:
            return

    def acknowledged(self, to: str) -> list[str]:
        return [id_ for who, id_ in self.sent[: self.handled] if who == to]


def reads_on(phone: Phone, moody: random.Random) -> None:
    """Online, and acknowledging now and then, until the connection is lost."""
    try:
        while True:
            came = phone.client.reads()
            if came.ns == "jabber:client":
                phone.handled += 1
            if moody.random() < 0.05:
                phone.acknowledges()
    except LOST:
        return


def crashes(server: ServerProcess, tally: Tally, after_s: float, *, archive: bool) -> None:
    """One round: everybody comes, the server is killed, what is left is counted."""
    here, absent = Phone(server, f"{JULIET}/here"), Phone(server, f"{NURSE}/absent")
    for phone in (here, absent):
        phone.client.sends("<presence/>")
        assert phone.acknowledged() == 1
    absent.cuts()
    people = [JULIET, NURSE, TYBALT] if archive else [NURSE, TYBALT]
    writer = Writer(Phone(server, f"{ROMEO}/writes"), *people)
    reader = threading.Thread(target=reads_on, args=(here, random.Random(after_s)), daemon=True)
    reader.start()
    timer = threading.Timer(after_s, server.kill)
    timer.start()
    writer.writes()
    timer.join()
    reader.join()
    server.start()
    tally.sent += len(writer.sent)
    for who in people:
        kept = archived(server, who) if archive else []
        waiting = reads_offline(server, who, f"mark-{after_s}")
        tally.judge(who, writer.acknowledged(who), kept if archive else waiting)
        tally.judge(who, [], waiting)
    reads_offline(server, JULIET, f"mark-{after_s}")


def archived(server: ServerProcess, who: str) -> list[str]:
    """The ids of the messages to `who`, which are removed then."""
    client = joins(server, f"{who}/asks")
    found = [own for _, own in reads_archive(client)]
    taken(client)
    client.leaves()
    server.run("archive-erase", jid=who)
    return [own for own in found if own.isdigit()]


def runs(server: ServerProcess, rounds: int, *, archive: bool) -> None:
    chance, tally = random.Random(SEED), Tally()
    for _ in range(rounds):
        crashes(server, tally, chance.uniform(0.0, 1.5), archive=archive)
    print(f"\n{'archive' if archive else 'offline store'}: {tally}")
    assert tally.acknowledged
    assert not tally.lost, tally.lost[:10]
    assert not tally.doubled, tally.doubled[:10]


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "offline store"])
def test_kills_lose_and_double_nothing(archive: bool) -> None:
    disable = [] if archive else ["archive"]
    with ServerProcess(disable=disable, options=BIG) as server:
        populate(server)
        runs(server, ROUNDS, archive=archive)


@NEEDS_POSTGRESQL
@pytest.mark.parametrize("archive", [True, False], ids=["archive", "offline store"])
def test_kills_lose_and_double_nothing_on_postgresql(cluster: Cluster, archive: bool) -> None:
    disable = [] if archive else ["archive"]
    database = f'url = "{cluster.url}"'
    with ServerProcess(disable=disable, options=BIG, database=database) as server:
        populate(server)
        runs(server, ROUNDS, archive=archive)
        for user in server.accounts():
            server.delete(user)
