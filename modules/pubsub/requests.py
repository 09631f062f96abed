"""Which request goes where: by the type of the IQ, and the first child of `<pubsub/>`."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from xmppd.api import IQ, JID, Element, JIDError, StanzaError, jid
from xmppd.modules.pubsub.errors import no_nodeid, refused

REQUEST = "__pubsub_request__"
M = TypeVar("M", bound=Callable[..., Awaitable[Element | None]])
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: `who` asks `service` for `what`, with `rest` beside it in `<pubsub/>`."""

    service: JID
    who: JID
    what: Element
    rest: tuple[Element, ...]

    @property
    def node(self) -> str:
        """Raises bad-request where the request names no node."""
        name = self.what.get("node")
        if not name:
            raise no_nodeid()
        return name

    def beside(self, name: str) -> Element | None:
        """The element of that name that may go with this request; bad-request for others."""
        for element in self.rest:
            if element.ns == self.what.ns and element.name != name:
                raise StanzaError("bad-request", f"{element.name} does not go with this")
        found = [element for element in self.rest if element.name == name]
        if len(found) > 1:
            raise StanzaError("bad-request", f"two {name}")
        return found[0] if found else None


def request(type_: str, of: str, name: str) -> Callable[[M], M]:
    """The method answers such requests: it takes an Ask."""

    def mark(method: M) -> M:
        setattr(method, REQUEST, (type_, of, name))
        return method

    return mark


class Requests:
    """The methods of some objects that are marked with `@request`."""

    def __init__(self, *parts: object) -> None:
        self._methods: dict[Key, Callable[[Ask], Awaitable[Element | None]]] = {}
        for part in parts:
            for name in dir(type(part)):
                key = getattr(getattr(type(part), name), REQUEST, None)
                if key is not None:
                    self._methods[key] = getattr(part, name)

    async def answer(self, iq: IQ) -> Element | None:
        """Raises StanzaError."""
        whole = iq.payload
        inside = [element for element in whole.elements if element.ns == whole.ns]
        if not inside:
            raise StanzaError("bad-request", "nothing is asked for")
        what = inside[0]
        method = self._methods.get((iq.type, whole.ns, what.name))
        if method is None:
            raise self._unknown(iq, what)
        rest = tuple(element for element in whole.elements if element is not what)
        return await method(Ask(iq.to.bare, iq.from_, what, rest))

    def _unknown(self, iq: IQ, what: Element) -> StanzaError:
        """bad-request for what the specification knows in another place or not at all."""
        if any(name == what.name for _, _, name in self._methods):
            return StanzaError("bad-request", f"{what.name} cannot be asked so")
        return StanzaError("feature-not-implemented")


def flag_of(element: Element, name: str) -> bool:
    """A boolean attribute; False where it is missing. Raises bad-request."""
    text = element.get(name, "false")
    if text not in ("0", "1", "false", "true"):
        raise StanzaError("bad-request", f"'{name}' is true or false")
    return text in ("1", "true")


def jid_of(element: Element) -> JID:
    """The 'jid' of a subscriber. Raises bad-request jid-required or invalid-jid."""
    text = element.get("jid")
    if not text:
        raise refused("bad-request", "jid-required")
    try:
        return jid(text)
    except JIDError:
        raise refused("bad-request", "invalid-jid") from None


def one_of(choices: Iterable[Any], text: str | None) -> Any:
    """The member of an Enum with that value; None for others."""
    return next((choice for choice in choices if choice == text), None)
