"""Rooms: what a message costs for each who gets it, what it costs to enter, and what an occupant
takes: ``python -m bench.rooms`` for large rooms of ours; beside others by ``python -m bench``.
"""

import argparse
import os
import selectors
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from bench.load import TIMEOUT_S, Client, LoadError, Numbers
from bench.measure import cpu_s, memory
from bench.page import machine, spread, table, today
from bench.servers import DOMAIN, Server, ServerError, Xmppd, make_certificate
from bench.units import Done, Load, Step, Unit, goals

SERVICE: Final = f"conference.{DOMAIN}"
ROOM: Final = f"hall@{SERVICE}"
GUESTS: Final = 200
SIZES: Final = (200, 1000, 5000)
ROUNDS: Final = 5
MUC: Final = "http://jabber.org/protocol/muc"
# Without history: what was counted once would come again.
ENTER: Final = (
    f"<presence to='{ROOM}/%s'><status>%s</status>"
    f"<x xmlns='{MUC}'><history maxstanzas='0'/></x></presence>"
)
LEAVE: Final = f"<presence type='unavailable' to='{ROOM}/%s'/>"
SAY: Final = f"<message type='groupchat' to='{ROOM}'><body>Hear%s, hear</body></message>"
UNLOCK: Final = (
    f"<iq type='set' id='unlock' to='{ROOM}'><query xmlns='{MUC}#owner'>"
    "<x xmlns='jabber:x:data' type='submit'>%s</x></query></iq>"
)
FORM_TYPE: Final = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
QUIET: Final = f"{FORM_TYPE}<field var='x-muc#roomconfig_quiet'><value>1</value></field>"
SAID = Unit("room message delivered, 200 occupants, TLS", goals=goals(0.25, 0.04))
ENTERED = Unit("entering and leaving a room of 200, TLS", goals=goals(0.5, 0.5))


def guests(most: int = GUESTS) -> list[str]:
    return [f"guest{number}" for number in range(most)]


