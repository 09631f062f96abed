"""Chat of several pairs at once, senders and receivers in processes of their own: for rates that
one process would not reach.
"""

import multiprocessing
import os
import selectors
import statistics
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple, TypeAlias

from bench.load import TIMEOUT_S, Client, LoadError, Numbers, Target, message

LEAD_S = 0.05  # the sender gets its orders before the first message is due

Pipe: TypeAlias = "Connection[str, Order | None]"


class Flow(NamedTuple):
    """How it went: messages received in a second, and seconds from when a message was due."""

    per_s: float
    latencies_s: Sequence[float]

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.latencies_s, n=100, method="inclusive")[percent - 1]


class Order(NamedTuple):
    """What a sender is to do: so many `messages`, to each pair in turn, from `start` on the
    monotonic clock. `rate` a second, whatever has arrived; or, where that is 0, as fast as it
    goes with `window` under way at most.
    """

    first: int
    messages: int
    start: float
    rate: float
    window: int

    def due(self, position: int) -> float:
        return self.start + (position / self.rate if self.rate else 0.0)


class Pairs:
    """`senders[n]` writes to `receivers[n]`. Received in this process, sent by another."""

    def __init__(self, target: Target, senders: Sequence[str], receivers: Sequence[str]) -> None:
        self._clients = [Client.log_in(target, user) for user in receivers]
        self._selector = selectors.DefaultSelector()
        self._received = 0
        self._idle = False  # whether the worker waits for orders
        for place, client in enumerate(self._clients):
            client.be_available()
            self._selector.register(client, selectors.EVENT_READ, (place, client, Numbers()))
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        jids = [client.jid for client in self._clients]
        arguments = (target, list(senders), jids, theirs)
        self._worker = context.Process(target=_send, args=arguments, daemon=True)
        self._worker.start()
        theirs.close()
        self._told()

    def at_rate(self, count: int, rate: float) -> Flow:
        """An open loop: a slow server gets no fewer messages."""
        return self._run(count, rate, 0)

    def at_most(self, count: int, window: int) -> Flow:
        """As fast as it goes, with `window` messages under way."""
        return self._run(count, 0.0, window)

    def _run(self, count: int, rate: float, window: int) -> Flow:
        """`count` is a multiple of the pairs. Raises LoadError if one is lost or doubled."""
        order = Order(self._received, count, time.monotonic() + LEAD_S, rate, window)
        self._idle = False
        self._pipe.send(order)
        latencies: list[float] = []
        while len(latencies) < count:
            latencies += self._take(order)
            if window:
                self._pipe.send_bytes(len(latencies).to_bytes(8, "big"))
        took_s = time.monotonic() - order.start
        self._received += count
        self._told()
        return Flow(count / took_s, latencies)

    def _take(self, order: Order) -> list[float]:
        ready = self._selector.select(TIMEOUT_S)
        if not ready:
            raise LoadError("a message is lost")
        found = []
        for key, _ in ready:
            place, client, numbers = key.data
            before = numbers.received - order.first // len(self._clients)
            arrived = numbers.take(client.receive_all())
            now = time.monotonic()
            positions = (n * len(self._clients) + place for n in range(before, before + arrived))
            found += [now - order.due(position) for position in positions]
        return found

    def _told(self) -> None:
        """The sender is ready. Raises LoadError if it is not."""
        if not self._pipe.poll(TIMEOUT_S):
            raise LoadError("the sending process is silent")
        try:
            problem = self._pipe.recv()
        except EOFError:
            problem = "the sending process died"
        if problem:
            raise LoadError(problem)
        self._idle = True

    def close(self) -> None:
        """A worker that is in the middle of something does not listen."""
        if self._idle:
            self._pipe.send(None)
        else:
            self._worker.kill()
        self._worker.join()
        self._pipe.close()
        self._selector.close()
        for client in self._clients:
            client.close()


def _send(
    target: Target,
    users: Sequence[str],
    receivers: Sequence[str],
    pipe: "Connection[str, Order | None]",
) -> None:
    """In the worker: log in, and follow orders until there is None."""
    try:
        clients = [Client.log_in(target, user) for user in users]
        texts = [message(receiver) for receiver in receivers]
        pipe.send("")
        while (order := pipe.recv()) is not None:
            _follow(order, clients, texts, pipe)
            pipe.send("")
        for client in clients:
            client.close()
    except (LoadError, OSError, EOFError) as error:
        pipe.send(str(error) or "the sender was left alone")
        os._exit(1)


def _follow(
    order: Order,
    clients: Sequence[Client],
    texts: Sequence[bytes],
    pipe: "Connection[str, Order | None]",
) -> None:
    arrived = 0
    for position in range(order.messages):
        wait_s = order.due(position) - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        while order.window and position - arrived >= order.window:
            arrived = int.from_bytes(pipe.recv_bytes(), "big")
        number, place = divmod(order.first + position, len(clients))
        clients[place].send(texts[place] % Numbers.token(number))
    while order.window and arrived < order.messages:
        arrived = int.from_bytes(pipe.recv_bytes(), "big")
