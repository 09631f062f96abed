"""The archive of a room: who may read it and what (XEP-0313), and what is taken back (XEP-0424,
XEP-0425).
"""

import pytest
from twisted.internet.defer import Deferred

from tests.support.archives import asks, form, page
from tests.support.rooms import (
    CRONE_NICK,
    HAG,
    HAG_NICK,
    ROOM,
    SERVICE,
    USER,
    WICCA,
    affiliate,
    configure,
    enter,
    give,
    joins,
    made,
    say,
    seen,
    subject,
)
from xmppd.modules.archive import Archive
from xmppd.modules.archive.store import Values
from xmppd.modules.muc import MUC as ROOMS
from xmppd.modules.muc.options import MUCOptions
from xmppd.storage import StorageError
from xmppd.testing import Client, Talk, error, like, message, result, result_of

SID, OCCUPANT, MAM = "urn:xmpp:sid:0", "urn:xmpp:occupant-id:0", "urn:xmpp:mam:2"
RETRACT, MODERATE = "urn:xmpp:message-retract:1", "urn:xmpp:message-moderate:1"


@pytest.fixture
def talk() -> Talk:
    return Talk(Archive)


def heard(client: Client, text: str) -> str:
    """The stanza-id of the message."""
    got = client.receives(message(text))
    (number,) = got.all(SID, "stanza-id")
    return number.get("id") or ""


def said(client: Client, *texts: str) -> list[str]:
    for text in texts:
        say(client, text)
    return [heard(client, text) for text in texts]


def restart(talk: Talk) -> None:
    result_of(talk.host.modules.swap(["muc"], {}))
    result_of(talk.host.modules.swap((), {ROOMS: MUCOptions()}))


