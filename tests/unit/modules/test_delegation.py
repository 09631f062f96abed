"""Namespaces that components answer in the server's place (XEP-0355, admin mode)."""

import pytest

from tests.support.components import DOMAIN, Actor, Yard, actor
from xmppd.config import ConfigErrors, ModuleInfo, load
from xmppd.modules.delegation import INFO_NODES, ITEMS_NODES, NS, Delegation, DelegationOptions
from xmppd.testing import Client, Talk, error, like, result
from xmppd.xml import Element

PUBSUB = "urn:example:pubsub"
DISCO = "http://jabber.org/protocol/disco"


def stage(*delegated: dict[str, object]) -> tuple[Talk, Yard]:
    options = [{"to": DOMAIN, **each} for each in delegated]
    talk = Talk(Delegation, options={"delegation": {"namespaces": options}})
    yard = Yard(talk)
    yard.configure({DOMAIN: {}, "other.example.org": {}})
    return talk, yard


def played(*delegated: dict[str, object]) -> tuple[Talk, Actor, Client]:
    talk, yard = stage(*(delegated or ({"namespace": PUBSUB},)))
    entity = actor(yard)
    entity.forget()
    return talk, entity, talk.bind("romeo@example.org/orchard")


def handed_over(entity: Actor) -> tuple[str, Element]:
    """The id of what the component is asked, and the request within."""
    asked = entity.receives(like(f"<iq type='set' from='example.org' to='{DOMAIN}'/>"))
    delegation = asked.child(NS, "delegation")
    assert delegation is not None
    return asked.get("id") or "", delegation.elements[0].elements[0]


def replies(entity: Actor, id_: str, inner: str, type_: str = "result") -> None:
    entity.sends(
        f"<iq type='{type_}' id='{id_}' from='{DOMAIN}' to='example.org'>"
        f"<delegation xmlns='{NS}'><forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded>"
        "</delegation></iq>"
    )


def answer(**attributes: str) -> str:
    """A right answer to the request of `asks`, but for what is given (`from_` for from)."""
    attrs = {"to": "romeo@example.org/orchard", "id": "pep1", "type": "result", **attributes}
    text = " ".join(f"{name.rstrip('_')}='{value}'" for name, value in attrs.items() if value)
    return f"<iq xmlns='jabber:client' {text}><pubsub xmlns='{PUBSUB}' done='1'/></iq>"


def asks(client: Client, attributes: str = "", type_: str = "set") -> None:
    client.sends(f"<iq type='{type_}' id='pep1' {attributes}><pubsub xmlns='{PUBSUB}'/></iq>")


# Telling (§4.2)


def test_it_is_told_what_is_delegated_to_it() -> None:
    _, yard = stage({"namespace": "urn:xmpp:mam:2", "attributes": ["node"]}, {"namespace": PUBSUB})
    actor(yard).receives(
        like(
            f"<message from='example.org' to='{DOMAIN}'><delegation xmlns='{NS}'>"
            "<delegated namespace='urn:xmpp:mam:2'><attribute name='node'/></delegated>"
            f"<delegated namespace='{PUBSUB}'/></delegation></message>"
        )
    )


def test_others_are_told_nothing() -> None:
    _, yard = stage({"namespace": PUBSUB})
    actor(yard, "other.example.org").receives_nothing()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"namespace = '{NS}'\nto = 'a'", "must be one that can be delegated"),
        ("to = 'a'", "must be one that can be delegated"),
        ("namespace = 'x'\nto = 'a@b'", "to must be a domain"),
        ("namespace = 'x'", "to must be a domain"),
        (
            "namespace = 'x'\nto = 'a'\n[[modules.delegation.namespaces]]\n"
            "namespace = 'x'\nto = 'b'",
            "delegated once",
        ),
    ],
)
def test_delegations_are_checked_at_load(text: str, said: str) -> None:
    known = {"delegation": ModuleInfo(DelegationOptions)}
    with pytest.raises(ConfigErrors, match=said):
        load(None, known, text=f"[[modules.delegation.namespaces]]\n{text}\n")


# Requests (§4.3)


@pytest.mark.parametrize(
    "to", ["", "example.org", "romeo@example.org", "juliet@example.org", "nobody@example.org"]
)
def test_requests_to_the_host_and_to_accounts_are_handed_over(to: str) -> None:
    _, entity, romeo = played()
    asks(romeo, f"to='{to}'" if to else "")
    id_, inner = handed_over(entity)
    wanted = {"from": "romeo@example.org/orchard", "id": "pep1", "type": "set"}
    assert inner.attrs == ({**wanted, "to": to} if to else wanted)
    assert inner.elements[0].name == "pubsub"
    romeo.receives_nothing()
    replies(entity, id_, answer(from_=to))
    romeo.receives(result("pep1", f"<pubsub xmlns='{PUBSUB}' done='1'/>"))


