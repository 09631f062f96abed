"""Stanzas within stanzas (XEP-0297)."""

import pytest

from xmppd.jid import jid
from xmppd.ns import CLIENT
from xmppd.stanza import IQ, Message, StanzaError, forwarded, forwarded_in, stanza_of
from xmppd.xml import Element, parse, to_xml

FORWARD = "urn:xmpp:forward:0"
ROMEO, JULIET = jid("romeo@example.org/x"), jid("juliet@example.org")


def test_a_stanza_comes_out_as_it_went_in() -> None:
    message = Message(JULIET, ROMEO, "chat", "1", Element(CLIENT, "body", None, "hi"), lang="it")
    wrapper = Element("y", "x", None, forwarded(message))
    read = parse(to_xml(wrapper).encode())
    again = stanza_of(forwarded_in(read, "message"), to=JULIET, from_=ROMEO)
    assert again.write() == message.write()


def test_who_gave_no_receiver_is_shown_without_one() -> None:
    iq = IQ(JULIET, ROMEO, "get", "1", Element("y", "x"))
    iq.directed = False
    assert "to" not in forwarded(iq).elements[0].attrs


@pytest.mark.parametrize(
    "inside",
    [
        "",
        f"<forwarded xmlns='{FORWARD}'/>",
        f"<forwarded xmlns='{FORWARD}'><iq xmlns='{CLIENT}'/></forwarded>",
        f"<forwarded xmlns='{FORWARD}'><message xmlns='jabber:server'/></forwarded>",
        f"<forwarded xmlns='{FORWARD}'><message xmlns='{CLIENT}'/></forwarded>" * 2,
    ],
)
def test_anything_but_one_stanza_of_the_kind_is_a_bad_request(inside: str) -> None:
    with pytest.raises(StanzaError, match="exactly one forwarded message"):
        forwarded_in(parse(f"<x xmlns='y'>{inside}</x>".encode()), "message")


def test_a_stanza_against_the_rules_is_a_bad_request() -> None:
    with pytest.raises(StanzaError, match="bad-request"):
        stanza_of(parse(b"<iq xmlns='jabber:client' type='get'/>"), to=JULIET, from_=ROMEO)
