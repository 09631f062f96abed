"""Servers that we call, and that are not there, not who they should be, or mean no good."""

import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

import pytest

from tests.abuse.wire import Wire, error_condition
from tests.support.authority import EMAIL, Authority
from tests.support.peer import (
    OFFER_DIALBACK,
    OFFER_EXTERNAL,
    Host,
    server_context,
)

if TYPE_CHECKING:
    from tests.s2s.hostile.conftest import Calls, Peered

Single = tuple[str, Host]
TIMEOUT = "remote-server-timeout"
NOT_FOUND = "remote-server-not-found"
PATIENCE_S = 20.0  # connecting, negotiating and queueing have a few seconds each here


def says(wire: Wire, to: str, id_: str, body: str = "hello", type_: str = "chat") -> None:
    wire.send(f"<message to='{to}' id='{id_}' type='{type_}'><body>{body}</body></message>")


def answer(wire: Wire, id_: str) -> Element:
    """The stanza that came back with this id."""
    wire.socket.settimeout(PATIENCE_S)
    wire.until(f"id='{id_}'")
    wire.sync()
    return next(stanza for stanza in wire.stanzas() if stanza.get("id") == id_)


def condition(wire: Wire, id_: str) -> str:
    return error_condition(answer(wire, id_))


def body_is(text: str):  # type: ignore[no-untyped-def]
    return lambda element: any((child.text or "") == text for child in element)


# Who it is


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        pytest.param({"dns": ["other-name.example"]}, "is not", id="other name"),
        pytest.param({"dns": []}, "", id="common name only"),
        pytest.param({"self_signed": True}, "self-signed", id="self-signed"),
        pytest.param({"days": (-9, -1)}, "expired", id="expired"),
        pytest.param({"days": (1, 9)}, "not valid yet", id="future"),
        pytest.param({"usages": [EMAIL]}, "", id="usage"),
    ],
)
def test_nothing_is_said_to_a_server_that_does_not_prove_itself(
    server: "Peered",
    romeo: Wire,
    single: Single,
    authority: Authority,
    papers: Path,
    wishes: dict[str, object],
    why: str,
) -> None:
    """However the DNS was made to lead there; the log says why, in words."""
    domain, host = single
    pair = authority.certify(papers, f"false-{domain}", **{"dns": [domain], **wishes})
    host.context = server_context(pair)
    says(romeo, f"a@{domain}", "m1", "a secret")
    assert condition(romeo, "m1") == NOT_FOUND
    assert [e.tag for call in host.calls for e in call.heard if "starttls" not in e.tag] == []
    said = [line for line in server.logged().splitlines() if domain in line]
    assert any("does not prove" in line and why in line for line in said), said


def test_a_certificate_of_an_authority_that_is_not_trusted(
    server: "Peered", romeo: Wire, single: Single, papers: Path
) -> None:
    domain, host = single
    host.context = server_context(Authority.make("Padua").certify(papers, f"padua-{domain}",
                                                                  dns=[domain]))  # fmt: skip
    says(romeo, f"a@{domain}", "m1")
    assert condition(romeo, "m1") == NOT_FOUND
    assert not host.heard("message")


def test_a_server_without_tls_gets_nothing(romeo: Wire, single: Single) -> None:
    domain, host = single
    host.offers_in_clear = OFFER_DIALBACK + OFFER_EXTERNAL
    says(romeo, f"a@{domain}", "m1", "in the clear")
    assert condition(romeo, "m1") in (TIMEOUT, NOT_FOUND)
    assert not host.heard("message")
    assert not host.heard("result")
    assert not host.heard("auth")


def test_stanzas_go_after_a_key_or_external(romeo: Wire, single: Single) -> None:
    domain, host = single
    host.offers = OFFER_EXTERNAL + OFFER_DIALBACK
    says(romeo, f"a@{domain}", "m1", "with a certificate")
    got = host.hears(body_is("with a certificate"))
    assert (got.get("from"), got.get("to")) == (romeo.jid, f"a@{domain}")
    assert host.heard("auth")
    assert not host.heard("result")


def test_a_server_that_hangs_up_on_external_is_called_again_without(
    romeo: Wire, single: Single
) -> None:
    """It does not want our certificate; its dialback does."""
    domain, host = single
    host.offers = OFFER_EXTERNAL + OFFER_DIALBACK
    host.refuses_external = True
    says(romeo, f"a@{domain}", "m1", "by dialback")
    host.hears(body_is("by dialback"))
    assert len(host.calls) == 2
    assert len(host.heard("auth")) == 1


