"""The extensible SASL profile: its elements, read and written (XEP-0388 1.0.4).

The exchange inside is the same as in RFC 6120's profile; what differs is the wrapping, that
nothing restarts afterwards, and that a client may ask for more in the same breath.
"""

import base64
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from xmppd.jid import JID
from xmppd.ns import IAP, SASL, SASL2
from xmppd.stream.sasl import SASLFailure
from xmppd.stream.sasl.base64 import strict
from xmppd.xml import Element

MAX_SHOWN = 255  # characters of the names of software and device
MAX_REQUESTS = 16  # elements of other namespaces in <authenticate/>


@dataclass(frozen=True, slots=True)
class UserAgent:
    """The client installation (§2.3). `id` is a UUID in canonical form, "" if none was given;
    `software` and `device` are for the account's owner alone.
    """

    id: str = ""
    software: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """What a client begins with (§2.3). `requests` are the elements of other namespaces."""

    mechanism: str
    initial: bytes | None = field(repr=False)
    agent: UserAgent
    requests: tuple[Element, ...]

    @classmethod
    def empty(cls) -> "Authenticate":
        """Stands for one that is not read yet."""
        return cls("", None, UserAgent(), ())

    def request(self, ns: str, name: str) -> Element | None:
        """That one of the requests."""
        for element in self.requests:
            if element.ns == ns and element.name == name:
                return element
        return None


def read_authenticate(element: Element) -> Authenticate:
    """§2.3. Raises SASLFailure malformed-request or incorrect-encoding."""
    initial = element.all(SASL2, "initial-response")
    agents = element.all(SASL2, "user-agent")
    requests = tuple(child for child in element.elements if child.ns != SASL2)
    known = len(initial) + len(agents) + len(requests) == len(element.elements)
    if not known or len(initial) > 1 or len(agents) > 1 or len(requests) > MAX_REQUESTS:
        raise SASLFailure("malformed-request")
    return Authenticate(
        element.get("mechanism") or "",
        decode(initial[0]) if initial else None,
        _agent(agents[0]) if agents else UserAgent(),
        requests,
    )


def _agent(element: Element) -> UserAgent:
    """An id that is no UUID identifies nobody."""
    try:
        identifier = str(uuid.UUID(element.get("id") or ""))
    except ValueError:
        identifier = ""
    shown = ((element.child_text(SASL2, name) or "") for name in ("software", "device"))
    return UserAgent(identifier, *(text[:MAX_SHOWN] for text in shown))


def decode(element: Element) -> bytes:
    """The data in an element; an empty element is empty data (§2.2)."""
    data = None if element.elements else strict(element.text)
    if data is None:
        raise SASLFailure("incorrect-encoding")
    return data


class Outdated(SASLFailure):
    """A client relies on features that are not those of now (XEP-0509 §2.2). It is no failed
    attempt: nothing was tried.
    """

    def __init__(self) -> None:
        super().__init__("aborted", "the features are not those that you know")


def check_version(request: Authenticate, current: str) -> None:
    """Raises Outdated. A client that names no version has read the features of this stream."""
    known = request.request(IAP, "config-version")
    if known is not None and known.get("value") != current:
        raise Outdated


def failure(condition: str, text: str | None, *more: Element) -> Element:
    """§2.6.2; `more` are conditions of other namespaces."""
    failed = Element(SASL2, "failure", None, Element(SASL, condition), *more)
    if text:
        failed.append(Element(SASL2, "text", None, text))
    return failed


def continuing(data: bytes | None, tasks: Iterable[str], text: str | None) -> Element:
    """§2.6.3. `data` is what the exchange would have said with its success."""
    asked = Element(SASL2, "continue")
    if data is not None:
        asked.append(_additional(data))
    asked.append(Element(SASL2, "tasks", None, *(Element(SASL2, "task", None, t) for t in tasks)))
    if text:
        asked.append(Element(SASL2, "text", None, text))
    return asked


def success(who: JID, data: bytes | None, answers: Iterable[Element]) -> Element:
    """§2.6.1. `who` is a full JID if a resource was bound."""
    succeeded = Element(SASL2, "success")
    if data is not None:
        succeeded.append(_additional(data))
    succeeded.append(Element(SASL2, "authorization-identifier", None, str(who)))
    succeeded.append(*answers)
    return succeeded


def _additional(data: bytes) -> Element:
    return Element(SASL2, "additional-data", None, base64.b64encode(data).decode("ascii"))
