"""POSH with a real HTTPS server, DANE with a real DNSSEC zone."""

from __future__ import annotations

import base64
import datetime
import hashlib
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.authority import CLIENT, Authority
from tests.support.loop import Loop
from xmppd.resolve.https import Fetcher
from xmppd.resolve.posh import Posh
from xmppd.transport.proof import Role

DOMAIN = "example.net"
PATH = "/.well-known/posh/xmpp-server.json"
WELL = {"content-type": "application/json"}


class Site(http.server.ThreadingHTTPServer):
    """`pages`: what each path answers: (status, headers, body)."""

    daemon_threads = True

    def __init__(self, pair: Any) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None: ...

    def publish(self, document: object, path: str = PATH) -> None:
        self.pages[path] = (200, WELL, json.dumps(document).encode())


class Page(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, headers, body = self.server.pages.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@pytest.fixture
def site(authority: Authority, tmp_path: Path) -> Iterator[Site]:
    site = Site(authority.certify(tmp_path, DOMAIN, dns=[DOMAIN, "hosting.example"]))
    thread = threading.Thread(target=site.serve_forever, args=[0.02])
    thread.start()
    yield site
    site.shutdown()
    thread.join()
    site.server_close()


@pytest.fixture
def certificate(authority: Authority) -> x509.Certificate:
    """Of the XMPP server: signed by nobody, for another name."""
    return authority.issue(dns=["hosting.example"], self_signed=True)[0]


@pytest.fixture
def posh(loop: Loop, site: Site, authority: Authority, tmp_path: Path) -> Posh:
    async def connect(host: str, port: int, factory: Any) -> Any:
        """All names are the site's; the port would be 443."""
        from twisted.internet.endpoints import TCP4ClientEndpoint

        assert (host, port) in [(DOMAIN, 443), ("hosting.example", 443), ("other.example", 443)]
        endpoint = TCP4ClientEndpoint(loop.reactor, "127.0.0.1", site.server_address[1])
        return await endpoint.connect(factory)

    fetcher = Fetcher(loop.reactor, connect, authority.write(tmp_path / "ca.pem"))
    return Posh(fetcher.fetch, loop.reactor)


def sha256(certificate: x509.Certificate) -> str:
    data = certificate.public_bytes(Encoding.DER)
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def judged(loop: Loop, posh: Posh, certificate: x509.Certificate, domain: str = DOMAIN) -> Any:
    return loop.wait(posh.judge(certificate, domain, Role.TLS_SERVER))


def test_a_published_fingerprint_proves_the_domain_and_is_kept(
    loop: Loop, posh: Posh, site: Site, certificate: x509.Certificate
) -> None:
    others = [{"sha-256": "AAAA"}, {"md5": "AAAA"}, "nonsense", {"sha-256": 5}]
    site.publish({"fingerprints": [*others, {"sha-256": sha256(certificate)}], "expires": 60})
    assert judged(loop, posh, certificate).proves
    assert judged(loop, posh, certificate).proves
    assert site.asked == [PATH]


def test_another_certificate_is_refused(
    loop: Loop, posh: Posh, site: Site, certificate: x509.Certificate, authority: Authority
) -> None:
    other, _ = authority.issue(dns=[DOMAIN])
    site.publish({"fingerprints": [{"sha-256": sha256(other)}], "expires": 60})
    verdict = judged(loop, posh, certificate)
    assert (verdict.proves, verdict.why) == (
        False,
        "POSH: example.net publishes other certificates",
    )


def test_all_hashes_of_a_descriptor_must_be_right(
    loop: Loop, posh: Posh, site: Site, certificate: x509.Certificate
) -> None:
    descriptor = {"sha-256": sha256(certificate), "sha-512": sha256(certificate)}
    site.publish({"fingerprints": [descriptor], "expires": 60})
    assert not judged(loop, posh, certificate).proves


@pytest.mark.parametrize(
    ("wishes", "why"),
    [({"days": (-9, -1)}, "has expired"), ({"usages": (CLIENT,)}, "without the right usage")],
)
def test_a_published_certificate_must_be_good_otherwise(
    loop: Loop, posh: Posh, site: Site, authority: Authority, wishes: Any, why: str
) -> None:
    bad, _ = authority.issue(dns=[DOMAIN], **wishes)
    site.publish({"fingerprints": [{"sha-256": sha256(bad)}], "expires": 60})
    verdict = judged(loop, posh, bad)
    assert not verdict.proves
    assert why in verdict.why


def test_a_reference_is_followed_once(
    loop: Loop, posh: Posh, site: Site, certificate: x509.Certificate
) -> None:
    site.publish({"url": "https://hosting.example/posh.json", "expires": 60})
    site.publish({"fingerprints": [{"sha-256": sha256(certificate)}], "expires": 60}, "/posh.json")
    assert judged(loop, posh, certificate).proves


def test_redirects_are_followed(
    loop: Loop, posh: Posh, site: Site, certificate: x509.Certificate
) -> None:
    site.pages[PATH] = (302, {"location": "https://hosting.example/posh.json"}, b"elsewhere")
    site.publish({"fingerprints": [{"sha-256": sha256(certificate)}], "expires": 60}, "/posh.json")
    assert judged(loop, posh, certificate).proves


REFERENCE = {"url": f"https://{DOMAIN}{PATH}", "expires": 60}
GOOD = {"fingerprints": [{"sha-256": "AAAA"}]}
BAD: dict[str, tuple[tuple[int, dict[str, str], bytes], str]] = {
    "not found": ((404, {}, b""), "the answer is 404"),
    "no JSON": ((200, WELL, b"<html>"), "is no JSON"),
    "deep JSON": ((200, WELL, b"[" * 60_000), "is no JSON"),
    "a list": ((200, WELL, b"[]"), "is no JSON object"),
    "nothing said": ((200, WELL, b"{}"), "has no fingerprints"),
    "no fingerprints": ((200, WELL, b'{"fingerprints": [], "expires": 9}'), "has no fingerprints"),
    "no time": ((200, WELL, json.dumps(GOOD).encode()), "how long it is good"),
    "no time left": (
        (200, WELL, json.dumps({**GOOD, "expires": 0}).encode()),
        "not good any more",
    ),
    "a negative time": ((200, WELL, json.dumps({**GOOD, "expires": -1}).encode()), "how long"),
    "a circle": ((200, WELL, json.dumps(REFERENCE).encode()), "has no fingerprints"),
    "a reference by HTTP": ((200, WELL, b'{"url": "http://example.net/", "expires": 9}'), "HTTPS"),
    "a redirect to HTTP": ((302, {"location": "http://example.net/"}, b""), "is not HTTPS"),
    "a redirect to nowhere": ((302, {}, b""), "redirect to nowhere"),
    "a redirect to itself": ((302, {"location": PATH}, b""), "too many redirects"),
    "too much": ((200, WELL, b" " * 200_000), "more than 65536 bytes"),
    "cut off": ((200, {"content-length": "500"}, b"{"), "connection was lost"),
}


@pytest.mark.parametrize(("page", "why"), BAD.values(), ids=BAD)
def test_what_is_no_document_proves_nothing(
    loop: Loop, posh: Posh, site: Site, certificate: x509.Certificate, page: Any, why: str
) -> None:
    site.pages[PATH] = page
    verdict = judged(loop, posh, certificate)
    assert not verdict.proves
    assert why in verdict.why


def test_https_must_be_verified(
    loop: Loop, posh: Posh, site: Site, certificate: x509.Certificate
) -> None:
    site.publish({"fingerprints": [{"sha-256": sha256(certificate)}], "expires": 60})
    assert not judged(loop, posh, certificate, "other.example").proves
    assert site.asked == []


def test_several_who_want_to_know_ask_once(
    loop: Loop, posh: Posh, site: Site, certificate: x509.Certificate
) -> None:
    from twisted.internet.defer import Deferred, gatherResults

    site.publish({"fingerprints": [{"sha-256": sha256(certificate)}], "expires": 60})
    asking = [
        Deferred.fromCoroutine(posh.judge(certificate, DOMAIN, Role.TLS_CLIENT)) for _ in range(5)
    ]
    assert all(verdict.proves for verdict in loop.wait(gatherResults(asking)))
    assert site.asked == [PATH]


def test_a_silent_site_is_given_up(loop: Loop, certificate: x509.Certificate) -> None:
    from twisted.internet.defer import Deferred
    from twisted.internet.task import Clock

    clock, verdicts = Clock(), []
    posh = Posh(lambda url: Deferred(), clock, lambda: datetime.datetime.now(datetime.UTC))
    judging = posh.judge(certificate, DOMAIN, Role.TLS_SERVER)
    Deferred.fromCoroutine(judging).addCallback(verdicts.append)
    clock.advance(11)
    assert "does not answer by HTTPS in time" in verdicts[0].why
