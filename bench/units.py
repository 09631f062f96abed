"""What is measured: each `Load` makes a server work, in steps that its CPU time is read around."""

import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from bench.load import Chat, Client, Fan, LoadError, Loop, Numbers, Token, message
from bench.measure import cpu_s
from bench.pairs import Flow, Pairs
from bench.servers import DOMAIN, Server

CONTACTS: Final = [f"contact{number}" for number in range(100)]
LOGINS: Final = [f"login{number}" for number in range(10)]
NEWER_LOGINS: Final = [f"newer{number}" for number in range(10)]
LEFT: Final = [f"left{number}" for number in range(10)]
RIGHT: Final = [f"right{number}" for number in range(10)]
NAMED: Final = ["romeo", "juliet", "mercutio", "benvolio", "alone", "hub", "absent", "sender"]
USERS: Final = [*NAMED, *CONTACTS, *LOGINS, *LEFT, *RIGHT]
RATE: Final = 1000.0
WINDOW: Final = 200
CALM_S: Final = 0.05
PAGE_SIZE: Final = 50
PING: Final = f"<iq type='get' to='{DOMAIN}' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>"
PAGE_ASKED: Final = (
    "<iq type='set' id='%s'><query xmlns='urn:xmpp:mam:2'><set "
    f"xmlns='http://jabber.org/protocol/rsm'><max>{PAGE_SIZE}</max><before/></set></query></iq>"
)
ROSTER: Final = "<iq type='get' id='%s'><query xmlns='jabber:iq:roster'/></iq>"


class Unit(NamedTuple):
    """One row of the tables. `goals`: at most that share of what the peer needs."""

    title: str
    unit: str = "µs CPU"
    goals: tuple[tuple[str, float], ...] = ()
    cost: bool = True  # less is better


def goals(ejabberd: float, prosody: float) -> tuple[tuple[str, float], ...]:
    return (("ejabberd", ejabberd), ("prosody", prosody))


CHAT_TLS = Unit("chat message, one in flight, TLS", goals=goals(0.35, 0.12))
CHAT_TLS_10 = Unit("chat message, ten in flight, TLS")
CHAT = Unit("chat message, one in flight, plain", goals=goals(0.35, 0.10))
CHAT_10 = Unit("chat message, ten in flight, plain")
PINGS = Unit("ping of the server, one in flight, plain", goals=goals(0.33, 0.10))
PINGS_TLS = Unit("ping of the server, one in flight, TLS")
ROSTER_0 = Unit("roster of nobody, TLS")
ROSTER_100 = Unit("roster of 100 contacts, TLS")
PRESENCE = Unit("presence delivered, 100 contacts, TLS", goals=goals(0.25, 0.10))
STORED = Unit("offline message stored, TLS", goals=goals(0.40, 0.20))
FETCHED = Unit("offline message fetched and dropped, TLS")
ARCHIVE = Unit("archived chat message, one in flight, TLS", goals=goals(0.5, 0.05))
ARCHIVE_10 = Unit("archived chat message, ten in flight, TLS", goals=goals(0.5, 0.05))
PAGE = Unit("page of 50 from the archive, TLS")
OPEN = Unit("chat message, 1000 a second, 10 pairs, TLS")
OPEN_P50 = Unit("its latency, median", "ms")
OPEN_P99 = Unit("its latency, 99th percentile", "ms")
MOST = Unit("chat message, 200 in flight, 10 pairs, TLS")
MOST_PER_S = Unit("messages a second then", "1/s", cost=False)
LOGIN_256 = Unit("login, TLS and SCRAM-SHA-256", goals=goals(0.6, 0.4))
LOGIN_1 = Unit("login, TLS and SCRAM-SHA-1", goals=goals(0.6, 0.4))
RESUMED = Unit("login, TLS resumed by ticket, SCRAM-SHA-256")
BY_TOKEN = Unit("login, TLS and a token (FAST)")


class Done(NamedTuple):
    """How many of its unit a step was, and what else it has found out."""

    units: int
    others: Mapping[Unit, float] = {}


class Step(NamedTuple):
    """`work` costs `unit`; None: it is only needed for the next step."""

    unit: Unit | None
    work: Callable[[], Done]


class Load(ABC):
    """Clients of one server. `count` is how many of a cheap unit a round has."""

    def __init__(self, server: Server, count: int) -> None:
        self.server = server
        self.count = count

    @abstractmethod
    def steps(self) -> Sequence[Step]:
        """One round."""

    def cpu_s(self) -> float:
        """What the work has cost so far, in all processes that do it."""
        return cpu_s(self.server.pid)

    def finish(self) -> None:  # noqa: B027  # some have nothing that could come twice
        """After whole rounds alone: when one was broken off, more is under way. Raises LoadError
        if something has come too often.
        """

    def close(self) -> None:  # noqa: B027  # some have nothing to close
        """However it went: nothing is waited for."""

    def client(self, user: str, *, tls: bool = True) -> Client:
        return Client.log_in(self.server.target._replace(tls=tls), user)

    def calm(self) -> None:
        """Until the server does nothing more: some work is done after the last answer."""
        for _ in range(200):
            before = self.cpu_s()
            time.sleep(CALM_S)
            if self.cpu_s() - before < CALM_S / 20:
                return


