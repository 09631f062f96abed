"""Those who chat while things go wrong."""

import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterable

from tests.support.client import StreamEnded, TLSClient
from tests.support.server import PASSWORD, ServerProcess
from xmppd.jid import jid
from xmppd.ns import CLIENT, PING, STANZAS
from xmppd.xml import Element

PATIENCE_S = 30.0  # for what must come; all is much sooner when all is well
DOMAIN = "example.org"
ROMEO, JULIET, NURSE, TYBALT = (
    f"{name}@{DOMAIN}" for name in ("romeo", "juliet", "nurse", "tybalt")
)
# For `ServerProcess`: who floods would fill a queue of the usual size within a second.
ROOM = {"offline": {"limit": 1_000_000, "max_bytes": 1_000_000_000}}
Connect = Callable[[tuple[str, int], float], socket.socket]
LOST = (StreamEnded, ConnectionError, TimeoutError, ssl.SSLEOFError)


def joins(
    server: ServerProcess,
    address: str,
    password: str = PASSWORD,
    connect: Connect = socket.create_connection,
) -> TLSClient:
    """A client of that full JID, bound."""
    client = TLSClient(server.address, jid(address), password=password, connect=connect)
    client.socket.settimeout(PATIENCE_S)
    client.connects()
    return client


def comes_online(server: ServerProcess, address: str) -> TLSClient:
    client = joins(server, address)
    client.sends("<presence/>")
    while (came := client.reads()).name != "presence":
        client.record(came)
    taken(client)
    return client


def populate(server: ServerProcess) -> None:
    for user in (ROMEO, JULIET, NURSE, TYBALT):
        server.create(user)


def chat(id_: str, to: str = JULIET, body: str = "Night") -> str:
    return f"<message to='{to}' type='chat' id='{id_}'><body>{body}</body></message>"


def ping(id_: str) -> str:
    return f"<iq type='get' id='{id_}' to='{DOMAIN}'><ping xmlns='{PING}'/></iq>"


def answer(client: TLSClient, id_: str) -> Element:
    """The stanza with that id, when it comes; all others are in its inbox."""
    for known in client.inbox:
        if known.get("id") == id_:
            client.inbox.remove(known)
            return known
    while (stanza := client.reads()).get("id") != id_:
        client.record(stanza)
    return stanza


def taken(client: TLSClient) -> None:
    """Returns when the server has taken all that the client has sent."""
    client.sends(ping("taken"))
    answer(client, "taken")


def condition(stanza: Element) -> tuple[str, str]:
    """Type and condition of an error stanza; ("", "") where it is none."""
    error = stanza.child(CLIENT, "error")
    if stanza.get("type") != "error" or error is None:
        return "", ""
    return error.get("type") or "", next(e.name for e in error.elements if e.ns == STANZAS)


def ids(stanzas: Iterable[Element], name: str = "message") -> list[str]:
    return [stanza.get("id") or "" for stanza in stanzas if stanza.name == name]


def takes_until(client: TLSClient, last: str) -> list[str]:
    """The ids of the messages up to the one with id `last`, without it."""
    client.record(answer(client, last))
    came = ids(client.inbox)
    client.inbox.clear()
    return came[: came.index(last)]


def reads_offline(
    server: ServerProcess,
    user: str,
    mark: str = "mark",
    connect: Connect = socket.create_connection,
) -> list[str]:
    """The ids of all messages that wait for an account; they are confirmed, and gone then."""
    writer = joins(server, f"{ROMEO}/marks", connect=connect)
    writer.sends(chat(mark, user))
    taken(writer)
    assert writer.inbox == [], "the mark is stored, so it comes"
    writer.leaves()
    reader = joins(server, f"{user}/reads", connect=connect)
    reader.sends("<presence/>")
    kept = takes_until(reader, mark)
    taken(reader)
    reader.leaves()
    return kept


