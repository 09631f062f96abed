"""The second stage of conversations: a real process, spoken to over TLS."""

from tests.schemas.validate import validate
from tests.support.client import TLSClient
from tests.support.server import ServerProcess
from xmppd.jid import JID, jid
from xmppd.testing import PASSWORD, Stage


class ProcessStage(Stage[TLSClient]):
    """Plays conversations against a running server. `close` removes the accounts it made."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._clients: list[TLSClient] = []
        self._passwords: dict[JID, str] = {}

    def account(self, address: str, password: str = PASSWORD) -> JID:
        user = jid(address).bare
        if user not in self._passwords:
            self.server.create(user, password)
            self._passwords[user] = password
        return user

    def bind(self, address: str) -> TLSClient:
        client = self.connect(address)
        client.connects()
        return client

    def connect(self, address: str) -> TLSClient:
        """A client of that full JID, whose account is made, and that has said nothing yet."""
        self.account(address)
        return self.stranger(address)

    def stranger(self, address: str) -> TLSClient:
        """As `connect`, but no account is made for it."""
        full = jid(address)

        def barrier() -> None:
            for other in self._clients:
                if other is not client:
                    other.waits_for_server()

        password = self._passwords.get(full.bare, PASSWORD)
        client = TLSClient(
            self.server.address, full, password=password, check=validate, barrier=barrier
        )
        self._clients.append(client)
        return client

    def close(self) -> None:
        """End what is left of clients, and remove the accounts that are left."""
        try:
            for client in self._clients:
                client.leaves()
        finally:
            for client in self._clients:
                client.socket.close()
            for user in self._passwords.keys() & set(map(jid, self.server.accounts())):
                self.server.delete(user)
