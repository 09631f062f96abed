"""XEP-0030: what the host and accounts are, can do and have; XEP-0128: forms in the answer."""

from collections.abc import Iterable

import pytest

from xmppd.api import (
    IQ,
    JID,
    SELF,
    STOP,
    Element,
    Form,
    FormType,
    Module,
    StanzaError,
    Stop,
    forms,
    iq_get,
    on,
)
from xmppd.modules.disco import (
    Description,
    Identity,
    Item,
    disco_answering,
    disco_features,
    disco_forms,
    disco_identities,
    disco_items,
)
from xmppd.ns import CLIENT, DISCO_INFO, DISCO_ITEMS, FORMS, RSM
from xmppd.testing import Client, Talk, error, like, result, result_of
from xmppd.xml import to_xml

COMMANDS = "http://jabber.org/protocol/commands"
CATALOG = "http://catalog.example/"


class Catalogue(Module):
    """Offers nodes at the host, and one below each account."""

    name = "catalogue"
    features = ("urn:t:named",)

    @iq_get("urn:t:host", "query")
    @iq_get("urn:t:self", "query", at=SELF)
    def answer(self, iq: IQ) -> None:
        """Claimed, to be found."""

    @on(disco_identities)
    def identities(self, entity: JID, node: str, asker: JID) -> Iterable[Identity]:
        if entity.local and not node:
            return [Identity("pubsub", "pep")]
        return [Identity("hierarchy", "branch")] if node == CATALOG else []

    @on(disco_features)
    def more(self, entity: JID, node: str, asker: JID) -> Iterable[str]:
        if node == "secret" and asker.local != "romeo":
            raise StanzaError("forbidden")
        return ["urn:t:gathered"] if entity == self.host.domain and not node else []

    @on(disco_forms)
    def extend(self, entity: JID, node: str, asker: JID) -> Iterable[Form]:
        if entity.local or node:
            return []
        return [
            Form(type=FormType.RESULT, fields=[forms.form_type("urn:t"), forms.field("a", "1")]),
            Form(type=FormType.RESULT, fields=[forms.form_type("urn:t"), forms.field("b", "2")]),
        ]

    @on(disco_items)
    def items(self, entity: JID, node: str, asker: JID) -> Iterable[Item]:
        if node == CATALOG:
            return [Item(entity, f"{CATALOG}books", "Books"), Item(entity, f"{CATALOG}books")]
        return [Item(entity, CATALOG)] if not node else []

    @on(disco_answering)
    async def late(
        self, known: Description, entity: JID, node: str, asker: JID
    ) -> Description | Stop | None:
        if node == "stored":
            known.identities.append(Identity("hierarchy", "leaf"))
        return STOP if node == "gone" else None


@pytest.fixture
def catalogue() -> Talk:
    return Talk(Catalogue, only=["disco", "subscriptions"])


def asks(client: Client, about: str, ns: str = DISCO_INFO, node: str = "") -> None:
    extra = f" node='{node}'" if node else ""
    to = f" to='{about}'" if about else ""
    client.sends(f"<iq type='get' id='d1'{to}><query xmlns='{ns}'{extra}/></iq>")


def answer_to(client: Client, about: str, ns: str = DISCO_INFO, node: str = "") -> Element:
    asks(client, about, ns, node)
    query = client.receives(result("d1")).child(ns, "query")
    assert query is not None
    return query


def features(query: Element) -> list[str | None]:
    return [feature.get("var") for feature in query.all(DISCO_INFO, "feature")]


# The host


def test_the_host_is_an_im_server_with_a_name() -> None:
    talk = Talk(only=["disco"], options={"disco": {"name": "Shakespeare's"}})
    query = answer_to(talk.bind("romeo@example.org/hall"), "example.org")
    identity = query.all(DISCO_INFO, "identity")
    assert [i.attrs for i in identity] == [
        {"category": "server", "type": "im", "name": "Shakespeare's"}
    ]


def test_the_host_can_do_what_its_modules_answer_and_name(catalogue: Talk) -> None:
    query = answer_to(catalogue.bind("romeo@example.org/orchard"), "example.org")
    found = features(query)
    for feature in (DISCO_INFO, DISCO_ITEMS, "urn:t:host", "urn:t:self", "jabber:iq:roster"):
        assert feature in found
    assert {"urn:t:named", "urn:t:gathered"} <= set(found)
    assert len(found) == len(set(found))


