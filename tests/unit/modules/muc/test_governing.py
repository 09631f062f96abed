"""Roles, affiliations and their lists (XEP-0045 §5, §8.2 to §8.5, §9, §10.3 to §10.8)."""

import pytest

from tests.support.rooms import (
    ADMIN,
    CRONE,
    CRONE_NICK,
    HAG,
    HAG_NICK,
    ROOM,
    USER,
    WICCA,
    WICCA_NICK,
    affiliate,
    enter,
    give,
    joins,
    made,
    order,
    seen,
)
from xmppd.api import StanzaError, jid
from xmppd.modules.muc.names import AFFILIATIONS, ROLES
from xmppd.modules.muc.privileges import Person, check_affiliation, check_role
from xmppd.testing import Client, Talk, error, like, result

OK = ""


# The tables


@pytest.mark.parametrize(
    ("actor", "target", "new", "outcome"),
    [  # affiliation/role of both
        ("none/participant", "none/participant", "visitor", "forbidden"),
        ("none/moderator", "none/participant", "visitor", OK),
        ("none/moderator", "none/visitor", "participant", OK),
        ("none/moderator", "none/participant", "none", OK),
        ("none/moderator", "member/participant", "none", "not-allowed"),
        ("none/moderator", "none/moderator", "none", "not-allowed"),
        ("none/moderator", "none/participant", "moderator", "forbidden"),
        ("member/moderator", "member/participant", "none", OK),
        ("member/moderator", "member/participant", "visitor", "not-allowed"),
        ("member/moderator", "admin/moderator", "none", "not-allowed"),
        ("admin/moderator", "none/participant", "moderator", OK),
        ("admin/moderator", "none/moderator", "participant", OK),
        ("admin/moderator", "none/moderator", "none", OK),
        ("admin/none", "none/participant", "none", OK),
        ("admin/moderator", "admin/moderator", "participant", "not-allowed"),
        ("admin/moderator", "admin/moderator", "visitor", "not-allowed"),
        ("admin/moderator", "owner/moderator", "none", "not-allowed"),
        ("admin/moderator", "member/participant", "visitor", OK),
        ("owner/moderator", "admin/moderator", "visitor", "not-allowed"),
        ("owner/moderator", "admin/moderator", "none", OK),
        ("owner/moderator", "owner/moderator", "none", OK),
        ("member/none", "none/participant", "none", "forbidden"),
    ],
)
def test_who_may_change_whose_role(actor: str, target: str, new: str, outcome: str) -> None:
    assert _outcome_of_role(_person("a", actor), _person("b", target), new) == outcome


def _person(name: str, standing: str) -> Person:
    affiliation, role = standing.split("/")
    return Person(jid(f"{name}@example.org"), AFFILIATIONS[affiliation], ROLES[role])


def _outcome_of_role(actor: Person, target: Person, new: str) -> str:
    try:
        check_role(actor, target, ROLES[new])
    except StanzaError as refusal:
        return refusal.condition
    return OK


BY_ADMIN = {  # §5.2.2
    ("outcast", "none"),
    ("outcast", "member"),
    ("none", "outcast"),
    ("none", "member"),
    ("member", "outcast"),
    ("member", "none"),
}


@pytest.mark.parametrize("old", AFFILIATIONS)
@pytest.mark.parametrize("new", AFFILIATIONS)
@pytest.mark.parametrize("actor", ["none", "member", "admin", "owner"])
def test_who_may_change_whose_affiliation(actor: str, old: str, new: str) -> None:
    assert _outcome_of_affiliation(actor, old, new) == _wanted(actor, old, new)


def _wanted(actor: str, old: str, new: str) -> str:
    if actor == "owner" or (actor == "admin" and (old == new or (old, new) in BY_ADMIN)):
        return OK
    above = actor == "admin" and new == "outcast"
    return "not-allowed" if above else "forbidden"


def _outcome_of_affiliation(actor: str, old: str, new: str) -> str:
    who = Person(jid("a@example.org"), AFFILIATIONS[actor], ROLES["moderator"])
    try:
        check_affiliation(who, jid("b@example.org"), AFFILIATIONS[old], AFFILIATIONS[new])
    except StanzaError as refusal:
        return refusal.condition
    return OK


# Kicks, voice, moderators


def test_a_kick_is_told_to_the_kicked_then_the_moderator_then_the_rest(
    talk: Talk, crone: Client, hag: Client
) -> None:
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)
    give(crone, HAG_NICK, "none", more="<reason>Avaunt!</reason>")
    hag.receives(
        seen(
            HAG_NICK,
            "none",
            "none",
            codes=("110", "307"),
            gone=True,
            reason="Avaunt!",
            actor=CRONE_NICK,
        )
    )
    crone.receives(result("role", ""), seen(HAG_NICK, codes=("307",), gone=True, jid=HAG))
    wicca.receives(
        seen(HAG_NICK, "none", "none", codes=("307",), gone=True, jid="", reason="Avaunt!")
    )
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK))


