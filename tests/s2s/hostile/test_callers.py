"""Servers that call and say what they should not: refused, and nothing of it takes effect."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.abuse.server import refusal
from tests.abuse.wire import STARTTLS, Wire, elements, stream_error
from tests.support.authority import CLIENT, EMAIL, SERVER, Authority
from tests.support.peer import PEM, Caller, Host, client_context, header

if TYPE_CHECKING:
    from tests.s2s.hostile.conftest import Calls, Peered

MALFORMED = ("not-well-formed",)
RESTRICTED = ("restricted-xml", "not-well-formed")
FOREIGN = ("invalid-namespace", "bad-namespace-prefix", "bad-format")
JULIET = "juliet@example.org/balcony"


def hears_nothing_of(victim: Wire, text: str) -> None:
    """What was sent before by servers whose streams have ended did not reach her."""
    victim.sync()
    assert text.encode() not in victim.received, victim.received[-2000:]


# Headers


@pytest.mark.parametrize(
    ("sent", "conditions"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", MALFORMED, id="HTTP"),
        pytest.param(random.Random(1).randbytes(512), MALFORMED, id="random bytes"),
        pytest.param(
            header("proven.example", "example.org", ns="jabber:client"), FOREIGN, id="of clients"
        ),
        pytest.param(
            header("proven.example", "example.org").replace("etherx", "ether"), FOREIGN, id="root"
        ),
        pytest.param(header("proven.example", "nowhere.example"), ("host-unknown",), id="to"),
        pytest.param(header("proven.example", "x" * 5000), ("host-unknown", "improper-addressing"),
                     id="long to"),
        pytest.param(header("proven.example", "&lt;x/&gt;"),
                     ("host-unknown", "improper-addressing"),
                     id="markup as to"),
        pytest.param(header("proven.example", None), ("host-unknown", "improper-addressing"),
                     id="no to"),
        pytest.param(header("", "example.org"), ("improper-addressing", "invalid-from"),
                     id="empty from"),
        pytest.param(header("a@proven.example", "example.org"),
                     ("improper-addressing", "invalid-from"), id="user as from"),
        pytest.param(header("x" * 5000, "example.org"), ("improper-addressing", "invalid-from"),
                     id="long from"),
        pytest.param(header("example.org", "example.org"), ("invalid-from", "not-authorized"),
                     id="our domain as peer"),
        pytest.param(header("other.example", "example.org"), ("invalid-from", "not-authorized"),
                     id="another domain of ours as peer"),
        pytest.param(header("EXAMPLE.org", "example.org"), ("invalid-from", "not-authorized"),
                     id="our domain in capitals"),
        pytest.param(header("denied.example", "example.org"), ("policy-violation",), id="denied"),
        pytest.param("<!DOCTYPE x [<!ENTITY a 'b'>]>" + header("proven.example", "example.org"),
                     RESTRICTED, id="DTD"),
        pytest.param("<?xml version='1.0' encoding='UTF-16'?>"
                     + header("proven.example", "example.org").partition("?>")[2],
                     ("unsupported-encoding",), id="encoding"),
        pytest.param(header("proven.example", "example.org", " x='" + "a" * 20000 + "'"),
                     ("policy-violation",), id="long header"),
    ],
)  # fmt: skip
def test_odd_headers(
    server: "Peered", call: "Calls", sent: str | bytes, conditions: tuple[str, ...]
) -> None:
    assert refusal(server, call().send(sent)) in conditions


def test_who_it_is_may_be_said_after_tls_alone_but_must_be_then(
    server: "Peered", call: "Calls"
) -> None:
    """RFC 6120 §4.7.1; so does who looks at certificates, as `openssl s_client` does."""
    wire = call()
    wire.send(header(None, "example.org")).until("</stream:features>")
    assert b"<required/>" in wire.received
    assert b"dialback>" not in wire.received
    wire.send(STARTTLS).until("<proceed")
    wire.socket = client_context().wrap_socket(wire.socket, server_hostname="example.org")
    wire.new_stream()
    assert refusal(server, wire.send(header(None, "example.org"))) == "improper-addressing"


@pytest.mark.parametrize("sent", [
    "<message from='a@proven.example' to='juliet@example.org'><body>early</body></message>",
    "<db:result from='proven.example' to='example.org'>key</db:result>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
])  # fmt: skip
def test_who_has_not_said_who_it_is_gets_nowhere_without_tls(
    call: "Calls", juliet: Wire, sent: str
) -> None:
    wire = call()
    wire.send(header(None, "example.org")).until("</stream:features>")
    wire.received = b""
    wire.send(sent).until("not-authorized", "policy-violation", "invalid-mechanism")
    hears_nothing_of(juliet, "early")


# Before the peer is known

BEFORE = [
    pytest.param("<message from='a@proven.example' to='juliet@example.org'><body>early</body>"
                 "</message>", id="message"),
    pytest.param("<iq from='proven.example' to='example.org' id='1' type='get'>"
                 "<ping xmlns='urn:xmpp:ping'/></iq>", id="IQ"),
    pytest.param("<presence from='a@proven.example' to='juliet@example.org' type='subscribe'/>",
                 id="presence"),
    pytest.param("<message><body>early</body></message>", id="no addresses"),
]  # fmt: skip


@pytest.mark.parametrize("stanza", BEFORE)
def test_stanzas_in_the_clear(server: "Peered", call: "Calls", juliet: Wire, stanza: str) -> None:
    assert refusal(server, call().begins().send(stanza)) == "not-authorized"
    hears_nothing_of(juliet, "early")


@pytest.mark.parametrize("stanza", BEFORE)
def test_stanzas_under_tls_with_a_good_certificate_but_before_sasl(
    server: "Peered", call: "Calls", juliet: Wire, proof: PEM, stanza: str
) -> None:
    assert refusal(server, call().secured(proof).send(stanza)) == "not-authorized"
    hears_nothing_of(juliet, "early")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("<enable xmlns='urn:xmpp:sm:3'/>", id="stream management"),
        pytest.param("<resume xmlns='urn:xmpp:sm:3' h='0' previd='x'/>", id="resumption"),
    ],
)
def test_stream_management_waits_for_authentication(call: "Calls", sent: str) -> None:
    wire = call().secured()
    wire.send(sent).until("<failed", "</stream:stream>")


def test_bytes_behind_starttls_are_not_of_the_new_stream(call: "Calls", juliet: Wire) -> None:
    wire = call().begins()
    wire.send(STARTTLS + header("proven.example", "example.org")).until("<proceed")
    wire.socket = client_context().wrap_socket(wire.socket, server_hostname="example.org")
    assert b"<stream:features" in wire.begins().received
    assert wire.received.count(b"<stream:stream") == 1


def test_clients_may_not_log_in_here(call: "Calls") -> None:
    """EXTERNAL alone, and only to who could use it."""
    wire = call().secured()
    assert b"PLAIN" not in wire.received
    assert b"SCRAM" not in wire.received
    wire.received = b""
    wire.auth("PLAIN", b"\0romeo\0secret of romeo")
    assert wire.outcome() == "invalid-mechanism"


def test_nothing_but_tls_is_offered_in_the_clear(call: "Calls") -> None:
    wire = call().begins()
    assert b"<required/>" in wire.received
    assert b"EXTERNAL" not in wire.received
    assert b"compress" not in wire.received
    wire.auth("EXTERNAL", b"proven.example")
    assert wire.outcome() in ("encryption-required", "invalid-mechanism")


def test_a_key_in_the_clear_is_refused(call: "Calls", hosts: dict[str, Host]) -> None:
    wire = call("spoken.example").begins()
    assert wire.claims("any").judged() in ("policy-violation", "invalid")
    assert not hosts["spoken.example"].calls


# SASL EXTERNAL and certificates


def test_a_good_certificate_lets_its_domain_speak(call: "Calls", juliet: Wire, proof: PEM) -> None:
    call().proven(proof).message(JULIET, "good day")
    juliet.until("good day")


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        pytest.param({"dns": ["other-name.example"]}, "proven.example", id="other name"),
        pytest.param({"dns": []}, "proven.example", id="common name only"),
        pytest.param({"dns": ["*.example"]}, "proven.example", id="wildcard above"),
        pytest.param({"dns": ["sub.proven.example"]}, "proven.example", id="subdomain"),
        pytest.param({"ip": ["127.0.0.1"]}, "proven.example", id="IP address"),
        pytest.param({"xmpp": ["a@proven.example"]}, "proven.example", id="a user's"),
        pytest.param({"srv": ["_xmpp-client.proven.example"]}, "proven.example", id="for clients"),
        pytest.param({"dns": ["proven.example"], "self_signed": True}, "self-signed",
                     id="self-signed"),
        pytest.param({"dns": ["proven.example"], "days": (-9, -1)}, "expired", id="expired"),
        pytest.param({"dns": ["proven.example"], "days": (1, 9)}, "not valid yet", id="future"),
        pytest.param({"dns": ["proven.example"], "usages": [EMAIL]}, "us", id="usage"),
    ],
)  # fmt: skip
def test_a_certificate_that_does_not_prove_the_domain(
    server: "Peered",
    call: "Calls",
    authority: Authority,
    papers: Path,
    wishes: dict[str, object],
    why: str,
) -> None:
    """EXTERNAL is not offered and not taken, and the log says why in words."""
    pair = authority.certify(papers, f"bad-{random.random()}", **wishes)
    wire = call().secured(pair)
    assert b"EXTERNAL" not in wire.received
    assert wire.external("proven.example") in ("not-authorized", "invalid-mechanism")
    said = server.logged(wire.source)
    assert "does not prove" in said, said
    assert why in said, said
    wire.claims("a key").until("type=", "</stream:stream>")  # nor by dialback: policy
    assert b"type='valid'" not in wire.received


def test_a_certificate_of_an_unknown_authority(
    server: "Peered", call: "Calls", papers: Path
) -> None:
    stranger = Authority.make("Padua")
    wire = call().secured(stranger.certify(papers, "stranger", dns=["proven.example"]))
    assert b"EXTERNAL" not in wire.received
    assert wire.external() in ("not-authorized", "invalid-mechanism")
    assert "does not prove" in server.logged(wire.source)


@pytest.mark.parametrize("usages", [[SERVER], [CLIENT], [SERVER, CLIENT], []])
def test_certificates_for_servers_do_as_for_clients(
    call: "Calls", authority: Authority, papers: Path, usages: list[object]
) -> None:
    """Authorities issue for one usage or the other; a server plays both parts (XEP-0178 §3)."""
    name = f"usage-{len(usages)}-{random.random()}"
    pair = authority.certify(papers, name, dns=["proven.example"], usages=usages)
    call().proven(pair)


@pytest.mark.parametrize("authzid", ["other-name.example", "a@proven.example", "example.org"])
def test_an_authorization_identity_must_be_the_stream_s(
    call: "Calls", proof: PEM, authzid: str
) -> None:
    wire = call().secured(proof)
    assert wire.external(authzid) == "invalid-authzid"


def test_tries_are_counted(server: "Peered", call: "Calls") -> None:
    wire = call().secured()
    for _ in range(3):
        wire.external()
    assert refusal(server, wire) == "policy-violation"


def test_the_stream_after_sasl_is_of_the_same_domains(
    server: "Peered", call: "Calls", proof: PEM
) -> None:
    wire = call().secured(proof)
    assert wire.external() == "success"
    assert refusal(server, wire.new_stream().send(header("spoken.example", "example.org"))) in (
        "invalid-from",
        "not-authorized",
    )


def test_with_bidi_what_waits_for_a_caller_follows_its_new_header(
    call: "Calls", single: tuple[str, Host], romeo: Wire, authority: Authority, papers: Path
) -> None:
    """It could not be called, and calls: nothing is said between success and our header."""
    domain, host = single
    host.silent = True
    wire = call(domain).secured(authority.certify(papers, f"caller-{domain}", dns=[domain]))
    romeo.send(f"<message to='a@{domain}'><body>it waits</body></message>").sync()
    wire.send("<bidi xmlns='urn:xmpp:bidi'/>")
    assert wire.external() == "success"
    wire.send(header(domain, "example.org")).until("it waits</body>")
    after = wire.received.partition(b"<success")[2]
    assert after.find(b"</stream:features>") in range(after.find(b"it waits"))


def test_a_stanza_where_the_stream_must_begin_anew(
    server: "Peered", call: "Calls", juliet: Wire, proof: PEM
) -> None:
    wire = call().secured(proof)
    assert wire.external() == "success"
    wire.message(JULIET, "too soon").until_closed()
    hears_nothing_of(juliet, "too soon")


# Addresses of stanzas


@pytest.mark.parametrize(
    ("from_", "to", "conditions"),
    [
        ("romeo@example.org/x", JULIET, ("invalid-from",)),
        ("example.org", JULIET, ("invalid-from",)),
        ("a@spoken.example", JULIET, ("invalid-from",)),
        ("a@sub.proven.example", JULIET, ("invalid-from",)),
        ("a@proven.example.evil.example", JULIET, ("invalid-from",)),
        ("", JULIET, ("improper-addressing", "invalid-from")),
        ("@proven.example", JULIET, ("improper-addressing", "invalid-from")),
        ("a@proven.example", "", ("improper-addressing",)),
        ("a@proven.example", "a@spoken.example", ("host-unknown", "improper-addressing")),
        ("a@proven.example", "a@nowhere.example", ("host-unknown", "improper-addressing")),
        ("a@proven.example", "juliet@other.example", ("host-unknown", "improper-addressing")),
        ("a@proven.example", "x" * 2000 + "@example.org", ("improper-addressing",)),
    ],
)
def test_wrong_addresses_end_the_stream(
    server: "Peered",
    call: "Calls",
    juliet: Wire,
    proof: PEM,
    from_: str,
    to: str,
    conditions: tuple[str, ...],
) -> None:
    """Nothing is delivered, and nothing relayed to a third server."""
    wire = call().proven(proof)
    assert refusal(server, wire.message(to, "forged", from_)) in conditions
    hears_nothing_of(juliet, "forged")


@pytest.mark.parametrize("missing", ["from", "to"])
def test_stanzas_without_an_address(
    server: "Peered", call: "Calls", proof: PEM, missing: str
) -> None:
    wire = call().proven(proof)
    other = "to='juliet@example.org'" if missing == "from" else "from='a@proven.example'"
    wire.send(f"<message {other}><body>x</body></message>")
    assert refusal(server, wire) == "improper-addressing"


def test_a_prefixed_from_is_not_taken_for_the_sender(
    server: "Peered", call: "Calls", juliet: Wire, proof: PEM
) -> None:
    wire = call().proven(proof)
    wire.message(
        JULIET, "prefixed", more=" xmlns:c='jabber:client' c:from='romeo@example.org/orchard'"
    )
    assert refusal(server, wire) == "invalid-from"
    hears_nothing_of(juliet, "prefixed")


# What remote servers may not do to accounts


def test_roster_pushes_from_afar_are_not_applied(call: "Calls", juliet: Wire, proof: PEM) -> None:
    wire = call().proven(proof)
    for sender in ("a@proven.example", "proven.example"):
        for to in ("juliet@example.org", JULIET):
            wire.send(
                f"<iq from='{sender}' to='{to}' id='push' type='set'>"
                "<query xmlns='jabber:iq:roster'><item jid='mallory@proven.example'"
                " subscription='both'/></query></iq>"
            )
    wire.message(JULIET, "all is sent")
    juliet.until("all is sent")
    juliet.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    assert b"mallory" not in b"".join(
        bytes(str(e.attrib), "utf8") for e in juliet.answer("r").iter()
    )


@pytest.mark.parametrize("type_", ["subscribed", "unsubscribed", "unsubscribe"])
def test_approvals_that_nobody_asked_for_change_nothing(
    call: "Calls", juliet: Wire, proof: PEM, type_: str
) -> None:
    wire = call().proven(proof)
    sender = "mallory@proven.example"
    wire.send(f"<presence from='{sender}' to='juliet@example.org' type='{type_}'/>")
    wire.message(JULIET, "all is sent")
    juliet.until("all is sent")
    assert b"<presence" not in juliet.received.partition(b"id='online'")[2]
    juliet.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    assert not list(juliet.answer("r")[0])


def test_presence_of_users_is_told_to_no_stranger(
    call: "Calls", hosts: dict[str, Host], juliet: Wire, proof: PEM
) -> None:
    wire = call().proven(proof)
    wire.send("<presence from='mallory@proven.example' to='juliet@example.org' type='probe'/>")
    wire.send("<iq from='mallory@proven.example' to='juliet@example.org' id='l' type='get'>"
              "<query xmlns='jabber:iq:last'/></iq>")  # fmt: skip
    answer = hosts["proven.example"].hears(lambda e: e.get("id") == "l")
    assert answer.get("type") == "error"
    told = hosts["proven.example"].heard("presence")
    assert all(each.get("type") in ("unsubscribed", "error") for each in told), told


def test_forged_carbons_come_from_who_sent_them(call: "Calls", juliet: Wire, proof: PEM) -> None:
    forged = (
        "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
        "<message xmlns='jabber:client' from='romeo@example.org/x' to='juliet@example.org'>"
        "<body>carbon</body></message></forwarded></received>"
    )
    wire = call().proven(proof)
    wire.send(f"<message from='m@proven.example' to='{JULIET}' type='chat'>{forged}</message>")
    juliet.until("carbon</body>")
    (got,) = [s for s in juliet.stanzas() if s.get("from") == "m@proven.example"]
    assert got.tag.endswith("}message")


# XML on an authenticated stream


@pytest.mark.parametrize(
    ("sent", "conditions"),
    [
        pytest.param("<!-- c -->", RESTRICTED, id="comment"),
        pytest.param("<?pi x?>", RESTRICTED, id="instruction"),
        pytest.param("<!DOCTYPE x>", RESTRICTED, id="DTD"),
        pytest.param("<message>&unknown;</message>", RESTRICTED, id="entity"),
        pytest.param("<message></iq>", MALFORMED, id="wrong end"),
        pytest.param(b"<message>\xff\xfe</message>", MALFORMED, id="bytes"),
        pytest.param("<message from='a@proven.example' to='juliet@example.org'>" + "<a>" * 200,
                     ("policy-violation",), id="depth"),
        pytest.param("<message from='a@proven.example' to='juliet@example.org'><body>"
                     + "x" * 530_000, ("policy-violation",), id="size"),
        pytest.param("<unknown from='a@proven.example' to='example.org'/>",
                     ("unsupported-stanza-type",), id="no stanza"),
        pytest.param("<message xmlns='jabber:client' from='a@proven.example' to='example.org'/>",
                     ("unsupported-stanza-type", "invalid-namespace"), id="of clients"),
        pytest.param("text", ("bad-format", "not-well-formed", "unsupported-stanza-type",
                              "invalid-xml"), id="text"),
        pytest.param("<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method>"
                     "</compress>", ("unsupported-stanza-type",), id="compression"),
    ],
)  # fmt: skip
def test_xml_that_is_not_allowed_ends_that_stream_only(
    server: "Peered",
    call: "Calls",
    juliet: Wire,
    proof: PEM,
    sent: str | bytes,
    conditions: tuple[str, ...],
) -> None:
    other = call().proven(proof)
    wire = call().proven(proof)
    assert refusal(server, wire.send(sent)) in conditions
    other.message(JULIET, "I am well")
    juliet.until("I am well")


def test_a_large_stanza_within_the_limit_arrives(call: "Calls", juliet: Wire, proof: PEM) -> None:
    call().proven(proof).message(JULIET, "y" * 200_000 + "the end")
    juliet.until("the end")


def test_the_limit_is_announced(call: "Calls", proof: PEM) -> None:
    """XEP-0478."""
    wire = call().proven(proof)
    assert b"urn:xmpp:stream-limits:0" in wire.received
    assert b"524288" in wire.received


def test_a_clean_close_is_answered(call: "Calls", proof: PEM) -> None:
    wire = call().proven(proof)
    wire.send("</stream:stream>").until_closed(2.0)
    assert wire.ended == "fin"
    assert wire.received.endswith(b"</stream:stream>")
    assert not stream_error(wire.received)


def test_errors_and_results_are_never_answered(
    call: "Calls", hosts: dict[str, Host], juliet: Wire, proof: PEM
) -> None:
    wire = call().proven(proof)
    for type_ in ("error", "result"):
        wire.send(f"<iq from='a@proven.example' to='nobody@example.org' id='q' type='{type_}'/>")
    wire.send("<message from='a@proven.example' to='nobody@example.org' type='error'/>")
    wire.send("<iq from='a@proven.example' to='nobody@example.org/x' id='last' type='get'>"
              "<ping xmlns='urn:xmpp:ping'/></iq>")  # fmt: skip
    hosts["proven.example"].hears(lambda e: e.get("id") == "last")
    assert [e.get("id") for e in hosts["proven.example"].heard("iq")] == ["last"]
    assert not hosts["proven.example"].heard("message")


def test_half_open_streams_do_not_stop_others(
    server: "Peered", call: "Calls", juliet: Wire, proof: PEM
) -> None:
    """L3 counts by address; these come from many."""
    before = server.descriptors()
    flood = [call().send("<?xml version='1.0'?><stream:stream xml") for _ in range(200)]
    call().proven(proof).message(JULIET, "through the crowd")
    juliet.until("through the crowd")
    for wire in flood:
        wire.reset()
    assert server.settles_at(before + 8) <= before + 8


def test_too_many_connections_of_one_address(
    server: "Peered", call: "Calls", wires: list[Wire]
) -> None:
    first = call()
    callers: list[Caller] = []
    for _ in range(150):
        wire = Caller.__new__(Caller)
        Wire.__init__(wire, _Same(server, first.source), source=first.source)
        wires.append(wire)
        callers.append(wire)
    closed = 0
    for wire in callers:
        wire.socket.settimeout(0.05)
        try:
            closed += not wire.socket.recv(4096)
        except TimeoutError:
            pass
        except ConnectionResetError:
            closed += 1
    assert closed >= 49


class _Same:
    """A door at which all come from one address."""

    def __init__(self, server: "Peered", address: str) -> None:
        self.port, self.tls_port = server.s2s_port, server.s2s_tls_port
        self._address = address

    def new_address(self) -> str:
        return self._address


def test_elements_of_a_stream_are_read() -> None:
    """The tool itself: what a header of servers carries is read too."""
    stream = header("a.example", "b.example") + "<db:result from='a' to='b' type='valid'/>"
    assert [e.get("type") for e in elements(stream.encode())] == ["valid"]
