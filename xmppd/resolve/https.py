"""A small document over HTTPS from a stranger's server: verified, bounded, not from inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin

from OpenSSL import crypto
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    ResponseDone,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.hooks import spawn
from xmppd.transport.trust import read_authorities

LONGEST = 65536
MOST_REDIRECTS = 3  # RFC 7711 §10 permits fewer than the 10 that it recommends
REDIRECTS = (301, 302, 303, 307, 308)

# Gives a connected protocol of the factory's, or raises: connect(host, port, factory)
Connect = Callable[[str, int, Any], Any]


class FetchFailed(Exception):
    """A part of a sentence: why there is no document."""


class Fetcher:
    """`connect` finds and reaches hosts; `trust` as in `s2s.trust`, None: the system's."""

    def __init__(self, reactor: Any, connect: Connect, trust: Path | None) -> None:
        policy = BrowserLikePolicyForHTTPS(_roots(trust))  # type: ignore[no-untyped-call]
        pool = HTTPConnectionPool(reactor, persistent=False)  # type: ignore[no-untyped-call]
        endpoints = _Endpoints(reactor, connect, policy)
        self._agent = Agent.usingEndpointFactory(reactor, endpoints, pool)  # type: ignore[no-untyped-call]

    async def fetch(self, url: str) -> bytes:
        """The document; redirects are followed. Raises FetchFailed."""
        for _ in range(MOST_REDIRECTS + 1):
            if not url.startswith("https://"):
                raise FetchFailed(f"{url[:200]!r} is not HTTPS")
            try:
                response = await self._agent.request(b"GET", url.encode("ascii"), Headers())
            except Exception as error:  # of TLS, TCP, DNS, HTTP: each has its own
                raise FetchFailed(_words(error)) from None
            if response.code not in REDIRECTS:
                return await _body(response)
            url = _location(response, url)
            _drop(response)
        raise FetchFailed("too many redirects")


def _roots(trust: Path | None) -> Any:
    if trust is None:
        return None  # the platform's
    roots = [crypto.X509.from_cryptography(one) for one in read_authorities(trust)]
    return trustRootFromCertificates([Certificate(one) for one in roots])  # type: ignore[no-untyped-call]


def _words(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)  # ResponseNeverReceived and its like
    if reasons:
        error = reasons[0].value
    return str(error)[:200] or type(error).__name__


def _location(response: Any, url: str) -> str:
    """RFC 9110 §10.2.2."""
    found = response.headers.getRawHeaders(b"location")
    if not found:
        raise FetchFailed("a redirect to nowhere")
    return str(urljoin(url, found[0].decode("ascii", "replace")))


async def _body(response: Any) -> bytes:
    if response.code != 200:
        _drop(response)
        raise FetchFailed(f"the answer is {response.code}")
    reader = _Reader()
    response.deliverBody(reader)
    return await reader.body


def _drop(response: Any) -> None:
    reader = _Reader(most=0)
    _ = reader.body.addErrback(lambda _: None)
    response.deliverBody(reader)


class _Reader(Protocol):
    """Gathers the body; hangs up where it is too long."""

    def __init__(self, most: int = LONGEST) -> None:
        self.body: Deferred[bytes] = Deferred(lambda _: self._hang_up())
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0

    def connectionMade(self) -> None:
        if not self._most:
            self._hang_up()

    def dataReceived(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._most:
            self._fail(f"more than {self._most} bytes")
            self._hang_up()

    def connectionLost(self, reason: Failure | None = None) -> None:
        if reason is not None and reason.check(ResponseDone, PotentialDataLoss):  # type: ignore[no-untyped-call]
            if not self.body.called:
                self.body.callback(b"".join(self._parts))
        else:
            self._fail("the connection was lost")

    def _fail(self, why: str) -> None:
        if not self.body.called:
            self.body.errback(FetchFailed(why))

    def _hang_up(self) -> None:
        transport = cast(Any, self.transport)
        if transport is not None:
            transport.stopProducing()


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, reactor: Any, connect: Connect, policy: BrowserLikePolicyForHTTPS) -> None:
        self._reactor = reactor
        self._connect = connect
        self._policy = policy

    def endpointForURI(self, uri: URI) -> Any:
        options = self._policy.creatorForNetloc(uri.host, uri.port)
        return _Endpoint(self._reactor, self._connect, uri, options)


@implementer(IStreamClientEndpoint)
class _Endpoint:
    """TCP by our own rules, and TLS on it, on our own clock."""

    def __init__(self, reactor: Any, connect: Connect, uri: URI, options: Any) -> None:
        self._reactor, self._connect = reactor, connect
        self._uri, self._options = uri, options

    def connect(self, factory: Any) -> Deferred[Any]:
        return spawn(self._secure(factory))

    async def _secure(self, factory: Any) -> Any:
        tls = TLSMemoryBIOFactory(self._options, True, factory, self._reactor)
        protocol = await self._connect(self._uri.host.decode("ascii"), self._uri.port, tls)
        return protocol.wrappedProtocol
