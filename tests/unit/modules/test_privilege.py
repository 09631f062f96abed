"""What privileged entities may do, each only as the configuration says (XEP-0356)."""

import pytest

from tests.support.components import DOMAIN, Actor, Yard, actor
from xmppd.config import ConfigErrors, ModuleInfo, load
from xmppd.modules.privilege import Privilege, PrivilegeOptions
from xmppd.modules.privilege.grants import NS, Grant
from xmppd.testing import Talk, error, like, message, presence, result, result_of

ALL = {
    "entity": DOMAIN,
    "roster": "both",
    "message": "outgoing",
    "iq": [{"namespace": "jabber:iq:private", "type": "both"}, {"namespace": "y", "type": "get"}],
}
SEEING = {**ALL, "presence": "roster"}
ROSTER = "<query xmlns='jabber:iq:roster'/>"


def stage(**grant: object) -> tuple[Talk, Yard]:
    options = {"grant": [{"entity": DOMAIN, **grant}] if grant else []}
    talk = Talk(Privilege, options={"privilege": options})
    yard = Yard(talk)
    yard.configure({DOMAIN: {}, "other.example.org": {}})
    return talk, yard


def played(**grant: object) -> tuple[Talk, Actor]:
    talk, yard = stage(**(grant or ALL))
    entity = actor(yard)
    entity.forget()
    return talk, entity


def advertised(**grant: object) -> list[dict[str, str]]:
    _, yard = stage(**grant)
    told = actor(yard).receives(like(f"<message from='example.org' to='{DOMAIN}'/>"))
    privilege = told.child(NS, "privilege")
    assert privilege is not None
    return [perm.attrs for perm in privilege.elements]


# Advertisement (§4.2, §5.2, §6.2, §7.2)


def test_what_it_may_do_is_told_when_it_connects() -> None:
    _, yard = stage(**SEEING)
    actor(yard).receives(
        like(
            f"<message from='example.org' to='{DOMAIN}'><privilege xmlns='{NS}'>"
            "<perm access='roster' type='both' push='true'/>"
            "<perm access='message' type='outgoing'/>"
            "<perm access='iq'><namespace ns='jabber:iq:private' type='both'/>"
            "<namespace ns='y' type='get'/></perm>"
            "<perm access='presence' type='roster'/></privilege></message>"
        )
    )


def test_pushes_are_announced_only_where_rosters_may_be_read() -> None:
    assert advertised(roster="set") == [{"access": "roster", "type": "set", "push": "false"}]
    assert advertised(roster="get", push=False)[0]["push"] == "false"


def test_others_are_told_nothing() -> None:
    _, yard = stage(**ALL)
    actor(yard, "other.example.org").receives_nothing()


def test_what_changes_with_a_reload_is_told_anew() -> None:
    talk, entity = played()
    options = PrivilegeOptions(grant=[Grant(entity=DOMAIN, message="outgoing")])
    result_of(talk.host.modules.swap(["privilege"], {Privilege: options}))
    told = entity.receives(like(f"<message from='example.org' to='{DOMAIN}'/>"))
    assert [perm.get("access") for perm in told.elements[0].elements] == ["message"]
    talk.account("romeo@example.org")
    entity.sends(f"<iq type='get' id='1' from='{DOMAIN}' to='romeo@example.org'>{ROSTER}</iq>")
    entity.receives(error("1", "auth", "forbidden"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("entity = 'a@b'", "entity must be a domain"),
        ("roster = 'get'", "entity must be a domain"),
        ("entity = 'b'\npresence = 'roster'\nroster = 'set'", "needs roster"),
        ("entity = 'b'\nmessage = 'incoming'", "must be one of"),
    ],
)
def test_grants_are_checked_at_load(text: str, said: str) -> None:
    known = {"privilege": ModuleInfo(PrivilegeOptions)}
    with pytest.raises(ConfigErrors, match=said):
        load(None, known, text=f"[[modules.privilege.grant]]\n{text}\n")


# Rosters (§4.3)


def test_it_reads_and_changes_the_roster_of_a_user() -> None:
    talk, entity = played()
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends(f"<iq type='get' id='r'>{ROSTER}</iq>")
    romeo.forget()
    entity.sends(
        f"<iq type='set' id='1' from='{DOMAIN}' to='romeo@example.org'>"
        "<query xmlns='jabber:iq:roster'><item jid='nurse@example.org' name='N'/></query></iq>"
    )
    entity.receives_in_any_order(like("<iq type='set' from='romeo@example.org'/>"), result("1"))
    pushed = romeo.receives(like("<iq type='set'/>"))
    assert "nurse@example.org" in str(pushed.elements[0].elements[0].attrs)
    entity.sends(f"<iq type='get' id='2' from='{DOMAIN}' to='romeo@example.org'>{ROSTER}</iq>")
    answer = entity.receives(like("<iq type='result' id='2' from='romeo@example.org'/>"))
    (item,) = answer.elements[0].elements
    assert (item.get("jid"), item.get("name")) == ("nurse@example.org", "N")