def test_voice_is_revoked_and_granted(crone: Client, hag: Client) -> None:
    give(crone, HAG_NICK, "visitor", more="<reason>hush</reason>")
    crone.receives(result("role", ""), seen(HAG_NICK, "none", "visitor", reason="hush"))
    hag.receives(seen(HAG_NICK, "none", "visitor", codes=("110",), reason="hush"))
    give(crone, HAG_NICK, "participant")
    hag.receives(seen(HAG_NICK, "none", "participant"))


def test_a_moderator_sees_addresses_from_then_on(talk: Talk, crone: Client, hag: Client) -> None:
    give(crone, HAG_NICK, "moderator")
    hag.receives(seen(HAG_NICK, "none", "moderator"), seen(CRONE_NICK, jid=CRONE))
    joins(talk, WICCA, WICCA_NICK, ROOM)
    hag.receives(seen(WICCA_NICK, jid=WICCA))
    give(crone, HAG_NICK, "participant")
    hag.receives(seen(HAG_NICK, "none", "participant"))


@pytest.mark.parametrize(
    ("item", "type", "condition"),
    [
        ("<item nick='nobody' role='none'/>", "cancel", "item-not-found"),
        (f"<item nick='{CRONE_NICK}' role='none'/>", "cancel", "conflict"),
        (f"<item nick='{HAG_NICK}' role='king'/>", "modify", "bad-request"),
        ("<item role='none'/>", "modify", "bad-request"),
        (f"<item nick='{HAG_NICK}' role='none' affiliation='none'/>", "modify", "bad-request"),
        ("<item jid='a@@b' affiliation='member'/>", "modify", "jid-malformed"),
        ("<item jid='a@b' affiliation='king'/>", "modify", "bad-request"),
        ("<item jid='example.com' affiliation='owner'/>", "modify", "bad-request"),
        ("<item jid='crone1@example.org' affiliation='outcast'/>", "cancel", "conflict"),
        ("<item jid='example.org' affiliation='outcast'/>", "cancel", "conflict"),
        ("<item jid='crone1@example.org' affiliation='admin'/>", "cancel", "conflict"),
        (f"<item jid='a@b' affiliation='member' nick='{HAG_NICK}'/>", "cancel", "conflict"),
        ("", "modify", "bad-request"),
    ],
)
def test_what_cannot_be_done(
    crone: Client, hag: Client, item: str, type: str, condition: str
) -> None:
    order(crone, item)
    crone.receives(error("items", type, condition))
    hag.receives_nothing()


def test_all_or_nothing(talk: Talk, crone: Client, hag: Client) -> None:
    order(
        crone,
        "<item jid='hag66@example.org' affiliation='outcast'/>"
        "<item jid='crone1@example.org' affiliation='outcast'/>",
    )
    crone.receives(error("items", "cancel", "conflict"))
    hag.receives_nothing()
    order(
        crone,
        "<item jid='hag66@example.org' affiliation='member'/>"
        "<item jid='other@example.org' affiliation='owner'/>"
        "<item jid='crone1@example.org/x' affiliation='admin'/>",
    )
    crone.receives(result("items", ""), seen(HAG_NICK, "member"))


def test_outsiders_and_participants_govern_nothing(talk: Talk, crone: Client, hag: Client) -> None:
    wicca = talk.bind(WICCA)
    for client in (hag, wicca):
        give(client, CRONE_NICK, "none")
        client.receives(error("role", "auth", "forbidden"))
        affiliate(client, "crone1@example.org", "outcast")
        client.receives(error("aff", "auth", "forbidden"))
        for what in ("affiliation='outcast'", "role='participant'", "affiliation='owner'"):
            order(client, f"<item {what}/>", type="get")
            client.receives(error("items", "auth", "forbidden"))
    crone.receives_nothing()


# Affiliations


def test_a_ban_removes_and_is_told(talk: Talk, crone: Client, hag: Client) -> None:
    wicca = joins(talk, WICCA, WICCA_NICK, ROOM, crone, hag)
    order(
        crone,
        "<item jid='hag66@example.org' affiliation='outcast'><reason>Treason</reason></item>",
    )
    hag.receives(
        seen(HAG_NICK, "outcast", "none", codes=("110", "301"), gone=True, reason="Treason")
    )
    crone.receives(result("items", ""), seen(HAG_NICK, "outcast", codes=("301",), gone=True))
    wicca.receives(seen(HAG_NICK, "outcast", "none", codes=("301",), gone=True, jid=""))
    order(crone, "<item affiliation='outcast'/>", type="get")
    crone.receives(
        result(
            "items",
            f"<query xmlns='{ADMIN}'><item affiliation='outcast' jid='hag66@example.org'>"
            "<reason>Treason</reason></item></query>",
        )
    )
    affiliate(crone, "hag66@example.org", "none")
    crone.forget()
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK))


