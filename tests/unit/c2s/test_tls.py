"""A true handshake, by STARTTLS and from the first byte on."""

import ssl
from collections.abc import Callable
from typing import Any

import pytest

from xmppd.c2s import Service
from xmppd.c2s.negotiation import RESTART_S
from xmppd.config.server import C2SOptions
from xmppd.jid import jid
from xmppd.transport.store import CertificateStore

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


class TLSClient:
    """Speaks TLS on the other end of a test's client."""

    def __init__(self, client: Any) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # what the certificate says is not what is tested
        self.client = client
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname="example.org")

    def carry(self) -> None:
        while True:
            sent = self._out.read()
            if sent:
                self.client.connection.dataReceived(sent)
            self.client.clock.advance(RESTART_S)
            answer = self.client.wire.value()
            self.client.wire.clear()
            self._in.write(answer)
            if not sent and not answer:
                return

    def handshake(self) -> None:
        for _ in range(5):
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.carry()
            else:
                self.carry()
                return
        raise AssertionError("no handshake")

    def says_at_once(self, text: str) -> bool:
        """Whether there is an answer although no time has passed."""
        self.tls.write(text.encode())
        self.client.connection.dataReceived(self._out.read())
        self.client.clock.advance(0)
        self._in.write(self.client.wire.value())
        self.client.wire.clear()
        return self.hears() != ""

    def sends(self, text: str) -> str:
        self.tls.write(text.encode())
        self.carry()
        return self.hears()

    def hears(self) -> str:
        try:
            return self.tls.read(1 << 20).decode()
        except ssl.SSLWantReadError:
            return ""


@pytest.fixture
def service(service: Service) -> Service:
    service.configure(C2SOptions())
    return service


def login(client: Any, tls: TLSClient) -> None:
    """PLAIN and bind, under TLS."""
    offer = tls.sends(client.header)
    assert "<mechanism>SCRAM-SHA-256-PLUS</mechanism>" in offer
    assert "<channel-binding type='tls-exporter'/>" in offer
    assert "<channel-binding type='tls-server-end-point'/>" in offer
    assert "starttls" not in offer
    answer = tls.sends(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
        "AGp1bGlldABzZWNyZXQ=</auth>"
    )
    assert "<success" in answer
    assert "<bind " in tls.sends(client.header)
    answer = tls.sends(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        "<resource>balcony</resource></bind></iq>"
    )
    assert "<jid>juliet@example.org/balcony</jid>" in answer


def test_starttls_login_and_bind(connect: Callable[[], Any], host: Any) -> None:
    client = connect()
    assert "<required/>" in client.sends(client.header)
    assert "<proceed" in client.sends(STARTTLS)
    tls = TLSClient(client)
    tls.handshake()
    login(client, tls)
    assert host.sessions.get(jid("juliet@example.org/balcony")).secure
    tls.sends("</stream:stream>")
    assert len(host.sessions) == 0


def test_what_is_injected_behind_starttls_does_not_reach_the_secure_stream(
    connect: Callable[[], Any],
) -> None:
    client = connect()
    client.sends(client.header)
    answer = client.sends(STARTTLS + "<iq type='get' id='evil'/>")
    assert answer == "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    tls = TLSClient(client)
    tls.handshake()
    login(client, tls)


def test_direct_tls_login_and_bind(
    connect: Callable[..., Any], certificates: CertificateStore, host: Any
) -> None:
    client = connect(certificates.context())
    tls = TLSClient(client)
    tls.handshake()
    login(client, tls)
    assert host.sessions.get(jid("juliet@example.org/balcony")).secure


def test_failed_handshake_ends_without_xml(connect: Callable[[], Any]) -> None:
    client = connect()
    client.sends(client.header)
    client.sends(STARTTLS)
    client.connection.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
    client.clock.advance(0)
    assert b"stream" not in client.wire.value()
    assert client.gone


def test_a_header_after_the_handshake_is_answered_later(client: Any) -> None:
    client.sends(client.header + STARTTLS)
    tls = TLSClient(client)
    tls.handshake()
    assert not tls.says_at_once(client.header)
    client.clock.advance(RESTART_S)
    tls.carry()
    assert "<stream:features" in tls.hears()


def test_a_header_after_sasl_is_answered_at_once(client: Any) -> None:
    client.sends(client.header + STARTTLS)
    tls = TLSClient(client)
    tls.handshake()
    tls.sends(client.header)
    answer = tls.sends(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
        "AGp1bGlldABzZWNyZXQ=</auth>"
    )
    assert "<success" in answer
    assert tls.says_at_once(client.header)
