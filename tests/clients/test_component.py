"""slixmpp's ComponentXMPP as an external component, and a user who talks to it (XEP-0114)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from slixmpp import ComponentXMPP

from tests.clients.account import Account
from tests.clients.slix import PATIENCE_S, online
from tests.support.server import PASSWORD, ServerProcess, free_ports

GATEWAY = "gateway.example.org"


class Yard(ServerProcess):
    """A server with a privileged component."""

    def __init__(self) -> None:
        (self.component_port,) = free_ports(1)
        more = f"""
[components]
listen = ["tcp:{self.component_port}:interface=127.0.0.1"]
[components."{GATEWAY}"]
secret = "sesame"
name = "Gateway"
[[modules.privilege.grant]]
entity = "{GATEWAY}"
roster = "both"
message = "outgoing"
"""
        super().__init__(enable=["privilege"], more=more)


class Gateway(ComponentXMPP):  # type: ignore[misc]  # slixmpp's types are not complete
    """Echoes messages, and says yes to who subscribes."""

    def __init__(self, port: int, secret: str = "sesame") -> None:
        super().__init__(GATEWAY, secret, "127.0.0.1", port)
        self.news: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for plugin in ("xep_0030", "xep_0199", "xep_0356"):
            self.register_plugin(plugin)
        self.plugin["xep_0030"].add_identity("gateway", "sms", name="Gateway")
        for name in ("session_start", "message", "presence_available", "privileges_advertised"):
            self.add_event_handler(
                name, lambda data, name=name: self.news.put_nowait((name, data))
            )
        self.add_event_handler("message", self.echo)
        self.add_event_handler("presence_subscribe", self.agree)

    def echo(self, message: Any) -> None:
        if message["type"] in ("chat", "normal") and message["body"]:
            message.reply(f"you said {message['body']}").send()

    def agree(self, request: Any) -> None:
        self.send_presence(pto=request["from"], pfrom=request["to"], ptype="subscribed")

    async def sees(self, wanted: str) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                name, data = await self.news.get()
                if name == wanted:
                    return data


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    with Yard() as server:
        server.create("romeo@example.org")
        yield server


@asynccontextmanager
async def gateway(yard: Yard) -> AsyncIterator[Gateway]:
    made = Gateway(yard.component_port)
    made.connect()
    await made.sees("session_start")
    try:
        yield made
    finally:
        await made.disconnect()


def romeo(yard: Yard) -> Account:
    return Account.at(yard, "romeo@example.org", PASSWORD)


async def test_a_user_finds_the_component_and_talks_to_it(yard: Yard) -> None:
    async with gateway(yard), online(romeo(yard)) as user:
        items = await user.asks(user.plugin["xep_0030"].get_items("example.org"))
        assert (GATEWAY, None, "Gateway") in items["disco_items"]["items"]
        info = await user.asks(user.plugin["xep_0030"].get_info(GATEWAY))
        kinds = {(category, kind) for category, kind, _, _ in info["disco_info"]["identities"]}
        assert ("gateway", "sms") in kinds
        user.send_message(f"anybody@{GATEWAY}", "hello", mtype="chat")
        echo = await user.sees("message", from_=f"anybody@{GATEWAY}")
        assert echo["body"] == "you said hello"
        await user.pings(GATEWAY)


async def test_presence_goes_both_ways(yard: Yard) -> None:
    async with gateway(yard) as made, online(romeo(yard)) as user:
        user.send_presence(pto=f"bot@{GATEWAY}", ptype="subscribe")
        await user.sees("presence_subscribed", from_=f"bot@{GATEWAY}")
        made.send_presence(pto=user.bare, pfrom=f"bot@{GATEWAY}/x")
        seen = await user.sees("presence_available", from_=f"bot@{GATEWAY}/x")
        assert seen["to"].bare == user.bare
        assert (await user.roster_is())[f"bot@{GATEWAY}"][1] in ("to", "both")


async def test_privileges_are_used(yard: Yard) -> None:
    async with gateway(yard) as made, online(romeo(yard)) as user:
        await made.sees("privileges_advertised")
        privilege = made.plugin["xep_0356"]
        await privilege.set_roster(user.bare, {"nurse@example.org": {"name": "Nurse"}})
        assert (await user.roster_is())["nurse@example.org"][0] == "Nurse"
        answer = await privilege.get_roster(user.bare)
        assert "nurse@example.org" in answer["roster"]["items"]
        note = made.make_message(user.boundjid, "as the host", mfrom="example.org")
        privilege.send_privileged_message(note)
        assert (await user.sees("message", from_="example.org"))["body"] == "as the host"


async def test_a_component_that_connects_again_goes_on(yard: Yard) -> None:
    async with online(romeo(yard)) as user:
        for _ in range(2):
            async with gateway(yard):
                assert await user.pings(GATEWAY) == GATEWAY