@pytest.mark.parametrize(("said", "wanted"), [("invalid", "internal-server-error"), ("", TIMEOUT)])
def test_a_server_that_does_not_take_our_key(
    romeo: Wire, single: Single, said: str, wanted: str
) -> None:
    """It says no (XEP-0220 §2.1.1), or nothing at all."""
    domain, host = single
    host.accepts = said
    says(romeo, f"a@{domain}", "m1")
    assert condition(romeo, "m1") == wanted
    assert not host.heard("message")


@pytest.mark.parametrize(
    ("error", "wanted"),
    [("host-unknown", NOT_FOUND), ("host-gone", "gone"), ("see-other-host", TIMEOUT)],
)
def test_stream_errors_of_the_host_are_told_the_sender(
    romeo: Wire, single: Single, hosts: dict[str, Host], error: str, wanted: str
) -> None:
    domain, host = single
    elsewhere = f"127.0.0.1:{hosts['flood.example'].port}" if error == "see-other-host" else ""
    host.opens_with = (
        f"<stream:error><{error} xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{elsewhere}</{error}>"
        "</stream:error></stream:stream>"
    )
    says(romeo, f"a@{domain}", "m1")
    assert condition(romeo, "m1") == wanted
    assert not hosts["flood.example"].calls  # it is not followed blindly


def test_stanzas_that_come_back_on_our_stream_are_not_taken(
    server: "Peered", romeo: Wire, juliet: Wire, single: Single
) -> None:
    """Without bidi a stream goes one way (RFC 6120 §4.2)."""
    domain, host = single
    says(romeo, f"a@{domain}", "m1", "there")
    host.hears(body_is("there"))
    host.says(
        f"<message from='a@{domain}' to='juliet@example.org/balcony'><body>back</body></message>"
    )
    host.hears(lambda e: e.tag.endswith("}error"))
    juliet.sync()
    assert b"back</body>" not in juliet.received


@pytest.mark.parametrize("from_", ["romeo@example.org/x", "a@proven.example", "a@{domain}"])
def test_with_bidi_the_host_speaks_for_itself_alone(
    romeo: Wire, juliet: Wire, single: Single, from_: str
) -> None:
    domain, host = single
    host.offers = OFFER_DIALBACK + "<bidi xmlns='urn:xmpp:features:bidi'/>"
    says(romeo, f"a@{domain}", "m1", "there")
    host.hears(body_is("there"))
    assert host.heard("bidi")
    sender = from_.format(domain=domain)
    host.says(
        f"<message from='{sender}' to='juliet@example.org/balcony'><body>bidi</body></message>"
    )
    if "{" in from_:
        juliet.until("bidi</body>")
    else:
        host.hears(lambda e: e.tag.endswith("}error"))
        juliet.sync()
        assert b"bidi</body>" not in juliet.received


@pytest.mark.parametrize(
    "injected",
    [
        "<message from='romeo@example.org/x' to='juliet@example.org'><body>inj</body></message>",
        "<db:result from='{domain}' to='example.org' type='valid'/>"
        "<message from='a@{domain}' to='juliet@example.org'><body>inj</body></message>",
        "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        "<!DOCTYPE x>",
        "<x xmlns='urn:example:x'>" * 200,
    ],
    ids=["stanza", "early answer", "success", "DTD", "depth"],
)
def test_what_the_host_says_out_of_turn(
    server: "Peered", romeo: Wire, juliet: Wire, single: Single, injected: str
) -> None:
    domain, host = single
    host.at_once = injected.format(domain=domain)
    says(romeo, f"a@{domain}", "m1")
    assert condition(romeo, "m1") in (TIMEOUT, NOT_FOUND)
    juliet.sync()
    assert b"inj</body>" not in juliet.received


# Where it is


@pytest.mark.parametrize(
    "domain",
    ["127.0.0.1", "[::1]", "localhost", "10.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1",
     "[::ffff:127.0.0.1]", "[fe80::1]", "255.255.255.255"],
)  # fmt: skip
def test_private_addresses_are_not_connected_to(romeo: Wire, domain: str) -> None:
    says(romeo, f"x@{domain}", f"to {domain}")
    assert condition(romeo, f"to {domain}") == NOT_FOUND


def test_a_dns_that_does_not_answer(server: "Peered", romeo: Wire, juliet: Wire) -> None:
    """The sender is told in time; what is local goes on meanwhile."""
    says(romeo, "a@unheard.example", "m1")
    juliet.socket.settimeout(1.0)
    juliet.sync()
    assert condition(romeo, "m1") in (TIMEOUT, NOT_FOUND)


