"""slixmpp in rooms that archive: catching up, taking back, moderating (XEP-0313, 0424, 0425)."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from tests.clients.account import Account
from tests.clients.slix import Client, online
from tests.support.server import PASSWORD, ServerProcess

ROOM = JID("ball@conference.example.org")
NewAccount = Callable[[str], Account]
SID = "{urn:xmpp:sid:0}stanza-id"
RETRACTED = "{urn:xmpp:message-retract:1}retracted"


@pytest.fixture(scope="module")
def new_account() -> Iterator[NewAccount]:
    """Of a server that archives."""
    numbers = itertools.count(1)
    with ServerProcess(enable=["archive"]) as server:

        def make(name: str) -> Account:
            account = Account.at(server, f"{name}{next(numbers)}@example.org", PASSWORD)
            server.create(account.jid, account.password)
            return account

        yield make


async def enters(client: Client, nick: str) -> None:
    for plugin in ("xep_0045", "xep_0313", "xep_0424", "xep_0425", "xep_0359"):
        client.register_plugin(plugin)
    await client.asks(client.plugin["xep_0045"].join_muc_wait(ROOM, nick, maxstanzas=0))


async def archived(client: Client) -> list[tuple[str, bool]]:
    """Of each message in the archive: what it says, and whether it is a tombstone."""
    found = []
    async for each in client.plugin["xep_0313"].iterate(jid=ROOM, ifrom=None):
        stanza = each["mam_result"]["forwarded"]["stanza"]
        found.append((stanza["body"], stanza.xml.find(RETRACTED) is not None))
    return found


async def test_a_room_is_caught_up_with_and_moderated(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as two:
        await enters(one, "Romeo")
        muc = one.plugin["xep_0045"]
        form = await one.asks(muc.get_room_config(ROOM))
        form["values"] = {**form["values"], "muc#roomconfig_persistentroom": True}
        await one.asks(muc.set_room_config(ROOM, form))
        await enters(two, "Juliet")
        ids = []
        for text in ("Ay me!", "Wherefore?"):
            two.send_message(mto=ROOM, mbody=text, mtype="groupchat")
            said = await one.sees("groupchat_message", body=text)
            ids += [each.get("id") for each in said.xml.findall(SID) if each.get("by") == ROOM]
        assert await archived(two) == [("Ay me!", False), ("Wherefore?", False)]
        await one.asks(one.plugin["xep_0425"].moderate(ROOM, ids[0], "not here"))
        with pytest.raises(IqError) as refused:
            await two.asks(two.plugin["xep_0425"].moderate(ROOM, ids[1], ""))
        assert refused.value.condition == "forbidden"
        assert (await archived(two))[:2] == [("", True), ("Wherefore?", False)]
        two.plugin["xep_0424"].send_retraction(ROOM, ids[1], mtype="groupchat")
        await two.pings("example.org")
        assert (await archived(two))[1] == ("", True)