def features(client: Client) -> set[str]:
    client.sends(
        f"<iq type='get' id='f' to='{ROOM}'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )
    query = client.receives(result("f")).elements[0]
    return {each.get("var") or "" for each in query.elements if each.name == "feature"}


# XEP-0313


def test_the_archive_has_what_was_said_with_the_id_that_was_delivered(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    ids = said(crone, "one", "two", "three")
    answer = asks(crone, to=ROOM)
    assert answer.bodies == ["one", "two", "three"]
    assert answer.ids == ids
    assert {each.get("from") for each in answer.originals} == {f"{ROOM}/{CRONE_NICK}"}
    assert {each.get("to") for each in answer.originals} == {None}
    assert all(not each.all(SID) for each in answer.originals)
    assert {MAM, f"{MAM}#extended"} <= features(crone)


def test_addresses_are_for_those_who_may_see_them(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    say(hag, "&lt;x xmlns='http://jabber.org/protocol/muc#user'>&lt;item ")
    hag.sends(
        f"<message type='groupchat' to='{ROOM}'><body>two</body><x xmlns='{USER}'>"
        "<item jid='forged@example.org'/></x></message>"
    )
    hag.forget()
    crone.forget()
    (plain, *_), (known, forged) = asks(hag, to=ROOM).originals, asks(crone, to=ROOM).originals
    assert plain.child(USER, "x") is None
    for each in (known, forged):
        (x,) = each.all(USER, "x")
        assert x.elements[0].attrs == {"affiliation": "none", "role": "participant", "jid": HAG}
    configure(crone, whois="anyone")
    hag.forget()
    assert len(asks(hag, to=ROOM).originals[0].all(USER, "x")) == 1


def test_private_messages_and_states_are_not_in_it_and_subjects_are(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    crone.sends(f"<message type='chat' to='{ROOM}/{HAG_NICK}'><body>psst</body></message>")
    crone.sends(
        f"<message type='groupchat' to='{ROOM}'>"
        "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
    crone.sends(f"<message type='groupchat' to='{ROOM}'><subject>Fire</subject></message>")
    crone.sends(
        f"<message type='groupchat' to='{ROOM}'><body>x</body>"
        "<no-store xmlns='urn:xmpp:hints'/></message>"
    )
    hag.forget()
    (only,) = asks(hag, to=ROOM).originals
    assert only.child_text("jabber:client", "subject") == "Fire"


@pytest.mark.parametrize(
    ("settings", "affiliation", "condition"),
    [
        ({}, "none", None),
        ({}, "outcast", "forbidden"),
        ({"membersonly": 1}, "none", "forbidden"),
        ({"membersonly": 1}, "member", None),
        ({"passwordprotectedroom": 1, "roomsecret": "x"}, "none", "forbidden"),
        ({"enablearchiving": 0}, "none", "service-unavailable"),
    ],
)
def test_who_may_enter_may_read(
    talk: Talk, settings: dict[str, object], affiliation: str, condition: str | None
) -> None:
    crone = made(talk, persistentroom=1, **settings)
    say(crone, "one")
    affiliate(crone, "wicca@example.org", affiliation)
    wicca = talk.bind(WICCA)
    wicca.forget()
    if condition is None:
        assert asks(wicca, to=ROOM).bodies == ["one"]
        return
    for kind, name in (("set", "query"), ("get", "query"), ("get", "metadata")):
        wicca.sends(f"<iq type='{kind}' id='no' to='{ROOM}'><{name} xmlns='{MAM}'/></iq>")
        type_ = "auth" if condition == "forbidden" else "cancel"
        wicca.receives(error("no", type_, condition))
    wicca.receives_nothing()


def test_a_page_and_the_form_and_the_ends(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    ids = said(crone, "one", "two", "three")
    assert asks(crone, page(max=2), to=ROOM).bodies == ["one", "two"]
    assert asks(crone, form(**{"after-id": ids[1]}), to=ROOM).bodies == ["three"]
    assert asks(crone, form(**{"with": f"{ROOM}/nobody"}), to=ROOM).bodies == []
    crone.sends(f"<iq type='get' id='m' to='{ROOM}'><metadata xmlns='{MAM}'/></iq>")
    ends = crone.receives(result("m")).elements[0]
    assert [each.get("id") for each in ends.elements] == [ids[0], ids[2]]
    crone.sends(f"<iq type='get' id='f' to='{ROOM}'><query xmlns='{MAM}'/></iq>")
    fields = crone.receives(result("f")).elements[0].elements[0].elements
    assert "after-id" in {each.get("var") for each in fields}


def test_who_enters_after_a_restart_gets_the_history_out_of_the_archive(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    ids = said(crone, "one", "two")
    restart(talk)
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(HAG_NICK))
    for text, id_ in zip(("one", "two"), ids, strict=True):
        got = hag.receives(like(f"<message><body>{text}</body></message>"))
        assert [each.get("id") for each in got.all(SID)] == [id_]
        assert got.child(USER, "x") is None  # nobody's address
    hag.receives(subject())


def test_what_an_earlier_room_archived_is_not_the_next_ones(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    say(crone, "secret")
    archive = talk.module(Archive)
    crone.forget()
    talk.run("room-destroy", room="coven")
    assert result_of(archive.store.size(ROOM)) == (0, 0)
    # And where the server was killed before the archive of a temporary room was removed:
    hag = made(talk)
    say(hag, "passing")
    result_of(talk.host.modules.swap(["muc"], {}))
    result_of(talk.host.modules.swap((), {ROOMS: MUCOptions()}))
    wicca = joins(talk, WICCA, "wicca")
    configure(wicca)
    wicca.forget()
    assert asks(wicca, to=ROOM).bodies == []


def test_what_is_not_stored_is_not_delivered() -> None:
    talk = Talk(Archive)
    crone = made(talk, persistentroom=1)
    archive = talk.module(Archive)

    async def fail(rows: object) -> None:
        raise StorageError("the disk is full")

    put, archive.store.put = archive.store.put, fail  # type: ignore[method-assign,assignment]
    say(crone, "lost")
    crone.receives(error("say", "wait", "resource-constraint", kind="message"))
    archive.store.put = put  # type: ignore[method-assign]
    say(crone, "kept")
    crone.receives(message("kept"))
    hag = talk.bind(HAG)
    enter(hag, HAG_NICK)
    hag.receives(seen(CRONE_NICK), seen(HAG_NICK), like("<message><body>kept</body></message>"))


# XEP-0424, XEP-0425


def retracts(client: Client, id_: str, more: str = "") -> None:
    client.sends(
        f"<message type='groupchat' id='r1' to='{ROOM}'>"
        f"<retract xmlns='{RETRACT}' id='{id_}'>{more}</retract></message>"
    )


def moderates(client: Client, id_: str, inside: str = f"<retract xmlns='{RETRACT}'/>") -> None:
    client.sends(
        f"<iq type='set' id='mod' to='{ROOM}'><moderate xmlns='{MODERATE}' id='{id_}'>"
        f"{inside}<reason>Foul</reason></moderate></iq>"
    )


def retraction(id_: str) -> str:
    return f"<message id='r1'><retract xmlns='{RETRACT}' id='{id_}'/></message>"


@pytest.mark.parametrize("archived", [True, False])
def test_a_retracted_message_is_a_tombstone(archived: bool) -> None:
    talk = Talk(Archive) if archived else Talk()
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    (id_,) = said(hag, "oops")
    crone.forget()
    retracts(hag, id_)
    crone.receives(like(retraction(id_)))
    hag.forget()
    if archived:
        stone, after = asks(hag, to=ROOM).originals
        (retracted,) = stone.all(RETRACT, "retracted")
        assert retracted.get("id") == "r1"
        assert retracted.get("stamp")
        assert stone.child("jabber:client", "body") is None
        assert stone.child(OCCUPANT) is not None
        assert after.child(RETRACT, "retract") is not None
        assert asks(crone, to=ROOM).originals[0].child(USER, "x") is not None
    for again in (False, True):
        if again:
            restart(talk)
        wicca = talk.bind(f"wicca@example.org/{again}")
        enter(wicca, f"w{again}")
        wicca.receives(*[] if again else [seen(CRONE_NICK), seen(HAG_NICK)], seen(f"w{again}"))
        wicca.receives(like(f"<message><retracted xmlns='{RETRACT}' id='r1'/></message>"))


def test_nobody_retracts_what_another_said_or_speaks_for_the_room(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    (id_,) = said(crone, "mine")
    hag.forget()
    retracts(hag, id_)
    hag.receives(error("r1", "auth", "forbidden", kind="message"))
    retracts(hag, "x" * 12, f"<moderated xmlns='{MODERATE}' by='{ROOM}'/>")
    hag.receives(error("r1", "modify", "bad-request", kind="message"))
    retracts(hag, "")
    hag.receives(error("r1", "modify", "bad-request", kind="message"))
    crone.receives_nothing()
    assert asks(crone, to=ROOM).bodies == ["mine"]


def test_a_moderator_retracts_what_another_said(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    (id_,) = said(hag, "foul")
    crone.forget()
    moderates(crone, id_)
    told = hag.receives(like(f"<message type='groupchat' from='{ROOM}'/>"))
    retract = told.child(RETRACT, "retract")
    assert retract is not None
    assert retract.get("id") == id_
    assert retract.child_text(RETRACT, "reason") == "Foul"
    by = retract.child(MODERATE, "moderated")
    assert by is not None
    assert by.get("by") == f"{ROOM}/{CRONE_NICK}"
    assert by.child(OCCUPANT, "occupant-id") is not None
    crone.receives(like(f"<message from='{ROOM}'/>"), result("mod", ""))
    stone, after = asks(hag, to=ROOM).originals
    assert stone.child("jabber:client", "body") is None
    retracted = stone.child(RETRACT, "retracted")
    assert retracted is not None
    assert retracted.child(MODERATE, "moderated") is not None
    assert after.child(RETRACT, "retract") is not None
    assert {RETRACT, MODERATE, f"{RETRACT}#tombstone"} <= features(hag)


def test_moderation_has_its_errors(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    (id_,) = said(crone, "fine")
    hag.forget()
    moderates(hag, id_)
    hag.receives(error("mod", "auth", "forbidden"))
    moderates(crone, "0" * 29)
    crone.receives(error("mod", "cancel", "item-not-found"))
    moderates(crone, id_, "")
    crone.receives(error("mod", "modify", "bad-request"))
    hag.receives_nothing()
    give(crone, HAG_NICK, "moderator")
    hag.forget()
    moderates(hag, id_)
    hag.receives(like(f"<message from='{ROOM}'/>"), result("mod", ""))


def test_a_retracted_message_is_found_by_no_search(talk: Talk) -> None:
    crone = made(talk, persistentroom=1)
    (id_,) = said(crone, "cauldron")
    words = form(**{"{urn:xmpp:fulltext:0}fulltext": "cauldron"})
    assert asks(crone, words, to=ROOM).bodies == ["cauldron"]
    retracts(crone, id_)
    crone.forget()
    assert asks(crone, words, to=ROOM).ids == []


def test_what_follows_a_message_in_its_room_waits_for_the_disk_and_other_rooms_do_not(
    talk: Talk,
) -> None:
    crone = made(talk, persistentroom=1)
    hag = joins(talk, HAG, HAG_NICK, ROOM, crone)
    other = f"heath@{SERVICE}"
    enter(crone, CRONE_NICK, other)
    configure(crone, other, enablearchiving=0)
    enter(hag, HAG_NICK, other)
    for each in (crone, hag):
        each.forget()
    archive = talk.module(Archive)
    disk: Deferred[None] = Deferred()
    put = archive.store.put

    async def slowly(rows: list[Values]) -> None:
        await disk
        await put(rows)

    archive.store.put = slowly  # type: ignore[method-assign,assignment]
    say(crone, "first")
    hag.sends(f"<presence to='{ROOM}/{HAG_NICK}'><show>away</show></presence>")
    crone.receives_nothing()
    say(hag, "elsewhere", other)
    hag.receives(message("elsewhere"))
    disk.callback(None)
    hag.receives(message("first"), seen(HAG_NICK))
    crone.forget()
    assert asks(crone, to=ROOM).bodies == ["first"]