def test_the_client_is_served_while_the_component_takes_its_time() -> None:
    _, _, romeo = played()
    asks(romeo)
    romeo.sends("<iq type='get' id='2' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
    romeo.receives(result("2"))


def test_an_empty_result_is_one() -> None:
    _, entity, romeo = played()
    asks(romeo)
    id_, _ = handed_over(entity)
    replies(
        entity,
        id_,
        "<iq xmlns='jabber:client' to='romeo@example.org/orchard' id='pep1' type='result'/>",
    )
    romeo.receives(result("pep1"))


@pytest.mark.parametrize(
    "wrong",
    [
        answer(to="juliet@example.org/balcony"),
        answer(to=""),
        answer(to="@@@"),
        answer(from_="juliet@example.org"),
        answer(id="pep2"),
        answer(type="error"),
        answer(type="set"),
        answer().replace("jabber:client", "jabber:server"),
        answer().replace("</iq>", "<x xmlns='y'/></iq>"),
        answer().replace("<iq ", "<message ").replace("</iq>", "</message>"),
        "",
        answer() * 2,
    ],
)
def test_a_bad_answer_is_service_unavailable(wrong: str) -> None:
    _, entity, romeo = played()
    asks(romeo)
    id_, _ = handed_over(entity)
    replies(entity, id_, wrong)
    romeo.receives(error("pep1", "cancel", "service-unavailable"))


def test_who_asked_another_gets_the_answer_in_the_name_of_that_other_only() -> None:
    _, entity, romeo = played()
    asks(romeo, "to='juliet@example.org'")
    id_, _ = handed_over(entity)
    replies(entity, id_, answer())
    romeo.receives(error("pep1", "cancel", "service-unavailable"))


def test_an_error_is_service_unavailable() -> None:
    _, entity, romeo = played()
    asks(romeo)
    id_, _ = handed_over(entity)
    entity.sends(
        f"<iq type='error' id='{id_}' from='{DOMAIN}' to='example.org'><error type='cancel'>"
        "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
    romeo.receives(error("pep1", "cancel", "service-unavailable"))


def test_a_component_that_is_away_or_silent_is_service_unavailable() -> None:
    talk, yard = stage({"namespace": PUBSUB})
    romeo = talk.bind("romeo@example.org/orchard")
    asks(romeo)
    romeo.receives(error("pep1", "cancel", "service-unavailable"))
    entity = actor(yard)
    entity.forget()
    asks(romeo)
    handed_over(entity)
    talk.advance(31)
    romeo.receives(error("pep1", "cancel", "service-unavailable"))


def test_nobody_else_can_answer() -> None:
    talk, yard = stage({"namespace": PUBSUB})
    entity, other = actor(yard), actor(yard, "other.example.org")
    entity.forget()
    romeo = talk.bind("romeo@example.org/orchard")
    asks(romeo)
    id_, _ = handed_over(entity)
    other.sends(
        f"<iq type='result' id='{id_}' from='other.example.org' to='example.org'>"
        f"<delegation xmlns='{NS}'><forwarded xmlns='urn:xmpp:forward:0'>{answer()}</forwarded>"
        "</delegation></iq>"
    )
    romeo.receives_nothing()
    asks_thief = talk.bind("thief@example.org/x")
    asks_thief.sends(f"<iq type='result' id='{id_}' to='example.org'/>")
    romeo.receives_nothing()


def test_requests_to_resources_and_other_namespaces_stay() -> None:
    talk, entity, romeo = played()
    juliet = talk.bind("juliet@example.org/balcony")
    asks(romeo, "to='juliet@example.org/balcony'")
    juliet.receives(like(f"<iq id='pep1'><pubsub xmlns='{PUBSUB}'/></iq>"))
    romeo.sends("<iq type='get' id='2'><query xmlns='jabber:iq:roster'/></iq>")
    romeo.receives(like("<iq type='result' id='2'/>"))
    entity.receives_nothing()


def test_what_is_delegated_is_taken_from_the_module_here() -> None:
    _, entity, romeo = played({"namespace": "jabber:iq:roster"})
    romeo.sends("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
    handed_over(entity)
    romeo.receives_nothing()


def test_the_component_itself_is_answered_here() -> None:
    """§4.3.1: so it can be a filter that asks what it filters."""
    _, entity, _ = played({"namespace": "jabber:iq:private"})
    entity.sends(
        f"<iq type='get' id='1' from='{DOMAIN}' to='romeo@example.org'>"
        "<query xmlns='jabber:iq:private'><a xmlns='b'/></query></iq>"
    )
    entity.receives(error("1", "auth", "forbidden"))


def test_without_the_attributes_asked_for_a_request_stays() -> None:
    _, entity, romeo = played({"namespace": "urn:xmpp:ping", "attributes": ["node"]})
    ping = "<iq type='get' id='{0}' to='example.org'><ping xmlns='urn:xmpp:ping'{1}/></iq>"
    romeo.sends(ping.format(1, ""))
    romeo.receives(result("1"))
    entity.receives_nothing()
    romeo.sends(ping.format(2, " node='x'"))
    handed_over(entity)
    romeo.receives_nothing()


# Service discovery (§8)


def features(client: Client, to: str, node: str = "") -> Element:
    client.sends(
        f"<iq type='get' id='d' to='{to}'><query xmlns='{DISCO}#info'"
        + (f" node='{node}'" if node else "")
        + "/></iq>"
    )
    return client.receives(like("<iq type='result' id='d'/>")).elements[0]


def vars_of(query: Element) -> set[str]:
    return {each.get("var") or "" for each in query.all(f"{DISCO}#info", "feature")}


def nested(talk: Talk, yard: Yard, separator: str, inner: str, namespace: str = PUBSUB) -> None:
    entity = actor(yard)
    entity.fetch(0)
    for asked in entity.inbox:
        query = asked.child(f"{DISCO}#info", "query")
        if query is not None and query.get("node") == f"{NS}{separator}{namespace}":
            entity.sends(
                f"<iq type='result' id='{asked.get('id')}' from='{DOMAIN}' to='example.org'>"
                f"<query xmlns='{DISCO}#info' node='{query.get('node')}'>{inner}</query></iq>"
            )
            return
    raise AssertionError("it was not asked")


FORM = (
    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>"
    "<value>urn:xmpp:ping#more</value></field></x>"
)


def test_the_host_shows_what_the_component_offers_and_not_its_own() -> None:
    talk, yard = stage({"namespace": "urn:xmpp:ping"})
    romeo = talk.bind("romeo@example.org/orchard")
    assert NS in vars_of(features(romeo, "example.org"))
    nested(talk, yard, "::", f"<feature var='urn:xmpp:ping#better'/>{FORM}<x/>", "urn:xmpp:ping")
    query = features(romeo, "example.org")
    assert "urn:xmpp:ping#better" in vars_of(query)
    assert "urn:xmpp:ping" not in vars_of(query)
    assert len(query.all("jabber:x:data")) == 1


def test_an_account_shows_it_too() -> None:
    talk, yard = stage({"namespace": PUBSUB})
    romeo = talk.bind("romeo@example.org/orchard")
    nested(
        talk,
        yard,
        ":bare:",
        f"<identity category='pubsub' type='pep'/><feature var='{PUBSUB}#publish'/>",
    )
    query = features(romeo, "romeo@example.org")
    assert f"{PUBSUB}#publish" in vars_of(query)
    kinds = [each.get("type") for each in query.all(f"{DISCO}#info", "identity")]
    assert kinds == ["registered", "pep"]
    assert f"{PUBSUB}#publish" not in vars_of(features(romeo, "example.org"))


def test_nodes_of_accounts_that_nobody_knows_are_handed_over() -> None:
    _, entity, romeo = played({"namespace": INFO_NODES})
    query = f"<query xmlns='{DISCO}#info' node='urn:xmpp:microblog:0'/>"
    romeo.sends(f"<iq type='get' id='d' to='juliet@example.org'>{query}</iq>")
    id_, inner = handed_over(entity)
    assert inner.elements[0].get("node") == "urn:xmpp:microblog:0"
    replies(
        entity,
        id_,
        "<iq xmlns='jabber:client' type='result' id='d' from='juliet@example.org'"
        f" to='romeo@example.org/orchard'>{query}</iq>",
    )
    romeo.receives(result("d", query))


def test_without_a_node_an_account_is_described_here() -> None:
    _, entity, romeo = played({"namespace": INFO_NODES})
    assert features(romeo, "romeo@example.org")
    entity.receives_nothing()


@pytest.mark.parametrize("node", ["", " node='x'"])
def test_items_of_accounts_are_handed_over_with_and_without_a_node(node: str) -> None:
    _, entity, romeo = played({"namespace": ITEMS_NODES})
    query = f"<query xmlns='{DISCO}#items'{node}/>"
    romeo.sends(f"<iq type='get' id='d' to='romeo@example.org'>{query}</iq>")
    handed_over(entity)
    romeo.sends(f"<iq type='get' id='e' to='example.org'><query xmlns='{DISCO}#items'/></iq>")
    romeo.receives(like("<iq type='result' id='e'/>"))
