"""DANE: which TLSA records decide, what they must name, and what DNSSEC has to say first."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.internet.defer import Deferred

from tests.support.authority import EMAIL, Authority
from xmppd.resolve.dane import Shown, Usage, judge_by_dane
from xmppd.resolve.prover import Prover
from xmppd.resolve.records import Association, Kind, Records
from xmppd.resolve.targets import Target
from xmppd.transport.proof import Role, Verdict

DOMAIN, HOST = "example.net", "xmpp.hosting.example"
TARGET = Target(HOST, 5269, secure=True)
CA = Authority.make()
BETWEEN = CA.intermediate("between")
UNTRUSTED = "its issuer is not trusted"


def der(certificate: x509.Certificate, selector: int) -> bytes:
    if selector == 0:
        return certificate.public_bytes(Encoding.DER)
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def tlsa(usage: int, certificate: x509.Certificate, selector: int = 1, matching: int = 1) -> Any:
    data = der(certificate, selector)
    hashed = {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}
    return Association(usage, selector, matching, hashed[matching])


def leaf(name: str = DOMAIN, **wishes: Any) -> x509.Certificate:
    return BETWEEN.issue(dns=[name], **wishes)[0]


def judged(zone: Any, shown: Shown, target: Target = TARGET) -> Verdict | None:
    out: list[Any] = []
    judging = judge_by_dane(zone, target, shown, DOMAIN)
    Deferred.fromCoroutine(judging).addBoth(out.append)
    assert len(out) == 1
    assert out[0] is None or isinstance(out[0], Verdict), out[0]
    return out[0]


@pytest.fixture
def signed(zone: Any) -> Any:
    """The DNS, with a secure address of the target."""
    zone.add(HOST, "8.8.8.8", secure=True)
    return zone


def publish(zone: Any, *records: Any, secure: bool = True) -> None:
    zone.records[f"_5269._tcp.{HOST}", Kind.TLSA] = Records(records, 300, secure)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_dane_ee_names_a_key_whatever_else_the_certificate_is(
    signed: Any, selector: int, matching: int
) -> None:
    certificate = leaf("elsewhere.example", days=(-9, -1), usages=(EMAIL,))
    publish(signed, tlsa(Usage.DANE_EE, certificate, selector, matching))
    verdict = judged(signed, Shown(certificate, (), "it has expired"))
    assert verdict is not None
    assert verdict.proves


def test_another_key_is_refused(signed: Any) -> None:
    publish(signed, tlsa(Usage.DANE_EE, leaf()))
    verdict = judged(signed, Shown(leaf(), (), ""))
    assert verdict == Verdict(False, f"DANE: no TLSA record of {HOST}:5269 names the certificate")


CASES: dict[str, tuple[int, Any, Shown, bool]] = {}


def case(name: str, usage: int, named: Any, shown: Shown, proves: bool) -> None:
    CASES[name] = (usage, named, shown, proves)


GOOD, AT_HOST, OTHER = leaf(), leaf(HOST), leaf("elsewhere.example")
CHAIN = (GOOD, BETWEEN.certificate)
case("an authority of its own", 2, BETWEEN.certificate, Shown(GOOD, CHAIN, UNTRUSTED), True)
case(
    "its root, when it comes along",
    2,
    CA.certificate,
    Shown(GOOD, (*CHAIN, CA.certificate), UNTRUSTED),
    True,
)
case("the target's name will do", 2, BETWEEN.certificate, Shown(AT_HOST, CHAIN, UNTRUSTED), True)
case("another name", 2, BETWEEN.certificate, Shown(OTHER, CHAIN, UNTRUSTED), False)
case("an authority that did not sign", 2, BETWEEN.certificate, Shown(GOOD, (GOOD,), ""), False)
STRANGER = Authority.make("stranger").issue(dns=[DOMAIN])[0]
case(
    "an authority shown, not signing",
    2,
    BETWEEN.certificate,
    Shown(STRANGER, (STRANGER, BETWEEN.certificate), UNTRUSTED),
    False,
)
EXPIRED = leaf(days=(-9, -1))
case("expired", 2, BETWEEN.certificate, Shown(EXPIRED, (*CHAIN,), "it has expired"), False)
case("PKIX and this authority", 0, BETWEEN.certificate, Shown(GOOD, CHAIN, ""), True)
case("this authority without PKIX", 0, BETWEEN.certificate, Shown(GOOD, CHAIN, UNTRUSTED), False)
case("PKIX and this certificate", 1, GOOD, Shown(GOOD, CHAIN, ""), True)
case("PKIX and another certificate", 1, AT_HOST, Shown(GOOD, CHAIN, ""), False)
case("this certificate without PKIX", 1, GOOD, Shown(GOOD, CHAIN, UNTRUSTED), False)
case("this certificate, another name", 1, OTHER, Shown(OTHER, CHAIN, ""), False)
MAIL = leaf(usages=(EMAIL,))
case("the wrong usage", 1, MAIL, Shown(MAIL, CHAIN, ""), False)


@pytest.mark.parametrize(("usage", "named", "shown", "proves"), CASES.values(), ids=CASES)
def test_the_other_usages(signed: Any, usage: int, named: Any, shown: Any, proves: bool) -> None:
    publish(signed, tlsa(usage, named))
    verdict = judged(signed, shown)
    assert verdict is not None
    assert verdict.proves is proves


def test_one_of_several_records_will_do(signed: Any) -> None:
    publish(signed, tlsa(3, OTHER), tlsa(3, GOOD))
    verdict = judged(signed, Shown(GOOD, (), UNTRUSTED))
    assert verdict is not None
    assert verdict.proves


def test_without_dnssec_dane_says_nothing(zone: Any) -> None:
    shown = Shown(GOOD, (), UNTRUSTED)
    publish(zone, tlsa(3, GOOD), secure=False)
    zone.add(HOST, "8.8.8.8")
    assert judged(zone, shown) is None  # the address is not secure: do not ask (RFC 7673 §3.2)
    assert not any("TLSA" in question for question in zone.asked)
    zone.add(HOST, "8.8.8.8", secure=True)
    assert judged(zone, shown) is None  # the record is not secure
    publish(zone, tlsa(3, GOOD))
    assert judged(zone, shown, Target(HOST, 5269)) is None  # the SRV record is not secure
    assert judged(zone, shown) is not None


@pytest.mark.parametrize("bad", [(4, 1, 1), (3, 2, 1), (3, 1, 3)])
def test_records_that_nobody_knows_are_not_usable(signed: Any, bad: Any) -> None:
    publish(signed, Association(*bad, b"x" * 32))
    assert judged(signed, Shown(GOOD, (), "")) is None


def test_a_failing_lookup_is_no_way_around_dane(signed: Any) -> None:
    signed.fails(f"_5269._tcp.{HOST}", Kind.TLSA)
    verdict = judged(signed, Shown(GOOD, CHAIN, ""))
    assert verdict == Verdict(False, f"the TLSA records of {HOST}:5269 cannot be had: SERVFAIL")


# Together with the certificate's own proof


class Engine:
    """What a finished handshake tells."""

    def __init__(self, certificate: x509.Certificate | None, problem: str = "") -> None:
        self.peer_certificate = certificate
        self.peer_chain = () if certificate is None else (certificate, BETWEEN.certificate)
        self.peer_problem = problem


def proven(prover: Prover, engine: Any, *how: Any) -> Verdict:
    out: list[Any] = []
    Deferred.fromCoroutine(prover.judge(engine, DOMAIN, *how)).addBoth(out.append)
    assert isinstance(out[0], Verdict), out
    return out[0]


def test_records_decide_both_ways_where_they_are(signed: Any) -> None:
    publish(signed, tlsa(3, GOOD))
    prover = Prover(signed)
    assert proven(prover, Engine(GOOD, UNTRUSTED), Role.TLS_SERVER, TARGET).proves
    assert not proven(prover, Engine(leaf()), Role.TLS_SERVER, TARGET).proves
    assert proven(Prover(), Engine(leaf()), Role.TLS_SERVER, TARGET).proves


def test_a_peer_that_connected_to_us_is_judged_by_its_certificate(signed: Any) -> None:
    publish(signed, tlsa(3, GOOD))
    assert not proven(Prover(signed), Engine(GOOD, UNTRUSTED), Role.TLS_CLIENT).proves
    assert signed.asked == []


def test_without_a_certificate_nothing_is_asked(signed: Any) -> None:
    assert not proven(Prover(signed), Engine(None), Role.TLS_SERVER, TARGET).proves
    assert signed.asked == []
