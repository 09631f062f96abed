"""A client's end of a `ClientStream`: text in, text out, no sockets."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from xmppd.jid import JID, jid
from xmppd.stream.core import ClientStream
from xmppd.stream.events import BindRequest, Closed, Event, OwnAnswer, Restarted
from xmppd.stream.features import StreamPolicy
from xmppd.stream.negotiating import Door
from xmppd.stream.sasl import AskKeys, AskPassword, Channel, ScramKeys

HOSTS = frozenset(("example.org", "xn--bcher-kva.example", "bücher.example", "example.net"))
HEADER = (
    "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xml:lang='de'"
    " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
)


def channel(secure: bool) -> Callable[[str], Channel]:
    def made(domain: str) -> Channel:
        return Channel(
            secure=secure,
            binding=lambda name: b"bound" if secure and name == "tls-exporter" else None,
            binding_types=("tls-exporter",) if secure else (),
            certificate_jids=(),
            domain=domain,
        )

    return made


def plain(user: str = "juliet", password: str = "secret") -> str:
    data = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{data}</auth>"


class Client:
    """Says things to a stream; `said` has all events, `heard` all that the stream wrote."""

    header = HEADER

    def __init__(self, *, secure: bool = True, **options: Any) -> None:
        policy = options.pop("policy", None) or StreamPolicy()
        self.stream = ClientStream(Door(HOSTS, self.channel, **options), policy, secure=secure)
        self.events: list[Event] = []
        self.heard = ""

    def channel(self, domain: str) -> Channel:
        return channel(self.stream.secure)(domain)

    def sends(self, text: str | bytes) -> str:
        """What the stream answers."""
        data = text.encode() if isinstance(text, str) else text
        return self.gets(self.stream.receive(data))

    def gets(self, events: list[Event]) -> str:
        own = [event.written for event in events if isinstance(event, OwnAnswer)]
        self.events += [e for e in events if not isinstance(e, OwnAnswer | Restarted)]
        farewells = [event.farewell for event in events if isinstance(event, Closed)]
        answer = b"".join([self.stream.take(), *own, *farewells]).decode()
        self.heard += answer
        return answer

    def opens(self) -> str:
        return self.sends(HEADER)

    def logs_in(self, user: str = "juliet") -> str:
        """Header, PLAIN, and the header of the authenticated stream."""
        self.opens()
        self.sends(plain(user))
        self.verified()
        return self.opens()

    def verified(self) -> str:
        """The password was right, and the account is in order."""
        assert isinstance(self.events[-1], AskPassword)
        self.gets(self.stream.verdict(True))
        assert isinstance(self.events[-1], AskKeys)
        return self.gets(self.stream.keys(ScramKeys(b"salt", 4096, b"", b"")))

    def binds(self, resource: str = "balcony", user: str = "juliet") -> str:
        """All of it, until stanzas flow."""
        self.logs_in(user)
        self.sends(bind(resource))
        return self.opened()

    def opened(self) -> str:
        """The session that was asked for is open."""
        asked = self.events[-1]
        assert isinstance(asked, BindRequest)
        return self.gets(self.stream.bound(asked.full))

    @property
    def error(self) -> str | None:
        """The stream error that ended it."""
        last = self.events[-1] if self.events else None
        return last.error.condition if isinstance(last, Closed) and last.error else None

    @property
    def full(self) -> JID:
        return jid("juliet@example.org/balcony")


def bind(resource: str = "") -> str:
    inner = f"<resource>{resource}</resource>" if resource else ""
    return (
        "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        f"{inner}</bind></iq>"
    )


@pytest.fixture
def client() -> Client:
    """Under TLS from the first byte on; nothing said yet."""
    return Client()


@pytest.fixture
def bound() -> Client:
    """juliet@example.org/balcony; what led there is forgotten."""
    made = Client()
    made.binds()
    made.events.clear()
    made.heard = ""
    return made


@pytest.fixture
def new_client() -> type[Client]:
    return Client


@pytest.fixture
def plain_auth() -> Callable[..., str]:
    return plain


@pytest.fixture
def bind_iq() -> Callable[..., str]:
    return bind