class Hall:
    """Clients in one room, and what they hear: numbers, each once and in order."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._heard: dict[Client, Numbers] = {}
        self._waiting: dict[Client, tuple[bytes, bytes]] = {}  # for what, and what came so far
        self.sent = 0

    def admit(self, client: Client) -> None:
        """It is listened to from now on; what was said before it has not missed."""
        numbers = Numbers()
        numbers.received = self.sent
        self._heard[client] = numbers
        self._selector.register(client, selectors.EVENT_READ, client)

    def dismiss(self, client: Client) -> None:
        self._selector.unregister(client)
        del self._heard[client]

    @property
    def clients(self) -> Sequence[Client]:
        return list(self._heard)

    def number(self) -> str:
        """The next one, for something that all shall hear."""
        token = Numbers.token(self.sent).decode()
        self.sent += 1
        return token

    def heard_by_all(self) -> None:
        """Until nobody has less than all. Raises LoadError."""
        missing = sum(self.sent - each.received for each in self._heard.values())
        while missing > 0:
            missing -= self._listen()

    def ask(self, client: Client, data: str, answer: bytes) -> None:
        """Send it, and listen to all until the client has got the answer."""
        self._waiting[client] = answer, b""
        client.send(data.encode())
        while client in self._waiting:
            self._listen()

    def _listen(self) -> int:
        ready = self._selector.select(TIMEOUT_S)
        if not ready:
            raise LoadError("something that was said in the room did not come to all")
        came = 0
        for key, _ in ready:
            client: Client = key.data
            data = client.receive_all()
            came += self._heard[client].take(data)
            self._look(client, data)
        return came

    def _look(self, client: Client, data: bytes) -> None:
        if client in self._waiting:
            answer, before = self._waiting[client]
            if answer in before + data:
                del self._waiting[client]
            else:
                self._waiting[client] = answer, (before + data)[-len(answer) :]

    def close(self) -> None:
        self._selector.close()
        for client in self._heard:
            client.close()


class Party:
    """A room with so many in it, one after the other."""

    def __init__(
        self, log_in: Callable[[str], Client], users: Sequence[str], form: str = ""
    ) -> None:
        self.hall = Hall()
        self._last = log_in("alone")
        self._last_nick = "latecomer"
        for position, user in enumerate(users):
            self._enter(log_in(user), user)
            if not position:
                owner = self.hall.clients[0]
                self.hall.ask(owner, UNLOCK % form, b"unlock")
        self.hall.heard_by_all()

    def _enter(self, client: Client, nick: str) -> None:
        """In; the empty subject is the last that who enters is told."""
        self.hall.admit(client)
        self.hall.ask(client, ENTER % (nick, ""), b"<subject")

    def say(self, count: int) -> None:
        speaker = self.hall.clients[0]
        for _ in range(count):
            speaker.send((SAY % self.hall.number()).encode())
            self.hall.heard_by_all()

    def come_and_go(self, count: int) -> None:
        """One more enters, seen by all, and leaves."""
        client, nick = self._last, self._last_nick
        for _ in range(count):
            self.hall.admit(client)
            number = self.hall.number()
            self.hall.ask(client, ENTER % (nick, number), b"<subject")
            self.hall.heard_by_all()
            self.hall.ask(client, LEAVE % nick, b"unavailable")
            client.sync()
            self.hall.dismiss(client)

    def quietly_come_and_go(self, count: int) -> None:
        """The same where others are not told of it."""
        client, nick = self._last, self._last_nick
        for _ in range(count):
            self.hall.admit(client)
            self.hall.ask(client, ENTER % (nick, ""), b"<subject")
            self.hall.ask(client, LEAVE % nick, b"unavailable")
            client.sync()
            self.hall.dismiss(client)

    def close(self) -> None:
        self._last.close()
        self.hall.close()


class RoomLoad(Load):
    """Two hundred in a room: one speaks, one comes and goes."""

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, max(count // 50, 5))
        self._party = Party(self.client, guests())

    def steps(self) -> Sequence[Step]:
        return [Step(SAID, self._say), Step(ENTERED, self._enter)]

    def _say(self) -> Done:
        self._party.say(self.count)
        return Done(self.count * GUESTS)

    def _enter(self) -> Done:
        self._party.come_and_go(self.count)
        self.calm()
        return Done(self.count)

    def finish(self) -> None:
        self._party.say(1)

    def close(self) -> None:
        self._party.close()


# Large rooms, ours alone


class Sized(NamedTuple):
    """What was found in a room of that size."""

    size: int
    quiet: bool
    fill_s: float  # CPU, for all to enter
    said_us: list[float]
    entered_us: list[float]
    occupant_kb: float


def measure(server: Xmppd, size: int, *, quiet: bool) -> Sized:
    """In a fresh process: sessions are there before, so that only the room takes what is new."""
    users = guests(size)
    with ExitStack() as stack:
        clients = {}
        for user in ("alone", *users):
            clients[user] = Client.log_in(server.target._replace(tls=False), user)
            stack.callback(clients[user].close)
        time.sleep(3)
        before, began = memory(server.pid).rss, cpu_s(server.pid)
        party = Party(clients.__getitem__, users, QUIET if quiet else "")
        filled = cpu_s(server.pid) - began
        time.sleep(3)
        grown = memory(server.pid).rss - before
        come = party.quietly_come_and_go if quiet else party.come_and_go
        times = max(2000 // size, 2)
        said = rounds(server, times * size, partial(party.say, times))
        entered = rounds(server, times, partial(come, times))
        return Sized(size, quiet, filled, said, entered, grown / size)


def rounds(server: Xmppd, units: int, work: Callable[[], object]) -> list[float]:
    """CPU µs of each unit, after one round that does not count."""
    work()
    found = []
    for _ in range(ROUNDS):
        before = cpu_s(server.pid)
        work()
        found.append((cpu_s(server.pid) - before) / units * 1e6)
    return found


def part(found: Sequence[Sized], told: str) -> str:
    """For the page: large rooms."""
    titles = ["occupants", "presence of", "message delivered, µs CPU", "entering and leaving, µs"]
    rows = [
        [
            f"{each.size:,}",
            "speakers" if each.quiet else "all",
            spread(each.said_us),
            spread(each.entered_us),
            f"{statistics.median(each.entered_us) / each.size:.1f}",
            f"{each.fill_s:.1f}",
            f"{each.occupant_kb:.1f}",
        ]
        for each in found
    ]
    return f"""Large rooms
-----------

{table([*titles, "by occupants", "all entering, s", "kB each"], rows)}

{told}
"""


def main(given: Sequence[str] | None = None) -> int:
    from bench.run import raise_limits, say

    parser = argparse.ArgumentParser(prog="python -m bench.rooms", description=__doc__)
    parser.add_argument("--most", type=int, default=max(SIZES), help="occupants")
    options = parser.parse_args(given)
    raise_limits()
    loads, found = [os.getloadavg()[0]], []
    try:
        for size in [size for size in SIZES if size <= options.most]:
            for quiet in (False, True):
                say(f"a room of {size}{', quiet' if quiet else ''}")
                with tempfile.TemporaryDirectory(prefix="xmppd-rooms-") as name:
                    server = Xmppd(Path(name), *make_certificate(Path(name)))
                    try:
                        server.start()
                        server.register(["alone", *guests(size)])
                        found.append(measure(server, size, quiet=quiet))
                    finally:
                        server.stop()
    except (LoadError, ServerError) as error:
        say(f"bench: {error}")
        return 1
    loads.append(os.getloadavg()[0])
    print(part(found, f"Measured on {today()}, xmppd {Xmppd.version()}.\n{machine(loads)}."))
    return 0


if __name__ == "__main__":
    sys.exit(main())
