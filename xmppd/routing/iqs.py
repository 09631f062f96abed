"""The table of IQs: one handler for each (scope, type, namespace, name), and how it answers."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from twisted.logger import Logger

from xmppd.hooks import HandlerCrashed, spawn
from xmppd.routing.router import Done, Router
from xmppd.stanza import IQ, StanzaError
from xmppd.storage import DatabaseBusy, DiskFull, StorageError
from xmppd.xml import Element

log = Logger()
Answer: TypeAlias = "Element | IQ | None"  # the payload of the result, or the result itself
Handler: TypeAlias = Callable[[IQ], "Answer | Awaitable[Answer]"]
Key: TypeAlias = tuple[str, str, str]  # type, namespace, name


class Scope(Enum):
    """Whom a request must be addressed to for a handler to get it."""

    HOST = "host"  # the domain: to='example.org'
    ACCOUNT = "account"  # any account's bare JID, from anybody; the handler judges who may
    SELF = "self"  # the sender's own account (or no `to`); others get forbidden
    SERVICE = "service"  # the domain that the module itself serves (`Service`)
    NODE = "node"  # a local part at that domain: room@conference.example.org


HOST: Final = Scope.HOST
ACCOUNT: Final = Scope.ACCOUNT
SELF: Final = Scope.SELF
SERVICE: Final = Scope.SERVICE
NODE: Final = Scope.NODE
OWN_DOMAIN: Final = frozenset((SERVICE, NODE))  # each service has a table of its own for these


class ClaimedTwice(ValueError):
    """Two modules want the same IQ: the second does not load."""


class Claim(NamedTuple):
    """A handler's place in the table, and the module it belongs to."""

    scope: Scope
    type: str
    ns: str
    name: str
    handler: Handler
    owner: str


class IQTable:
    """The claims of one virtual host."""

    def __init__(self) -> None:
        self._use({scope: {} for scope in Scope})

    def _use(self, claims: dict[Scope, dict[Key, Claim]]) -> None:
        self._claims = claims
        # Looked up once: an Enum as key of a dict is hashed by a function in Python.
        self._at_host, self._at_account, self._at_self = (
            claims[scope] for scope in (HOST, ACCOUNT, SELF)
        )

    def swap(self, leaving: Collection[str], coming: Iterable[Claim] = ()) -> None:
        """Take out the claims of the modules `leaving` and put in `coming`, or nothing at all.

        Raises ClaimedTwice, naming both modules; the table is then as it was.
        """
        table = {
            scope: {key: claim for key, claim in claims.items() if claim.owner not in leaving}
            for scope, claims in self._claims.items()
        }
        for claim in coming:
            taken = table[claim.scope].setdefault((claim.type, claim.ns, claim.name), claim)
            if taken is not claim:
                raise ClaimedTwice(
                    f"{claim.owner} and {taken.owner} both answer {claim.type} of"
                    f" {{{claim.ns}}}{claim.name} at {claim.scope.value}"
                )
        self._use(table)

    def at_host(self, iq: IQ) -> Handler:
        """Who answers a request to the domain. Raises service-unavailable (RFC 6120 §8.4)."""
        return _handler(self._at_host.get(_key(iq)))

    def at_account(self, iq: IQ) -> Handler:
        """Who answers a request to an account's bare JID.

        Raises service-unavailable, or forbidden where only the account itself may ask: the same
        whether the account exists or not (RFC 6121 §8.5.1).
        """
        key = _key(iq)
        own, anybodys = self._at_self.get(key), self._at_account.get(key)
        if iq.from_.bare == iq.to:
            return _handler(own or anybodys)
        if own is not None and anybodys is None:
            raise StanzaError("forbidden")
        return _handler(anybodys)

    def at_service(self, iq: IQ) -> Handler:
        """Who answers a request to a served domain or a local part there (`Service`)."""
        scope = NODE if iq.to.local else SERVICE
        return _handler(self._claims[scope].get(_key(iq)))

    def namespaces(self, *scopes: Scope) -> set[str]:
        """The namespaces that are answered there: disco features (XEP-0030)."""
        return {claim.ns for scope in scopes for claim in self._claims[scope].values()}

    def claims(self) -> list[Claim]:
        return [claim for claims in self._claims.values() for claim in claims.values()]


def _key(iq: IQ) -> Key:
    ns, name = iq.payloads[0]
    return iq.type, ns, name


def _handler(claim: Claim | None) -> Handler:
    if claim is None:
        raise StanzaError("service-unavailable")
    return claim.handler


def refusal(problem: Exception) -> StanzaError:
    """What the sender is told. A bug is logged here, unless the hook bus has logged it."""
    if isinstance(problem, StanzaError):
        return problem
    if isinstance(problem, DatabaseBusy):
        return StanzaError("resource-constraint", "the server is busy, try again", type="wait")
    if isinstance(problem, DiskFull):
        return StanzaError("resource-constraint", "there is no room left to store it", type="wait")
    if isinstance(problem, StorageError):
        return StanzaError("internal-server-error", "storage is out of order", type="wait")
    if not isinstance(problem, HandlerCrashed):
        log.failure("a handler failed")
    return StanzaError("internal-server-error")


def answer(router: Router, iq: IQ, handler: Handler) -> Done:
    """Let the handler answer a request and route the answer: a result or an error, always."""
    try:
        outcome = handler(iq)
    except Exception as problem:
        return router.bounce(iq, refusal(problem))
    if outcome is None or isinstance(outcome, Element):
        return router.route(iq.result(outcome))
    if isinstance(outcome, IQ):
        return router.route(outcome)
    return settled(spawn(_answer_later(router, iq, outcome)))


async def _answer_later(router: Router, iq: IQ, outcome: Awaitable[Answer]) -> None:
    try:
        found = await outcome
        reply = found if isinstance(found, IQ) else iq.result(found)
    except Exception as problem:
        waiting = router.bounce(iq, refusal(problem))
    else:
        waiting = router.route(reply)
    if waiting is not None:
        await waiting


def settled(done: Done) -> Done:
    """None instead of a Deferred that has fired already: then nobody needs to pause."""
    return None if done is None or (done.called and not done.paused) else done
