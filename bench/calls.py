"""What a stanza costs in calls and bytes: counts, so a busy machine changes nothing.

``python -m bench.calls`` shows them beside the budgets of tests/bench/budgets.toml and ends with
1 where they differ; ``--write`` takes them as the new budgets.

Counted for each unit, averaged over many:

ours
    calls of functions of this server and its modules; a coroutine that goes on counts again
library
    calls of functions of others, as Twisted, SQLAlchemy and the standard library
builtin
    calls of functions in C that ours make
sends, sent
    system calls that send, and bytes given to them. What Python copies in between cannot be
    counted honestly from within, so it is not
peak
    bytes that Python's allocator holds at most while a unit is handled, beyond those before
kept
    bytes that are left when it is done, with the garbage collector off: cycles count too
"""

import argparse
import gc
import socket
import statistics
import sys
import tomllib
import tracemalloc
from array import array
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from twisted.logger import globalLogBeginner

from bench import nodes
from bench.inside import DOMAIN, Client, Inside, discard

ROOT: Final = Path(__file__).parents[1]
BUDGETS: Final = ROOT / "tests" / "bench" / "budgets.toml"
# Interpreters differ in what they count as a call: the budgets hold for this one.
PYTHON: Final = (3, 11)
WARM, COUNTED = 60, 50
LESS: Final = 0.85  # a share of its budget from which on the budget is to be lowered
Counts = dict[str, float]
Step = Callable[[], object]


class Slack(NamedTuple):
    """How much more than its budget a count may be, as a share and beside that."""

    share: float
    more: float


SLACK: Final[Mapping[str, Slack]] = {
    "ours": Slack(0.01, 0.4),
    "library": Slack(0.10, 2.0),  # their versions differ
    "builtin": Slack(0.03, 0.9),
    "sends": Slack(0.0, 0.05),
    "sent": Slack(0.01, 2.0),
    "peak": Slack(0.10, 256.0),
    "kept": Slack(0.05, 24.0),
}


class Meter:
    """Stands at the door of an `Inside` and counts what happens behind it."""

    def __init__(self) -> None:
        self.ours = self.library = self.builtin = self.sends = 0
        self._of: dict[CodeType, str] = {}

    def door(self, take: Callable[[bytes], None], data: bytes) -> None:
        sys.setprofile(self._profile)
        take(data)
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            of = self._owner(frame.f_code)
            if of == "ours":
                self.ours += 1
            elif of == "library":
                self.library += 1
        elif event == "c_call":
            if arg.__name__ == "send" and isinstance(arg.__self__, socket.socket):
                self.sends += 1
            if self._owner(frame.f_code) == "ours":
                self.builtin += 1

    def _owner(self, code: CodeType) -> str:
        of = self._of.get(code)
        if of is None:
            of = self._of[code] = _owner(code.co_filename)
        return of


def _owner(filename: str) -> str:
    path = Path(filename)
    if not path.is_relative_to(ROOT) or "site-packages" in path.parts:  # in a .venv of ours
        return "library"
    # `bench` is the world outside; of `xmppd`, what tests alone have stands for a library.
    part = path.relative_to(ROOT).parts
    return "ours" if part[0] in ("xmppd", "modules") and part[1] != "testing" else "outside"


class Peaks:
    """Stands at the door and notes how much memory was held at most behind it."""

    def __init__(self) -> None:
        self.seen = array("q")  # whose items are no objects

    def door(self, take: Callable[[bytes], None], data: bytes) -> None:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        take(data)
        self.seen.append(tracemalloc.get_traced_memory()[1] - before)


# The units: each makes clients and gives what is done again and again


def chat(server: Inside) -> Step:
    """One message to a full JID."""
    romeo, juliet = server.online("romeo@example.org/x"), server.online("juliet@example.org/y")
    return _between(romeo, juliet.jid, [juliet])


def chat_to_bare(server: Inside) -> Step:
    """One message to an account with two resources."""
    romeo = server.online("romeo@example.org/x")
    many = [server.online(f"juliet@example.org/{resource}") for resource in "yz"]
    return _between(romeo, many[0].jid.bare, many)


def _between(sender: Client, to: str, receivers: list[Client]) -> Step:
    data = (
        f"<message to='{to}' type='chat' id='m1'><body>Wherefore art thou, Romeo?</body></message>"
    ).encode()
    for each in receivers:
        each.hears()

    def step() -> None:
        sender.says(data)
        for each in receivers:
            heard = each.hears()
            assert heard.count(b"</message>") == 1, heard

    return step


def ping(server: Inside) -> Step:
    """XEP-0199 to the server."""
    romeo = server.online("romeo@example.org/x")
    data = f"<iq type='get' id='p1' to='{DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>".encode()

    def step() -> None:
        assert b"type='result'" in romeo.says(data)

    return step


