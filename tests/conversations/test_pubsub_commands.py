"""Nodes of the service by ad-hoc commands (XEP-0050), for administrators of the host."""

import pytest

from tests.conversations.conftest import ADMIN
from tests.conversations.pubsub import SERVICE, create, refused, subscribe
from xmppd.testing import Actor, Stage, like
from xmppd.testing.matching import Matcher

COMMANDS = "http://jabber.org/protocol/commands"
ITEMS, INFO = (f"http://jabber.org/protocol/disco#{name}" for name in ("items", "info"))
JULIET = "juliet@example.org"


@pytest.fixture
def admin(talk: Stage[Actor]) -> Actor:
    return talk.bind(f"{ADMIN}/desk")


def runs(client: Actor, node: str, inside: str = "", session: str | None = None) -> None:
    going_on = "" if session is None else f" sessionid='{session}'"
    command = f"<command xmlns='{COMMANDS}' node='{node}'{going_on}>{inside}</command>"
    client.sends(f"<iq type='set' id='a' to='{SERVICE}'>{command}</iq>")


def fills_in(client: Actor, command: str, **values: str) -> None:
    """Run a command and fill in its form."""
    runs(client, command)
    asked = client.receives(like(f"<iq><command xmlns='{COMMANDS}' status='executing'/></iq>"))
    fields = "".join(
        f"<field var='{var}'><value>{value}</value></field>" for var, value in values.items()
    )
    form = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
    runs(client, command, form, asked.elements[0].get("sessionid"))


def completed(inside: str) -> Matcher:
    command = f"<command xmlns='{COMMANDS}' status='completed'>{inside}</command>"
    return like(f"<iq type='result' id='a'>{command}</iq>")


def test_administrators_list_show_and_delete_nodes(talk: Stage[Actor], admin: Actor) -> None:
    juliet = talk.bind(f"{JULIET}/balcony")
    create(juliet, "princely_musings", title="Musings")
    subscribe(juliet, "princely_musings", JULIET)
    runs(admin, "list-nodes")
    row = "".join(
        f"<field var='{var}'><value>{value}</value></field>"
        for var, value in (("node", "princely_musings"), ("creator", JULIET))
    )
    listed = f"<x xmlns='jabber:x:data' type='result'><item>{row}</item></x>"
    admin.receives(completed(listed))
    fills_in(admin, "show-node", node="princely_musings")
    shown = "<field var='title'><value>Musings</value></field>"
    admin.receives(completed(f"<x xmlns='jabber:x:data'>{shown}</x>"))
    fills_in(admin, "delete-node", node="princely_musings")
    admin.receives(completed("<note type='info'/>"))
    fills_in(admin, "show-node", node="princely_musings")
    admin.receives(completed("<note type='error'/>"))


def test_administrators_create_nodes_for_others(talk: Stage[Actor], admin: Actor) -> None:
    fills_in(admin, "create-node", node="news", owner=JULIET)
    admin.receives(completed("<note type='error'>there is no account juliet@example.org</note>"))
    juliet = talk.bind(f"{JULIET}/balcony")
    fills_in(admin, "create-node", node="news", owner=JULIET)
    admin.receives(completed("<note type='info'/>"))
    owner = "http://jabber.org/protocol/pubsub#owner"
    configure = f"<pubsub xmlns='{owner}'><configure node='news'/></pubsub>"
    juliet.sends(f"<iq type='get' id='a' to='{SERVICE}'>{configure}</iq>")
    juliet.receives(like("<iq type='result' id='a'/>"))
    fills_in(admin, "create-node", node="news", owner=JULIET)
    admin.receives(completed("<note type='error'/>"))


@pytest.mark.parametrize("node", ["list-nodes", "show-node", "create-node", "delete-node"])
def test_others_may_not(talk: Stage[Actor], node: str) -> None:
    juliet = talk.bind(f"{JULIET}/balcony")
    runs(juliet, node)
    juliet.receives(refused("cancel", "forbidden"))


def test_everybody_finds_what_is_for_them(talk: Stage[Actor], admin: Actor) -> None:
    juliet = talk.bind(f"{JULIET}/balcony")
    for client, least in ((juliet, 1), (admin, 5)):
        client.sends(
            f"<iq type='get' id='a' to='{SERVICE}'><query xmlns='{ITEMS}' node='{COMMANDS}'/></iq>"
        )
        answer = client.receives(like(f"<iq type='result' id='a'><query xmlns='{ITEMS}'/></iq>"))
        assert len(answer.elements[0].elements) == least
