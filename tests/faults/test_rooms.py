"""Rooms and SIGKILL: what was confirmed of a persistent room is there again (XEP-0045 §10)."""

from tests.faults.cluster import NEEDS_POSTGRESQL, Cluster
from tests.faults.conftest import Serve
from tests.faults.people import JULIET, ROMEO, TYBALT, answer, joins, taken
from tests.support.client import TLSClient
from tests.support.rooms import MUC, OWNER, ROOM, USER, affiliate, configure, enter, say
from tests.support.server import ServerProcess
from xmppd.ns import CLIENT
from xmppd.xml import Element, to_xml


def confirmed(client: TLSClient, id: str) -> None:
    assert answer(client, id).get("type") == "result"


def until_subject(client: TLSClient) -> list[Element]:
    """All that comes of entering, the subject included."""
    came = list(client.inbox)
    client.inbox.clear()
    while not came or came[-1].child(CLIENT, "subject") is None:
        came.append(client.reads())
    return came


def a_room_is_made_and_killed(server: ServerProcess) -> None:
    """Romeo's room: Juliet is a member with a nickname of her own, Tybalt is banned."""
    romeo, juliet = joins(server, f"{ROMEO}/x"), joins(server, f"{JULIET}/x")
    enter(romeo, "romeo")
    until_subject(romeo)
    configure(romeo, persistentroom=1, roomname="Orchard", moderatedroom=1)
    confirmed(romeo, "cfg")
    affiliate(romeo, TYBALT, "outcast")
    confirmed(romeo, "aff")
    juliet.sends(
        f"<iq type='set' id='reg' to='{ROOM}'><query xmlns='jabber:iq:register'>"
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        f"<value>{MUC}#register</value></field><field var='muc#register_roomnick'>"
        "<value>sun</value></field></x></query></iq>"
    )
    confirmed(juliet, "reg")
    for number in range(5):
        say(romeo, f"line {number}")
    romeo.sends(f"<message type='groupchat' to='{ROOM}'><subject>Night</subject></message>")
    until_subject(romeo)
    server.kill()


def it_is_as_it_was(server: ServerProcess) -> None:
    server.start()
    tybalt, juliet = joins(server, f"{TYBALT}/x"), joins(server, f"{JULIET}/x")
    enter(tybalt, "sun")
    assert "forbidden" in to_xml(tybalt.reads(), CLIENT)
    enter(juliet, "sun")
    presence, *history, subject = until_subject(juliet)
    item = presence.child(USER, "x")
    assert item is not None
    assert "affiliation='member' role='participant'" in to_xml(item)
    assert [said.child_text(CLIENT, "body") for said in history] == [
        f"line {number}" for number in range(5)
    ]
    assert subject.child_text(CLIENT, "subject") == "Night"
    romeo = joins(server, f"{ROMEO}/x")
    romeo.sends(f"<iq type='get' id='form' to='{ROOM}'><query xmlns='{OWNER}'/></iq>")
    assert "<value>Orchard</value>" in to_xml(answer(romeo, "form"), CLIENT)
    taken(juliet)


def test_a_persistent_room_survives_sigkill(serve: Serve) -> None:
    server = serve()
    a_room_is_made_and_killed(server)
    it_is_as_it_was(server)


@NEEDS_POSTGRESQL
def test_a_persistent_room_survives_sigkill_on_postgresql(cluster: Cluster) -> None:
    with ServerProcess(database=f'url = "{cluster.url}"') as server:
        for user in (ROMEO, JULIET, TYBALT):
            server.create(user)
        a_room_is_made_and_killed(server)
        it_is_as_it_was(server)
        for user in server.accounts():
            server.delete(user)


def test_a_reload_keeps_occupants_in_their_rooms(serve: Serve) -> None:
    server = serve()
    romeo, juliet = joins(server, f"{ROMEO}/x"), joins(server, f"{JULIET}/x")
    enter(romeo, "romeo")
    until_subject(romeo)
    configure(romeo)
    confirmed(romeo, "cfg")
    enter(juliet, "juliet")
    until_subject(juliet)
    server.run("reload", module="muc")
    say(juliet, "still here")
    while (came := romeo.reads()).name != "message":
        pass
    assert came.child_text(CLIENT, "body") == "still here"