def roster_get(server: Inside) -> Step:
    """A roster of 100 contacts."""
    server.contacts("romeo", [f"friend{number}" for number in range(100)])
    romeo = server.online("romeo@example.org/x")
    data = b"<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq>"

    def step() -> None:
        assert romeo.says(data).count(b"<item ") == 100

    return step


def presence(server: Inside, state: bytes = b"") -> Step:
    """A change of presence, told to 100 contacts that are online; each has said `state`."""
    friends = [f"friend{number}" for number in range(100)]
    server.contacts("romeo", friends)
    online = [server.online(f"{friend}@{DOMAIN}/y") for friend in friends]
    romeo = server.online("romeo@example.org/x")
    for each in online:
        each.says(state)
        each.hears()
    each_hears = 0 if state == INACTIVE else 1

    def step() -> None:
        romeo.says(b"<presence><show>away</show><status>Thinking</status></presence>")
        assert all(each.hears().count(b"<presence") == each_hears for each in online)

    return step


def room(server: Inside, state: bytes = b"") -> Step:
    """A message to a room of 100; each but who speaks has said `state`."""
    inside = [server.online(f"guest{number}@{DOMAIN}/y") for number in range(100)]
    for number, each in enumerate(inside):
        enter = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>"
        each.says(f"<presence to='hall@conference.{DOMAIN}/n{number}'>{enter}</presence>".encode())
        if not number:
            each.says(UNLOCK)
    for each in inside[1:]:
        each.says(state)
    for each in inside:
        each.hears()

    def step() -> None:
        heard = [inside[0].says(HEAR), *(each.hears() for each in inside[1:])]
        assert all(each.count(b"</message>") == 1 for each in heard)

    return step


def notified(server: Inside) -> Step:
    """An item published to a node of 100 subscribers."""
    asked = partial(nodes.iq, to=f"pubsub.{DOMAIN}")
    readers = [server.online(f"reader{number}@{DOMAIN}/y") for number in range(100)]
    hub = server.online(f"hub@{DOMAIN}/x")
    assert b"id='node'" in hub.says(asked("node", "<create node='bench'/>"))
    for each in readers:
        each.says(asked("sub", f"<subscribe node='bench' jid='{each.jid}'/>"))
    return _published(hub, readers, nodes.publication("bench", f"pubsub.{DOMAIN}") % b"")


def told_by_pep(server: Inside) -> Step:
    """An item published by an account, to 100 contacts whose clients want to hear of it."""
    friends = [f"friend{number}" for number in range(100)]
    server.contacts("hub", friends)
    hub = server.online(f"hub@{DOMAIN}/x")
    online = [server.online(f"{friend}@{DOMAIN}/y") for friend in friends]
    for each in online:
        asked = each.says(nodes.presence())
        for question in nodes.ASKED.findall(asked):
            each.says(nodes.description(question))
    return _published(hub, online, nodes.publication(nodes.FEED) % b"")


def _published(hub: Client, readers: list[Client], data: bytes) -> Step:
    for each in readers:
        each.hears()

    def step() -> None:
        assert b"type='result'" in hub.says(data)
        assert all(each.hears().count(b"</message>") == 1 for each in readers)

    return step


INACTIVE: Final = b"<inactive xmlns='urn:xmpp:csi:0'/>"
BLOCKS: Final = (
    b"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>"
    b"<item jid='tybalt@example.com'/></block></iq>"
)
HEAR: Final = (
    f"<message to='hall@conference.{DOMAIN}' type='groupchat' id='m1'>"
    "<body>Hear, hear</body></message>"
).encode()
UNLOCK: Final = (
    f"<iq type='set' id='u' to='hall@conference.{DOMAIN}'>"
    "<query xmlns='http://jabber.org/protocol/muc#owner'>"
    "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
).encode()


def offline(server: Inside) -> Step:
    """A message that is stored. What the database's own thread costs is not in it."""
    romeo = server.online("romeo@example.org/x")
    server.talk.account("juliet@example.org")
    data = (
        b"<message to='juliet@example.org' type='chat' id='m1'>"
        b"<body>Wherefore art thou, Romeo?</body></message>"
    )

    def step() -> None:
        assert romeo.says(data) == b""

    return step


def login(server: Inside) -> Step:
    """From the first header to the end, by SCRAM-SHA-256; deriving keys is the client's work."""

    def step() -> None:
        client = Client(server, "romeo@example.org/x")
        client.log_in()
        client.ends()

    return step


def login_resumed(server: Inside) -> Step:
    """The connection is lost, and from the first header until the session goes on (XEP-0198)."""
    client = Client(server, "romeo@example.org/x")
    client.log_in()
    id_ = client.enable()

    def step() -> None:
        nonlocal client
        client.leaves()
        client = Client(server, "romeo@example.org/x")
        client.come_back(id_)

    return step


class Unit(NamedTuple):
    make: Callable[[Inside], Step]
    tls: bool = False
    per: int = 1  # so many are counted as one step
    archives: bool = False


