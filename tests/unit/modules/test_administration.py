"""Administration of a host from a client: the commands of XEP-0133 §4."""

import pytest

from tests.unit.modules.test_adhoc import executes, listed, note_of, receives_error, sends
from xmppd.stanza import Form
from xmppd.testing import Client, Talk, anything, like, message, result_of
from xmppd.xml import Element

ADMIN = "http://jabber.org/protocol/admin"


@pytest.fixture
def talk() -> Talk:
    return Talk(admins=["admin@example.org"])


@pytest.fixture
def admin(talk: Talk) -> Client:
    return talk.bind("admin@example.org/x")


def fills_in(client: Client, name: str, **values: str | list[str]) -> None:
    """Send the filled-in form of the command."""
    first = executes(client, f"{ADMIN}#{name}")
    form = Form.from_element(first.elements[-1])
    assert form.form_type == ADMIN
    assert set(values) <= {field.var for field in form.fields}
    fields = f"<field var='FORM_TYPE'><value>{ADMIN}</value></field>"
    for var, value in values.items():
        several = value if isinstance(value, list) else [value]
        inside = "".join(f"<value>{each}</value>" for each in several)
        fields += f"<field var='{var}'>{inside}</field>"
    filled = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
    sends(client, f"{ADMIN}#{name}", f"sessionid='{first.get('sessionid')}'", filled)


def runs(client: Client, name: str, **values: str | list[str]) -> Element:
    """The answer to the filled-in form of the command."""
    fills_in(client, name, **values)
    done = client.receives(like("<iq type='result' id='c'/>")).elements[0]
    assert done.get("status") == "completed"
    return done


def said(done: Element) -> dict[str, list[str]]:
    form = Form.from_element(done.elements[0])
    return {field.var or "": field.values for field in form.fields}


def exists(talk: Talk, user: str) -> bool:
    return result_of(talk.host.accounts.exists(user))


def password_is(talk: Talk, password: str) -> bool:
    return result_of(talk.host.accounts.check_password("romeo", password))


def test_a_user_is_added(talk: Talk, admin: Client) -> None:
    done = runs(
        admin,
        "add-user",
        accountjid="romeo@example.org",
        password="R0m30",
        **{"password-verify": "R0m30"},
    )
    assert note_of(done)[0] == "info"
    assert password_is(talk, "R0m30")


@pytest.mark.parametrize(
    ("jid", "password", "verify", "type_", "condition"),
    [
        ("romeo@example.org", "a", "b", "modify", "not-acceptable"),
        ("romeo@example.net", "a", "a", "modify", "not-acceptable"),
        ("example.org", "a", "a", "modify", "not-acceptable"),
        ("admin@example.org", "a", "a", "cancel", "conflict"),
        ("romeo@example.org", "\ue000", "\ue000", "modify", "not-acceptable"),
    ],
)
def test_users_that_cannot_be_added(
    talk: Talk, admin: Client, jid: str, password: str, verify: str, type_: str, condition: str
) -> None:
    verified = {"password-verify": verify}
    fills_in(admin, "add-user", accountjid=jid, password=password, **verified)
    receives_error(admin, type_, condition)
    assert not exists(talk, "romeo")


def test_users_are_deleted_and_their_sessions_end(talk: Talk, admin: Client) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    talk.account("juliet@example.org")
    runs(admin, "delete-user", accountjids=["romeo@example.org", "juliet@example.org"])
    assert romeo.closed
    assert not exists(talk, "romeo")
    assert not exists(talk, "juliet")


def test_nobody_deletes_or_disables_oneself(talk: Talk, admin: Client) -> None:
    for name in ("delete-user", "disable-user"):
        fills_in(admin, name, accountjids=["admin@example.org"])
        receives_error(admin, "cancel", "not-allowed")
    assert exists(talk, "admin")


def test_all_or_none_are_deleted(talk: Talk, admin: Client) -> None:
    talk.account("romeo@example.org")
    fills_in(admin, "delete-user", accountjids=["romeo@example.org", "nobody@example.org"])
    receives_error(admin, "cancel", "item-not-found")
    assert exists(talk, "romeo")


def test_users_are_disabled_and_enabled_again(talk: Talk, admin: Client) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    runs(admin, "disable-user", accountjids=["romeo@example.org"])
    assert romeo.closed
    assert result_of(talk.host.accounts.disabled("romeo")) is not None
    runs(admin, "reenable-user", accountjids=["romeo@example.org"])
    assert result_of(talk.host.accounts.disabled("romeo")) is None