def test_many_domains_that_cannot_be_resolved(romeo: Wire, juliet: Wire) -> None:
    """50 at a time are tried; all senders are told, and others notice nothing."""
    count = 100
    for number in range(count):
        says(romeo, f"a@unheard{number}.example", f"n{number}")
    juliet.socket.settimeout(2.0)
    for _ in range(5):
        juliet.sync()
    romeo.socket.settimeout(PATIENCE_S)
    for number in range(count):
        romeo.until(f"id='n{number}'")
    found = {error_condition(s) for s in romeo.stanzas() if (s.get("id") or "").startswith("n")}
    assert found <= {TIMEOUT, NOT_FOUND}


def test_a_server_that_is_down(romeo: Wire) -> None:
    says(romeo, "a@dead.example", "m1")
    assert condition(romeo, "m1") == TIMEOUT
    says(romeo, "a@dead.example", "e1", type_="error")
    romeo.sync()
    assert b"id='e1'" not in romeo.received  # errors are answered by nobody


def test_a_server_that_hangs_up_is_not_stormed(romeo: Wire, single: Single) -> None:
    """Attempts are a second apart at least, and further apart each time; each sender is told."""
    domain, host = single
    host.hangs_up_first = True
    until = time.monotonic() + 4.0
    count = 0
    while time.monotonic() < until:
        says(romeo, f"a@{domain}", f"s{count}")
        romeo.until(f"id='s{count}'")
        count += 1
    assert count > 20  # it was told at once, most times
    assert 1 <= len(host.calls) <= 4, len(host.calls)


def test_a_server_that_comes_back_is_reached_again(romeo: Wire, single: Single) -> None:
    domain, host = single
    host.hangs_up_first = True
    says(romeo, f"a@{domain}", "m1")
    assert condition(romeo, "m1") in (TIMEOUT, NOT_FOUND)
    host.hangs_up_first = False
    until = time.monotonic() + PATIENCE_S
    number = 1
    while not host.heard("message") and time.monotonic() < until:
        number += 1
        says(romeo, f"a@{domain}", f"m{number}", "are you there?")
        romeo.sync()
        time.sleep(0.2)
    assert host.heard("message")


def test_a_server_that_accepts_and_is_silent(romeo: Wire, juliet: Wire, single: Single) -> None:
    domain, host = single
    host.silent = True
    says(romeo, f"a@{domain}", "m1")
    juliet.socket.settimeout(1.0)
    juliet.sync()
    assert condition(romeo, "m1") == TIMEOUT


def test_what_waits_for_a_server_is_bounded(romeo: Wire, single: Single) -> None:
    """1000 stanzas: who sends more is told at once, the others when it was in vain."""
    domain, host = single
    host.silent = True
    romeo.socket.settimeout(PATIENCE_S)
    for number in range(1200):
        says(romeo, f"a@{domain}", f"q{number:04}")
    romeo.until("id='q1199'")
    early = {s.get("id") for s in romeo.stanzas() if s.get("type") == "error"}
    assert "q0000" not in early
    assert len(early) >= 200
    romeo.until("id='q0000'")
    romeo.until("id='q0999'")
    assert {error_condition(s) for s in romeo.stanzas() if s.get("type") == "error"} == {TIMEOUT}


def test_a_server_that_never_reads(
    server: "Peered", romeo: Wire, juliet: Wire, single: Single
) -> None:
    """Its senders are held back; memory stays bounded, and others notice nothing."""
    domain, host = single
    host.deaf = True
    says(romeo, f"a@{domain}", "m1", "first")
    host.hears(body_is("first"))
    before = server.resident()
    text = "x" * 8000
    romeo.socket.settimeout(2.0)
    try:
        for number in range(6000):  # 48 MB
            line = f"<message to='a@{domain}' id='d{number}'><body>{text}</body></message>"
            romeo.socket.sendall(line.encode())
    except TimeoutError:
        pass  # held back
    juliet.socket.settimeout(2.0)
    for _ in range(3):
        juliet.sync()
    assert server.resident() - before < 64 * 2**20
    romeo.reset()


def test_a_slow_server_gets_all_in_order(romeo: Wire, single: Single) -> None:
    domain, host = single
    says(romeo, f"a@{domain}", "m1", "first")
    host.hears(body_is("first"))
    host.deaf = True
    for number in range(200):
        says(romeo, f"a@{domain}", f"o{number}", f"line {number}")
    host.deaf = False
    host.hears(body_is("line 199"))
    ids = [e.get("id") or "" for e in host.heard("message")]
    assert [i for i in ids if i.startswith("o")] == [f"o{number}" for number in range(200)]


# Who calls and stays silent


def test_silence_and_whitespace_do_not_keep_a_stream(call: "Calls") -> None:
    silent, spaces = call(), call()
    start = time.monotonic()
    while time.monotonic() < start + 2:
        spaces.send(" ")
        time.sleep(0.5)
    for wire in (silent, spaces):
        wire.until_closed(8.0)
        assert wire.ended