@pytest.mark.parametrize(
    ("word", "role"), [("member", "participant"), ("admin", "moderator"), ("owner", "moderator")]
)
def test_an_affiliation_brings_its_role(crone: Client, hag: Client, word: str, role: str) -> None:
    affiliate(crone, HAG, word)
    crone.receives(result("aff", ""), seen(HAG_NICK, word, role))
    hag.receives(seen(HAG_NICK, word, role, codes=("110",)))
    hag.forget()
    affiliate(crone, "hag66@example.org", "none")
    crone.forget()
    hag.receives(seen(HAG_NICK, "none", "participant"))


def test_who_loses_membership_leaves_a_members_only_room(talk: Talk) -> None:
    crone = made(talk, membersonly=1)
    affiliate(crone, "hag66@example.org", "member")
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    affiliate(crone, "hag66@example.org", "none")
    hag.receives(seen(HAG_NICK, "none", "none", codes=("110", "321"), gone=True))
    crone.receives(result("aff", ""), seen(HAG_NICK, codes=("321",), gone=True))


def test_who_is_away_is_told_by_101_and_the_occupants_by_a_message(
    talk: Talk, crone: Client, hag: Client
) -> None:
    wicca = talk.online(WICCA)
    affiliate(crone, "wicca@example.org", "admin")
    wicca.receives(
        f"<message from='{ROOM}'><x xmlns='{USER}'><item affiliation='admin'/>"
        "<status code='101'/></x></message>"
    )
    crone.receives(
        result("aff", ""),
        f"<message from='{ROOM}'><x xmlns='{USER}'>"
        "<item affiliation='admin' role='none' jid='wicca@example.org'/></x></message>",
    )
    hag.receives_nothing()


def test_a_new_member_of_a_members_only_room_is_invited(talk: Talk) -> None:
    crone = made(talk, membersonly=1)
    wicca = talk.online(WICCA)
    affiliate(crone, "wicca@example.org", "member")
    wicca.receives(
        like(f"<message from='{ROOM}'><x xmlns='{USER}'><invite from='{ROOM}'/></x></message>")
    )


def test_an_owner_may_go_if_another_stays(crone: Client, hag: Client) -> None:
    affiliate(crone, "hag66@example.org", "owner")
    crone.forget()
    affiliate(crone, "crone1@example.org", "admin")
    crone.receives(result("aff", ""), seen(CRONE_NICK, "admin", "moderator"))
    affiliate(crone, "hag66@example.org", "outcast")
    crone.receives(error("aff", "cancel", "not-allowed"))
    affiliate(crone, "other@example.org", "admin")
    crone.receives(error("aff", "auth", "forbidden"))


# Lists


def test_the_lists_of_roles_name_who_is_there(crone: Client, hag: Client) -> None:
    order(crone, "<item role='participant'/>", type="get")
    crone.receives(
        result(
            "items",
            f"<query xmlns='{ADMIN}'><item affiliation='none' role='participant' jid='{HAG}'"
            f" nick='{HAG_NICK}'/></query>",
        )
    )
    order(crone, "<item role='moderator'/>", type="get")
    crone.receives(
        like(f"<iq id='items'><query xmlns='{ADMIN}'><item nick='{CRONE_NICK}'/></query></iq>")
    )


@pytest.mark.parametrize(("whois", "allowed"), [("anyone", True), ("moderators", False)])
def test_members_see_the_lists_where_addresses_are_open(
    talk: Talk, whois: str, allowed: bool
) -> None:
    crone = made(talk, whois=whois)
    affiliate(crone, "wicca@example.org", "member")
    wicca = talk.bind(WICCA)
    for word in ("member", "owner", "admin"):
        order(wicca, f"<item affiliation='{word}'/>", type="get")
        if allowed:
            wicca.receives(like("<iq type='result' id='items'/>"))
        else:
            wicca.receives(error("items", "auth", "forbidden"))
    order(wicca, "<item affiliation='outcast'/>", type="get")
    wicca.receives(error("items", "auth", "forbidden"))


def test_one_list_at_a_time(crone: Client) -> None:
    for items in ("", "<item affiliation='member'/><item affiliation='owner'/>", "<item/>"):
        order(crone, items, type="get")
        crone.receives(error("items", "modify", "bad-request"))
