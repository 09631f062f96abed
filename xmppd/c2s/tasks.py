"""What a client has to do between its proof and its success (XEP-0388 §2.6.3)."""

from collections.abc import Sequence

from xmppd.sessions import Login, Task
from xmppd.stream.events import TaskBegun, TaskData
from xmppd.stream.sasl import SASLFailure
from xmppd.xml import Element


class Tasks:
    """Those of one login, in the order in which modules require them."""

    __slots__ = ("_choice", "_task", "login")

    def __init__(self, login: Login) -> None:
        self.login = login
        self._choice: tuple[Task, ...] = ()  # one of them is to be begun
        self._task: Task | None = None  # under way

    def next(self) -> tuple[str, ...]:
        """The names of those of which the client has to begin one now; empty when all is done."""
        self._task = None
        self._choice = self.login.tasks.pop(0) if self.login.tasks else ()
        return tuple(task.name for task in self._choice)

    async def take(self, said: TaskBegun | TaskData) -> Sequence[Element] | None:
        """What the client is told within the task; None: it is done. Raises SASLFailure."""
        if isinstance(said, TaskBegun):
            self._task = next((task for task in self._choice if task.name == said.name), None)
        if self._task is None:
            raise SASLFailure("invalid-mechanism", "no such task was asked for")
        if isinstance(said, TaskBegun):
            return await self._task.begin(said.given)
        return await self._task.go_on(said.given)
