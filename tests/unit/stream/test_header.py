"""Stream headers of clients, and what is answered (RFC 6120 §4.7, §4.8, §4.9.1)."""

import re
from typing import Any

import pytest

from xmppd.stream.states import State

STREAMS = "http://etherx.jabber.org/streams"
GOOD = {"to": "example.org", "version": "1.0"}


def header(*, ns: str = STREAMS, content: str | None = "jabber:client", **attrs: str) -> str:
    declared = "" if content is None else f" xmlns='{content}'"
    given = "".join(f" {name.rstrip('_')}='{value}'" for name, value in attrs.items())
    return f"<?xml version='1.0'?><stream:stream{declared} xmlns:stream='{ns}'{given}>"


REFUSED = {
    "no host": ("host-unknown", header(version="1.0")),
    "empty host": ("host-unknown", header(to="", version="1.0")),
    "unknown host": ("host-unknown", header(to="example.com", version="1.0")),
    "host of 5000 bytes": ("host-unknown", header(to="x" * 5000, version="1.0")),
    "host with markup": ("host-unknown", header(to="&lt;x/&gt;&apos;", version="1.0")),
    "account as host": ("host-unknown", header(to="juliet@example.org", version="1.0")),
    "resource of a host": ("host-unknown", header(to="example.org/x", version="1.0")),
    "wrong stream namespace": ("invalid-namespace", header(ns="urn:wrong", **GOOD)),
    "wrong content namespace": ("invalid-namespace", header(content="urn:wrong", **GOOD)),
    "a server's stream": ("invalid-namespace", header(content="jabber:server", **GOOD)),
    "component": ("invalid-namespace", header(content="jabber:component:accept", **GOOD)),
    "no content namespace": ("invalid-namespace", header(content=None, **GOOD)),
    "no declaration at all": ("invalid-namespace", "<stream to='example.org' version='1.0'>"),
    "wrong root": (
        "bad-format",
        f"<x:flood xmlns:x='{STREAMS}' xmlns='jabber:client' to='example.org' version='1.0'>",
    ),
    "no version": ("unsupported-version", header(to="example.org")),
    "version 0.9": ("unsupported-version", header(to="example.org", version="0.9")),
    "version x": ("unsupported-version", header(to="example.org", version="x")),
    "version -1": ("unsupported-version", header(to="example.org", version="-1")),
    "version of other digits": ("unsupported-version", header(to="example.org", version="١.0")),
    "sender that is no JID": ("invalid-from", header(from_="@@", **GOOD)),
    "sender of another host": ("invalid-from", header(from_="juliet@example.net", **GOOD)),
    "HTTP": ("not-well-formed", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
    "TLS hello": ("not-well-formed", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "DTD": (None, "<!DOCTYPE x [<!ENTITY a 'b'>]>" + header(**GOOD)[21:]),
    "UTF-16": (None, "<?xml version='1.0' encoding='UTF-16'?>" + header(**GOOD)[21:]),
    "comment": (None, "<!-- hello -->" + header(**GOOD)[21:]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_header_is_answered_by_our_header_the_error_and_the_end(
    client: Any, case: str
) -> None:
    condition, sent = REFUSED[case]
    answer = client.sends(sent)
    assert re.match(r"<\?xml version='1.0'\?><stream:stream ", answer)
    assert answer.count("<stream:stream ") == 1
    assert answer.endswith("</stream:error></stream:stream>")
    assert client.error is not None
    assert condition in (None, client.error)
    assert f"<{client.error} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in answer.replace(
        '"', "'"
    )
    assert client.stream.state is State.CLOSED


@pytest.mark.parametrize("to", ["x" * 5000, "&lt;evil/&gt;", "evil.example"])
def test_host_that_is_not_ours_is_not_repeated(client: Any, to: str) -> None:
    answer = client.sends(header(to=to, version="1.0"))
    assert "evil" not in answer
    assert "xxx" not in answer
    assert " from=''" in answer


ACCEPTED = {
    "plain": header(**GOOD),
    "another prefix": header(**GOOD).replace("stream:", "s:").replace(":stream=", ":s="),
    "prefix-free": f"<stream xmlns='{STREAMS}' to='example.org' version='1.0'>",
    "no XML declaration": header(**GOOD)[21:],
    "upper case": header(to="EXAMPLE.ORG", version="1.0"),
    "character reference": header(to="&#x65;xample.org", version="1.0"),
    "odd spacing": header(**GOOD)[21:].replace(" to", "\n\t to").replace(">", "\n>"),
    "version 1.9": header(to="example.org", version="1.9"),
    "version 2.0": header(to="example.org", version="2.0"),
    "version 1": header(to="example.org", version="1"),
    "version 01.00": header(to="example.org", version="01.00"),
    "version 10^21": header(to="example.org", version="1" + "0" * 21),
    "an id of its own": header(id="mine", **GOOD),
    "a language that is none": header(**GOOD).replace(" to", " xml:lang='&lt;no way' to"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted_header_is_answered_with_version_1_and_features(client: Any, case: str) -> None:
    answer = client.sends(ACCEPTED[case])
    assert " version='1.0'" in answer.split("?>")[1]
    assert " from='example.org'" in answer
    assert answer.endswith("</stream:features>")
    assert client.events == []


def test_without_a_version_ours_has_none(client: Any) -> None:
    answer = client.sends(header(to="example.org"))
    assert " version=" not in answer.split("?>")[1]


def test_sender_of_the_header_is_addressed_by_bare_jid(client: Any) -> None:
    assert " to='juliet@example.org'" in client.sends(header(from_="Juliet@example.org/x", **GOOD))


def test_sender_and_host_may_spell_their_domain_differently(client: Any) -> None:
    said = header(from_="a@bücher.example", to="xn--bcher-kva.example", version="1.0")
    assert " to='a@bücher.example'" in client.sends(said)
    assert client.error is None


def test_header_without_sender_is_answered_without_to(client: Any) -> None:
    assert " to=" not in client.sends(header(**GOOD)).split("<stream:features>")[0]


def test_each_stream_has_an_id_of_its_own_of_128_bits(new_client: Any) -> None:
    ids = set()
    for _ in range(20):
        match = re.search(r" id='([\w-]+)'", new_client().opens())
        assert match is not None
        ids.add(match[1])
    assert len(ids) == 20
    assert min(map(len, ids)) >= 22


def test_ours_says_its_language(client: Any) -> None:
    assert " xml:lang='en'>" in client.opens()


def test_second_header_without_restart_is_bad_format(client: Any) -> None:
    client.opens()
    answer = client.sends(header(**GOOD)[21:] + "</stream:stream>")
    assert client.error == "bad-format"
    assert "<stream:stream " not in answer


def test_clean_close_is_answered(client: Any) -> None:
    client.opens()
    assert client.sends("</stream:stream>") == "</stream:stream>"
    assert client.stream.state is State.CLOSED
    assert client.error is None


def test_nothing_is_read_after_the_end(client: Any) -> None:
    client.opens()
    client.sends("</stream:stream>")
    assert client.sends("<message/>") == ""
    assert client.stream.fail(Exception) == []


def test_error_of_the_client_ends_the_stream(client: Any) -> None:
    client.opens()
    answer = client.sends(
        "<stream:error>"
        "<not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        "</stream:error>"
    )
    assert answer == "</stream:stream>"
    assert client.events[-1].peer_error == "not-well-formed"


AT_DEPTH_1 = {
    "unknown namespace": ("unsupported-stanza-type", "<x xmlns='urn:unknown'/>"),
    "unknown stanza": ("unsupported-stanza-type", "<pubsub/>"),
    "a server's stanza": ("unsupported-stanza-type", "<message xmlns='jabber:server'/>"),
    "starttls of elsewhere": ("unsupported-stanza-type", "<starttls xmlns='urn:wrong'/>"),
    "unknown element of streams": ("unsupported-stanza-type", "<stream:hello/>"),
    "SASL of a server": (
        "unsupported-stanza-type",
        "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    ),
    "message": ("not-authorized", "<message to='a@example.org'><body>x</body></message>"),
    "presence": ("not-authorized", "<presence/>"),
    "roster": (
        "not-authorized",
        "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
    ),
    "bind": (
        "not-authorized",
        "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    ),
    "jabber:iq:auth": (
        "not-authorized",
        "<iq type='get' id='1'><query xmlns='jabber:iq:auth'/></iq>",
    ),
    "registering": (
        "not-authorized",
        "<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>",
    ),
    "stream management": ("not-authorized", "<enable xmlns='urn:xmpp:sm:3'/>"),
    "namespace with a brace": (
        "unsupported-stanza-type",
        "<message xmlns='jabber:client}x'/>",
    ),
    "text": (None, "hello"),
    "CDATA": (None, "<![CDATA[x]]><a/>"),
    "wrong end": ("not-well-formed", "<a xmlns='x'></b>"),
    "unbound prefix": ("not-well-formed", "<a:b/>"),
    "comment": (None, "<!-- x -->"),
    "instruction": (None, "<?x y?>"),
    "invalid UTF-8": ("not-well-formed", b"<message><body>\xc0\xaf</body></message>"),
    "endless text": ("policy-violation", "<message><body>" + "x" * 20000),
    "endless nesting": ("policy-violation", "<message>" + "<a>" * 40),
    "endless name": ("policy-violation", "<" + "x" * 20000),
    "endless whitespace in a tag": ("policy-violation", "<message " + " " * 20000),
}


@pytest.mark.parametrize("case", AT_DEPTH_1)
@pytest.mark.parametrize("secure", [False, True])
def test_before_login_what_is_not_negotiation_ends_the_stream(
    new_client: Any, case: str, secure: bool
) -> None:
    client = new_client(secure=secure)
    client.opens()
    condition, sent = AT_DEPTH_1[case]
    answer = client.sends(sent)
    assert client.error is not None
    assert condition in (None, client.error)
    assert answer.startswith("<stream:error>")
    assert answer.endswith("</stream:error></stream:stream>")


def test_whitespace_between_elements_is_nothing(client: Any) -> None:
    client.opens()
    assert client.sends(" \n\t  \r\n") == ""
    assert client.events == []


def test_endless_whitespace_before_the_header_does_not_pass_as_a_stream(client: Any) -> None:
    client.sends(" " * 40000)
    assert client.error in ("policy-violation", "not-well-formed", None)
    assert client.stream.state in (State.CLOSED, State.SECURED)
