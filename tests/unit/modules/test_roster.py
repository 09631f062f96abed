"""Rosters: reading, changing, pushes, versions, limits (RFC 6121 §2)."""

import pytest
import sqlalchemy as sa

from xmppd.api import XMLError, jid, ns, to_xml
from xmppd.modules.roster import Item, Roster, items
from xmppd.modules.roster.items import written
from xmppd.modules.roster.store import REMEMBERED_REMOVALS
from xmppd.storage import DatabaseDown
from xmppd.testing import Client, Talk, error, like, result, result_of
from xmppd.testing.stage import bundled

USER = jid("juliet@example.org")
NURSE = "<item jid='nurse@example.org' name='Nurse'><group>Servants</group></item>"
SHOWN = (
    "<item jid='nurse@example.org' name='Nurse' subscription='none'><group>Servants</group></item>"
)
NEW = "<item jid='new@example.org'/>"
CANCEL = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def query(inner: str = "", ver: str | None = None) -> str:
    attr = "" if ver is None else f" ver='{ver}'"
    return f"<query xmlns='jabber:iq:roster'{attr}>{inner}</query>"


def push(item: str) -> str:
    return f"<iq type='set' from='{USER}'>{query(item)}</iq>"


def get(client: Client, ver: str | None = None) -> None:
    client.sends(f"<iq type='get' id='get'>{query(ver=ver)}</iq>")


def put(client: Client, item: str, id: str = "set") -> None:
    client.sends(f"<iq type='set' id='{id}'>{query(item)}</iq>")


def interested(talk: Talk, address: str = "juliet@example.org/balcony") -> Client:
    client = talk.bind(address)
    get(client)
    client.forget()
    return client


@pytest.fixture
def talk() -> Talk:
    return Talk(only=["subscriptions"])


# Reading (§2.1.3, §2.1.4, §2.2)


def test_an_empty_roster_is_an_empty_query(talk: Talk) -> None:
    juliet = talk.bind("juliet@example.org/balcony")
    get(juliet)
    juliet.receives(like(f"<iq type='result' id='get'>{query()}</iq>"))


def test_the_roster_is_returned_as_it_was_stored_and_with_its_version(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, NURSE)
    pushed = juliet.receives(like(push(SHOWN))).elements[0].get("ver")
    juliet.forget()
    get(juliet)
    answer = juliet.receives(like(f"<iq type='result'>{query(SHOWN)}</iq>"))
    assert answer.elements[0].get("ver") == pushed


def test_a_roster_get_with_an_item_is_a_bad_request(talk: Talk) -> None:
    juliet = talk.bind("juliet@example.org/balcony")
    juliet.sends(f"<iq type='get' id='g'>{query(NURSE)}</iq>")
    juliet.receives(error("g", "modify", "bad-request"))


@pytest.mark.parametrize("type_", ["get", "set"])
@pytest.mark.parametrize("owner", ["romeo", "nobody"])
def test_the_roster_of_another_account_is_forbidden_whether_there_is_one_or_not(
    talk: Talk, type_: str, owner: str
) -> None:
    talk.account("romeo@example.org")
    juliet = talk.bind("juliet@example.org/balcony")
    inner = NURSE if type_ == "set" else ""
    juliet.sends(f"<iq type='{type_}' id='g' to='{owner}@example.org'>{query(inner)}</iq>")
    juliet.receives(error("g", "auth", "forbidden"))


# Changing (§2.3, §2.4, §2.5)


def test_a_new_item_is_pushed_to_all_interested_resources_and_no_others(talk: Talk) -> None:
    balcony, chamber = interested(talk), interested(talk, "juliet@example.org/chamber")
    garden = talk.online("juliet@example.org/garden")
    put(balcony, NURSE)
    balcony.receives(like(push(SHOWN)), result("set", ""))
    chamber.receives(like(push(SHOWN)))
    chamber.receives_nothing()
    garden.receives_nothing()


