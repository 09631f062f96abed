"""Sessions that do nothing but be there."""

import multiprocessing
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Self

from bench.load import Client, LoadError, Target


class Crowd:
    """Idle sessions, one of each user, held open by processes of their own."""

    def __init__(self, target: Target, users: Sequence[str], workers: int = 2) -> None:
        context = multiprocessing.get_context("spawn")
        self._workers = []
        for number in range(workers):
            ours, theirs = context.Pipe()
            arguments = (target, users[number::workers], theirs)
            worker = context.Process(target=_hold, args=arguments, daemon=True)
            worker.start()
            theirs.close()
            self._workers.append((worker, ours))

    def wait(self) -> None:
        """Until all are there. Raises LoadError if one is refused."""
        for _, pipe in self._workers:
            try:
                problem = pipe.recv()
            except EOFError:
                problem = "a worker died"
            if problem:
                raise LoadError(problem)

    def finish(self) -> None:
        """All end. Raises LoadError if a session has ended before, by itself."""
        problems = []
        for worker, pipe in self._workers:
            try:
                pipe.send("close")
                problems.append(pipe.recv())
            except (EOFError, OSError):
                problems.append("a worker died")
            worker.join()
        if any(problems):
            raise LoadError("; ".join(filter(None, problems)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """However it went: workers that were not told to end are ended."""
        for worker, pipe in self._workers:
            pipe.close()
            worker.kill()
            worker.join()


def _hold(target: Target, users: Iterable[str], pipe: "Connection[str, str]") -> None:
    """In a worker: log in, say so, wait for the word, and see that all are still there."""
    clients = []
    try:
        for user in users:
            client = Client.log_in(target, user)
            client.be_available()
            clients.append(client)
    except (LoadError, OSError) as error:
        pipe.send(f"{user}: {error}")
        return
    pipe.send("")
    pipe.recv()
    lost = sum(not _alive(client) for client in clients)
    pipe.send(f"{lost} idle sessions of {target.address} were closed" if lost else "")


def _alive(client: Client) -> bool:
    try:
        client.be_available()
        client.close()
    except (LoadError, OSError):
        return False
    return True
