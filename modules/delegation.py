"""Namespaces whose requests components answer in the server's place (XEP-0355 0.5).

In admin mode: the configuration says which namespaces go to which component. It answers for the
host and for all accounts, and users do not notice. It is not waited for (§10): the requests of a
client that come later may be answered earlier.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from pydantic import model_validator

from xmppd.api import (
    IQ,
    JID,
    STOP,
    Element,
    Form,
    Host,
    JIDError,
    Message,
    Module,
    Options,
    Stanza,
    StanzaError,
    Stop,
    events,
    forwarded,
    forwarded_in,
    jid,
    ns,
    on,
    option,
    uses,
)
from xmppd.modules.disco import Description, Disco, Identity, disco_describing

NS = "urn:xmpp:delegation:2"
INFO_NODES = f"{NS}:bare:disco#info:*"  # of accounts, that nobody knows (§8.2.3)
ITEMS_NODES = f"{NS}:bare:disco#items:*"
AT_ONCE = 1000  # requests that may wait for components
MOST_NESTED = 500  # features, identities and forms taken from one component for one namespace


class Delegated(Options):
    """A namespace, and the component that answers its requests. Trust it: they may be private."""

    namespace: str = option(
        "",
        "The namespace of the requests.",
        example="http://jabber.org/protocol/pubsub",
    )
    to: str = option("", "The domain of an external component.", example="pubsub.example.org")
    attributes: list[str] = option(
        [], "Attributes that the request's element must have; others are answered here."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.namespace or self.namespace == NS:  # §9
            raise ValueError("namespace must be one that can be delegated")
        try:
            named = jid(self.to)
        except JIDError:
            raise ValueError("to must be a domain") from None
        if named != named.domain:
            raise ValueError("to must be a domain")
        return self

    @property
    def entity(self) -> JID:
        return jid(self.to)


class DelegationOptions(Options):
    namespaces: list[Delegated] = option([], "What is delegated, one table each.")

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [each.namespace for each in self.namespaces]
        if len(set(names)) != len(names):
            raise ValueError("namespaces: each may be delegated once")
        return self


@dataclass(slots=True)
class Nested:
    """What a component says of a namespace that it answers (§8.2)."""

    identities: list[Identity] = field(default_factory=list)
    features: set[str] = field(default_factory=set)
    forms: list[Form] = field(default_factory=list)


class Delegation(Module):
    name = "delegation"
    default_on = False
    features = (NS,)
    options: DelegationOptions
    disco = uses(Disco)

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._delegated = {each.namespace: each for each in self.options.namespaces}
        self._nested: dict[tuple[str, str], Nested] = {}  # by namespace, and "::" or ":bare:"
        self._waiting = 0

    async def start(self) -> None:
        """After a reload: who is connected is told what is delegated now."""
        self.once_running(self._tell_connected)

    def _tell_connected(self) -> None:
        for entity in dict.fromkeys(each.entity for each in self._delegated.values()):
            external = self.host.router.external.get(entity.domain)
            if external is not None and external.connected:
                self.advertise(entity)

    def _send(self, stanza: Stanza) -> None:
        done = self.host.router.route(stanza)
        if done is not None:
            self.background(done)

    # Who answers what (§4.2)

    @on(events.component_connected)
    def advertise(self, entity: JID) -> None:
        """Tell it what it answers, and ask what it offers there."""
        mine = [each for each in self._delegated.values() if each.entity == entity]
        if not mine:
            return
        told = Element(NS, "delegation")
        for each in mine:
            filters = [Element(NS, "attribute", {"name": name}) for name in each.attributes]
            told.append(Element(NS, "delegated", {"namespace": each.namespace}, *filters))
        self._send(Message(entity, self.host.domain, "", secrets.token_hex(8), told))
        for each in mine:
            if each.namespace not in (INFO_NODES, ITEMS_NODES):
                for separator in ("::", ":bare:"):
                    self.background(self._learn(each, separator))

    # Requests (§4.3)

    @on(events.server_asked)
    def take(self, iq: IQ) -> Stop | None:
        """Hand it over, unless the component itself asks (§4.3.1)."""
        delegated = self._answering(iq)
        if delegated is None or iq.from_.domain == delegated.entity.domain:
            return None
        if self._waiting >= AT_ONCE:
            raise StanzaError("resource-constraint", "too many requests wait")
        self.background(self._hand_over(iq, delegated.entity))
        return STOP

    def _answering(self, iq: IQ) -> Delegated | None:
        space = iq.payloads[0][0]
        if space in (ns.DISCO_INFO, ns.DISCO_ITEMS) and iq.to.local and iq.type == "get":
            return self._answering_node(iq, space)
        delegated = self._delegated.get(space)
        if delegated is None or not delegated.attributes:
            return delegated
        has = iq.payload.attrs
        return delegated if all(name in has for name in delegated.attributes) else None

    def _answering_node(self, iq: IQ, space: str) -> Delegated | None:
        """Nodes of accounts that are not known here, and all items (§8.2.3)."""
        delegated = self._delegated.get(INFO_NODES if space == ns.DISCO_INFO else ITEMS_NODES)
        if delegated is None:
            return None
        node = iq.payload.get("node") or ""
        if not node:
            return delegated if space == ns.DISCO_ITEMS else None
        known = self.disco.describe(iq.to, node, iq.from_).known
        return None if known else delegated

    async def _hand_over(self, iq: IQ, entity: JID) -> None:
        self._waiting += 1
        try:
            answer = iq.result(await self._answer(iq, entity))
        except StanzaError:  # whatever went wrong (§4.3, notes 1 and 2)
            done = self.host.router.bounce(iq, StanzaError("service-unavailable"))
            if done is not None:
                await done
        else:
            self._send(answer)
        finally:
            self._waiting -= 1

    async def _answer(self, iq: IQ, entity: JID) -> Element | None:
        request = Element(NS, "delegation", None, forwarded(iq))
        asked = IQ(entity, self.host.domain, "set", secrets.token_hex(8), request)
        answer = await self.host.questions.answer_to(asked)
        if answer.type != "result" or not answer.payloads:
            raise StanzaError("service-unavailable")
        try:
            return self._checked(iq, forwarded_in(answer.payload, "iq"))
        except StanzaError as wrong:
            self.log.warn("{entity}: a bad answer: {wrong}", entity=entity, wrong=wrong.text)
            raise

    @staticmethod
    def _checked(iq: IQ, answer: Element) -> Element | None:
        """The payload of the answer, if it is one to this request (§4.3)."""
        senders = [iq.to] if iq.directed else [iq.to, iq.to.domain]
        fits = (
            answer.ns == ns.CLIENT
            and answer.get("type") == "result"
            and answer.get("id") == iq.id
            and _is_one_of(answer.get("to"), [iq.from_])
            and (
                _is_one_of(answer.get("from"), senders) or not (answer.get("from") or iq.directed)
            )
        )
        if not fits or len(answer.elements) > 1:
            raise StanzaError("service-unavailable", "it does not fit the request")
        return answer.elements[0] if answer.elements else None

    # What the component offers (§8.2)

    async def _learn(self, delegated: Delegated, separator: str) -> None:
        node = f"{NS}{separator}{delegated.namespace}"
        query = Element(ns.DISCO_INFO, "query", {"node": node})
        asked = IQ(delegated.entity, self.host.domain, "get", secrets.token_hex(8), query)
        try:
            answer = await self.host.questions.answer_to(asked)
        except StanzaError:
            return
        if answer.type == "result" and answer.has(ns.DISCO_INFO, "query"):
            self._nested[delegated.namespace, separator] = nested_in(answer.payload)

    @on(disco_describing)
    def nest(self, known: Description, entity: JID, node: str, asker: JID) -> None:
        """Its features stand where those of a module here would."""
        if node or not known.known:
            return
        separator = ":bare:" if entity.local else "::"
        for namespace in self._delegated:
            nested = self._nested.get((namespace, separator), Nested())
            own = {f for f in known.features if is_of(f, namespace)}
            known.features = (known.features - own) | nested.features
            known.identities += nested.identities
            known.forms = [f for f in known.forms if not is_of(f.form_type or "", namespace)]
            known.forms += nested.forms


def is_of(feature: str, namespace: str) -> bool:
    """Whether a feature, or the FORM_TYPE of an extension, speaks of that namespace."""
    return feature == namespace or feature.startswith(f"{namespace}#")


def nested_in(query: Element) -> Nested:
    """What a component answered, as far as it can be understood."""
    found = Nested()
    for each in query.all(ns.DISCO_INFO, "identity")[:MOST_NESTED]:
        category, type_ = each.get("category"), each.get("type")
        if category and type_:
            found.identities.append(Identity(category, type_, each.get("name") or ""))
    features = query.all(ns.DISCO_INFO, "feature")[:MOST_NESTED]
    found.features = {var for each in features if (var := each.get("var"))}
    found.forms = list(_forms(query.all(ns.FORMS, "x")[:MOST_NESTED]))
    return found


def _forms(elements: Iterable[Element]) -> Iterable[Form]:
    for element in elements:
        try:
            form = Form.from_element(element)
        except StanzaError:
            continue
        if form.form_type:
            yield form


def _is_one_of(text: str | None, addresses: Iterable[str]) -> bool:
    try:
        return text is not None and jid(text) in addresses
    except JIDError:
        return False
