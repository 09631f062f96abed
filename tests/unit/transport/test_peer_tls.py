"""TLS between servers: any certificate is let in, and judged: what proves a domain, what not."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from OpenSSL import SSL

from tests.support.authority import CLIENT, EMAIL, SERVER, Authority
from xmppd.transport import openssl_direct, trust
from xmppd.transport.certificates import CertificateError
from xmppd.transport.openssl_direct import DirectEngine
from xmppd.transport.openssl_engine import PyOpenSSLEngine
from xmppd.transport.peer_tls import PeerTLS, PeerTLSSettings
from xmppd.transport.proof import Role, judge, judge_certificate
from xmppd.transport.tls import TLSContext, TLSEngine

OURS, THEIRS = "example.org", "example.net"
BOTH_ROLES = list(Role)


@pytest.fixture(params=[DirectEngine, PyOpenSSLEngine])
def engine_class(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl_direct, "ENGINE", request.param)


@pytest.fixture(scope="module")
def ca() -> Authority:
    return Authority.make("Verona authority")


@pytest.fixture
def ours(ca: Authority, tmp_path: Path) -> PeerTLS:
    pairs = {OURS: ca.certify(tmp_path, OURS)}
    return PeerTLS(pairs, PeerTLSSettings(trust=ca.write(tmp_path / "ca.pem")))


def shake(client: TLSContext, server: TLSContext) -> tuple[TLSEngine, TLSEngine]:
    """Both engines after the handshake."""
    one, other = client.engine(), server.engine()
    for _ in range(6):
        there = one.outgoing()
        if there:
            other.receive(there)
        back = other.outgoing()
        if back:
            one.receive(back)
    assert one.established
    assert other.established
    return one, other


def meet(ours: PeerTLS, pair: Any, role: Role) -> TLSEngine:
    """Our engine, after a handshake with a peer that has this certificate in this role."""
    theirs = PeerTLS({THEIRS: pair})
    if role is Role.TLS_SERVER:
        return shake(ours.client(OURS, THEIRS), theirs.server(THEIRS))[0]
    return shake(theirs.client(THEIRS, OURS), ours.server(OURS))[1]


# What proves a domain


GOOD: dict[str, dict[str, Any]] = {
    "dNSName": {"dns": [THEIRS]},
    "dNSName in capitals": {"dns": ["EXAMPLE.net"]},
    "SRVName only": {"srv": [f"_xmpp-server.{THEIRS}"]},
    "xmppAddr only": {"xmpp": [THEIRS]},
    "xmppAddr that wants preparing": {"xmpp": ["Example.NET"]},
    "one of many": {"dns": ["other.example", "*.example.net", THEIRS]},
    "beside names that are none": {"dns": ["*", "a.*.b", "*.*.example.net", THEIRS]},
    "no usage said": {"dns": [THEIRS], "usages": ()},
    "for servers only": {"dns": [THEIRS], "usages": (SERVER,)},
}


@pytest.mark.usefixtures("engine_class")
@pytest.mark.parametrize("role", BOTH_ROLES)
@pytest.mark.parametrize("wishes", GOOD.values(), ids=GOOD)
def test_a_certificate_that_names_the_domain_proves_it(
    ca: Authority, ours: PeerTLS, tmp_path: Path, wishes: Any, role: Role
) -> None:
    engine = meet(ours, ca.certify(tmp_path, THEIRS, **wishes), role)
    assert (engine.peer_verified, engine.peer_problem) == (True, "")
    verdict = judge(engine, THEIRS, role)
    assert verdict.proves, verdict.why


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"days": (-30, -1)}, "it has expired"),
    "not valid yet": ({"days": (1, 30)}, "it is not valid yet"),
    "self-signed": ({"self_signed": True}, "it is self-signed"),
    "another name": ({"dns": ["example.com"]}, "not for example.net, it names 'example.com'"),
    "a wildcard above": ({"dns": ["*.net"]}, "not for example.net"),
    "a wildcard below": ({"dns": ["*.example.net"]}, "not for example.net"),
    "a wildcard within a label": ({"dns": ["exam*.net"]}, "not for example.net"),
    "SRVName of another service": ({"srv": [f"_imap.{THEIRS}"]}, "not for example.net"),
    "SRVName for clients": ({"srv": [f"_xmpp-client.{THEIRS}"]}, "not for example.net"),
    "SRVName of another domain": ({"srv": ["_xmpp-server.example.com"]}, "not for example.net"),
    "xmppAddr of a user": ({"xmpp": [f"romeo@{THEIRS}"]}, "not for example.net"),
    "xmppAddr of another": ({"xmpp": ["example.com"]}, "not for example.net"),
    "common name only": ({"dns": []}, "it names no domain"),
    "an address": ({"ip": ["192.0.2.1"]}, "it names no domain"),
    "for mail": ({"usages": (EMAIL,)}, "without the right usage"),
    "a key that may not sign": ({"signs": False}, "without the right usage"),
}


@pytest.mark.parametrize("role", BOTH_ROLES)
@pytest.mark.parametrize(("wishes", "why"), BAD.values(), ids=BAD)
def test_a_certificate_that_proves_nothing_is_let_in_and_the_reason_said(
    ca: Authority, ours: PeerTLS, tmp_path: Path, wishes: Any, why: str, role: Role
) -> None:
    certificate, _ = pair = ca.certify(tmp_path, THEIRS, **wishes)
    engine = meet(ours, pair, role)
    assert engine.peer_certificate == x509.load_pem_x509_certificate(certificate.read_bytes())
    verdict = judge(engine, THEIRS, role)
    assert not verdict.proves
    assert why in verdict.why


def test_a_certificate_for_clients_only_may_not_serve(
    ca: Authority, ours: PeerTLS, tmp_path: Path
) -> None:
    pair = ca.certify(tmp_path, THEIRS, usages=(CLIENT,))
    as_client = judge(meet(ours, pair, Role.TLS_CLIENT), THEIRS, Role.TLS_CLIENT)
    as_server = judge(meet(ours, pair, Role.TLS_SERVER), THEIRS, Role.TLS_SERVER)
    assert as_client.proves
    assert as_server.why.endswith(
        "it is without the right usage, it may not be used by the TLS server"
    )


@pytest.mark.parametrize("role", BOTH_ROLES)
def test_an_authority_that_is_not_trusted_proves_nothing(
    ours: PeerTLS, tmp_path: Path, role: Role
) -> None:
    stranger = Authority.make("Mantua authority").certify(tmp_path, THEIRS)
    verdict = judge(meet(ours, stranger, role), THEIRS, role)
    assert verdict.why.endswith(
        "its issuer is not trusted, or an intermediate certificate is missing"
    )


@pytest.mark.parametrize("role", BOTH_ROLES)
@pytest.mark.parametrize("with_chain", [True, False])
def test_an_intermediate_certificate_has_to_come_along(
    ca: Authority, ours: PeerTLS, tmp_path: Path, role: Role, with_chain: bool
) -> None:
    between = ca.intermediate("between", usages=(SERVER,))
    pair = between.certify(tmp_path, THEIRS, with_chain=with_chain)
    verdict = judge(meet(ours, pair, role), THEIRS, role)
    assert verdict.proves is with_chain
    assert with_chain or "intermediate certificate is missing" in verdict.why


@pytest.mark.parametrize("role", BOTH_ROLES)
def test_an_intermediate_that_signs_for_mail_does_not_vouch_for_servers(
    ca: Authority, ours: PeerTLS, tmp_path: Path, role: Role
) -> None:
    pair = ca.intermediate("mail", usages=(EMAIL,)).certify(tmp_path, THEIRS)
    assert not judge(meet(ours, pair, role), THEIRS, role).proves


def test_what_is_no_authority_cannot_sign(ca: Authority, ours: PeerTLS, tmp_path: Path) -> None:
    certificate, key = ca.issue("romeo.example", dns=["romeo.example"])
    imposter = Authority(certificate, key, (certificate,))
    verdict = judge(
        meet(ours, imposter.certify(tmp_path, THEIRS), Role.TLS_SERVER), THEIRS, Role.TLS_SERVER
    )
    assert not verdict.proves


def test_a_wildcard_stands_for_one_label(ca: Authority) -> None:
    certificate, _ = ca.issue(dns=["*.example.net"])
    proven = [
        domain
        for domain in (
            "chat.example.net",
            "a.chat.example.net",
            "example.net",
            "xn--a.example.net",
        )
        if judge_certificate(certificate, "", domain, Role.TLS_SERVER).proves
    ]
    assert proven == ["chat.example.net"]


def test_an_address_as_domain_is_never_proven(ca: Authority) -> None:
    certificate, _ = ca.issue("192.0.2.1", ip=["192.0.2.1"], xmpp=["192.0.2.1"])
    assert not judge_certificate(certificate, "", "192.0.2.1", Role.TLS_SERVER).proves


def test_an_internationalised_domain_is_compared_in_a_labels(ca: Authority) -> None:
    certificate, _ = ca.issue(dns=["xn--bcher-kva.example"])
    assert judge_certificate(certificate, "", "bücher.example", Role.TLS_SERVER).proves


def test_no_certificate_proves_nothing(ours: PeerTLS) -> None:
    client, engine = (
        SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None),
        ours.server().engine(),
    )
    client.set_connect_state()
    while not engine.established:
        with contextlib.suppress(SSL.WantReadError):
            client.do_handshake()
        engine.receive(client.bio_read(65536))
        client.bio_write(engine.outgoing())
    verdict = judge(engine, THEIRS, Role.TLS_CLIENT)
    assert (verdict.proves, verdict.why) == (
        False,
        "example.net shows no certificate that can be read",
    )


# The handshake


@pytest.mark.usefixtures("engine_class")
def test_the_name_asked_for_is_the_peers_and_our_certificate_that_of_our_domain(
    ca: Authority, tmp_path: Path
) -> None:
    domains = ("example.org", "example.com", "xn--bcher-kva.example")
    pairs = {domain: ca.certify(tmp_path, domain) for domain in domains}
    tls = PeerTLS(pairs, PeerTLSSettings(trust=ca.write(tmp_path / "ca.pem")))
    client, server = shake(tls.client("example.com", "bücher.example"), tls.server())
    assert server.server_name == "xn--bcher-kva.example"
    assert judge(client, "bücher.example", Role.TLS_SERVER).proves
    assert judge(server, "example.com", Role.TLS_CLIENT).proves
    assert not judge(server, "example.org", Role.TLS_CLIENT).proves


def test_direct_tls_says_xmpp_server(ours: PeerTLS) -> None:
    client, server = shake(ours.client(OURS, OURS, direct=True), ours.server())
    assert (client.alpn, server.alpn) == ("xmpp-server", "xmpp-server")
    client, server = shake(ours.client(OURS, OURS), ours.server())
    assert (client.alpn, server.alpn) == (None, None)


@pytest.mark.usefixtures("engine_class")
def test_bytes_pass_both_ways(ours: PeerTLS) -> None:
    client, server = shake(ours.client(OURS, OURS), ours.server())
    long = b"x" * 100_000
    assert server.receive(client.send(b"hello" + long)) == b"hello" + long
    assert client.receive(server.send(b"welcome")) == b"welcome"
    assert client.version == "TLSv1.3"
    client.receive(server.close())
    assert client.closed


def test_an_address_is_not_sent_as_a_name(ours: PeerTLS) -> None:
    _, server = shake(ours.client(OURS, "192.0.2.1"), ours.server())
    assert server.server_name is None


def test_old_versions_are_not_spoken(ours: PeerTLS) -> None:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    server, engine = SSL.Connection(context, None), ours.client(OURS, OURS).engine()
    server.set_accept_state()
    server.bio_write(engine.outgoing())
    with pytest.raises(SSL.Error, match=r"version|protocol"):
        server.do_handshake()


# Trust, and reloading it


def test_authorities_may_lie_in_a_folder(ca: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    ca.write(folder / "verona.pem")
    Authority.make("Mantua").write(folder / "mantua.crt")
    (folder / "README").write_text("no certificate")
    pairs = {OURS: ca.certify(tmp_path, OURS)}
    tls = PeerTLS(pairs, PeerTLSSettings(trust=folder))
    client, _ = shake(tls.client(OURS, OURS), tls.server())
    assert judge(client, OURS, Role.TLS_SERVER).proves


def test_each_context_may_have_authorities_of_its_own(
    ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a pyOpenSSL that has other private names."""
    monkeypatch.setattr(trust, "SHARING", ("not there",))
    pairs = {OURS: ca.certify(tmp_path, OURS)}
    tls = PeerTLS(pairs, PeerTLSSettings(trust=ca.write(tmp_path / "ca.pem")))
    for engine, role in zip(shake(tls.client(OURS, OURS), tls.server()), BOTH_ROLES, strict=True):
        assert judge(engine, OURS, role).proves