def test_also_while_the_user_is_away() -> None:
    talk, entity = played()
    talk.account("romeo@example.org")
    entity.sends(f"<iq type='get' id='2' from='{DOMAIN}' to='romeo@example.org'>{ROSTER}</iq>")
    entity.receives(like("<iq type='result' id='2' from='romeo@example.org'/>"))


@pytest.mark.parametrize(("access", "asked"), [("none", "get"), ("get", "set"), ("set", "get")])
def test_what_is_not_permitted_is_forbidden(access: str, asked: str) -> None:
    talk, entity = played(roster=access, message="outgoing")
    talk.account("romeo@example.org")
    entity.sends(f"<iq type='{asked}' id='1' from='{DOMAIN}' to='romeo@example.org'>{ROSTER}</iq>")
    entity.receives(error("1", "auth", "forbidden"))


def test_users_at_its_domain_and_other_components_are_not_privileged() -> None:
    talk, yard = stage(**ALL)
    talk.account("romeo@example.org")
    entity, other = actor(yard), actor(yard, "other.example.org")
    entity.forget()
    for who, name in ((entity, f"x@{DOMAIN}"), (other, "other.example.org")):
        who.sends(f"<iq type='get' id='1' from='{name}' to='romeo@example.org'>{ROSTER}</iq>")
        who.receives(error("1", "auth", "forbidden"))


def test_rosters_of_nobody_are_forbidden() -> None:
    _, entity = played()
    entity.sends(f"<iq type='get' id='1' from='{DOMAIN}' to='nobody@example.org'>{ROSTER}</iq>")
    entity.receives(error("1", "auth", "forbidden"))


def test_bad_changes_of_a_roster_are_answered_as_the_users_own() -> None:
    talk, entity = played()
    talk.account("romeo@example.org")
    entity.sends(f"<iq type='set' id='1' from='{DOMAIN}' to='romeo@example.org'>{ROSTER}</iq>")
    entity.receives(error("1", "modify", "bad-request"))


def test_it_hears_of_changes_that_users_make_unless_it_shall_not() -> None:
    change = (
        "<iq type='set' id='1'><query xmlns='jabber:iq:roster'>"
        "<item jid='nurse@example.org'/></query></iq>"
    )
    talk, entity = played(roster="get")
    talk.online("romeo@example.org/orchard").sends(change)
    entity.receives(like(f"<iq type='set' from='romeo@example.org' to='{DOMAIN}'/>"))
    for grant in ({"roster": "get", "push": False}, {"roster": "set"}):
        talk, entity = played(**grant)
        talk.online("romeo@example.org/orchard").sends(change)
        entity.receives_nothing()


# Messages (§5)


def wrapped(inner: str, to: str = "example.org", from_: str = DOMAIN) -> str:
    return (
        f"<message from='{from_}' to='{to}' id='m'><privilege xmlns='{NS}'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></privilege></message>"
    )


def note(from_: str, to: str = "romeo@example.org") -> str:
    return (
        f"<message xmlns='jabber:client' from='{from_}' to='{to}' id='n'><body>hi</body></message>"
    )


@pytest.mark.parametrize("from_", ["juliet@example.org", "example.org"])
def test_it_sends_messages_for_users_and_for_the_host(from_: str) -> None:
    talk, entity = played()
    romeo = talk.online("romeo@example.org/orchard")
    entity.sends(wrapped(note(from_)))
    romeo.receives(message("hi", from_=from_))
    entity.receives_nothing()


def test_a_message_in_the_namespace_of_the_components_stream_will_do() -> None:
    talk, entity = played()
    romeo = talk.online("romeo@example.org/orchard")
    entity.sends(wrapped(note("juliet@example.org").replace("client", "component:accept")))
    romeo.receives(message("hi", from_="juliet@example.org"))


