"""What slixmpp does with several devices: archive, carbons, blocking, client state."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from slixmpp.exceptions import IqError

from tests.clients.account import Account
from tests.clients.slix import Client, logged_in
from tests.support.server import PASSWORD, ServerProcess

PLUGINS = ("xep_0059", "xep_0191", "xep_0280", "xep_0297", "xep_0313", "xep_0359")


@pytest.fixture(scope="module")
def archiving() -> Iterator[ServerProcess]:
    with ServerProcess(enable=["archive"]) as server:
        yield server


@pytest.fixture
def people(archiving: ServerProcess) -> Iterator[tuple[Account, Account]]:
    """Romeo and juliet, made for this test."""
    accounts = [f"{name}@example.org" for name in ("romeo", "juliet")]
    for each in accounts:
        archiving.create(each)
    yield (
        Account.at(archiving, accounts[0], PASSWORD),
        Account.at(archiving, accounts[1], PASSWORD),
    )
    for each in accounts:
        archiving.delete(each)


@asynccontextmanager
async def device(account: Account, resource: str) -> AsyncIterator[Client]:
    """Available, with the extensions of these tests."""
    async with logged_in(account, resource) as client:
        for plugin in PLUGINS:
            client.register_plugin(plugin)
        client.send_presence()
        await client.pings("example.org")
        yield client


async def archive(client: Client, **asked: Any) -> list[str]:
    """The bodies that a query gives, page by page."""
    pages = client.plugin["xep_0313"].iterate(**asked)
    return [str(each["mam_result"]["forwarded"]["stanza"]["body"]) async for each in pages]


async def test_the_archive_is_read_page_by_page(people: tuple[Account, Account]) -> None:
    romeo, juliet = people
    async with device(romeo, "orchard") as sender, device(juliet, "balcony") as reader:
        for number in range(25):
            sender.send_message(juliet.jid, str(number), mtype="chat")
        await sender.pings(reader.boundjid.full)
        wanted = [str(number) for number in range(25)]
        assert await archive(reader, rsm={"max": 10}) == wanted
        assert await archive(sender, with_jid=juliet.jid, rsm={"max": 7}) == wanted
        assert await archive(reader, with_jid="nurse@example.org") == []


async def test_the_id_of_a_message_is_that_of_the_archive(people: tuple[Account, Account]) -> None:
    romeo, juliet = people
    async with device(romeo, "orchard") as sender, device(juliet, "balcony") as reader:
        sender.send_message(juliet.jid, "But soft", mtype="chat")
        heard = await reader.sees("message", body="But soft")
        answer = await reader.asks(reader.plugin["xep_0313"].retrieve())
        results = [each["mam_result"]["id"] for each in answer["mam"]["results"]]
        assert results == [heard["stanza_id"]["id"]]
        assert heard["stanza_id"]["by"] == juliet.jid


async def test_carbons_bring_both_sides_to_another_device(
    people: tuple[Account, Account],
) -> None:
    romeo, juliet = people
    async with (
        device(romeo, "orchard") as sender,
        device(romeo, "home") as copied,
        device(juliet, "balcony") as reader,
    ):
        await copied.asks(copied.plugin["xep_0280"].enable())
        sender.send_message(juliet.jid, "But soft", mtype="chat")
        heard = await reader.sees("message", body="But soft")
        sent = (await copied.sees("carbon_sent"))["carbon_sent"]
        assert (sent["body"], sent["to"]) == ("But soft", juliet.jid)
        reader.send_message(heard["from"], "Ay me", mtype="chat")
        received = (await copied.sees("carbon_received"))["carbon_received"]
        assert (received["body"], received["from"]) == ("Ay me", reader.boundjid)


async def test_a_blocked_contact_is_not_heard_until_unblocked(
    people: tuple[Account, Account],
) -> None:
    romeo, juliet = people
    async with device(romeo, "orchard") as sender, device(juliet, "balcony") as reader:
        blocking = reader.plugin["xep_0191"]
        await reader.asks(blocking.get_blocked())
        await reader.asks(blocking.block(romeo.jid))
        assert {str(each) for each in await reader.asks(blocking.get_blocked_jids())} == {
            romeo.jid
        }
        with pytest.raises(IqError, match="service-unavailable"):
            await sender.pings(reader.boundjid.full)
        with pytest.raises(IqError, match="not-acceptable"):
            await reader.pings(sender.boundjid.full)
        await reader.asks(blocking.unblock(romeo.jid))
        await sender.pings(reader.boundjid.full)


async def test_an_inactive_client_gets_messages_and_no_presence(
    people: tuple[Account, Account],
) -> None:
    romeo, juliet = people
    async with device(romeo, "orchard") as sender, device(juliet, "phone") as phone:
        phone.plugin["xep_0352"].send_inactive()
        await phone.pings("example.org")
        sender.send_presence(pto=phone.boundjid.full, pshow="away")
        await sender.pings("example.org")
        await phone.pings("example.org")
        assert not phone.heard_of("presence_away", from_=sender.boundjid)
        sender.send_message(phone.boundjid.full, "But soft", mtype="chat")
        await phone.sees("message", body="But soft")
        await phone.sees("presence_away", from_=sender.boundjid)