@pytest.mark.parametrize("role", BOTH_ROLES)
def test_lists_of_revoked_certificates_are_heeded(
    ca: Authority, tmp_path: Path, role: Role
) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    ca.write(folder / "ca.pem")
    mantua = Authority.make("Mantua")  # has no list
    mantua.write(folder / "mantua.pem")
    pairs = {OURS: ca.certify(tmp_path, OURS)}
    bad, good = ca.certify(tmp_path, "a", dns=[THEIRS]), ca.certify(tmp_path, "b", dns=[THEIRS])
    revoked = x509.load_pem_x509_certificate(bad[0].read_bytes())
    ca.revoke(folder / "ca.crl", revoked)
    ours = PeerTLS(pairs, PeerTLSSettings(trust=folder))
    assert judge(meet(ours, bad, role), THEIRS, role).why.endswith("it has been revoked")
    assert judge(meet(ours, good, role), THEIRS, role).proves
    assert judge(
        meet(ours, mantua.certify(tmp_path, "c", dns=[THEIRS]), role), THEIRS, role
    ).proves


def test_a_list_that_cannot_be_read_is_an_error(ca: Authority, tmp_path: Path) -> None:
    path = ca.write(tmp_path / "ca.pem")
    path.write_text(path.read_text() + "-----BEGIN X509 CRL-----\nx\n-----END X509 CRL-----\n")
    with pytest.raises(CertificateError, match=r"ca\.pem"):
        PeerTLS({OURS: ca.certify(tmp_path, OURS)}, PeerTLSSettings(trust=path))


