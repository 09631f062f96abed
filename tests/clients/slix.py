"""slixmpp as the tests use it: clients that remember what happens until a test asks for it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from slixmpp import ClientXMPP

from tests.clients.account import Account

PATIENCE_S = 20.0  # for a machine that is busy; nothing waits so long when all is well
PLUGINS = (
    *("xep_0012", "xep_0030", "xep_0049", "xep_0054", "xep_0077", "xep_0092"),
    *("xep_0115", "xep_0199", "xep_0202", "xep_0203", "xep_0352"),
)


def trusting(account: Account, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """TLS that accepts nothing but the server's certificate, for its right name."""
    context = ssl.create_default_context(cafile=account.certificate)
    if newest is not None:
        context.maximum_version = newest
    return context


class Client(ClientXMPP):  # type: ignore[misc]  # slixmpp's types are not complete
    """Answers no subscription request by itself, so that tests see each step."""

    def __init__(
        self,
        account: Account,
        resource: str = "orchard",
        *,
        mechanism: str | None = None,
        direct_tls: bool = False,
        newest_tls: ssl.TLSVersion | None = None,
        lang: str = "en",
    ) -> None:
        self._happened: list[tuple[str, Any]] = []
        self._news = asyncio.Event()
        self._account = account
        super().__init__(
            f"{account.jid}/{resource}" if resource else account.jid,
            account.password,
            sasl_mech=mechanism,
            lang=lang,
            ssl_context=trusting(account, newest_tls),
        )
        self.enable_direct_tls, self.enable_starttls = direct_tls, not direct_tls
        self.auto_authorize, self.auto_subscribe = None, False
        for plugin in PLUGINS:
            self.register_plugin(plugin)

    @property
    def bare(self) -> str:
        return str(self.boundjid.bare)

    def start(self) -> None:
        """Begin to connect, to the port that fits the kind of TLS."""
        account = self._account
        self.connect(account.host, account.tls_port if self.enable_direct_tls else account.port)

    def event(self, name: str, data: Any = {}) -> None:  # noqa: B006  # slixmpp's own signature
        self._happened.append((name, data))
        self._news.set()
        super().event(name, data)

    async def sees(self, name: str, **expected: object) -> Any:
        """slixmpp's event `name` whose stanza has these values: each event is seen once.

        `from_` stands for "from". AssertionError with all that happened, if it never comes.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (found := self._take(name, expected)) is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            told = "\n".join(f"  {event}: {data}" for event, data in self._happened)
            raise AssertionError(f"never saw {name} {expected}, but\n{told}") from None
        return found[0]

    def saw(self, name: str) -> bool:
        """Whether this event has happened and was not taken yet."""
        return any(event == name for event, _ in self._happened)

    def heard_of(self, name: str, **expected: object) -> bool:
        """Whether such an event has happened and was not taken yet; if so, it is now."""
        return self._take(name, expected) is not None

    def _take(self, name: str, expected: dict[str, object]) -> tuple[Any] | None:
        for place, (event, data) in enumerate(self._happened):
            if event == name and all(
                data[key.rstrip("_")] == value for key, value in expected.items()
            ):
                del self._happened[place]
                return (data,)
        return None

    async def asks(self, answer: Any) -> Any:
        """The answer to an IQ; slixmpp's IqError if it is an error."""
        return await asyncio.wait_for(answer, PATIENCE_S)

    async def pings(self, address: object) -> str:
        """XEP-0199: who answered. To the server: all that was sent before has been handled."""
        return str((await self.asks(self.plugin["xep_0199"].send_ping(address)))["from"])

    async def roster_is(self) -> dict[str, tuple[str, str, list[str]]]:
        """The roster as the server has it: name, subscription, groups by bare JID."""
        iq = self.make_iq_get()
        iq.enable("roster")
        items = (await self.asks(iq.send()))["roster"]["items"]
        return {
            str(jid): (item["name"], item["subscription"], sorted(item["groups"]))
            for jid, item in items.items()
        }


@asynccontextmanager
async def logged_in(
    account: Account, resource: str = "orchard", **options: Any
) -> AsyncIterator[Client]:
    """A client with a bound resource that sent no presence; logged out at the end."""
    client = Client(account, resource, **options)
    client.start()
    try:
        await client.sees("session_start")
        yield client
    finally:
        await client.disconnect()


@asynccontextmanager
async def online(
    account: Account, resource: str = "orchard", **options: Any
) -> AsyncIterator[Client]:
    """A client that is available, and knows it: its own presence has come back."""
    async with logged_in(account, resource, **options) as client:
        await client.asks(client.get_roster())
        client.send_presence()
        await client.sees("presence_available", from_=client.boundjid)
        yield client


async def befriend(one: Client, other: Client) -> None:
    """Both come to see each other's presence."""
    for asker, asked in ((one, other), (other, one)):
        asker.send_presence(pto=asked.bare, ptype="subscribe")
        await asked.sees("presence_subscribe", from_=asker.bare)
        asked.send_presence(pto=asker.bare, ptype="subscribed")
        await asker.sees("presence_subscribed", from_=asked.bare)
        await asker.sees("presence_available", from_=asked.boundjid)
