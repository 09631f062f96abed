"""slixmpp here and aioxmpp there."""

import asyncio
from typing import Any

from tests.clients.account import Account
from tests.clients.aio import AioxmppProcess
from tests.clients.slix import online


async def test_two_kinds_of_clients_become_friends_and_chat(
    romeo: Account, juliet: Account, aioxmpp_python: str
) -> None:
    with AioxmppProcess(aioxmpp_python) as there:

        async def is_told(fact: str) -> Any:
            told, value = await asyncio.to_thread(there.fact)
            assert told == fact, value
            return value

        there.begin("echo", romeo, juliet)
        other = await is_told("ready")
        async with online(romeo) as here:
            here.send_presence(pto=juliet.jid, ptype="subscribe")
            await here.sees("presence_subscribed", from_=juliet.jid)
            await here.sees("presence_available", from_=other)
            await here.sees("presence_subscribe", from_=juliet.jid)
            here.send_presence(pto=juliet.jid, ptype="subscribed")
            assert await is_told("sees") == here.boundjid.full
            for body in ("Romeo", "ěščř ♥ 🌹", "<&>", "0123456789" * 6000):
                here.send_message(mto=other, mbody=body, mtype="chat")
                answer = await here.sees("message", from_=other)
                assert answer["body"] == body[::-1]
            assert (await here.roster_is())[juliet.jid][1] == "both"
            here.send_message(mto=other, mbody="Farewell", mtype="chat")
            here.send_presence(ptype="unavailable", pstatus="parting is such sweet sorrow")
            gone = await is_told("saw leave")
            assert gone == [here.boundjid.full, "parting is such sweet sorrow"]