@pytest.mark.parametrize("content", [None, "", "nothing in PEM"])
def test_authorities_that_cannot_be_read_are_an_error(
    ca: Authority, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CertificateError, match=r"ca\.pem"):
        PeerTLS({OURS: ca.certify(tmp_path, OURS)}, PeerTLSSettings(trust=path))


def test_a_reload_takes_over_certificates_and_authorities_or_nothing(
    ca: Authority, ours: PeerTLS, tmp_path: Path
) -> None:
    verona, mantua = PeerTLSSettings(trust=ca.write(tmp_path / "v.pem")), Authority.make("Mantua")
    pairs = {OURS: mantua.certify(tmp_path, OURS)}
    broken = ours.reload(pairs, PeerTLSSettings(trust=tmp_path / "none.pem"))
    assert broken is not None
    assert "none.pem" in broken
    client, server = shake(ours.client(OURS, OURS), ours.server())
    assert (client.peer_problem, server.peer_problem) == ("", "")
    assert ours.reload(pairs, verona) is None
    client, server = shake(ours.client(OURS, OURS), ours.server())
    assert "not trusted" in client.peer_problem
    assert "not trusted" in server.peer_problem
    assert ours.reload(pairs, PeerTLSSettings(trust=mantua.write(tmp_path / "m.pem"))) is None
    client, server = shake(ours.client(OURS, OURS), ours.server())
    assert (client.peer_problem, server.peer_problem) == ("", "")


def test_problems_are_said_in_words_also_above_the_peers_own_certificate() -> None:
    codes = itertools.product(vars(SSL.X509VerificationCodes).values(), (0, 1))
    said = [trust.problem_in_words(code, depth) for code, depth in codes if isinstance(code, int)]
    assert all(said)
    expired = SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED
    assert trust.problem_in_words(expired, 1) == "a certificate above it is bad: it has expired"
