"""Occupants of a large room, held and heard by processes of their own: one process that had to
read what thousands get would be what is measured.
"""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple, Self, TypeAlias

from bench.hall import ENTER, Hall
from bench.load import TIMEOUT_S, Client, LoadError, Target

WORKERS = 2
AT_ONCE = 50  # of a process enter together, as after a failure of the network,
TOLD_AT_ONCE = 20_000  # unless the server had to keep more than so many presences for that
PATIENCE_S = 10 * TIMEOUT_S  # thousands hear of each other


class Come(NamedTuple):
    """These users log in."""

    users: Sequence[str]


class Enter(NamedTuple):
    """All who are not in the room yet enter."""


class Hear(NamedTuple):
    """Everybody hears all that was said so far: so many."""

    said: int


Order: TypeAlias = Come | Enter | Hear
Ours: TypeAlias = "Connection[Order, str]"
Theirs: TypeAlias = "Connection[str, Order]"


class Seats:
    """All of the processes. Whoever sits there is listened to all the time, and so are those in
    `hall`, who are held by this process.
    """

    def __init__(self, target: Target, hall: Hall, workers: int = WORKERS) -> None:
        context = multiprocessing.get_context("spawn")
        self._hall = hall
        self._workers = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_sit, args=(target, theirs), daemon=True)
            worker.start()
            theirs.close()
            hall.watch(ours)
            self._workers.append((worker, ours))

    def come(self, users: Sequence[str]) -> None:
        """Log in, and no more."""
        for place, (_, pipe) in enumerate(self._workers):
            pipe.send(Come(users[place :: len(self._workers)]))
        self.done()

    def enter(self) -> None:
        self._order(Enter())
        self.done()

    def hear(self, said: int) -> None:
        """To be called before the last of that many is said, and `done` after it."""
        self._order(Hear(said))

    def _order(self, order: Order) -> None:
        for _, pipe in self._workers:
            pipe.send(order)

    def done(self) -> None:
        """Until all have done what they were told. Raises LoadError."""
        busy = [pipe for _, pipe in self._workers]
        while busy:
            self._hall.listen(PATIENCE_S)
            for pipe in [pipe for pipe in busy if pipe.poll()]:
                self._told(pipe)
                busy.remove(pipe)

    def _told(self, pipe: Ours) -> None:
        try:
            problem = pipe.recv()
        except EOFError:
            problem = "a process with occupants died"
        if problem:
            raise LoadError(problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker, pipe in self._workers:
            pipe.close()
            worker.kill()
            worker.join()


class Row:
    """The occupants of one process."""

    def __init__(self, target: Target) -> None:
        self.hall = Hall()
        self._target = target
        self._outside: list[tuple[str, Client]] = []

    def follow(self, order: Order) -> None:
        if isinstance(order, Come):
            self._outside += [(user, Client.log_in(self._target, user)) for user in order.users]
        elif isinstance(order, Enter):
            self._enter()
        else:
            self.hall.sent = order.said
            self.hall.heard_by_all()

    def _enter(self) -> None:
        while self._outside:
            most = at_once(len(self.hall.clients))
            some, self._outside = self._outside[:most], self._outside[most:]
            for _, client in some:
                self.hall.admit(client)
            self.hall.ask_all([(client, ENTER % (user, "")) for user, client in some], b"<subject")


def at_once(there: int) -> int:
    """How many enter together where so many are there already."""
    return max(1, min(AT_ONCE, TOLD_AT_ONCE // max(2 * there, 1)))


def _sit(target: Target, pipe: Theirs) -> None:
    """In a worker: listen, and follow orders."""
    row = Row(target)
    row.hall.watch(pipe)
    try:
        while True:
            while not pipe.poll():
                row.hall.listen(None)
            row.follow(pipe.recv())
            pipe.send("")
    except (LoadError, OSError) as error:
        pipe.send(f"an occupant: {error}")
    except EOFError:
        pass  # nobody gives orders any more