UNITS: Final[Mapping[str, Unit]] = {
    "chat": Unit(chat),
    "chat-tls": Unit(chat, tls=True),
    "chat-to-bare": Unit(chat_to_bare),
    "chat-archived": Unit(chat, archives=True),
    "ping": Unit(ping),
    "roster-get-100": Unit(roster_get),
    "presence-100": Unit(presence, per=100),
    "room-100": Unit(room, per=100),
    "presence-100-inactive": Unit(partial(presence, state=INACTIVE), per=100),
    "presence-100-blocking": Unit(partial(presence, state=BLOCKS), per=100),
    "room-100-inactive": Unit(partial(room, state=INACTIVE), per=100),
    "room-100-blocking": Unit(partial(room, state=BLOCKS), per=100),
    "pubsub-100": Unit(notified, per=100),
    "pep-100": Unit(told_by_pep, per=100),
    "offline": Unit(offline),
    "login": Unit(login),
    "login-resumed": Unit(login_resumed),
}


def count(name: str) -> Counts:
    """Measure one unit, in a server of its own."""
    unit = UNITS[name]
    server = Inside(tls=unit.tls, archives=unit.archives)
    step = unit.make(server)
    for _ in range(WARM):
        step()
    gc.collect()
    gc.disable()
    try:
        return _calls(server, step, unit.per) | _memory(server, step, unit.per)
    finally:
        gc.enable()


def _calls(server: Inside, step: Step, per: int) -> Counts:
    meter, before = Meter(), server.sent
    server.door = meter.door
    for _ in range(COUNTED):
        step()
    units = COUNTED * per
    counts = {
        name: getattr(meter, name) / units for name in ("ours", "library", "builtin", "sends")
    }
    return counts | {"sent": (server.sent - before) / units}


def _memory(server: Inside, step: Step, per: int) -> Counts:
    peaks = Peaks()
    server.door = peaks.door
    tracemalloc.start()
    try:
        for _ in range(COUNTED):
            step()
        gc.collect()
        del peaks.seen[:]
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(COUNTED):
            step()
        kept = tracemalloc.get_traced_memory()[0] - before - sys.getsizeof(peaks.seen)
    finally:
        tracemalloc.stop()
    return {
        "peak": statistics.median(peaks.seen) / per,
        "kept": max(kept, 0) / COUNTED / per,
    }


# Budgets


def budgets() -> dict[str, Counts]:
    return tomllib.loads(BUDGETS.read_text())


def faults(name: str, counted: Counts, budget: Counts) -> list[str]:
    """What is to be done about it, in sentences; none where the budget is right."""
    found = []
    for what, slack in SLACK.items():
        now, may = counted[what], budget[what]
        told = f"{name}: {what} is {now:.1f}, its budget {may:g}."
        if now > may * (1 + slack.share) + slack.more:
            found.append(
                f"{told} It costs more now: make it cost less, or raise the budget in the same"
                " commit and say why there (python -m bench.calls --write)."
            )
        elif now < may * LESS - slack.more:
            found.append(
                f"{told} It costs much less now: lower the budget in the same commit, so that"
                " nobody spends it again (python -m bench.calls --write)."
            )
    return found


def write(counted: Mapping[str, Counts]) -> str:
    """The text of the file of budgets."""
    head = (
        "# What a stanza may cost, as `python -m bench.calls` counts it on Python"
        f" {PYTHON[0]}.{PYTHON[1]}.\n"
        "# A change that costs more raises its budget in the same commit, whose message says why."
    )
    units = [
        "\n".join([f"[{name}]", *(f"{what} = {counts[what]:.1f}" for what in SLACK)])
        for name, counts in counted.items()
    ]
    return "\n\n".join([head, *units]) + "\n"


def show(counted: Mapping[str, Counts]) -> str:
    width = max(map(len, UNITS))
    lines = [" " * width + "".join(f"{what:>10}" for what in SLACK)]
    for name, counts in counted.items():
        lines.append(name.ljust(width) + "".join(f"{counts[what]:10.1f}" for what in SLACK))
    return "\n".join(lines)


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.calls", description=__doc__)
    parser.add_argument("--write", action="store_true", help="take what is counted as budgets")
    parser.add_argument("units", nargs="*", metavar="UNIT", help=", ".join(UNITS))
    args = parser.parse_args(given)
    if sys.version_info[:2] != PYTHON:
        print(f"The budgets are Python {PYTHON[0]}.{PYTHON[1]}'s: others count differently.")
        return 2
    globalLogBeginner.beginLoggingTo([discard], redirectStandardIO=False)
    counted = {name: count(name) for name in args.units or UNITS}
    print(show(counted))
    if args.write:
        BUDGETS.write_text(write((budgets() if BUDGETS.exists() else {}) | counted))
        return 0
    known = budgets()
    wrong = [fault for name in counted for fault in faults(name, counted[name], known[name])]
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