def test_a_feature_goes_with_its_module(catalogue: Talk) -> None:
    romeo = catalogue.bind("romeo@example.org/orchard")
    assert "urn:t:host" in features(answer_to(romeo, "example.org"))
    result_of(catalogue.host.modules.swap(["catalogue"], {}))
    assert "urn:t:host" not in features(answer_to(romeo, "example.org"))


def test_forms_of_one_kind_are_made_one(catalogue: Talk) -> None:
    query = answer_to(catalogue.bind("romeo@example.org/orchard"), "example.org")
    (form,) = query.all(FORMS, "x")
    assert [field.get("var") for field in form.elements] == ["FORM_TYPE", "a", "b"]


def test_the_host_lists_its_services() -> None:
    options: dict[str, dict[str, object]] = {
        "disco": {"extra_items": ["conference.example.net", "upload.example.net"]}
    }
    talk = Talk(only=["disco"], options=options)
    romeo = talk.bind("romeo@example.org/hall")
    asks(romeo, "example.org", DISCO_ITEMS)
    romeo.receives(
        result(
            "d1",
            f"<query xmlns='{DISCO_ITEMS}'><item jid='conference.example.net'/>"
            "<item jid='upload.example.net'/></query>",
        )
    )


def test_services_come_in_pages_where_they_are_asked_for() -> None:
    services = [f"s{number}.example.net" for number in range(3)]
    talk = Talk(only=["disco", "subscriptions"], options={"disco": {"extra_items": services}})
    romeo = talk.bind("romeo@example.org/orchard")
    page = "<set xmlns='http://jabber.org/protocol/rsm'><max>2</max>{}</set>"
    query = f"<query xmlns='{DISCO_ITEMS}'>{page}</query>"
    found, after = [], ""
    for _ in range(2):
        romeo.sends(f"<iq type='get' id='d1' to='example.org'>{query.format(after)}</iq>")
        told = romeo.receives(result("d1")).elements[0]
        found.append([item.get("jid") for item in told.all(DISCO_ITEMS, "item")])
        held = told.child(RSM, "set")
        assert held is not None
        after = f"<after>{held.child_text(RSM, 'last')}</after>"
    assert found == [services[:2], services[2:]]


