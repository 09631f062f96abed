"""XEP-0033: each address gets its own, blind copies stay blind, and nobody else may use it."""

import pytest

from xmppd.api import Message, jid, parse, to_xml
from xmppd.testing import Client, Talk, error, like

NS = "http://jabber.org/protocol/address"
ROMEO, NURSE, PARIS = (f"{name}@example.org" for name in ("romeo", "nurse", "paris"))


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def juliet(talk: Talk) -> Client:
    return talk.online("juliet@example.org/balcony")


def address(type_: str, who: str = "", more: str = "") -> str:
    named = f" jid='{who}'" if who else ""
    return f"<address type='{type_}'{named}{more}/>"


def sends(client: Client, *addresses: str, head: str = "message type='chat'") -> None:
    kind = head.split()[0]
    client.sends(
        f"<{head} to='example.org' id='m'><addresses xmlns='{NS}'>{''.join(addresses)}</addresses>"
        f"<body>Hello</body></{kind}>"
    )


def header(*addresses: str) -> str:
    return (
        "<message from='juliet@example.org/balcony' type='chat'><body>Hello</body>"
        f"<addresses xmlns='{NS}'>{''.join(addresses)}</addresses></message>"
    )


def test_each_gets_its_own_and_blind_copies_are_blind(talk: Talk, juliet: Client) -> None:
    romeo, nurse, paris = (talk.online(f"{who}/x") for who in (ROMEO, NURSE, PARIS))
    given = address("to", ROMEO), address("cc", NURSE), address("bcc", PARIS)
    sends(juliet, *given, address("replyto", "juliet@example.org"))
    done = " delivered='true'"
    open_ = address("to", ROMEO, done), address("cc", NURSE, done)
    rest = address("replyto", "juliet@example.org")
    for client in (romeo, nurse):
        got = client.receives(like(header(*open_, rest)))
        assert "paris" not in to_xml(got)
    paris.receives(like(header(*open_, rest, address("bcc", PARIS))))
    juliet.receives_nothing()


def test_what_was_delivered_is_not_sent_again(talk: Talk, juliet: Client) -> None:
    romeo, nurse = talk.online(f"{ROMEO}/x"), talk.online(f"{NURSE}/x")
    sends(juliet, address("to", ROMEO, " delivered='true'"), address("to", NURSE))
    nurse.receives(like("<message><body>Hello</body></message>"))
    romeo.receives_nothing()


def test_presence_is_spread_too(talk: Talk, juliet: Client) -> None:
    romeo = talk.online(f"{ROMEO}/x")
    juliet.sends(
        f"<presence to='example.org'><addresses xmlns='{NS}'>{address('bcc', f'{ROMEO}/x')}"
        "</addresses></presence>"
    )
    romeo.receives(like("<presence from='juliet@example.org/balcony'/>"))


@pytest.mark.parametrize(
    ("given", "type_", "condition"),
    [
        (("<address jid='romeo@example.org'/>",), "modify", "bad-request"),
        ((address("friend", ROMEO),), "modify", "bad-request"),
        ((address("to"),), "modify", "bad-request"),
        ((address("to", "@"),), "modify", "jid-malformed"),
        ((address("to", more=" uri='sip:romeo@example.org'"),), "modify", "jid-malformed"),
        ((address("to", ROMEO), address("to", "example.org")), "modify", "bad-request"),
        ((address("to", ROMEO),) * 51, "modify", "not-acceptable"),
    ],
)
def test_all_is_refused_where_one_cannot_be(
    talk: Talk, juliet: Client, given: tuple[str, ...], type_: str, condition: str
) -> None:
    romeo = talk.online(f"{ROMEO}/x")
    sends(juliet, address("to", ROMEO), *given)
    juliet.receives(error("m", type_, condition, kind="message"))
    romeo.receives_nothing()


def test_other_servers_may_not_have_it_spread(talk: Talk) -> None:
    romeo = talk.online(f"{ROMEO}/x")
    answers: list[Message] = []
    talk.router.claim("far.example", answers.append)  # type: ignore[arg-type]
    addresses = parse(f"<addresses xmlns='{NS}'>{address('to', ROMEO)}</addresses>")
    talk.router.route(Message(jid("example.org"), jid("a@far.example/b"), "chat", "m", addresses))
    assert [answer.error.condition for answer in answers if answer.error] == ["forbidden"]
    romeo.receives_nothing()


def test_whom_one_has_blocked_is_not_written_to(talk: Talk, juliet: Client) -> None:
    romeo = talk.online(f"{ROMEO}/x")
    juliet.sends(
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>"
        f"<item jid='{ROMEO}'/></block></iq>"
    )
    juliet.forget()
    sends(juliet, address("to", ROMEO))
    juliet.receives(error("m", "cancel", "not-acceptable", kind="message"))
    romeo.receives_nothing()


def test_it_is_announced(juliet: Client) -> None:
    juliet.sends(
        "<iq type='get' id='d' to='example.org'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )
    assert f"<feature var='{NS}'/>" in to_xml(juliet.receives(like("<iq id='d'/>")))