class ChatLoad(Load):
    """Between two users. The same over TLS and without, with other users."""

    tls = True
    users: Sequence[str] = ("romeo", "juliet")
    units: Sequence[tuple[Unit, int]] = ((CHAT_TLS, 1), (CHAT_TLS_10, 10))

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, count)
        self._chat = self.meet()

    def meet(self) -> Chat:
        """The two, who are there."""
        sender, receiver = (self.client(user, tls=self.tls) for user in self.users)
        sender.be_available()
        receiver.be_available()
        return Chat(sender, receiver)

    def steps(self) -> Sequence[Step]:
        return [Step(unit, partial(self._run, window)) for unit, window in self.units]

    def _run(self, window: int) -> Done:
        self._chat.run(self.count, window)
        return Done(self.count)

    def finish(self) -> None:
        self._chat.run(10, 1)  # whatever came too often would be seen now

    def close(self) -> None:
        self._chat.close()


class PlainChatLoad(ChatLoad):
    tls = False
    users = ("mercutio", "benvolio")
    units = ((CHAT, 1), (CHAT_10, 10))


class QuestionLoad(Load):
    """IQs that the server answers."""

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, count)
        alone, hub = self.client("alone"), self.client("hub")
        plain = self.client("mercutio", tls=False)
        ping, roster = PING.encode(), ROSTER.encode()
        self._loops = [
            (PINGS, count, Loop(plain, plain, ping)),
            (PINGS_TLS, count, Loop(alone, alone, ping)),
            (ROSTER_0, count // 2, Loop(alone, alone, roster)),
            (ROSTER_100, max(count // 10, 10), Loop(hub, hub, roster)),
        ]

    def steps(self) -> Sequence[Step]:
        return [Step(unit, partial(self._run, count, loop)) for unit, count, loop in self._loops]

    def _run(self, count: int, loop: Loop) -> Done:
        loop.run(count, 1)
        return Done(count)

    def finish(self) -> None:
        for _, _, loop in self._loops:
            loop.run(3, 1)

    def close(self) -> None:
        for _, _, loop in self._loops:
            loop.close()


class PresenceLoad(Load):
    """One user is seen by a hundred, who are all there."""

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, max(count // 50, 5))
        receivers = [self.client(user) for user in CONTACTS]
        hub = self.client("hub")
        for client in (*receivers, hub):
            client.be_available()
        for client in (*receivers, hub):
            client.sync()
        self._fan = Fan(hub, receivers)

    def steps(self) -> Sequence[Step]:
        return [Step(PRESENCE, self._run)]

    def _run(self) -> Done:
        self._fan.run(self.count)
        return Done(self.count * len(CONTACTS))

    def finish(self) -> None:
        self._fan.run(1)

    def close(self) -> None:
        self._fan.close()


class ArchivedChatLoad(ChatLoad):
    """Between two users whose server archives it for both. Rounds are short: with each message in
    an archive ejabberd's Mnesia takes longer for the next one, and 16,000 were not done in ten
    minutes.
    """

    units = ((ARCHIVE, 1), (ARCHIVE_10, 10))

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, max(count // 10, 10))


class PageLoad(Load):
    """The newest page of an archive, asked for again and again."""

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, max(count // 20, 5))
        self._reader = self.client("alone")
        self._fill(self._reader)
        self.check(self._reader, server.name)
        self._loop = Loop(self._reader, self._reader, PAGE_ASKED.encode())

    def _fill(self, to: Client) -> None:
        """With messages that bear no numbers: only the answers have them."""
        to.be_available()
        sender = self.client("sender")
        for _ in range(PAGE_SIZE * 2):
            sender.send(message(to.jid) % b"")
        sender.sync()
        to.sync()
        sender.close()
        self.calm()

    @staticmethod
    def check(reader: Client, name: str) -> None:
        """Raises LoadError where a page is not what was asked for."""
        found = reader.ask((PAGE_ASKED % "check").encode(), b"</iq>").count(b"<result ")
        if found != PAGE_SIZE:
            raise LoadError(f"{name} has put {found} messages onto a page")

    def steps(self) -> Sequence[Step]:
        return [Step(PAGE, self._run)]

    def _run(self) -> Done:
        self._loop.run(self.count, 1)
        return Done(self.count)

    def close(self) -> None:
        self._reader.close()


class OfflineLoad(Load):
    """Messages to a user who is away, and who fetches them all then."""

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, min(max(count // 3, 10), 1000))
        self._sender = self.client("sender")
        self._text = message(f"absent@{DOMAIN}")
        self._numbers = Numbers()
        self._receiver: Client | None = None

    def steps(self) -> Sequence[Step]:
        return [
            Step(STORED, self._store),
            Step(None, self._come),
            Step(FETCHED, self._fetch),
            Step(None, self._go),
        ]

    def _store(self) -> Done:
        first = self._numbers.received
        for number in range(first, first + self.count):
            self._sender.send(self._text % Numbers.token(number))
        self._sender.sync()
        self.calm()
        return Done(self.count)

    def _come(self) -> Done:
        self._receiver = self.client("absent")
        self.calm()
        return Done(0)

    def _fetch(self) -> Done:
        assert self._receiver is not None
        due = self._numbers.received + self.count
        self._receiver.send(b"<presence/>")
        while self._numbers.received < due:
            self._numbers.take(self._receiver.receive())
        self._receiver.sync()  # some drop them when they hear from the client again
        self.calm()
        return Done(self.count)

    def _go(self) -> Done:
        assert self._receiver is not None
        self._receiver.close()
        self.calm()
        return Done(0)

    def finish(self) -> None:
        """Who comes again gets nothing of what was fetched."""
        self._come()
        assert self._receiver is not None
        self._receiver.send(b"<presence/>")
        self._numbers.take(self._receiver.sync())
        self._go()

    def close(self) -> None:
        if self._receiver is not None:
            self._receiver.close()
        self._sender.close()


class PairsLoad(Load):
    """Ten chats at once, at a rate and as fast as it goes."""

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, count // len(LEFT) * len(LEFT))
        self._pairs = Pairs(server.target, LEFT, RIGHT)

    def steps(self) -> Sequence[Step]:
        return [Step(OPEN, self._rate), Step(MOST, self._most)]

    def _rate(self) -> Done:
        flow: Flow = self._pairs.at_rate(self.count, RATE)
        late = {OPEN_P50: flow.percentile(50) * 1e3, OPEN_P99: flow.percentile(99) * 1e3}
        return Done(self.count, late)

    def _most(self) -> Done:
        flow = self._pairs.at_most(self.count * 2, WINDOW)
        return Done(self.count * 2, {MOST_PER_S: flow.per_s})

    def finish(self) -> None:
        self._pairs.at_rate(len(LEFT), RATE)

    def close(self) -> None:
        self._pairs.close()


class LoginLoad(Load):
    """A connection, the handshake, SCRAM, a resource, and the end of the stream."""

    unit = LOGIN_1
    users: Sequence[str] = LOGINS

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, max(count // 20, 10))

    def steps(self) -> Sequence[Step]:
        return [Step(self.unit, self._full)]

    def _full(self) -> Done:
        for number in range(self.count):
            self.client(self.users[number % len(self.users)]).close()
        self.calm()
        return Done(self.count)


class NewerLoginLoad(LoginLoad):
    """With SHA-256, and also with a TLS session that goes on, where the server gives one."""

    unit = LOGIN_256
    users = NEWER_LOGINS

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, count)
        self._ticket = self._find_ticket()

    def _find_ticket(self) -> ssl.SSLSession | None:
        first = self.client(self.users[0])
        ticket = first.ticket
        first.close()
        if ticket is None:
            return None
        second = Client.log_in(self.server.target, self.users[1], ticket)
        second.close()
        return ticket if second.resumes else None

    def steps(self) -> Sequence[Step]:
        resumed = [] if self._ticket is None else [Step(RESUMED, self._resumed)]
        return [*super().steps(), *resumed]

    def _resumed(self) -> Done:
        for number in range(self.count):
            user = self.users[number % len(self.users)]
            client = Client.log_in(self.server.target, user, self._ticket)
            client.close()
            if not client.resumes:
                raise LoadError(f"{self.server.name} does not take its ticket again")
        self.calm()
        return Done(self.count)


class TokenLoad(LoginLoad):
    """In one round trip (XEP-0484), where the server can; each login spends no token."""

    unit = BY_TOKEN
    users = NEWER_LOGINS

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(server, count)
        self._tokens: list[Token] = []
        if server.has_tokens:
            self._tokens = [Client.ask_token(server.target, user) for user in self.users]

    def steps(self) -> Sequence[Step]:
        return super().steps() if self._tokens else []

    def _full(self) -> Done:
        for number in range(self.count):
            token = self._tokens[number % len(self._tokens)]
            Client.log_in_by(self.server.target, token).close()
        self.calm()
        return Done(self.count)


LOADS: Final[tuple[type[Load], ...]] = (
    ChatLoad,
    PlainChatLoad,
    QuestionLoad,
    PresenceLoad,
    PairsLoad,
    OfflineLoad,
    LoginLoad,
)
ARCHIVED: Final[tuple[type[Load], ...]] = (ArchivedChatLoad, PageLoad)  # with archives on
NEWER: Final[tuple[type[Load], ...]] = (
    NewerLoginLoad,
    TokenLoad,
)  # the servers keep keys for SHA-256
