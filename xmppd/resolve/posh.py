"""POSH: fingerprints of certificates, published by HTTPS at the domain (RFC 7711)."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as Late

from xmppd.hooks import spawn
from xmppd.resolve.cache import TTLCache
from xmppd.resolve.names import dns_name
from xmppd.transport.proof import Role, Verdict, wrong_usage

if TYPE_CHECKING:
    from cryptography import x509

    from xmppd.clock import Clock

PATH = "/.well-known/posh/xmpp-server.json"  # §8
TIMEOUT_S = 10.0
MOST_KEPT = 1000
MOST_AT_ONCE = 20
LONGEST_S = 86400.0  # §6: a client may keep them for less
FAILURE_S = 300.0
MOST_FINGERPRINTS = 50
HASHES: dict[str, hashes.HashAlgorithm] = {"sha-256": hashes.SHA256(), "sha-512": hashes.SHA512()}

Fetch = Callable[[str], Awaitable[bytes]]


class PoshFailed(Exception):
    """A part of a sentence: why nothing is known."""


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Each of them names one certificate: by the names of the hashes that we know."""

    certificates: tuple[dict[str, bytes], ...]
    expires_s: float

    def name(self, certificate: x509.Certificate) -> bool:
        """One of them is this certificate's: all that it says must be right."""
        return any(
            one and all(certificate.fingerprint(HASHES[kind]) == one[kind] for kind in one)
            for one in self.certificates
        )


class Posh:
    """`fetch(url)` gives a document of at most some 64 KiB or raises; `now` has a time zone."""

    def __init__(
        self,
        fetch: Fetch,
        clock: Clock,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._now = now
        self._known: TTLCache[Fingerprints | PoshFailed] = TTLCache(clock.seconds, MOST_KEPT)
        self._asking: dict[Hashable, list[Deferred[Fingerprints | PoshFailed]]] = {}

    async def judge(self, certificate: x509.Certificate, domain: str, role: Role) -> Verdict:
        """§3.3. Never raises."""
        known = await self._fingerprints(domain)
        if isinstance(known, PoshFailed):
            return Verdict(False, f"POSH: {known}")
        if not known.name(certificate):
            return Verdict(False, f"POSH: {domain} publishes other certificates")
        if not certificate.not_valid_before_utc <= self._now() <= certificate.not_valid_after_utc:
            return Verdict(False, "POSH: the certificate is published, and has expired")  # §6
        wrong = wrong_usage(certificate, role)
        published = f"POSH: {domain} publishes the certificate"
        return Verdict(False, f"{published}, but {wrong}") if wrong else Verdict(True, published)

    async def _fingerprints(self, domain: str) -> Fingerprints | PoshFailed:
        name = dns_name(domain)
        if name is None:
            return PoshFailed(f"{domain} is no name that HTTPS can have")
        known = self._known.get(name)
        return known if known is not None else await self._wait(name)

    def _wait(self, name: str) -> Deferred[Fingerprints | PoshFailed]:
        answer: Deferred[Fingerprints | PoshFailed] = Deferred()
        if name in self._asking:
            self._asking[name].append(answer)
        elif len(self._asking) >= MOST_AT_ONCE:
            answer.callback(PoshFailed("too many lookups at once"))
        else:
            self._asking[name] = [answer]
            _ = spawn(self._run(name))
        return answer

    async def _run(self, name: str) -> None:
        found: Fingerprints | PoshFailed
        getting = spawn(self._get(f"https://{name}{PATH}"))
        _ = getting.addTimeout(TIMEOUT_S, self._clock)  # type: ignore[arg-type]  # zope's
        try:
            found = await getting
        except Late:
            found = PoshFailed(f"{name} does not answer by HTTPS in time")
        except PoshFailed as error:
            found = error
        except Exception as error:  # whatever a fetch of ours cannot cope with
            found = PoshFailed(f"{name} cannot be asked by HTTPS: {error}")
        ttl_s = FAILURE_S if isinstance(found, PoshFailed) else min(found.expires_s, LONGEST_S)
        self._known.put(name, found, ttl_s)
        for waiting in self._asking.pop(name):
            if not waiting.called:
                waiting.callback(found)

    async def _get(self, url: str) -> Fingerprints:
        """§3: the document, or the one that it refers to, and the shorter of both times (§6)."""
        document = parse(await self._fetch(url))
        if "url" not in document:
            return read(document)
        elsewhere, expires_s = document["url"], _expires(document)
        if not isinstance(elsewhere, str) or not elsewhere.startswith("https://"):
            raise PoshFailed("the document refers to something that is not HTTPS")
        found = read(parse(await self._fetch(elsewhere)))
        return Fingerprints(found.certificates, min(found.expires_s, expires_s))


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object, or PoshFailed."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise PoshFailed("the document is no JSON") from None
    if not isinstance(document, dict):
        raise PoshFailed("the document is no JSON object")
    return document


def read(document: dict[str, Any]) -> Fingerprints:
    """§3.1. PoshFailed for a document that refers to another: circles end here (§3.2)."""
    listed = document.get("fingerprints")
    if "url" in document or not isinstance(listed, list) or not listed:
        raise PoshFailed("the document has no fingerprints")
    certificates = [_descriptor(one) for one in listed[:MOST_FINGERPRINTS]]
    return Fingerprints(tuple(certificates), _expires(document))


def _expires(document: dict[str, Any]) -> float:
    """Seconds; 0 makes the material invalid (§3.1, §3.2)."""
    expires = document.get("expires")
    if isinstance(expires, bool) or not isinstance(expires, int) or expires < 0:
        raise PoshFailed("the document does not say how long it is good")
    if expires == 0:
        raise PoshFailed("the document says that it is not good any more")
    return float(min(expires, int(LONGEST_S)))


def _descriptor(one: object) -> dict[str, bytes]:
    """The hashes that we know, of one certificate; {} where there is none, or a bad one."""
    if not isinstance(one, dict):
        return {}
    found: dict[str, bytes] = {}
    for kind in HASHES.keys() & one.keys():
        text = one[kind]
        if not isinstance(text, str):
            return {}
        try:
            padded = "".join(text.split()) + "=="  # the RFC's own example lacks the padding
            found[kind] = base64.b64decode(padded)
        except (ValueError, binascii.Error):
            return {}
    return found