@pytest.mark.parametrize(
    ("inner", "condition", "kind"),
    [
        (note("juliet@example.org/balcony"), "forbidden", "auth"),
        (note("juliet@example.net"), "forbidden", "auth"),
        (note(f"x@{DOMAIN}"), "forbidden", "auth"),
        (note("@@@"), "jid-malformed", "modify"),
        (note("example.org", "@@"), "jid-malformed", "modify"),
        ("", "bad-request", "modify"),
        (note("example.org") * 2, "bad-request", "modify"),
        ("<presence xmlns='jabber:client' from='a@example.org' to='b'/>", "bad-request", "modify"),
        ("<iq xmlns='jabber:client' from='a@example.org' to='b'/>", "bad-request", "modify"),
    ],
)
def test_messages_that_it_may_not_send(inner: str, condition: str, kind: str) -> None:
    talk, entity = played()
    romeo = talk.online("romeo@example.org/orchard")
    entity.sends(wrapped(inner))
    entity.receives(error("m", kind, condition, kind="message"))
    romeo.receives_nothing()


def test_messages_need_the_permission() -> None:
    talk, entity = played(roster="both")
    romeo = talk.online("romeo@example.org/orchard")
    entity.sends(wrapped(note("juliet@example.org")))
    entity.receives(error("m", "auth", "forbidden", kind="message"))
    romeo.sends(wrapped(note("juliet@example.org"), from_="romeo@example.org/orchard"))
    romeo.receives(error("m", "auth", "forbidden", kind="message"))
    romeo.receives_nothing()


# Requests (§6.3)


def privileged(
    payload: str = "<x xmlns='y'/>",
    *,
    type_: str = "get",
    inner_type: str | None = None,
    to: str = "romeo@example.org",
    inner: str = "to='juliet@example.org/balcony'",
    ns: str = "jabber:client",
) -> str:
    return (
        f"<iq from='{DOMAIN}' to='{to}' type='{type_}' id='p'><privileged_iq xmlns='{NS}'>"
        f"<iq xmlns='{ns}' type='{inner_type or type_}' id='sub_1' {inner}>{payload}</iq>"
        "</privileged_iq></iq>"
    )


def test_a_request_goes_out_in_the_name_of_the_user_and_the_answer_comes_back() -> None:
    talk, entity = played()
    talk.account("romeo@example.org")
    juliet = talk.online("juliet@example.org/balcony")
    entity.sends(privileged())
    asked = juliet.receives(like("<iq type='get' from='romeo@example.org'><x xmlns='y'/></iq>"))
    entity.receives_nothing()
    juliet.sends(
        f"<iq type='result' id='{asked.get('id')}' to='romeo@example.org'><z xmlns='y'/></iq>"
    )
    entity.receives(
        result(
            "p",
            f"<privilege xmlns='{NS}'><forwarded xmlns='urn:xmpp:forward:0'>"
            "<iq xmlns='jabber:client' type='result' id='sub_1' from='juliet@example.org/balcony'"
            " to='romeo@example.org'><z xmlns='y'/></iq></forwarded></privilege>",
        )
    )


def test_an_error_comes_back_in_the_same_way() -> None:
    talk, entity = played()
    talk.account("romeo@example.org")
    entity.sends(privileged())
    answer = entity.receives(like("<iq type='result' id='p'/>"))
    inner = answer.elements[0].elements[0].elements[0]
    assert (inner.get("type"), inner.get("id")) == ("error", "sub_1")


def test_a_request_to_the_users_own_account_is_the_users_own() -> None:
    talk, entity = played()
    talk.account("romeo@example.org")
    store = "<query xmlns='jabber:iq:private'><a xmlns='b'>kept</a></query>"
    entity.sends(privileged(store, type_="set", inner=""))
    entity.receives(like("<iq type='result' id='p'/>"))
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(
        "<iq type='get' id='1'><query xmlns='jabber:iq:private'><a xmlns='b'/></query></iq>"
    )
    romeo.receives(result("1", store))


def test_no_answer_is_remote_server_timeout() -> None:
    talk, entity = played()
    talk.account("romeo@example.org")
    talk.online("juliet@example.org/balcony")
    entity.sends(privileged())
    talk.advance(31)
    entity.receives(error("p", "wait", "remote-server-timeout"))


def test_a_guess_at_the_answer_is_not_taken() -> None:
    talk, entity = played()
    talk.account("romeo@example.org")
    juliet = talk.online("juliet@example.org/balcony")
    thief = talk.online("thief@example.org/x")
    entity.sends(privileged())
    id_ = juliet.receives(like("<iq type='get'/>")).get("id")
    thief.sends(f"<iq type='result' id='{id_}' to='romeo@example.org'/>")
    entity.receives_nothing()


