"""Rooms with slixmpp's own plugin for them (XEP-0045)."""

import pytest
from slixmpp.exceptions import IqError, PresenceError

from tests.clients.account import Account
from tests.clients.slix import Client, online

ROOM = "capulets@conference.example.org"


async def enters(client: Client, nick: str) -> None:
    client.register_plugin("xep_0045")
    await client.asks(client.plugin["xep_0045"].join_muc_wait(ROOM, nick))


async def test_a_room_is_made_configured_and_talked_in(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as two:
        await enters(one, "Romeo")
        muc = one.plugin["xep_0045"]
        form = await one.asks(muc.get_room_config(ROOM))
        form["values"] = {**form["values"], "muc#roomconfig_roomname": "Ball"}
        await one.asks(muc.set_room_config(ROOM, form))
        await enters(two, "Juliet")
        assert set(two.plugin["xep_0045"].get_roster(ROOM)) == {"Romeo", "Juliet"}
        two.send_message(mto=ROOM, mbody="Ay me!", mtype="groupchat")
        said = await one.sees("groupchat_message")
        assert (said["body"], said["mucnick"]) == ("Ay me!", "Juliet")
        await one.asks(muc.set_affiliation(ROOM, "member", jid=juliet.jid))
        assert juliet.jid in str(await one.asks(muc.get_affiliation_list(ROOM, "member")))
        with pytest.raises(IqError) as refused:
            await two.asks(two.plugin["xep_0045"].destroy(ROOM))
        assert refused.value.condition == "forbidden"
        await one.asks(muc.set_role(ROOM, "Juliet", "none"))
        await one.asks(muc.destroy(ROOM))


async def test_a_locked_room_is_not_entered(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as two:
        await enters(one, "Romeo")
        with pytest.raises(PresenceError) as refused:
            await enters(two, "Juliet")
        assert refused.value.condition == "item-not-found"
