"""Rooms whose occupants are of several servers, and what becomes of them when one is gone."""

import pytest

from tests.peers.client import Guest
from tests.peers.pairs import Pair
from tests.peers.sites import Site
from tests.support.two import wait_until
from xmppd.testing import Matcher, like, message

MUC = "http://jabber.org/protocol/muc"
Sites = dict[str, Site]


def joins(guest: Guest, room: str, nick: str) -> None:
    guest.sends(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'/></presence>")
    guest.awaits(like(f"<presence from='{room}/{nick}'><x xmlns='{MUC}#user'/></presence>"))


def makes(guest: Guest, room: str, nick: str) -> None:
    """It is locked until its owner takes it as it is (XEP-0045 §10.1.2)."""
    joins(guest, room, nick)
    guest.sends(
        f"<iq type='set' id='open' to='{room}'><query xmlns='{MUC}#owner'>"
        "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
    )
    guest.awaits(like(f"<iq type='result' id='open' from='{room}'/>"))


def says(guest: Guest, room: str, text: str) -> None:
    guest.sends(f"<message type='groupchat' id='g' to='{room}'><body>{text}</body></message>")


def leaves(nick: str, room: str) -> Matcher:
    return like(f"<presence type='unavailable' from='{room}/{nick}'/>")


def test_users_of_three_servers_share_a_room_of_ours(sites: Sites) -> None:
    pairs = [Pair(sites["ours"], sites[label]) for label in ("prosody", "ejabberd")]
    romeo, tybalt = (pair.online()[1] for pair in pairs)
    juliet = pairs[0].here_online()
    room = f"{juliet.jid.local}@{sites['ours'].of('conference')}"
    makes(juliet, room, "Juliet")
    for guest, nick in ((romeo, "Romeo"), (tybalt, "Tybalt")):
        joins(guest, room, nick)
        juliet.awaits(like(f"<presence from='{room}/{nick}'/>"))
    everybody = {"Juliet": juliet, "Romeo": romeo, "Tybalt": tybalt}
    for nick, guest in everybody.items():
        says(guest, room, f"{nick} speaks")
        for hearer in everybody.values():
            hearer.awaits(message(f"{nick} speaks", from_=f"{room}/{nick}"))
    romeo.sends(f"<message to='{room}/Tybalt' type='chat'><body>aside</body></message>")
    tybalt.awaits(message("aside", from_=f"{room}/Romeo"))
    tybalt.sends(f"<presence type='unavailable' to='{room}/Tybalt'/>")
    for hearer in (juliet, romeo):
        hearer.awaits(leaves("Tybalt", room))
    for pair in pairs:
        pair.close()


@pytest.mark.parametrize("label", ["prosody", "ejabberd", "theirs"])
def test_the_server_of_a_room_goes_and_returns(sites: Sites, label: str) -> None:
    """Who speaks meanwhile is told that nobody hears; later the room is entered again."""
    pair = Pair(sites["ours"], sites[label])
    romeo, juliet = pair.online()
    room = f"{juliet.jid.local}@{sites[label].of('conference')}"
    makes(juliet, room, "Juliet")
    joins(romeo, room, "Romeo")
    sites[label].dies()
    romeo.inbox.clear()
    says(romeo, room, "anybody?")
    romeo.awaits(lambda stanza: None if stanza.get("type") == "error" else "no error")
    sites[label].start()
    juliet = pair.login(sites[label], juliet.jid)
    juliet.sends("<presence/>")
    makes(juliet, room, "Juliet")

    def is_in() -> bool:
        romeo.sends(f"<presence to='{room}/Romeo'><x xmlns='{MUC}'/></presence>")
        try:
            romeo.awaits(
                like(f"<presence from='{room}/Romeo'><x xmlns='{MUC}#user'/></presence>"), 3.0
            )
        except AssertionError:
            return False
        return True

    wait_until(is_in, "he is in the room again")
    says(romeo, room, "back")
    juliet.awaits(message("back", from_=f"{room}/Romeo"))
    pair.close()


@pytest.mark.parametrize("label", ["prosody", "ejabberd", "theirs"])
def test_an_occupant_whose_server_is_gone_leaves_the_room(sites: Sites, label: str) -> None:
    """XEP-0045 §7.14, and what errors tell about who cannot be reached."""
    pair = Pair(sites["ours"], sites[label])
    juliet, romeo = pair.online()
    room = f"{juliet.jid.local}@{sites['ours'].of('conference')}"
    makes(juliet, room, "Juliet")
    joins(romeo, room, "Romeo")
    juliet.awaits(like(f"<presence from='{room}/Romeo'/>"))
    sites[label].dies()
    wait_until(
        lambda: says(juliet, room, "still there?") or juliet.hears(leaves("Romeo", room)),
        "Romeo has left the room",
    )
    sites[label].start()
    pair.close()