def test_pages_are_a_feature_of_the_host_and_of_accounts(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    for about in ("example.org", ""):
        assert RSM in features(answer_to(romeo, about))


def test_a_host_without_services_lists_none() -> None:
    romeo = Talk(only=["disco"]).bind("romeo@example.org/orchard")
    asks(romeo, "example.org", DISCO_ITEMS)
    romeo.receives(result("d1", f"<query xmlns='{DISCO_ITEMS}'/>"))


# Nodes


def test_a_node_is_described_by_who_knows_it_and_mirrored(catalogue: Talk) -> None:
    romeo = catalogue.bind("romeo@example.org/orchard")
    asks(romeo, "example.org", node=CATALOG)
    romeo.receives(
        result(
            "d1",
            f"<query xmlns='{DISCO_INFO}' node='{CATALOG}'>"
            f"<identity category='hierarchy' type='branch'/><feature var='{DISCO_INFO}'/></query>",
        )
    )


def test_the_items_of_a_node_are_listed(catalogue: Talk) -> None:
    romeo = catalogue.bind("romeo@example.org/orchard")
    asks(romeo, "example.org", DISCO_ITEMS, CATALOG)
    romeo.receives(
        like(
            f"<iq type='result'><query xmlns='{DISCO_ITEMS}' node='{CATALOG}'>"
            f"<item jid='example.org' node='{CATALOG}books' name='Books'/></query></iq>"
        )
    )


def test_a_node_may_be_known_only_after_waiting(catalogue: Talk) -> None:
    query = answer_to(catalogue.bind("romeo@example.org/orchard"), "example.org", node="stored")
    assert query.all(DISCO_INFO, "identity")[0].get("type") == "leaf"


@pytest.mark.parametrize("ns", [DISCO_INFO, DISCO_ITEMS])
@pytest.mark.parametrize("about", ["example.org", "romeo@example.org"])
@pytest.mark.parametrize("node", ["nobody-knows", "gone", COMMANDS])
def test_an_unknown_node_is_item_not_found(
    catalogue: Talk, ns: str, about: str, node: str
) -> None:
    romeo = catalogue.bind("romeo@example.org/orchard")
    asks(romeo, about, ns, node)
    romeo.receives(error("d1", "cancel", "item-not-found"))


def test_who_owns_a_node_may_refuse_to_describe_it(catalogue: Talk) -> None:
    juliet = catalogue.bind("juliet@example.org/balcony")
    asks(juliet, "example.org", node="secret")
    juliet.receives(error("d1", "auth", "forbidden"))


# Accounts


@pytest.mark.parametrize("about", ["", "romeo@example.org"])
def test_an_account_is_described_to_itself(catalogue: Talk, about: str) -> None:
    query = answer_to(catalogue.bind("romeo@example.org/orchard"), about)
    assert [i.attrs for i in query.all(DISCO_INFO, "identity")] == [
        {"category": "account", "type": "registered"},
        {"category": "pubsub", "type": "pep"},
    ]
    assert {DISCO_INFO, DISCO_ITEMS, "urn:t:self"} <= set(features(query))
    assert "urn:t:host" not in features(query)


def test_a_subscriber_learns_what_others_may_use(catalogue: Talk) -> None:
    catalogue.befriend("romeo@example.org", "juliet@example.org")
    query = answer_to(catalogue.bind("romeo@example.org/orchard"), "juliet@example.org")
    assert query.all(DISCO_INFO, "identity")[0].get("category") == "account"
    assert DISCO_INFO in features(query)
    assert "urn:t:self" not in features(query)


def test_available_resources_are_the_items_of_an_account(talk: Talk) -> None:
    talk.befriend("romeo@example.org", "juliet@example.org")
    talk.online("juliet@example.org/balcony")
    talk.online("juliet@example.org/chamber", priority=-1)
    talk.bind("juliet@example.org/silent")
    query = answer_to(talk.bind("romeo@example.org/orchard"), "juliet@example.org", DISCO_ITEMS)
    assert [item.get("jid") for item in query.elements] == [
        "juliet@example.org/balcony",
        "juliet@example.org/chamber",
    ]


def test_being_subscribed_to_somebody_shows_nothing_of_oneself(talk: Talk) -> None:
    """What counts is who gets whose presence, not the other way round."""
    juliet, romeo = talk.bind("juliet@example.org/balcony"), talk.bind("romeo@example.org/orchard")
    romeo.sends("<presence to='juliet@example.org' type='subscribe'/>")
    juliet.sends("<presence to='romeo@example.org' type='subscribed'/>")
    juliet.forget()
    asks(juliet, "romeo@example.org")
    juliet.receives(error("d1", "cancel", "service-unavailable"))


@pytest.mark.parametrize("node", ["", CATALOG, "nobody-knows"])
@pytest.mark.parametrize("ns", [DISCO_INFO, DISCO_ITEMS])
def test_strangers_cannot_tell_an_account_from_none(catalogue: Talk, ns: str, node: str) -> None:
    catalogue.online("juliet@example.org/balcony")
    catalogue.account("paris@example.org")
    romeo = catalogue.bind("romeo@example.org/orchard")
    answers = set()
    for user in ("juliet", "paris", "nobody"):
        asks(romeo, f"{user}@example.org", ns, node)
        text = to_xml(romeo.inbox.pop(0), CLIENT)
        answers.add(text.replace(f"{user}@", "USER@"))
    (answer,) = answers
    assert ("service-unavailable" in answer) == (ns == DISCO_INFO)
    assert "<item" not in answer


def test_an_answer_may_not_be_set(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(f"<iq type='set' id='d1' to='example.org'><query xmlns='{DISCO_INFO}'/></iq>")
    romeo.receives(error("d1", "cancel", "service-unavailable"))


def test_an_identity_is_told_once_a_language() -> None:
    known = Description(
        [
            Identity("client", "pc", "Psi", "en"),
            Identity("client", "pc", "other", "en"),
            Identity("client", "pc", "Ψ", "el"),
        ]
    )
    found = known.info().all(DISCO_INFO, "identity")
    assert [identity.get("name") for identity in found] == ["Psi", "Ψ"]