class Flood:
    """A client that writes to some accounts as fast as it is answered, from a thread of its own.

    `sent` and `acknowledged` are ids by recipient: what precedes a ping that was answered counts
    as acknowledged. It ends when its stream does, or with `ends`.
    """

    CHUNK, AHEAD = 10, 3  # messages before a ping; pings that may be unanswered

    def __init__(self, client: TLSClient, *recipients: str, body: str = "Night") -> None:
        self.client = client
        self.body = body
        self.sent: dict[str, list[str]] = {to: [] for to in recipients}
        self.acknowledged: dict[str, list[str]] = {to: [] for to in recipients}
        self.ended: BaseException | None = None
        self._over = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def reaches(self, count: int) -> "Flood":
        """Wait until so many messages are acknowledged to each recipient from now on."""

        def done() -> int:
            return min(map(len, self.acknowledged.values()))

        with self._news:
            goal = done() + count
            self._news.wait_for(lambda: self.ended is not None or done() >= goal, PATIENCE_S)
            assert done() >= goal, self.ended
        return self

    def ends(self) -> None:
        """All that was sent is acknowledged; fails when the stream has ended before."""
        self._over.set()
        self._thread.join(PATIENCE_S)
        assert self.ended is None, self.ended
        assert self.sent == self.acknowledged

    def waits_for_the_end(self) -> None:
        """Of the stream."""
        self._thread.join(PATIENCE_S)
        assert self.ended is not None

    def _run(self) -> None:
        open_pings: list[dict[str, list[str]]] = []
        try:
            try:
                for number in itertools.count():
                    open_pings.append(self._send(number))
                    while len(open_pings) > (0 if self._over.is_set() else self.AHEAD):
                        self._await(open_pings)
                    if self._over.is_set():
                        return
            except ConnectionError:
                while True:  # what was answered before
                    self._await(open_pings)
        except BaseException as end:
            self._finish(end)

    def _send(self, number: int) -> dict[str, list[str]]:
        chunk = {
            to: [f"{number * self.CHUNK + n:06}" for n in range(self.CHUNK)] for to in self.sent
        }
        for to, new in chunk.items():
            self.sent[to] += new
        text = "".join(chat(i, to, self.body) for to, new in chunk.items() for i in new)
        self.client.sends(text + ping("acknowledge"))
        return chunk

    def _await(self, open_pings: list[dict[str, list[str]]]) -> None:
        answer(self.client, "acknowledge")
        with self._news:
            for to, new in open_pings.pop(0).items():
                self.acknowledged[to] += new
            self._news.notify_all()

    def _finish(self, end: BaseException) -> None:
        with self._news:
            self.ended = end
            self._news.notify_all()


class Collector:
    """Reads all that comes to a client, in a thread of its own, until its stream ends."""

    def __init__(self, client: TLSClient) -> None:
        self.client = client
        self.stanzas, client.inbox = client.inbox, []  # what came while it was coming online
        self.ended: BaseException | None = None
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def messages(self) -> list[str]:
        with self._news:
            return ids(self.stanzas)

    def until(self, wanted: Callable[[list[str]], bool]) -> list[str]:
        """The ids of all messages so far, once `wanted` is true of them."""
        with self._news:
            self._news.wait_for(
                lambda: self.ended is not None or wanted(ids(self.stanzas)), PATIENCE_S
            )
            assert wanted(ids(self.stanzas)), self.ended
        return self.messages

    def waits_for_the_end(self) -> None:
        self._thread.join(PATIENCE_S)
        assert self.ended is not None

    def _run(self) -> None:
        try:
            while True:
                stanza = self.client.reads()
                with self._news:
                    self.stanzas.append(stanza)
                    self._news.notify_all()
        except BaseException as end:
            with self._news:
                self.ended = end
                self._news.notify_all()


def is_prefix(part: list[str], whole: list[str]) -> bool:
    return whole[: len(part)] == part