def test_a_push_has_one_item_and_an_id_of_its_own_and_is_from_the_account(talk: Talk) -> None:
    balcony, chamber = interested(talk), interested(talk, "juliet@example.org/chamber")
    put(balcony, NURSE)
    first, second = balcony.inbox[0], chamber.inbox[0]
    assert first.get("id") != second.get("id")
    assert (first.get("from"), first.get("to")) == (USER, balcony.jid)
    assert len(first.elements[0].elements) == 1


@pytest.mark.parametrize(("type_", "inner"), [("result", ""), ("error", CANCEL)])
def test_the_answer_to_a_push_is_taken_without_a_word(talk: Talk, type_: str, inner: str) -> None:
    juliet = interested(talk)
    juliet.sends(f"<iq id='p' type='{type_}'>{inner}</iq>")
    juliet.receives_nothing()


def test_an_update_replaces_name_and_groups_as_a_whole(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, NURSE)
    juliet.forget()
    put(juliet, "<item jid='nurse@example.org'/>")
    item = juliet.receives(like(push("<item jid='nurse@example.org'/>")), result("set")).elements
    assert item == []
    get(juliet)
    assert juliet.inbox[0].elements[0].elements[0].attrs == {
        "jid": "nurse@example.org",
        "subscription": "none",
    }


def test_an_empty_name_is_no_name(talk: Talk) -> None:
    """§2.4.1, implementation note."""
    juliet = interested(talk)
    put(juliet, "<item jid='nurse@example.org' name=''/>")
    assert juliet.inbox[0].elements[0].elements[0].get("name") is None


def test_the_client_cannot_set_what_subscriptions_set(talk: Talk) -> None:
    """§2.1.2.1, §2.1.2.2, §2.1.5 rule 2."""
    juliet = interested(talk)
    put(juliet, "<item jid='n@example.org' subscription='both' ask='subscribe' approved='true'/>")
    assert juliet.inbox[0].elements[0].elements[0].attrs == {
        "jid": "n@example.org",
        "subscription": "none",
    }


def test_an_update_keeps_the_subscription(talk: Talk) -> None:
    talk.befriend("juliet@example.org", "nurse@example.org")
    juliet = interested(talk)
    put(juliet, NURSE)
    juliet.receives(like(push(SHOWN.replace("none", "both"))), result("set"))


