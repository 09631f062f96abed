"""A room with clients in it, who all hear what is said."""

import selectors
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

from bench.load import TIMEOUT_S, Client, LoadError, Numbers
from bench.servers import DOMAIN

SERVICE: Final = f"conference.{DOMAIN}"
ROOM: Final = f"hall@{SERVICE}"
MUC: Final = "http://jabber.org/protocol/muc"
# Without history: what was counted once would come again.
ENTER: Final = (
    f"<presence to='{ROOM}/%s'><status>%s</status>"
    f"<x xmlns='{MUC}'><history maxstanzas='0'/></x></presence>"
)
LEAVE: Final = f"<presence type='unavailable' to='{ROOM}/%s'/>"
SAY: Final = f"<message type='groupchat' to='{ROOM}'><body>Hear%s, hear</body></message>"
UNLOCK: Final = (
    f"<iq type='set' id='unlock' to='{ROOM}'><query xmlns='{MUC}#owner'>"
    "<x xmlns='jabber:x:data' type='submit'>%s</x></query></iq>"
)
FORM_TYPE: Final = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
QUIET: Final = f"{FORM_TYPE}<field var='x-muc#roomconfig_quiet'><value>1</value></field>"


class Hall:
    """Clients in one room, and what they hear: numbers, each once and in order."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._heard: dict[Client, Numbers] = {}
        self._waiting: dict[Client, tuple[bytes, bytes]] = {}  # for what, and what came so far
        self.sent = 0

    def admit(self, client: Client) -> None:
        """It is listened to from now on; what was said before it has not missed."""
        numbers = Numbers()
        numbers.received = self.sent
        self._heard[client] = numbers
        self._selector.register(client, selectors.EVENT_READ, client)

    def watch(self, other: "Connection[Any, Any]") -> None:
        """`listen` ends when something comes there, too."""
        self._selector.register(other, selectors.EVENT_READ, None)

    def dismiss(self, client: Client) -> None:
        self._selector.unregister(client)
        del self._heard[client]

    @property
    def clients(self) -> Sequence[Client]:
        return list(self._heard)

    def number(self) -> str:
        """The next one, for something that all shall hear."""
        token = Numbers.token(self.sent).decode()
        self.sent += 1
        return token

    def heard_by_all(self) -> None:
        """Until nobody has less than all. Raises LoadError."""
        missing = sum(self.sent - each.received for each in self._heard.values())
        while missing > 0:
            missing -= self.listen(TIMEOUT_S)

    def ask(self, client: Client, data: str, answer: bytes) -> None:
        """Send it, and listen to all until the client has got the answer."""
        self.ask_all([(client, data)], answer)

    def ask_all(self, questions: Iterable[tuple[Client, str]], answer: bytes) -> None:
        """All at once, and until all have got the answer."""
        for client, data in questions:
            self._waiting[client] = answer, b""
            client.send(data.encode())
        while self._waiting:
            self.listen(TIMEOUT_S)

    def listen(self, timeout_s: float | None) -> int:
        """Wait for what comes, however long where that is None: how many were numbered."""
        ready = self._selector.select(timeout_s)
        if not ready:
            raise LoadError("something that was said in the room did not come to all")
        came = 0
        for key, _ in ready:
            client: Client | None = key.data
            if client is not None:
                data = client.receive_all()
                came += self._heard[client].take(data)
                self._look(client, data)
        return came

    def _look(self, client: Client, data: bytes) -> None:
        if client in self._waiting:
            answer, before = self._waiting[client]
            if answer in before + data:
                del self._waiting[client]
            else:
                self._waiting[client] = answer, (before + data)[-len(answer) :]

    def close(self) -> None:
        self._selector.close()
        for client in self._heard:
            client.close()
