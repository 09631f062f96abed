"""Rooms: what a message costs for each who gets it, what it costs to enter, and what an occupant
takes: ``python -m bench.rooms`` for large rooms of ours; beside others by ``python -m bench``.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from bench.hall import ENTER, LEAVE, QUIET, SAY, UNLOCK, Hall
from bench.load import Client, LoadError
from bench.measure import cpu_s, memory
from bench.page import machine, spread, table, today, write_part
from bench.seats import Seats
from bench.servers import DOMAIN, Server, ServerError, Xmppd, make_certificate
from bench.units import Done, Load, Step, Unit, goals

GUESTS: Final = 200
SIZES: Final = (10, 100, 500, 1000, 2000, 5000)
KB_FROM: Final = 500  # with fewer, what one takes is less than what varies
SETTLE_S: Final = 3.0
ROUNDS: Final = 5
DELIVERIES: Final = 2000  # of messages in a round, at least two messages
NOW: Final = f"<iq type='get' id='now' to='{DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>"
TITLES: Final = (
    "occupants",
    "presence of",
    "message delivered, µs CPU",
    "entering and leaving, µs",
    "by occupants",
    "entering with others, µs",
    "MB",
    "kB each",
)
EXPLAINED: Final = """\
One room of ours that gets larger, plain, in which each occupant is another user. Either all see
the presence of all, or of moderators and speakers alone (``x-muc#roomconfig_quiet``). A message
is delivered to all. One more enters, is seen and leaves; "by occupants" is that divided by their
number: where all are shown, each of them is told twice and told of once. The others enter many at
a time and stay: what each of them costs, on the way from the size before. MB are those of the
process, with all sessions; kB, what an occupant takes beside its session."""
SAID = Unit("room message delivered, 200 occupants, TLS", goals=goals(0.25, 0.04))
ENTERED = Unit("entering and leaving a room of 200, TLS", goals=goals(0.5, 0.5))


def guests(most: int = GUESTS) -> list[str]:
    return [f"guest{number}" for number in range(most)]


class Party:
    """A room with so many in it, one after the other."""

    def __init__(self, log_in: Callable[[str], Client], users: Sequence[str]) -> None:
        self.hall = Hall()
        self._last = log_in("alone")
        self._last_nick = "latecomer"
        for position, user in enumerate(users):
            self._enter(log_in(user), user)
            if not position:
                owner = self.hall.clients[0]
                self.hall.ask(owner, UNLOCK % "", b"unlock")
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
    fill_us: float  # CPU for each who entered since the size before, many at a time
    said_us: list[float]
    entered_us: list[float]
    rss_mb: float
    occupant_kb: float  # of who has entered since the size before

    def __str__(self) -> str:
        return (
            f"  {self.size:,}: a message {spread(self.said_us)} µs each, entering and leaving "
            f"{spread(self.entered_us)} µs, {self.rss_mb:.0f} MB"
        )


class Large:
    """One room that gets larger and larger: who was there stays. The owner and the one who comes
    and goes are held by this process, all others by processes of their own.
    """

    def __init__(self, server: Xmppd, hall: Hall, seats: Seats, *, quiet: bool) -> None:
        target = server.target._replace(tls=False)
        self._server = server
        self._hall = hall
        self._seats = seats
        self._quiet = quiet
        self._there = 1
        self._owner, self._last = (Client.log_in(target, user) for user in ("hub", "alone"))
        self._hall.admit(self._owner)
        self._hall.ask(self._owner, ENTER % ("hub", ""), b"<subject")
        self._hall.ask(self._owner, UNLOCK % (QUIET if quiet else ""), b"unlock")

    def grow(self, size: int) -> Sized:
        """To that size, and what it costs then. Sessions are there before they enter, so that
        only the room takes what is new.
        """
        coming = guests(size)[self._there - 1 : size - 1]
        self._seats.come(coming)
        before = self._settled_kb()
        began = cpu_s(self._server.pid)
        self._seats.enter()
        self._owner_hears()
        filled_us = (cpu_s(self._server.pid) - began) / len(coming) * 1e6
        rss = self._settled_kb()
        self._there = size
        times = max(DELIVERIES // size, 2)
        said = rounds(self._server, times * size, partial(self._say, times))
        entered = rounds(self._server, times, partial(self._come_and_go, times))
        each_kb = (rss - before) / len(coming)
        return Sized(size, self._quiet, filled_us, said, entered, rss / 1024, each_kb)

    def _settled_kb(self) -> int:
        time.sleep(SETTLE_S)
        return memory(self._server.pid).rss

    def _owner_hears(self) -> None:
        """What came to the owner while others entered, up to now."""
        self._hall.ask(self._owner, NOW, b"now")

    def _say(self, count: int) -> None:
        for _ in range(count):
            said = SAY % self._hall.number()
            self._all_hear(self._owner, said)

    def _come_and_go(self, count: int) -> None:
        """One more enters, seen by all if the room shows it, and leaves."""
        for _ in range(count):
            self._hall.admit(self._last)
            if self._quiet:
                self._hall.ask(self._last, ENTER % ("latecomer", ""), b"<subject")
            else:
                self._all_hear(self._last, ENTER % ("latecomer", self._hall.number()))
            self._hall.ask(self._last, LEAVE % "latecomer", b"unavailable")
            self._last.sync()
            self._hall.dismiss(self._last)
        self._owner_hears()

    def _all_hear(self, speaker: Client, said: str) -> None:
        self._seats.hear(self._hall.sent)
        speaker.send(said.encode())
        self._hall.heard_by_all()
        self._seats.done()

    def close(self) -> None:
        self._last.close()
        self._hall.close()


def measure(folder: Path, sizes: Sequence[int], *, quiet: bool) -> Iterator[Sized]:
    """In a fresh process, a size after the other, told at once."""
    server = Xmppd(folder, *make_certificate(folder))
    with ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        server.register(["hub", "alone", *guests(max(sizes))])
        hall = Hall()
        seats = stack.enter_context(Seats(server.target._replace(tls=False), hall))
        large = Large(server, hall, seats, quiet=quiet)
        stack.callback(large.close)
        for size in sizes:
            yield large.grow(size)


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
    """The part `rooms` of the page."""
    rows = [
        [
            f"{each.size:,}",
            "speakers" if each.quiet else "all",
            spread(each.said_us),
            spread(each.entered_us),
            f"{statistics.median(each.entered_us) / each.size:.1f}",
            f"{each.fill_us:.0f}",
            f"{each.rss_mb:.0f}",
            f"{each.occupant_kb:.1f}" if each.size >= KB_FROM else "",
        ]
        for each in found
    ]
    return f"""Rooms
-----

{EXPLAINED}

{table(TITLES, rows)}

{told}
"""


def main(given: Sequence[str] | None = None) -> int:
    from bench.run import PAGE, interrupt, raise_limits, say

    parser = argparse.ArgumentParser(prog="python -m bench.rooms", description=__doc__)
    parser.add_argument("--most", type=int, default=max(SIZES), help="occupants; all for the page")
    options = parser.parse_args(given)
    raise_limits()
    signal.signal(signal.SIGTERM, interrupt)
    loads, found, complete = [os.getloadavg()[0]], list[Sized](), True
    sizes = [size for size in SIZES if size <= options.most]
    try:
        for quiet in (False, True):
            say(f"a room that shows {'speakers' if quiet else 'all'}")
            with tempfile.TemporaryDirectory(prefix="xmppd-rooms-") as name:
                for each in measure(Path(name), sizes, quiet=quiet):
                    found.append(each)
                    say(str(each))
    except (KeyboardInterrupt, LoadError, ServerError, OSError) as end:
        say(f"bench: ended by {type(end).__name__} {end}")
        complete = False
    loads.append(os.getloadavg()[0])
    text = part(found, f"Measured on {today()}, xmppd {Xmppd.version()}.\n{machine(loads)}.")
    print(text)
    if complete and sizes == list(SIZES):
        write_part(PAGE, "rooms", text)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