@pytest.mark.parametrize(
    "asked",
    [
        privileged(to="example.org"),
        privileged(to="nobody@example.org"),
        privileged(to="romeo@example.org/orchard"),
        privileged("<x xmlns='z'/>"),
        privileged(type_="set"),
        privileged(ns="jabber:server"),
        privileged(ns="jabber:component:accept"),
        privileged(inner="from='juliet@example.org' to='romeo@example.org'"),
        privileged(inner="from='romeo@example.org/orchard' to='a@example.org'"),
        privileged(inner_type="set"),
        privileged(type_="set", inner_type="get"),
        privileged().replace("<iq xmlns='jabber:client'", "<iq xmlns=''"),
        f"<iq from='{DOMAIN}' to='romeo@example.org' type='get' id='p'>"
        f"<privileged_iq xmlns='{NS}'/></iq>",
    ],
)
def test_requests_that_are_forbidden(asked: str) -> None:
    talk, entity = played()
    romeo = talk.online("romeo@example.org/orchard")
    entity.sends(asked)
    entity.receives(error("p", "auth", "forbidden"))
    romeo.receives_nothing()


def test_a_user_is_not_privileged() -> None:
    talk, _ = played()
    romeo = talk.online("romeo@example.org/orchard")
    romeo.sends(privileged(to="romeo@example.org").replace(f"from='{DOMAIN}' ", ""))
    romeo.receives(error("p", "auth", "forbidden"))


def test_it_may_be_asked_while_it_waits_for_an_answer() -> None:
    """A request to itself, in the name of a user, must not lock it up."""
    talk, entity = played()
    talk.account("romeo@example.org")
    entity.sends(privileged(inner=f"to='{DOMAIN}'"))
    asked = entity.receives(like("<iq type='get' from='romeo@example.org'/>"))
    entity.sends(
        f"<iq type='result' id='{asked.get('id')}' from='{DOMAIN}' to='romeo@example.org'/>"
    )
    entity.receives(like("<iq type='result' id='p'/>"))


# Presence (§7)


def test_it_sees_users_come_and_go_and_nothing_between() -> None:
    talk, entity = played(presence="managed_entity")
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends("<presence><show>chat</show></presence>")
    entity.receives(
        like("<presence from='romeo@example.org/orchard'><show>chat</show></presence>")
    )
    romeo.sends("<presence><show>away</show></presence>")
    romeo.sends("<presence to='juliet@example.org'/>")
    entity.receives_nothing()
    romeo.disconnect()
    entity.receives(presence(type="unavailable", from_="romeo@example.org/orchard"))
    entity.receives_nothing()


def test_who_was_there_before_it_is_shown_when_it_comes() -> None:
    talk, yard = stage(presence="managed_entity")
    talk.online("romeo@example.org/orchard")
    talk.bind("juliet@example.org/balcony")
    entity = actor(yard)
    entity.receives(like("<message/>"), presence(from_="romeo@example.org/orchard"))
    entity.receives_nothing()


def contacts(talk: Talk, yard: Yard, *users: str) -> Actor:
    """A contact of elsewhere of these users, at a component."""
    other = actor(yard, "other.example.org")
    for user in users:
        client = talk.online(f"{user}@example.org/x")
        client.sends("<presence to='c@other.example.org' type='subscribe'/>")
        other.sends(
            f"<presence from='c@other.example.org' to='{user}@example.org' type='subscribed'/>"
        )
        client.leaves()
    other.forget()
    return other


def test_it_sees_contacts_once_even_of_users_who_are_away() -> None:
    talk, yard = stage(**SEEING)
    other = contacts(talk, yard, "romeo", "juliet")
    entity = actor(yard)
    entity.forget()
    for user in ("romeo", "juliet"):
        other.sends(f"<presence from='c@other.example.org/y' to='{user}@example.org'/>")
    entity.receives(presence(from_="c@other.example.org/y"))
    entity.receives_nothing()
    again = actor(yard)
    again.receives(like("<message/>"), presence(from_="c@other.example.org/y"))
    other.sends(
        "<presence type='unavailable' from='c@other.example.org/y' to='romeo@example.org'/>"
    )
    again.receives(presence(type="unavailable", from_="c@other.example.org/y"))


def test_it_does_not_see_strangers() -> None:
    talk, yard = stage(**SEEING)
    other = contacts(talk, yard, "romeo")
    entity = actor(yard)
    entity.forget()
    other.sends("<presence from='stranger@other.example.org/y' to='romeo@example.org'/>")
    entity.receives_nothing()


def test_contacts_take_a_permission_of_their_own() -> None:
    talk, yard = stage(presence="managed_entity", roster="get")
    other = contacts(talk, yard, "romeo")
    entity = actor(yard)
    entity.forget()
    other.sends("<presence from='c@other.example.org/y' to='romeo@example.org'/>")
    entity.receives_nothing()
