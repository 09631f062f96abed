"""What grows with the number of sessions, contacts and accounts: ``python -m bench.growth``.

Only our server; what its peers cost beside it is measured by ``python -m bench``.
"""

import argparse
import functools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.crowd import Crowd
from bench.load import Client, Fan, LoadError, Loop
from bench.measure import cpu_s, memory
from bench.page import machine, spread, table, today, write_part
from bench.plot import Line, Panel, plot
from bench.run import PAGE, raise_limits, say
from bench.servers import ServerError, Xmppd, make_certificate
from bench.units import PING, ROSTER, ChatLoad

SIZES = (10, 100, 1000, 10_000)  # sessions
CONTACTS = (10, 100, 1000)
CHATTERS = ("romeo", "juliet", "mercutio")
ACCOUNTS = 100_000
START_GOAL_S = 3.0
ROUNDS = 9
STARTS = 3
COUNT = 500
DELIVERIES = 3000  # of presence in a round
IDLE_S = 8.0  # sessions have been silent for so long when they are looked at
PICTURE = PAGE.with_name("growth.svg")
Rounds = list[float]


class Alone(Xmppd):
    """The same server without a crowd, measured in turns with the other: what the machine does
    from minute to minute shows in both.
    """

    name = "alone"
    address = "127.0.0.14"


class Sized(NamedTuple):
    """What was found with so many sessions, and without them in the same minute."""

    size: int
    chat_us: Rounds
    ping_us: Rounds
    alone_chat_us: Rounds
    alone_ping_us: Rounds
    rss_mb: float
    session_kb: float

    @property
    def chat_ratio(self) -> float:
        return statistics.median(self.chat_us) / statistics.median(self.alone_chat_us)

    @property
    def ping_ratio(self) -> float:
        return statistics.median(self.ping_us) / statistics.median(self.alone_ping_us)


class Pair:
    """Two users of one server: they chat, and one pings."""

    def __init__(self, server: Xmppd) -> None:
        self._server = server
        self._chat = ChatLoad(server, COUNT)
        self._asker = Client.log_in(server.target, "mercutio")
        self._pings = Loop(self._asker, self._asker, PING.encode())

    def chat_us(self) -> float:
        return self._cost_us(self._chat.steps()[0].work)

    def ping_us(self) -> float:
        return self._cost_us(functools.partial(self._pings.run, COUNT, 1))

    def _cost_us(self, work: Callable[[], object]) -> float:
        before = cpu_s(self._server.pid)
        work()
        return (cpu_s(self._server.pid) - before) / COUNT * 1e6

    def finish(self) -> None:
        self._chat.finish()

    def close(self) -> None:
        self._chat.close()
        self._asker.close()


class Known(NamedTuple):
    """What was found with so many contacts."""

    size: int
    delivery_us: Rounds
    roster_us: Rounds


class Growth(NamedTuple):
    """All that was found. Starts in seconds, without accounts and with them."""

    empty_s: Rounds
    full_s: Rounds
    contacts: Sequence[Known]
    sessions: Sequence[Sized]


def rounds(server: Xmppd, units: int, work: Callable[[], object]) -> Rounds:
    """CPU µs of each unit, after one round that does not count."""
    work()
    found = []
    for _ in range(ROUNDS):
        before = cpu_s(server.pid)
        work()
        found.append((cpu_s(server.pid) - before) / units * 1e6)
    return found


def starts(server: Xmppd) -> Rounds:
    """Seconds from the command until a client is served."""
    found = []
    for _ in range(STARTS):
        server.stop()
        began = time.monotonic()
        server.start()
        found.append(time.monotonic() - began)
    return found


def seed(server: Xmppd, sessions: int) -> None:
    names = [*CHATTERS, *(f"hub{size}" for size in CONTACTS)]
    names += [f"contact{number}" for number in range(max(CONTACTS))]
    names += [f"idle{number}" for number in range(max(sessions, ACCOUNTS - len(names)))]
    server.register(names)
    for size in CONTACTS:
        server.befriend(f"hub{size}", [f"contact{number}" for number in range(size)])


