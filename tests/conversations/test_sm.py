"""Stream management (XEP-0198), as far as one connection shows it."""

import pytest

from xmppd.ns import SM
from xmppd.testing import Actor, Stage, like, message, presence

JULIET, ROMEO = "juliet@example.org/phone", "romeo@example.net/orchard"
R = f"<r xmlns='{SM}'/>"


def a(h: int) -> str:
    return f"<a xmlns='{SM}' h='{h}'/>"


def failed(condition: str) -> str:
    ns = "urn:ietf:params:xml:ns:xmpp-stanzas"
    return f"<failed xmlns='{SM}'><{condition} xmlns='{ns}'/></failed>"


@pytest.fixture
def juliet(talk: Stage[Actor]) -> Actor:
    return managed(talk)


def managed(talk: Stage[Actor]) -> Actor:
    juliet = talk.bind(JULIET)
    juliet.sends(f"<enable xmlns='{SM}'/>")
    juliet.receives(f"<enabled xmlns='{SM}'/>")
    return juliet


def test_basic_acking(talk: Stage[Actor]) -> None:
    """§8.1: what is sent from <enable/> on counts, and elements that are no stanzas do not."""
    romeo, juliet = talk.online(ROMEO), managed(talk)
    juliet.sends(R)
    juliet.receives(a(0))
    juliet.sends(f"<presence/><message to='{ROMEO}'><body>ciao!</body></message>{R}")
    juliet.receives_in_any_order(presence(from_=JULIET), a(2))
    romeo.receives(message("ciao!"))
    juliet.sends(a(1) + R + R)
    juliet.receives(a(2), a(2))


def test_stanzas_that_are_refused_count_as_handled(juliet: Actor) -> None:
    juliet.sends("<message to='nobody@example.org'><body>hm</body></message>" + R)
    juliet.receives_in_any_order(like("<message type='error'/>"), a(1))


def test_the_server_asks_after_some_stanzas(juliet: Actor, talk: Stage[Actor]) -> None:
    romeo = talk.bind(ROMEO)
    romeo.sends(f"<message to='{JULIET}' type='chat'><body>x</body></message>" * 10)
    juliet.receives(*[message("x")] * 10, R)
    juliet.sends(a(10))
    romeo.sends(f"<message to='{JULIET}' type='chat'><body>y</body></message>")
    juliet.receives(message("y"))


def test_resuming_after_the_bind_is_unexpected(juliet: Actor) -> None:
    juliet.sends(f"<resume xmlns='{SM}' previd='x' h='0'/>")
    juliet.receives(failed("unexpected-request"))


def test_without_enabling_there_is_nothing_to_acknowledge(talk: Stage[Actor]) -> None:
    juliet = talk.bind(JULIET)
    juliet.sends(R + a(0))
    juliet.receives(*[failed("unexpected-request")] * 2)


def test_what_was_not_acknowledged_waits_for_the_next_session(
    juliet: Actor, talk: Stage[Actor]
) -> None:
    romeo = talk.bind(ROMEO)
    juliet.sends("<presence/>")
    juliet.receives(presence(from_=JULIET))
    for number in range(3):
        romeo.sends(f"<message to='{JULIET}' type='chat'><body>{number}</body></message>")
    juliet.receives(message("0"), message("1"), message("2"))
    juliet.sends(a(2))
    juliet.disconnect()
    again = talk.bind(JULIET)
    again.sends("<presence/>")
    again.receives(presence(from_=JULIET), message("1"), message("2"))
    again.receives_nothing()