def test_sessions_are_ended_all_or_one(talk: Talk, admin: Client) -> None:
    one, two = talk.bind("romeo@example.org/one"), talk.bind("romeo@example.org/two")
    runs(admin, "end-user-session", accountjids=["romeo@example.org/one"])
    assert (one.closed, two.closed) == (True, False)
    done = runs(admin, "end-user-session", accountjids=["romeo@example.org"])
    assert two.closed
    assert note_of(done)[1] == "1 sessions are ended"


def test_a_password_is_changed(talk: Talk, admin: Client) -> None:
    talk.account("romeo@example.org")
    runs(admin, "change-user-password", accountjid="romeo@example.org", password="new")
    assert password_is(talk, "new")


def test_what_is_known_of_a_user() -> None:
    # XEP-0133 §4.8 puts a roster into a form, which the schema of forms does not know.
    talk = Talk(admins=["admin@example.org"], check=anything)
    admin = talk.bind("admin@example.org/x")
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends(
        "<iq type='set' id='1'><query xmlns='jabber:iq:roster'>"
        "<item jid='nurse@example.org' name='Nurse'/></query></iq>"
    )
    talk.account("juliet@example.org")
    done = runs(admin, "get-user-roster", accountjids=["romeo@example.org"])
    query = done.elements[0].child("jabber:iq:roster", "query")
    assert query is not None
    assert query.elements[0].get("name") == "Nurse"
    stats = said(runs(admin, "user-stats", accountjid="romeo@example.org"))
    assert stats["onlineresources"] == ["orchard"]
    assert (stats["rostersize"], stats["ipaddresses"]) == (["1"], ["127.0.0.1"])
    users = ["romeo@example.org", "juliet@example.org"]
    seen = said(runs(admin, "get-user-lastlogin", accountjids=users))
    assert seen["lastlogin"][0].endswith("Z")
    assert seen["lastlogin"][1] == "never"


def test_numbers_and_lists(talk: Talk, admin: Client) -> None:
    talk.online("romeo@example.org/orchard")
    for number in range(30):
        talk.account(f"user{number}@example.org")
    registered = said(executes(admin, f"{ADMIN}#get-registered-users-num"))
    assert registered["registeredusersnum"] == ["32"]
    assert said(executes(admin, f"{ADMIN}#get-online-users-num"))["onlineusersnum"] == ["1"]
    some = said(runs(admin, "get-registered-users-list", max_items="25"))
    assert len(some["registereduserjids"]) == 25
    everybody = said(runs(admin, "get-registered-users-list", max_items="none"))
    assert len(everybody["registereduserjids"]) == 32
    online = said(runs(admin, "get-online-users-list"))
    assert online["onlineuserjids"] == ["romeo@example.org"]


def test_an_announcement_reaches_who_is_online(talk: Talk, admin: Client) -> None:
    romeo = talk.online("romeo@example.org/orchard")
    runs(admin, "announce", announcement=["tea", "is ready"])
    romeo.receives(message("tea\nis ready", from_="example.org"))


def test_the_message_of_the_day_is_set_changed_and_deleted(talk: Talk, admin: Client) -> None:
    runs(admin, "set-motd", motd=["first"])
    form = Form.from_element(executes(admin, f"{ADMIN}#edit-motd").elements[-1])
    assert form.get("motd", str) == "first"
    runs(admin, "edit-motd", motd=["second"])
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends("<presence/>")
    assert [s.child_text("jabber:client", "body") for s in romeo.inbox][-1] == "second"
    executes(admin, f"{ADMIN}#delete-motd")
    juliet = talk.online("juliet@example.org/balcony")
    juliet.receives_nothing()


def test_the_server_is_stopped_only_where_that_is_permitted(talk: Talk, admin: Client) -> None:
    sends(admin, f"{ADMIN}#shutdown")
    receives_error(admin, "cancel", "feature-not-implemented")


def test_users_may_do_none_of_this(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    elsewhere = Talk(admins=["admin@example.org"])
    for node in listed(elsewhere.bind("admin@example.org/x")):
        if node.startswith(ADMIN):
            sends(romeo, node)
            receives_error(romeo, "cancel", "forbidden")
    assert not listed(romeo)
