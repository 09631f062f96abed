"""DANE for real: knot signs, unbound checks, we believe it because it runs on this machine."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.names import dns

from tests.support.authority import Authority
from tests.support.loop import Loop
from tests.support.nameservers import Knot, Unbound, installed
from xmppd.resolve import Target
from xmppd.resolve.dane import Shown, judge_by_dane
from xmppd.resolve.discovery import find_targets
from xmppd.resolve.nameservers import Nameservers
from xmppd.resolve.resolver import Resolver

DOMAIN = "signed.example.net"
LEAF, _ = Authority.make().issue(dns=["elsewhere.example"], self_signed=True)
KEY = LEAF.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
ZONE = f"""
    _xmpp-server._tcp SRV 0 0 5269 xmpp
    xmpp A 192.0.2.1
    _5269._tcp.xmpp TLSA 3 1 1 {hashlib.sha256(KEY).hexdigest()}
"""


def dnskey(knot: Knot) -> bytes:
    """The zone's key, as the server gives it."""
    message: Any = dns.Message(id=7)
    message.addQuery(knot.zone.encode(), 48, dns.IN)
    question = message.toStr()
    with socket.create_connection(("127.0.0.1", knot.port)) as tcp:
        tcp.sendall(struct.pack("!H", len(question)) + question)
        data = tcp.recv(65535)
    found: Any = dns.Message()
    found.fromStr(data[2:])
    return bytes(found.answers[0].payload.data)


def anchor(zone: str, key: bytes) -> str:
    """In the form of a zone file."""
    flags, protocol, algorithm = struct.unpack("!HBB", key[:4])
    text = base64.b64encode(key[4:]).decode()
    return f"{zone}. DNSKEY {flags} {protocol} {algorithm} {text}"


@pytest.fixture(autouse=True)
def _programs() -> None:
    for program, package in (("knotd", "knot"), ("unbound", "unbound")):
        assert installed(program), f"apt install {package}: without it DANE is not tested"


def verdict(loop: Loop, server: Any) -> Any:
    resolver = Resolver(loop.reactor, Nameservers([server.address]))
    (target,) = loop.wait(find_targets(DOMAIN, resolver, {}))
    shown = Shown(LEAF, (), "it is self-signed")
    return target, loop.wait(judge_by_dane(resolver, target, shown, DOMAIN))


def test_a_signed_zone_proves_the_key_that_it_names(loop: Loop, tmp_path: Path) -> None:
    with Knot(tmp_path, DOMAIN, ZONE) as knot:
        with Unbound(tmp_path, DOMAIN, knot, anchor(DOMAIN, dnskey(knot))) as unbound:
            target, judged = verdict(loop, unbound)
            assert target == Target(f"xmpp.{DOMAIN}", 5269, secure=True)
            assert judged.proves, judged.why
        # the same records from a server that does not check them are worth nothing
        target, judged = verdict(loop, knot)
        assert (target.secure, judged) == (False, None)


def test_a_zone_that_is_signed_wrongly_is_no_answer(loop: Loop, tmp_path: Path) -> None:
    with Knot(tmp_path, DOMAIN, ZONE) as knot:
        wrong = bytearray(dnskey(knot))
        wrong[-1] ^= 1
        with (
            Unbound(tmp_path, DOMAIN, knot, anchor(DOMAIN, bytes(wrong))) as unbound,
            pytest.raises(Exception, match="SERVFAIL"),
        ):
            verdict(loop, unbound)