GROUP = "<item jid='n@example.org'>{}</item>"
FAULTS = {  # §2.3.3
    "two items": (NURSE + "<item jid='mother@example.org'/>", "bad-request"),
    "no item": ("", "bad-request"),
    "another element": ("<thing xmlns='urn:t'/>", "bad-request"),
    "no jid": ("<item name='Nurse'/>", "bad-request"),
    "an empty jid": ("<item jid=''/>", "bad-request"),
    "a malformed jid": ("<item jid='a@b@c'/>", "bad-request"),
    "a duplicate group": (GROUP.format("<group>a</group><group>a</group>"), "bad-request"),
    "an empty group": (GROUP.format("<group/>"), "not-acceptable"),
    "a group too long": (GROUP.format(f"<group>{'g' * 257}</group>"), "not-acceptable"),
    "too many groups": (
        GROUP.format("".join(f"<group>{n}</group>" for n in range(21))),
        "not-acceptable",
    ),
    "a name too long": (f"<item jid='n@example.org' name='{'n' * 257}'/>", "not-acceptable"),
    "no jid to remove": ("<item subscription='remove'/>", "bad-request"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_set_is_refused_and_changes_nothing(talk: Talk, fault: str) -> None:
    inner, condition = FAULTS[fault]
    juliet = interested(talk)
    put(juliet, inner)
    juliet.receives(error("set", "modify", condition))
    juliet.receives_nothing()
    get(juliet)
    assert juliet.inbox[0].elements[0].elements == []


def test_a_removed_item_is_pushed_as_removed_and_gone(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, NURSE)
    juliet.forget()
    gone = "<item jid='nurse@example.org' subscription='remove'/>"
    put(juliet, gone)
    juliet.receives(like(push(gone)), result("set", ""))
    get(juliet)
    assert juliet.inbox[0].elements[0].elements == []


def test_removing_an_unknown_item_is_item_not_found(talk: Talk) -> None:
    """§2.5.3."""
    juliet = interested(talk)
    put(juliet, "<item jid='nurse@example.org' subscription='remove'/>")
    juliet.receives(error("set", "cancel", "item-not-found"))


def test_a_contact_is_found_by_its_prepared_bare_jid(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, "<item jid='NURSE@Example.org/kitchen'/>")
    assert list(talk.module(Roster).contacts(USER)) == ["nurse@example.org"]


def test_an_unsolicited_push_from_a_client_changes_no_roster(talk: Talk) -> None:
    romeo = interested(talk)
    tybalt = talk.bind("tybalt@example.org/street")
    tybalt.sends(f"<iq type='set' id='x' to='{romeo.jid}'>{query(NURSE)}</iq>")
    assert romeo.inbox[0].get("from") == tybalt.jid  # the client sees that it is no push
    assert talk.module(Roster).contacts(USER) == {}


# Versions (§2.6)


def test_the_stream_offers_versions_and_pre_approval(talk: Talk) -> None:
    offers = [talk.module(Roster).offer("before_bind"), talk.module(Roster).offer("before_auth")]
    assert [[e.ns for e in elements] for elements in offers] == [
        ["urn:xmpp:features:rosterver"],
        [],
    ]


def test_a_client_that_is_up_to_date_gets_an_empty_result_and_later_pushes(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, NURSE)
    ver = juliet.inbox[0].elements[0].get("ver")
    again = talk.bind("juliet@example.org/chamber")
    get(again, ver)
    talk.advance(1)
    again.receives(result("get", ""))
    again.receives_nothing()
    put(juliet, "<item jid='mother@example.org'/>")
    again.receives(like(push("<item jid='mother@example.org'/>")))


def test_each_change_has_a_higher_version_of_its_own(talk: Talk) -> None:
    juliet = interested(talk)
    for contact in ("a", "b", "a"):
        put(juliet, f"<item jid='{contact}@example.org'/>")
    seen = [int(s.elements[0].get("ver") or 0) for s in juliet.inbox if s.elements]
    assert len(seen) == 3
    assert seen == sorted(set(seen))


def test_a_client_that_missed_something_gets_it_after_an_empty_result_in_order(
    talk: Talk,
) -> None:
    """§2.6.3: one push for each item, with the version of its last change."""
    juliet = interested(talk)
    for contact in ("a", "b", "c", "d"):
        put(juliet, f"<item jid='{contact}@example.org'/>")
    old = juliet.inbox[6].elements[0].get("ver")  # d's; each push is followed by a result
    for change in ("<item jid='b@example.org' name='B'/>", "<item jid='e@example.org'/>"):
        put(juliet, change)
    put(juliet, "<item jid='c@example.org' subscription='remove'/>")
    put(juliet, "<item jid='b@example.org' name='Bee'/>")
    wanted = [s.elements[0] for s in juliet.inbox if s.get("type") == "set"]
    again = talk.bind("juliet@example.org/chamber")
    get(again, old)
    again.receives(result("get", ""))
    talk.advance(1)
    assert [s.elements[0] for s in again.inbox] == wanted[5:]  # all but the first b


def test_a_change_while_a_client_catches_up_comes_after_what_it_missed(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, "<item jid='a@example.org'/>")
    old = juliet.inbox[0].elements[0].get("ver")
    put(juliet, "<item jid='b@example.org'/>")
    again = talk.bind("juliet@example.org/chamber")
    get(again, old)
    put(juliet, "<item jid='c@example.org'/>")
    talk.advance(1)
    again.receives(
        result("get", ""),
        like(push("<item jid='b@example.org'/>")),
        like(push("<item jid='c@example.org'/>")),
    )
    again.receives_nothing()


@pytest.mark.parametrize("ver", ["", "ver14", "-1", "99999999999999999", "9" * 30, "1", "²"])
def test_an_unknown_version_gets_the_whole_roster(talk: Talk, ver: str) -> None:
    juliet = interested(talk)
    put(juliet, NURSE)
    juliet.forget()
    get(juliet, ver)
    juliet.receives(like(f"<iq type='result'>{query(SHOWN)}</iq>"))


def test_a_version_older_than_the_removals_remembered_gets_the_whole_roster(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, NURSE)
    old = juliet.inbox[0].elements[0].get("ver")
    for n in range(REMEMBERED_REMOVALS + 1):
        put(juliet, f"<item jid='c{n}@example.org'/>")
        put(juliet, f"<item jid='c{n}@example.org' subscription='remove'/>")
    juliet.forget()
    get(juliet, old)
    juliet.receives(like(f"<iq type='result'>{query(SHOWN)}</iq>"))


def test_a_version_of_an_account_that_was_removed_is_unknown_to_its_successor(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, NURSE)
    ver = juliet.inbox[0].elements[0].get("ver")
    juliet.disconnect()
    result_of(talk.module(Roster).erase(USER))
    again = talk.bind("juliet@example.org/balcony")
    get(again, ver)
    again.receives(like(f"<iq type='result'>{query()}</iq>"))
    put(again, NEW)
    again.forget()
    get(again, ver)
    again.receives(like(f"<iq type='result'>{query(NEW)}</iq>"))


# Limits, faults, memory


def test_a_full_roster_takes_no_more_contacts_but_changes_those_it_has() -> None:
    talk = Talk(only=["subscriptions"], options={"roster": {"max_contacts": 1}})
    juliet = interested(talk)
    put(juliet, NURSE)
    put(juliet, NURSE.replace("Servants", "Friends"))
    juliet.forget()
    put(juliet, "<item jid='mother@example.org'/>")
    juliet.receives(error("set", "wait", "resource-constraint"))
    juliet.sends("<presence to='mother@example.org' type='subscribe' id='s'/>")
    juliet.receives(error("s", "wait", "resource-constraint", "presence"))
    juliet.receives_nothing()


@pytest.mark.parametrize("change", [NURSE, "<item jid='x@example.org' subscription='remove'/>"])
def test_without_the_database_a_set_fails_and_the_session_lives(talk: Talk, change: str) -> None:
    juliet = interested(talk)
    put(juliet, "<item jid='x@example.org'/>")
    juliet.forget()
    talk.database.fail_with(DatabaseDown("away"))
    put(juliet, change)
    juliet.receives(error("set", "wait", "internal-server-error"))
    juliet.receives_nothing()
    assert list(talk.module(Roster).contacts(USER)) == ["x@example.org"]
    talk.database.fail_with(None)
    put(juliet, NURSE)
    juliet.receives(like(push(SHOWN)), result("set"))


def test_what_storage_did_after_all_is_read_again(talk: Talk) -> None:
    """A write that timed out may have been committed."""
    juliet, roster = interested(talk), talk.module(Roster)
    talk.database.fail_with(DatabaseDown("too slow"))
    put(juliet, NURSE)
    talk.database.fail_with(None)
    result_of(roster.store.put(USER.local, jid("nurse@example.org"), "Nurse", (), 10))
    talk.advance(60)
    assert list(roster.contacts(USER)) == ["nurse@example.org"]


def test_the_result_of_a_set_means_stored(talk: Talk) -> None:
    juliet, roster = interested(talk), talk.module(Roster)
    put(juliet, NURSE)
    stored = result_of(roster.store.load(USER.local)).items
    assert [(i.contact, i.name, i.groups) for i in stored] == [
        ("nurse@example.org", "Nurse", ("Servants",))
    ]


def test_a_damaged_row_does_not_keep_the_others_from_their_owner(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, NURSE)
    put(juliet, "<item jid='mother@example.org'/>")
    juliet.disconnect()
    talk.advance(60)
    talk.advance(60)
    flip = items.update().where(items.c.contact == "mother@example.org").values(groups="[")
    result_of(talk.database.run(lambda tx: tx.execute(flip)))
    again = talk.bind("juliet@example.org/balcony")
    get(again)
    again.receives(like(f"<iq type='result'>{query(SHOWN)}</iq>"))


def test_a_roster_is_in_memory_while_needed_and_a_little_longer(talk: Talk) -> None:
    juliet, roster = interested(talk), talk.module(Roster)
    put(juliet, NURSE)
    juliet.disconnect()
    talk.advance(60)
    assert roster.contacts(USER)
    talk.advance(60)
    assert not roster.contacts(USER)


def test_a_roster_read_for_a_session_that_is_still_opening_stays(talk: Talk) -> None:
    juliet, roster = interested(talk), talk.module(Roster)
    put(juliet, NURSE)
    juliet.disconnect()
    talk.advance(60)
    result_of(roster.loaded(USER))  # as the handler of session_opening does
    talk.advance(60)
    assert roster.contacts(USER)
    talk.bind("juliet@example.org/chamber")
    talk.advance(600)
    assert roster.contacts(USER)


def test_a_reload_keeps_rosters_and_who_is_interested(talk: Talk) -> None:
    juliet = interested(talk)
    put(juliet, NURSE)
    juliet.forget()
    cls = bundled().get("roster")
    options = talk.module(Roster).options
    result_of(talk.host.modules.swap(["roster"], {cls: options}))
    assert list(talk.module(Roster).contacts(USER)) == ["nurse@example.org"]
    put(juliet, "<item jid='mother@example.org'/>")
    juliet.receives(like(push("<item jid='mother@example.org'/>")), result("set"))


def test_hosts_do_not_see_each_others_rosters() -> None:
    talk = Talk(only=["subscriptions"], hosts=["example.org", "example.net"])
    put(interested(talk), NURSE)
    twin = talk.bind("juliet@example.net/balcony")
    get(twin)
    assert twin.inbox[0].elements[0].elements == []


def test_removing_the_account_leaves_no_row(talk: Talk) -> None:
    juliet, roster = interested(talk), talk.module(Roster)
    put(juliet, NURSE)
    put(juliet, "<item jid='x@example.org'/>")
    put(juliet, "<item jid='x@example.org' subscription='remove'/>")
    talk.bind("tybalt@example.org/street").sends(f"<presence to='{USER}' type='subscribe'/>")
    juliet.disconnect()
    had = result_of(roster.erase(USER))
    assert {(i.contact, i.listed, i.pending) for i in had} == {
        ("nurse@example.org", True, False),
        ("tybalt@example.org", False, True),
    }
    for name in ("items", "requests", "versions", "removals"):
        count = sa.select(sa.func.count()).select_from(sa.table(f"roster_{name}"))
        mine = count.where(sa.column("user") == USER.local)
        assert result_of(talk.database.run(lambda tx, mine=mine: tx.scalar(mine))) == 0, name


def test_an_item_that_is_not_there_is_an_unlisted_one(talk: Talk) -> None:
    talk.account(USER)
    assert result_of(talk.module(Roster).item(USER, jid("x@y"))) == Item(jid("x@y"))


@pytest.mark.parametrize(
    "item",
    [
        Item(jid("juliet@example.org")),
        Item(jid("nurse@example.org"), to=True, name="\"<Nurse>\" & 'co'"),
        Item(jid("juliet@example.org"), from_=True, ask=True, groups=("A & B", "]]>", "\u2028")),
        Item(jid("juliet@example.org"), to=True, from_=True, approved=True, name="a\tb\nc\rd"),
    ],
)
def test_items_are_written_as_their_elements_are(item: Item) -> None:
    assert written([item, item]) == to_xml(item.element(), ns.ROSTER) * 2


def test_an_item_that_xml_cannot_write_is_refused() -> None:
    with pytest.raises(XMLError):
        written([Item(jid("juliet@example.org"), name="\x07")])