def by_contacts(server: Xmppd) -> Iterator[Known]:
    with ExitStack() as stack:
        contacts = []
        for number in range(max(CONTACTS)):
            contacts.append(client := Client.log_in(server.target, f"contact{number}"))
            stack.callback(client.close)
            client.be_available()
        for size in CONTACTS:
            say(f"{size} contacts")
            hub = Client.log_in(server.target, f"hub{size}")
            stack.callback(hub.close)
            hub.be_available()
            for client in (hub, *contacts):
                client.sync()
            fan, times = Fan(hub, contacts[:size]), DELIVERIES // size
            presence = rounds(server, times * size, functools.partial(fan.run, times))
            gets = max(DELIVERIES // 5 // size, 10)
            asks = Loop(hub, hub, ROSTER.encode())
            roster = rounds(server, gets, functools.partial(asks.run, gets, 1))
            yield Known(size, presence, roster)


def by_sessions(server: Xmppd, alone: Xmppd, sizes: Sequence[int]) -> Iterator[Sized]:
    """The crowd grows in one process, beside the two who chat and ping."""
    with ExitStack() as stack:
        pairs = [Pair(each) for each in (server, alone)]
        before, there = memory(server.pid).rss, 0
        crowds = []
        for size in sizes:
            say(f"{size} sessions")
            users = [f"idle{number}" for number in range(there, size)]
            crowd = stack.enter_context(Crowd(server.target, users, min(4, len(users))))
            crowds.append(crowd)
            crowd.wait()
            there = size
            time.sleep(IDLE_S)
            rss = memory(server.pid).rss
            for pair in pairs:  # warm
                pair.chat_us()
            turns = [[(pair.chat_us(), pair.ping_us()) for pair in pairs] for _ in range(ROUNDS)]
            costs = zip(*(sum(turn, ()) for turn in turns), strict=True)
            chat, ping, alone_chat, alone_ping = map(list, costs)
            session_kb = (rss - before) / size
            yield Sized(size, chat, ping, alone_chat, alone_ping, rss / 1024, session_kb)
        for crowd in crowds:
            crowd.finish()
        for pair in pairs:
            pair.finish()
            pair.close()


def measure(server: Xmppd, alone: Xmppd, sizes: Sequence[int]) -> Growth:
    server.start()
    empty = starts(server)
    say(f"{ACCOUNTS} accounts")
    seed(server, max(sizes))
    full = starts(server)
    contacts = list(by_contacts(server))
    server.stop()
    for each in (server, alone):
        each.start()
    alone.register(CHATTERS)
    return Growth(empty, full, contacts, list(by_sessions(server, alone, sizes)))


def picture(found: Growth) -> str:
    def line(name: str, of: Sequence[tuple[int, Rounds]]) -> Line:
        return Line(name, [(size, statistics.median(values)) for size, values in of])

    sessions, contacts = found.sessions, found.contacts
    return plot(
        [
            Panel(
                "Sessions online",
                "sessions",
                "µs CPU",
                [
                    line("chat message", [(each.size, each.chat_us) for each in sessions]),
                    line(
                        "without a crowd", [(each.size, each.alone_chat_us) for each in sessions]
                    ),
                ],
            ),
            Panel(
                "Contacts of a user",
                "contacts",
                "µs CPU for each contact",
                [
                    line("presence", [(each.size, each.delivery_us) for each in contacts]),
                    line("roster", [(each.size, _each(each)) for each in contacts]),
                ],
            ),
        ]
    )


def _each(known: Known) -> Rounds:
    return [value / known.size for value in known.roster_us]


def _sessions_table(found: Growth) -> str:
    titles = ["sessions", "chat, µs CPU", "alone", "ratio", "ping, µs CPU", "alone", "ratio"]
    rows = [
        [
            f"{each.size:,}",
            spread(each.chat_us),
            spread(each.alone_chat_us),
            f"{each.chat_ratio:.2f}",
            spread(each.ping_us),
            spread(each.alone_ping_us),
            f"{each.ping_ratio:.2f}",
            f"{each.rss_mb:.0f}",
            f"{each.session_kb:.1f}" if each.size >= 1000 else "",
        ]
        for each in found.sessions
    ]
    return table([*titles, "MB", "kB each"], rows)


def _contacts_table(found: Growth) -> str:
    return table(
        ["contacts", "presence delivered, µs CPU", "roster, µs CPU", "roster, µs a contact"],
        [
            [f"{each.size:,}", *map(spread, (each.delivery_us, each.roster_us, _each(each)))]
            for each in found.contacts
        ],
    )


def _start_table(found: Growth) -> str:
    met = max(found.full_s) < START_GOAL_S
    goal = f"{START_GOAL_S:.0f} s, {'met' if met else 'missed'}"
    return table(
        ["start until clients are served", "s", "goal"],
        [
            ["no accounts", spread(found.empty_s), ""],
            [f"{ACCOUNTS:,} accounts", spread(found.full_s), goal],
        ],
    )


def part(found: Growth, told: str) -> str:
    """The part `growth` of the page."""
    return f"""Growth
------

What a stanza costs should not depend on how many others are there, and a contact not on how many
contacts there are. Medians of {ROUNDS} rounds ({STARTS} starts), with the
smallest and the largest.

.. image:: growth.svg
   :alt: CPU time by sessions and by contacts

All sessions are idle, available, over TLS, and all there at the end; two more chat and ping, one
stanza in flight, over TLS. `Alone` is another process of the server in which only the two are,
measured in turns with it, so that what the machine does from minute to minute shows in both:

{_sessions_table(found)}

All contacts are there, subscribed both ways:

{_contacts_table(found)}

{_start_table(found)}

{told}
"""


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--most", type=int, default=max(SIZES), help="sessions; all for the page")
    options = parser.parse_args(given)
    raise_limits()
    loads = [os.getloadavg()[0]]
    try:
        with tempfile.TemporaryDirectory(prefix="xmppd-growth-") as name, ExitStack() as stack:
            folder = Path(name)
            certificate = make_certificate(folder)
            server, alone = Xmppd(folder, *certificate), Alone(folder, *certificate)
            for each in (server, alone):
                stack.callback(each.stop)
            found = measure(server, alone, [size for size in SIZES if size <= options.most])
    except (LoadError, ServerError) as error:
        say(f"bench: {error}")
        return 1
    loads.append(os.getloadavg()[0])
    text = part(found, f"Measured on {today()}, xmppd {Xmppd.version()}.\n{machine(loads)}.")
    print(text)
    if options.most >= max(SIZES):
        PICTURE.write_text(picture(found))
        write_part(PAGE, "growth", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
