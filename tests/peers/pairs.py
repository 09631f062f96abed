"""Two sites, and users of theirs that no other test knows."""

import itertools

from tests.peers.client import Guest, by_id
from tests.peers.sites import Site
from xmppd.jid import JID, jid
from xmppd.testing import like, message

_numbers = itertools.count(1)
# Nobody is there; what this server says about each (RFC 6120 §8.3.3.16, §8.3.3.17).
UNREACHABLE = {
    "missing.example": "remote-server-not-found",  # no such name
    "noservice.example": "remote-server-not-found",  # SRV says: no service
    "alone.example": "remote-server-not-found",  # an address, no SRV, nobody at port 5269
    "down.example": "remote-server-timeout",  # a SRV record, and nobody there
}


class Pair:
    """`here` is where the tests' first word comes from."""

    def __init__(
        self, here: Site, there: Site, kind: str = "", kind_there: str | None = None
    ) -> None:
        self.here = here
        self.there = there
        self.domains = (here.of(kind), there.of(kind if kind_there is None else kind_there))
        self._clients: list[Guest] = []

    def here_address(self) -> JID:
        return jid(f"romeo{next(_numbers)}@{self.domains[0]}/orchard")

    def there_address(self) -> JID:
        return jid(f"juliet{next(_numbers)}@{self.domains[1]}/balcony")

    def login(self, site: Site, address: str) -> Guest:
        """A client with a session of this full JID."""
        client = site.client(address)
        self._clients.append(client)
        return client

    def here_online(self) -> Guest:
        return self._available(self.login(self.here, self.here_address()))

    def online(self) -> tuple[Guest, Guest]:
        """One on either side, available."""
        there = self._available(self.login(self.there, self.there_address()))
        return self.here_online(), there

    def _available(self, client: Guest) -> Guest:
        """It has asked for its roster, and so hears of subscriptions (RFC 6121 §2.2)."""
        client.sends("<iq type='get' id='first'><query xmlns='jabber:iq:roster'/></iq>")
        client.awaits(by_id("first"))
        client.sends("<presence/>")
        client.awaits(like(f"<presence from='{client.jid}'/>"))
        return client

    def friends(self) -> tuple[Guest, Guest]:
        """As `online`, subscribed to each other."""
        here, there = self.online()
        for asks, grants in ((here, there), (there, here)):
            asks.sends(f"<presence type='subscribe' to='{grants.jid.bare}'/>")
            grants.awaits(like(f"<presence type='subscribe' from='{asks.jid.bare}'/>"))
            grants.sends(f"<presence type='subscribed' to='{asks.jid.bare}'/>")
            asks.awaits(like(f"<presence from='{grants.jid}'/>"))
        return here, there

    def exchange(self) -> tuple[Guest, Guest]:
        """A message each way: so there is a stream each way, or one for both."""
        here, there = self.online()
        for sender, receiver in ((here, there), (there, here)):
            sender.sends(f"<message to='{receiver.jid}'><body>over</body></message>")
            receiver.awaits(message("over", from_=sender.jid))
        return here, there

    def until_arrived(self, client: Guest) -> None:
        """All that `client` sent to the other side has been taken there: an answer came back."""
        client.asks(self.domains[1], "<ping xmlns='urn:xmpp:ping'/>", f"p{next(_numbers)}")

    def repeats_until_heard(self, sender: Guest, receiver: Guest) -> None:
        """People try again; but soon it must do, however long the servers were apart."""
        for number in range(10):
            text = f"again {next(_numbers)}"
            sender.sends(f"<message to='{receiver.jid}' type='chat'><body>{text}</body></message>")
            try:
                receiver.awaits(message(text, from_=sender.jid), 3.0)
            except AssertionError:
                if number == 9:
                    raise
            else:
                return

    def close(self) -> None:
        for client in self._clients:
            client.socket.close()
