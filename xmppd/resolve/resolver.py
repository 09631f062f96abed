"""Lookups in the DNS: servers asked in turn, answers kept, the number of questions bounded."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred

from xmppd.hooks import spawn
from xmppd.resolve.cache import TTLCache
from xmppd.resolve.errors import LookupFailed
from xmppd.resolve.nameservers import Nameservers, Server, is_local
from xmppd.resolve.records import MOST_ALIASES, Kind, Records, read
from xmppd.resolve.wire import Network, Silence, ask

MOST_CACHED = 4096
MOST_AT_ONCE = 200  # 50 servers that are called, and 200 that are asked about keys, ask for two
MOST_WAITING = 1000
FIRST_TRY_S = 2.0  # then the next server is asked, and so on in turns, each time for longer
FAILURE_TTL_S = 5.0  # RFC 9520 §3.2

Question = tuple[str, Kind]


class Lookup(Protocol):
    """What is wanted of a resolver."""

    async def lookup(self, name: str, kind: Kind) -> Records[Any]:
        """The records of `kind` at `name`, which is in A-labels; LookupFailed for no answer."""


class Resolver:
    """Asks the name servers. A question that is under way is not asked a second time."""

    def __init__(
        self,
        network: Network,
        nameservers: Nameservers | None = None,
        *,
        timeout_s: float = 10.0,
        at_once: int = MOST_AT_ONCE,
        waiting: int = MOST_WAITING,
    ) -> None:
        self._network = network
        self._nameservers = nameservers or Nameservers()
        self._timeout_s = timeout_s
        self._at_once = at_once
        self._most_waiting = waiting
        self._cache: TTLCache[Records[Any] | LookupFailed] = TTLCache(network.seconds, MOST_CACHED)
        self._asking: dict[Question, list[Deferred[Records[Any]]]] = {}
        self._running = 0
        self._queue: list[Question] = []

    def configure(self, nameservers: Nameservers, timeout_s: float) -> None:
        """From the next question on; what other servers have said is forgotten."""
        self._nameservers = nameservers
        self._timeout_s = timeout_s
        self._cache.clear()

    async def lookup(self, name: str, kind: Kind) -> Records[Any]:
        known = self._cache.get((name, kind))
        if isinstance(known, LookupFailed):
            raise type(known)(*known.args)
        return known if known is not None else await self._answer((name, kind))

    def _answer(self, question: Question) -> Deferred[Records[Any]]:
        """Fires with the others that want to know the same. Cancelled, it leaves them waiting."""
        answer: Deferred[Records[Any]] = Deferred()
        waiting = self._asking.get(question)
        if waiting is not None:
            waiting.append(answer)
        elif len(self._queue) >= self._most_waiting:
            answer.errback(LookupFailed("too many lookups at once"))
        else:
            self._asking[question] = [answer]
            self._queue.append(question)
            self._next()
        return answer

    def _next(self) -> None:
        while self._queue and self._running < self._at_once:
            self._running += 1
            question = self._queue.pop(0)
            _ = spawn(self._run(question))

    async def _run(self, question: Question) -> None:
        result: Records[Any] | LookupFailed
        try:
            result = await self._resolve(*question)
            self._cache.put(question, result, result.ttl_s)
        except LookupFailed as error:
            result = error
            self._cache.put(question, error, FAILURE_TTL_S)
        except Exception as error:  # a bug must not leave anybody waiting for ever
            result = LookupFailed(f"internal error: {type(error).__name__}")
        self._running -= 1
        for waiting in self._asking.pop(question):
            if waiting.called:  # cancelled
                continue
            if isinstance(result, LookupFailed):
                waiting.errback(type(result)(*result.args))
            else:
                waiting.callback(result)
        self._next()

    async def _resolve(self, name: str, kind: Kind) -> Records[Any]:
        """Follows aliases that lead out of the answer. Few servers make that necessary."""
        until = self._network.seconds() + self._timeout_s
        for _ in range(MOST_ALIASES):
            found = await self._ask_all(name, kind, until)
            if isinstance(found, Records):
                return found
            name = found
        raise LookupFailed("too many aliases, or a circle of them")

    async def _ask_all(self, name: str, kind: Kind, until: float) -> Records[Any] | str:
        """One server after the other, until there is an answer or the time is up."""
        failure: LookupFailed = Silence("no name server answers")
        servers = self._nameservers.servers
        silent = list(servers)
        try_s = FIRST_TRY_S
        while silent:
            for server in list(silent):
                left_s = until - self._network.seconds()
                if left_s <= 0:
                    return _raise(failure)
                try:
                    return await self._ask(server, name, kind, min(try_s, left_s))
                except Silence as error:
                    failure = error
                except LookupFailed as error:
                    failure = error
                    silent.remove(server)  # it has said all that it will
            try_s *= 2
        return _raise(failure)

    async def _ask(
        self, server: Server, name: str, kind: Kind, timeout_s: float
    ) -> Records[Any] | str:
        message = await ask(self._network, server, name, kind, timeout_s)
        return read(message, name, kind, believed=is_local(server))


def _raise(error: LookupFailed) -> Records[Any]:
    raise error
