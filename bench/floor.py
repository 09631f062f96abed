"""What no server in Python can undercut: ``python -m bench.floor``.

A loop of a process of its own passes bytes on (``bench/passing.py``): to another client, and to
each of a hundred and of two hundred. The clients are those of the other loads, and what it costs
is read from the same clock, in turns with the servers when these are measured too. What remains
is the system's work: waking up, receiving, sending, and waking who is sent something.
"""

import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, Self

from bench.load import READ_BYTES, TIMEOUT_S, Chat, Client, Fan, LoadError, Target
from bench.page import FLOOR
from bench.passing import WELCOME
from bench.rooms import GUESTS, SAID, RoomLoad
from bench.servers import ROOT, Server
from bench.units import (
    CONTACTS,
    PRESENCE,
    ChatLoad,
    Done,
    Load,
    PlainChatLoad,
    PresenceLoad,
    Step,
    Unit,
)

PRESENCE_PLAIN = Unit("presence delivered, 100 contacts, plain")
SAID_PLAIN = Unit("room message delivered, 200 occupants, plain")
TOGETHER = Unit("chat message, one in flight, plain, all on one processor")
AWAKE = Unit("chat message, one in flight, plain, to who does not sleep")
# As long as what servers deliver
PRESENT: Final = (
    b"<presence from='hub@bench.example/bench' to='contact50@bench.example/bench'>"
    b"<status>At the wall%s</status></presence>"
)
SPOKEN: Final = (
    b"<message type='groupchat' from='hall@conference.bench.example/guest0' "
    b"to='guest100@bench.example/bench'><body>Hear%s, hear</body><stanza-id "
    b"xmlns='urn:xmpp:sid:0' id='4fd3a1c9e7b54d20' by='hall@conference.bench.example'/></message>"
)


class Floor(Server):
    """The loop, as if it were a server."""

    name = FLOOR
    address = "127.0.0.15"
    needs = sys.executable

    def configure(self) -> None:
        """There is nothing to decide."""

    def command(self) -> list[str]:
        where = [self.address, str(self.port), str(self.certificate), str(self.key)]
        return [sys.executable, "-m", "bench.passing", *where]

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT)}

    def register(self, users: Iterable[str]) -> None:
        """It asks nobody who he is."""

    def befriend(self, user: str, contacts: Sequence[str]) -> None:
        """Who is in a group hears the others."""


class BareClient(Client):
    """It says the name of its group, and then what it likes."""

    @classmethod
    def join(cls, target: Target, user: str, group: str) -> Self:
        connected = socket.create_connection((target.address, target.port), timeout=TIMEOUT_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = cls(connected, target, user)
        if target.tls:
            client.secure()
        client.ask(group.encode(), WELCOME)
        return client

    def close(self) -> None:
        """Without a word: there is no stream to end."""
        self._socket.close()


class WakefulClient(BareClient):
    """It looks again and again, so that nobody has to wake it."""

    def receive(self) -> bytes:
        deadline = time.monotonic() + TIMEOUT_S
        self._socket.setblocking(False)
        try:
            while time.monotonic() < deadline:
                try:
                    return self._socket.recv(READ_BYTES)
                except BlockingIOError:
                    continue
        finally:
            self._socket.settimeout(TIMEOUT_S)
        raise LoadError(f"{self.jid} waits in vain: something is lost")


def meet(load: ChatLoad, receives: type[BareClient] = BareClient) -> Chat:
    """Two in a group of their own."""
    target, group = load.server.target._replace(tls=load.tls), f"{load.users} {receives.__name__}"
    first, second = load.users
    receiver = receives.join(target, second, group)
    return Chat(BareClient.join(target, first, group), receiver)


class FloorChatLoad(ChatLoad):
    meet = meet


class FloorPlainChatLoad(PlainChatLoad):
    meet = meet


class FloorWakesLoad(PlainChatLoad):
    """The same bytes again, where nobody has to be woken on another processor."""

    users = ("tybalt", "paris")

    def meet(self) -> Chat:
        self._to_wakeful = meet(self, WakefulClient)
        return meet(self)

    def steps(self) -> Sequence[Step]:
        return [Step(TOGETHER, self._on_one_processor), Step(AWAKE, self._awake)]

    def _on_one_processor(self) -> Done:
        with one_processor([0, self.server.pid]):
            return self._run(1)

    def _awake(self) -> Done:
        self._to_wakeful.run(self.count, 1)
        return Done(self.count)

    def close(self) -> None:
        self._to_wakeful.close()
        super().close()


@contextmanager
def one_processor(pids: Sequence[int]) -> Iterator[None]:
    before = {pid: os.sched_getaffinity(pid) for pid in pids}
    for pid in pids:
        os.sched_setaffinity(pid, {min(before[pid])})
    try:
        yield
    finally:
        for pid in pids:
            os.sched_setaffinity(pid, before[pid])


class FloorFanLoad(Load):
    """From one to each of a hundred, over TLS and without."""

    units = (PRESENCE, PRESENCE_PLAIN)
    receivers = len(CONTACTS)
    stanza = PRESENT

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, max(count // 50, 5))
        self._fans = [self._fan(tls=tls) for tls in (True, False)]

    def _fan(self, *, tls: bool) -> Fan:
        target, group = self.server.target._replace(tls=tls), f"{self.receivers} {tls}"
        users = [f"contact{number}" for number in range(self.receivers)]
        receivers = [BareClient.join(target, user, group) for user in users]
        return Fan(BareClient.join(target, "hub", group), receivers, self.stanza)

    def steps(self) -> Sequence[Step]:
        both = zip(self.units, self._fans, strict=True)
        return [Step(unit, partial(self._run, fan)) for unit, fan in both]

    def _run(self, fan: Fan) -> Done:
        fan.run(self.count)
        return Done(self.count * self.receivers)

    def finish(self) -> None:
        for fan in self._fans:
            fan.run(1)

    def close(self) -> None:
        for fan in self._fans:
            fan.close()


class FloorRoomLoad(FloorFanLoad):
    units = (SAID, SAID_PLAIN)
    receivers = GUESTS
    stanza = SPOKEN


# In turns with which load of the servers it is measured
FLOORS: Final[Mapping[type[Load], type[Load]]] = {
    ChatLoad: FloorChatLoad,
    PlainChatLoad: FloorPlainChatLoad,
    PresenceLoad: FloorFanLoad,
    RoomLoad: FloorRoomLoad,
}
ALONE: Final[tuple[type[Load], ...]] = (FloorWakesLoad,)


def main() -> int:
    from bench.run import main as run

    return run(["--only", FLOOR, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
