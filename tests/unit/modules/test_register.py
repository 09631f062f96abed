"""XEP-0077: registering before login, and changing or removing one's own account after it."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from pydantic import ValidationError
from twisted.internet.defer import Deferred, fail

from xmppd.api import JID, AuthBusy, Element, Module, StanzaError, events, jid, on
from xmppd.auth import SQLAccounts
from xmppd.modules.register import RegisterOptions
from xmppd.ns import CLIENT, REGISTER, REGISTER_FEATURE
from xmppd.sessions import Session
from xmppd.stanza import IQ
from xmppd.testing import Client, Talk, error, like, result, result_of
from xmppd.xml import parse

T = TypeVar("T")
ADDRESS = "192.0.2.1"
FORM = "<x xmlns='jabber:x:data' type='submit'>"
BILL = "<username>bill</username><password>Calliope1</password>"
ANNA = "<username>anna</username><password>Calliope1</password>"


class Witness(Module):
    """Writes down what becomes of accounts."""

    name = "witness"

    async def start(self) -> None:
        self.seen: list[tuple[str, JID]] = []

    @on(events.account_created)
    def created(self, user: JID) -> None:
        self.seen.append(("created", user))

    @on(events.password_changed)
    def changed(self, user: JID) -> None:
        self.seen.append(("changed", user))

    @on(events.account_deleting)
    async def deleting(self, user: JID) -> None:
        self.seen.append(("deleting", user))

    @on(events.account_deleted)
    def deleted(self, user: JID) -> None:
        self.seen.append(("deleted", user))


def talk_with(**options: object) -> Talk:
    return Talk(Witness, only=["register", "subscriptions"], options={"register": options})


@pytest.fixture
def talk() -> Talk:
    return talk_with()


def stranger(talk: Talk, query: str, address: str = ADDRESS, type_: str = "set") -> Element | None:
    """What a client that has not logged in gets for this query."""
    handler = talk.host.modules.early_iq(REGISTER, "query")
    assert handler is not None
    host = talk.host.domain
    payload = parse(f"<query xmlns='{REGISTER}'>{query}</query>", CLIENT)
    answer: Element | None = result_of(handler(IQ(host, host, type_, "reg1", payload), address))
    return answer


def refused(talk: Talk, query: str, address: str = ADDRESS, type_: str = "set") -> str:
    """The condition of the error for it."""
    with pytest.raises(StanzaError) as problem:
        stranger(talk, query, address, type_)
    return problem.value.condition


def sends(client: Client, query: str, type_: str = "set", to: str = "example.org") -> None:
    where = f" to='{to}'" if to else ""
    client.sends(
        f"<iq type='{type_}' id='r1'{where}><query xmlns='{REGISTER}'>{query}</query></iq>"
    )


def exists(talk: Talk, user: str) -> bool:
    return result_of(talk.host.accounts.exists(user))


def password_is(talk: Talk, user: str, password: str) -> bool:
    return result_of(talk.host.accounts.check_password(user, password))


def seen(talk: Talk) -> list[tuple[str, JID]]:
    return talk.module(Witness).seen


def filled(form_type: str = REGISTER, **fields: str) -> str:
    inner = "".join(
        f"<field var='{var}'><value>{value}</value></field>"
        for var, value in {"FORM_TYPE": form_type, **fields}.items()
    )
    return f"{FORM}{inner}</x>"


# What is offered


def test_it_is_off_unless_enabled() -> None:
    assert "register" not in Talk().host.modules


@pytest.mark.parametrize(
    "options, state, offered",
    [
        ({}, "before_auth", True),
        ({}, "before_bind", False),
        ({"open": False}, "before_auth", False),
        ({"open": False, "url": "https://example.org/join"}, "before_auth", True),
    ],
)
def test_the_stream_offers_it_to_those_who_have_not_logged_in(
    options: dict[str, object], state: str, offered: bool
) -> None:
    features = talk_with(**options).host.hooks.of(events.stream_features).gather(state)
    assert (Element(REGISTER_FEATURE, "register") in features) == offered


def test_disco_shows_it() -> None:
    romeo = Talk(only=["register", "disco"]).bind("romeo@example.org/orchard")
    info = "http://jabber.org/protocol/disco#info"
    romeo.sends(f"<iq type='get' id='d1' to='example.org'><query xmlns='{info}'/></iq>")
    feature = f"<feature var='{REGISTER}'/>"
    romeo.receives(like(f"<iq type='result'><query xmlns='{info}'>{feature}</query></iq>"))


def test_a_stranger_is_told_the_fields_plain_and_as_a_form(talk: Talk) -> None:
    query = stranger(talk, "", type_="get")
    assert query is not None
    assert (
        like(
            f"<query xmlns='{REGISTER}'><instructions/><username/><password/>"
            "<x xmlns='jabber:x:data' type='form'>"
            f"<field var='FORM_TYPE' type='hidden'><value>{REGISTER}</value></field>"
            "<field var='username' type='text-single'><required/></field>"
            "<field var='password' type='text-private'><required/></field></x></query>"
        )(query)
        is None
    )


def test_registered_is_not_said_to_strangers(talk: Talk) -> None:
    query = stranger(talk, "", type_="get")
    assert query is not None
    assert query.child(REGISTER, "registered") is None


# Registering


@pytest.mark.parametrize("fields", [BILL, filled(username="bill", password="Calliope1")])
def test_a_stranger_registers(talk: Talk, fields: str) -> None:
    assert stranger(talk, fields) is None
    assert password_is(talk, "bill", "Calliope1")
    assert seen(talk) == [("created", jid("bill@example.org"))]


def test_a_form_goes_before_plain_fields(talk: Talk) -> None:
    stranger(talk, ANNA + filled(username="bill", password="Calliope1"))
    assert exists(talk, "bill")
    assert not exists(talk, "anna")


def test_a_cancelled_form_registers_nobody(talk: Talk) -> None:
    assert stranger(talk, "<x xmlns='jabber:x:data' type='cancel'/>") is None
    assert seen(talk) == []


def test_the_name_is_prepared(talk: Talk) -> None:
    stranger(talk, "<username>BILL</username><password>Calliope1</password>")
    assert exists(talk, "bill")


@pytest.mark.parametrize("name", ["bill", "Bill"])
def test_a_taken_name_is_a_conflict_and_its_account_stays_as_it_is(talk: Talk, name: str) -> None:
    talk.account("bill@example.org", "old-secret")
    fields = f"<username>{name}</username><password>Calliope1</password>"
    assert refused(talk, fields) == "conflict"
    assert password_is(talk, "bill", "old-secret")
    assert seen(talk) == []


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "<username>bill</username>",
        "<password>Calliope1</password>",
        "<username/><password>Calliope1</password>",
        "<username>bill</username><password/>",
        "<username>bill</username><password>short</password>",
        "<username>bill</username><password>Calliope&#9;1</password>",
        "<username>bi ll</username><password>Calliope1</password>",
        "<username>bill@example.org</username><password>Calliope1</password>",
        f"<username>{'b' * 1024}</username><password>Calliope1</password>",
        "<username>Admin</username><password>Calliope1</password>",
        filled(username="bill"),
        filled(username="bill", password=""),
    ],
    ids=lambda text: text[:60],
)
def test_what_is_missing_or_unfit_is_not_acceptable(talk: Talk, fields: str) -> None:
    assert refused(talk, fields) == "not-acceptable"
    assert seen(talk) == []


@pytest.mark.parametrize(
    "form",
    [
        filled("urn:other", username="bill", password="Calliope1"),
        "<x xmlns='jabber:x:data' type='form'/>",
        "<x xmlns='jabber:x:data'/>",
    ],
)
def test_a_form_that_is_none_of_ours_is_bad_request(talk: Talk, form: str) -> None:
    assert refused(talk, form) == "bad-request"


def test_a_stranger_has_no_account_to_remove(talk: Talk) -> None:
    assert refused(talk, "<remove/>") == "unexpected-request"


def test_when_closed_nobody_is_registered() -> None:
    talk = talk_with(open=False)
    assert refused(talk, "", type_="get") == "service-unavailable"
    assert refused(talk, BILL) == "not-allowed"
    assert not exists(talk, "bill")


def test_when_closed_a_stranger_may_be_sent_elsewhere() -> None:
    talk = talk_with(open=False, url="https://example.org/join")
    query = stranger(talk, "", type_="get")
    assert query == parse(
        f"<query xmlns='{REGISTER}'>"
        "<instructions>To register, visit https://example.org/join</instructions>"
        "<x xmlns='jabber:x:oob'><url>https://example.org/join</url></x></query>"
    )


def test_reserved_names_are_checked_when_the_configuration_is_read() -> None:
    assert RegisterOptions(reserved=["BOSS"]).reserved == ["boss"]
    with pytest.raises(ValidationError, match="local part"):
        RegisterOptions(reserved=["a@b"])


# Limits


def register(talk: Talk, user: str, address: str = ADDRESS) -> str | None:
    fields = f"<username>{user}</username><password>Calliope1</password>"
    try:
        stranger(talk, fields, address)
    except StanzaError as problem:
        return f"{problem.condition} {problem.type}"
    return None


def test_three_accounts_a_day_are_registered_from_an_address(talk: Talk) -> None:
    assert [register(talk, user) for user in ("a", "b", "c")] == [None] * 3
    assert register(talk, "d") == "not-acceptable wait"
    assert not exists(talk, "d")
    assert register(talk, "d", "192.0.2.2") is None


def test_the_next_day_more_may_be_registered(talk: Talk) -> None:
    for user in ("a", "b", "c"):
        register(talk, user)
    talk.advance(86399)
    assert register(talk, "d") == "not-acceptable wait"
    talk.advance(1)
    assert register(talk, "d") is None


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    talk = talk_with(per_day=1)
    assert register(talk, "a", "2001:db8::1") is None
    assert register(talk, "b", "2001:db8::ffff:2") == "not-acceptable wait"
    assert register(talk, "b", "2001:db8:0:1::1") is None


def test_failures_do_not_count_as_accounts_but_as_tries() -> None:
    talk = talk_with(per_day=1, tries_per_day=4)
    talk.account("romeo@example.org")
    assert [register(talk, "romeo") for _ in range(3)] == ["conflict cancel"] * 3
    assert register(talk, "bill") is None
    assert register(talk, "romeo") == "not-acceptable wait"


def test_the_addresses_remembered_are_bounded() -> None:
    talk = talk_with(addresses=100, per_day=1)
    for number in range(101):
        assert register(talk, f"u{number}", f"198.51.100.{number}") is None
    assert register(talk, "again", "198.51.100.0") is None
    assert register(talk, "more", "198.51.100.100") == "not-acceptable wait"


def test_a_reload_does_not_forget_who_registered() -> None:
    talk = talk_with(per_day=1)
    register(talk, "a")
    module = next(m for m in talk.host.modules if m.name == "register")
    result_of(talk.host.modules.swap(["register"], {type(module): module.options}))
    assert register(talk, "b") == "not-acceptable wait"


# Logged in


@pytest.mark.parametrize("to", ["example.org", "", "romeo@example.org"])
def test_a_user_is_shown_the_registration_without_the_password(talk: Talk, to: str) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    sends(romeo, "", "get", to)
    romeo.receives(
        result(
            "r1",
            f"<query xmlns='{REGISTER}'><registered/><username>romeo</username><password/>"
            "</query>",
        )
    )


class Busy:
    """A pool in which too many passwords wait already."""

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        return fail(AuthBusy())


def test_a_busy_server_asks_for_patience_and_counts_no_account() -> None:
    talk = talk_with(per_day=1)
    romeo = talk.bind("romeo@example.org/orchard")
    ready = talk.host.accounts
    talk.host.accounts = SQLAccounts(talk.database, "example.org", Busy())
    assert register(talk, "bill") == "resource-constraint wait"
    sends(romeo, CHANGE)
    sends(romeo, filled(f"{REGISTER}:cancel", username="romeo", password="secret"))
    romeo.receives(
        error("r1", "wait", "resource-constraint"), error("r1", "wait", "resource-constraint")
    )
    talk.host.accounts = ready
    assert register(talk, "bill") is None


def test_users_of_other_servers_are_not_registered_here() -> None:
    talk = Talk(only=["register", "roster"], hosts=["example.org", "example.net"])
    nurse = talk.bind("nurse@example.net/kitchen")
    sends(nurse, "", "get")
    sends(nurse, "<username>nurse</username><password>Calliope1</password>")
    sends(nurse, "<remove/>")
    nurse.receives(
        error("r1", "cancel", "service-unavailable"),
        error("r1", "auth", "forbidden"),
        error("r1", "auth", "forbidden"),
    )
    assert result_of(talk.hosts["example.net"].accounts.exists("nurse"))


@pytest.mark.parametrize("query", ["<remove/>", BILL])
def test_the_account_of_another_is_forbidden(talk: Talk, query: str) -> None:
    talk.account("bill@example.org")
    romeo = talk.bind("romeo@example.org/orchard")
    sends(romeo, query, to="bill@example.org")
    romeo.receives(error("r1", "auth", "forbidden"))
    assert password_is(talk, "bill", "secret")


CHANGE = "<username>romeo</username><password>Calliope2</password>"


@pytest.mark.parametrize(
    "query",
    [
        CHANGE,
        "<username>ROMEO</username><password>Calliope2</password>",
        filled(username="romeo", password="Calliope2"),
        filled(
            f"{REGISTER}:changepassword",
            username="romeo@example.org",
            old_password="secret",
            password="Calliope2",
        ),
    ],
    ids=["plain", "prepared", "form", "form with old password"],
)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_user_changes_the_password(query: str, is_open: bool) -> None:
    talk = talk_with(open=is_open)
    romeo = talk.bind("romeo@example.org/orchard")
    sends(romeo, query)
    romeo.receives(result("r1", ""))
    assert password_is(talk, "romeo", "Calliope2")
    assert seen(talk) == [("changed", jid("romeo@example.org"))]
    assert not romeo.closed


@pytest.mark.parametrize(
    "query, type_, condition",
    [
        ("", "modify", "bad-request"),
        ("<username>romeo</username>", "modify", "bad-request"),
        ("<username>romeo</username><password/>", "modify", "bad-request"),
        ("<password>Calliope2</password>", "modify", "bad-request"),
        (BILL, "cancel", "not-allowed"),
        (BILL.replace("bill", "b@d@"), "cancel", "not-allowed"),
        ("<username>romeo</username><password>short</password>", "modify", "not-acceptable"),
        (CHANGE.replace("Calliope2", "Calliope&#9;2"), "modify", "not-acceptable"),
        (
            filled(username="romeo", password="Calliope2", old_password="wrong"),
            "auth",
            "not-authorized",
        ),
        (filled("urn:other", username="romeo", password="Calliope2"), "modify", "bad-request"),
    ],
)
def test_a_password_that_may_not_be_changed_stays(
    talk: Talk, query: str, type_: str, condition: str
) -> None:
    talk.account("bill@example.org")
    romeo = talk.bind("romeo@example.org/orchard")
    sends(romeo, query)
    romeo.receives(error("r1", type_, condition))
    assert password_is(talk, "romeo", "secret")
    assert password_is(talk, "bill", "secret")
    assert seen(talk) == []


def test_changing_passwords_can_be_forbidden() -> None:
    talk = talk_with(change_password=False)
    romeo = talk.bind("romeo@example.org/orchard")
    sends(romeo, CHANGE)
    romeo.receives(error("r1", "cancel", "not-allowed"))
    assert password_is(talk, "romeo", "secret")


def test_a_password_is_not_taken_in_the_clear(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    host = talk.host
    host.intake.close(romeo.session, "to be bound without TLS")
    romeo.session = Session(romeo.jid, host.hooks, romeo, secure=False)
    result_of(host.intake.open(romeo.session))
    sends(romeo, CHANGE)
    romeo.receives(error("r1", "auth", "not-authorized"))
    assert password_is(talk, "romeo", "secret")


@pytest.mark.parametrize("close", [False, True])
def test_a_new_password_may_end_the_other_sessions(close: bool) -> None:
    talk = talk_with(close_sessions=close)
    romeo, other = talk.bind("romeo@example.org/orchard"), talk.bind("romeo@example.org/hall")
    sends(romeo, CHANGE)
    romeo.receives(result("r1", ""))
    assert not romeo.closed
    assert other.closed == close


# Removing the account


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("to", ["example.org", ""])
def test_a_user_removes_the_account_and_reads_the_result_first(is_open: bool, to: str) -> None:
    talk = talk_with(open=is_open)
    romeo, other = talk.online("romeo@example.org/orchard"), talk.online("romeo@example.org/hall")
    romeo.forget()
    sends(romeo, "<remove/>", to=to)
    romeo.receives(result("r1", ""))
    romeo.receives_nothing()
    for client in (romeo, other):
        assert client.closed_with is not None
        assert client.closed_with.condition == "not-authorized"
    assert not exists(talk, "romeo")
    user = jid("romeo@example.org")
    assert talk.host.sessions.of(user) == ()
    assert seen(talk) == [("deleting", user), ("deleted", user)]


def test_contacts_are_told_and_what_was_kept_is_erased(talk: Talk) -> None:
    talk.befriend("romeo@example.org", "juliet@example.org")
    juliet = talk.online("juliet@example.org/balcony")
    romeo = talk.online("romeo@example.org/orchard")
    juliet.sends("<iq type='get' id='x'><query xmlns='jabber:iq:roster'/></iq>")
    juliet.forget()
    sends(romeo, "<remove/>")
    told = [(stanza.name, stanza.get("type")) for stanza in juliet.inbox]
    assert ("presence", "unavailable") in told
    assert ("presence", "unsubscribe") in told
    assert ("presence", "unsubscribed") in told
    again = talk.bind("romeo@example.org/orchard")
    again.sends("<iq type='get' id='r2'><query xmlns='jabber:iq:roster'/></iq>")
    roster = again.receives(result("r2")).child("jabber:iq:roster", "query")
    assert roster is not None
    assert roster.elements == []


def test_a_form_with_the_right_password_removes_the_account(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    form = filled(f"{REGISTER}:cancel", username="romeo@example.org", password="secret")
    sends(romeo, form)
    romeo.receives(result("r1", ""))
    assert not exists(talk, "romeo")


@pytest.mark.parametrize(
    "query, type_, condition",
    [
        (f"<remove/>{CHANGE}", "modify", "bad-request"),
        (f"<remove/>{filled(username='romeo')}", "modify", "bad-request"),
        (
            filled(f"{REGISTER}:cancel", username="romeo", password="wrong"),
            "auth",
            "not-authorized",
        ),
        (filled(f"{REGISTER}:cancel", username="bill", password="secret"), "auth", "forbidden"),
    ],
)
def test_an_account_that_may_not_be_removed_stays(
    talk: Talk, query: str, type_: str, condition: str
) -> None:
    talk.account("bill@example.org")
    romeo = talk.bind("romeo@example.org/orchard")
    sends(romeo, query)
    romeo.receives(error("r1", type_, condition))
    assert exists(talk, "romeo")
    assert exists(talk, "bill")
    assert not romeo.closed


def test_removing_accounts_can_be_forbidden() -> None:
    talk = talk_with(remove_account=False)
    romeo = talk.bind("romeo@example.org/orchard")
    sends(romeo, "<remove/>")
    romeo.receives(error("r1", "cancel", "not-allowed"))
    assert exists(talk, "romeo")


def test_who_logs_in_while_the_account_is_removed_does_not_stay() -> None:
    class Late(Module):
        name = "late"

        @on(events.account_deleting)
        async def log_in(self, user: JID) -> None:
            clients.append(talk.bind("romeo@example.org/late"))

    clients: list[Client] = []
    talk = Talk(Late, only=["register", "roster"])
    sends(talk.bind("romeo@example.org/orchard"), "<remove/>")
    assert clients[0].closed_with is not None
    assert len(talk.host.sessions) == 0


def test_if_removing_fails_the_client_is_not_told_that_it_is_done() -> None:
    class Stuck(Module):
        name = "stuck"

        @on(events.account_deleting)
        async def fail(self, user: JID) -> None:
            raise StanzaError("resource-constraint")

    talk = Talk(Stuck, only=["register", "roster"])
    romeo = talk.bind("romeo@example.org/orchard")
    sends(romeo, "<remove/>")
    romeo.receives_nothing()
    assert romeo.closed_with is not None
    assert romeo.closed_with.condition == "internal-server-error"
    assert exists(talk, "romeo")
