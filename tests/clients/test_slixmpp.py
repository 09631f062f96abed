"""What users of slixmpp do all day."""

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from slixmpp.exceptions import IqError
from slixmpp.xmlstream import ElementBase

from tests.clients.account import Account
from tests.clients.slix import Client, befriend, logged_in, online
from tests.support.server import ServerProcess

SCRAM = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]

# Login


@pytest.mark.parametrize("direct_tls", [False, True], ids=["starttls", "direct-tls"])
@pytest.mark.parametrize("mechanism", [*SCRAM, "PLAIN"])
async def test_logs_in(romeo: Account, mechanism: str, direct_tls: bool) -> None:
    async with logged_in(romeo, mechanism=mechanism, direct_tls=direct_tls) as client:
        assert client.plugin["feature_mechanisms"].mech.name == mechanism
        assert client.boundjid.full == f"{romeo.jid}/orchard"


@pytest.mark.parametrize("direct_tls", [False, True], ids=["starttls", "direct-tls"])
async def test_logs_in_with_what_it_takes_for_best(romeo: Account, direct_tls: bool) -> None:
    async with logged_in(romeo, direct_tls=direct_tls) as client:
        assert client.plugin["feature_mechanisms"].mech.name.startswith("SCRAM-SHA-")


@pytest.mark.parametrize("direct_tls", [False, True], ids=["starttls", "direct-tls"])
async def test_logs_in_over_tls_1_2(romeo: Account, direct_tls: bool) -> None:
    options = {"newest_tls": ssl.TLSVersion.TLSv1_2, "direct_tls": direct_tls}
    async with logged_in(romeo, **options) as client:
        assert client.socket.version() == "TLSv1.2"


@pytest.mark.parametrize("mechanism", [f"{name}-PLUS" for name in SCRAM])
async def test_binds_the_login_to_the_tls_channel(romeo: Account, mechanism: str) -> None:
    # with Python's ssl slixmpp knows tls-unique alone, which TLS 1.3 has not
    options = {"newest_tls": ssl.TLSVersion.TLSv1_2, "mechanism": mechanism}
    async with logged_in(romeo, **options) as client:
        assert client.plugin["feature_mechanisms"].mech.name == mechanism


async def test_gets_a_resource_when_it_asks_for_none(romeo: Account) -> None:
    async with logged_in(romeo, resource="") as client:
        assert client.boundjid.resource


@pytest.mark.parametrize("mechanism", [*SCRAM, "PLAIN"])
async def test_a_wrong_password_is_told_as_such(romeo: Account, mechanism: str) -> None:
    client = Client(romeo.but(password="guessed"), mechanism=mechanism)
    client.start()
    failure = await client.sees("failed_auth")
    assert failure["condition"] == "not-authorized"
    await client.sees("failed_all_auth")
    await client.sees("disconnected")
    assert not client.saw("session_start")


async def test_an_unknown_user_is_told_the_same(romeo: Account) -> None:
    client = Client(romeo.but(jid="nobody@example.org"), mechanism="SCRAM-SHA-1")
    client.start()
    assert (await client.sees("failed_auth"))["condition"] == "not-authorized"
    await client.sees("disconnected")


async def test_falls_back_to_starttls_where_it_tried_direct_tls(romeo: Account) -> None:
    client = Client(romeo)
    client.enable_direct_tls = True  # slixmpp's default: it tries this first, on any port
    client.connect(romeo.host, romeo.port)
    await client.sees("session_start")
    assert await client.pings("example.org") == "example.org"
    await client.disconnect()


async def test_logs_out_in_order(romeo: Account) -> None:
    async with online(romeo) as client:
        pass
    assert client.saw("disconnected")
    assert client.disconnect_reason == "End of stream"


# Roster


async def test_manages_its_roster(romeo: Account) -> None:
    async with online(romeo) as client:
        nurse = "nurse@example.org"
        await client.asks(client.update_roster(nurse, name="Nurse", groups=["Servants"]))
        assert await client.roster_is() == {nurse: ("Nurse", "none", ["Servants"])}
        groups = ["Friends", "Öffentlich & <wichtig>"]
        await client.asks(client.update_roster(nurse, name="Angelica 🌹", groups=groups))
        assert await client.roster_is() == {nurse: ("Angelica 🌹", "none", groups)}
        await client.asks(client.del_roster_item(nurse))
        assert await client.roster_is() == {}


async def test_another_resource_is_told_of_roster_changes(romeo: Account) -> None:
    async with online(romeo, "orchard") as client, online(romeo, "balcony") as other:
        await client.asks(client.update_roster("nurse@example.org", name="Nurse", groups=[]))
        push = await other.sees("roster_update", type="set")
        assert push["roster"]["items"]["nurse@example.org"]["name"] == "Nurse"


async def test_finds_its_roster_unchanged_by_version(romeo: Account) -> None:
    async with online(romeo) as client:
        await client.asks(client.update_roster("nurse@example.org", name="Nurse", groups=[]))
        version = client.client_roster.version
        assert version
        iq = client.make_iq_get()
        iq["roster"]["ver"] = (await client.sees("roster_update", type="set"))["roster"]["ver"]
        answer = await client.asks(iq.send())
        assert answer.xml.find("{jabber:iq:roster}query") is None


# Presence


async def test_subscribes_both_ways(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        await befriend(one, other)
        assert (await one.roster_is())[juliet.jid][1] == "both"
        assert (await other.roster_is())[romeo.jid][1] == "both"


async def test_a_request_is_refused(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        one.send_presence(pto=juliet.jid, ptype="subscribe")
        await other.sees("presence_subscribe", from_=romeo.jid)
        other.send_presence(pto=romeo.jid, ptype="unsubscribed")
        await one.sees("presence_unsubscribed", from_=juliet.jid)
        assert (await one.roster_is())[juliet.jid][1] == "none"


async def test_a_request_waits_for_who_is_away(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one:
        one.send_presence(pto=juliet.jid, ptype="subscribe")
        await one.sees("roster_update", type="set")
    async with online(juliet) as other:
        asked = await other.sees("presence_subscribe", from_=romeo.jid)
        assert asked["to"].bare == juliet.jid


async def test_sees_the_other_go_away_come_back_and_leave(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one:
        async with online(juliet) as other:
            await befriend(one, other)
            other.send_presence(pshow="away", pstatus="on the balcony")
            seen = await one.sees("presence_away", from_=other.boundjid)
            assert seen["status"] == "on the balcony"
            other.send_presence(ppriority=7)
            seen = await one.sees("presence_available", from_=other.boundjid)
            assert seen["priority"] == 7
        await one.sees("presence_unavailable", from_=f"{juliet.jid}/orchard")


async def test_sees_who_is_there_already(romeo: Account, juliet: Account) -> None:
    async with online(juliet) as other:
        async with online(romeo) as one:
            await befriend(one, other)
        async with online(romeo) as one:
            seen = await one.sees("presence_available", from_=other.boundjid)
            assert seen["to"].bare == romeo.jid


async def test_a_lost_connection_looks_like_leaving(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        await befriend(one, other)
        other.transport.abort()
        seen = await one.sees("presence_unavailable", from_=f"{juliet.jid}/orchard")
        assert seen["type"] == "unavailable"


async def test_ends_a_friendship(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        await befriend(one, other)
        await one.asks(one.del_roster_item(juliet.jid))
        await other.sees("presence_unsubscribe", from_=romeo.jid)
        await other.sees("presence_unsubscribed", from_=romeo.jid)
        assert await one.roster_is() == {}
        assert (await other.roster_is())[romeo.jid][1] == "none"


# Messages

BODIES = {
    "plain": "Art thou not Romeo, and a Montague?",
    "unicode": "Čeština, 中文, עברית, 👩‍👩‍👧‍👦, e\u0301 \u00e9",
    "markup": "<b>&amp; ]]> \"quoted\" 'too'</b>",
    "lines": "one\ntwo\n\n\tthree",
    "large": "O Romeo, " * 6800,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_chats_both_ways(romeo: Account, juliet: Account, body: str) -> None:
    async with online(romeo) as one, online(juliet) as other:
        for sender, receiver in ((one, other), (other, one)):
            sender.send_message(mto=receiver.boundjid, mbody=body, mtype="chat")
            got = await receiver.sees("message", from_=sender.boundjid, type="chat")
            assert got["body"] == body


async def test_messages_keep_their_language_and_thread(romeo: Account, juliet: Account) -> None:
    async with online(romeo, lang="cs") as one, online(juliet) as other:
        message = one.make_message(mto=juliet.jid, msubject="Setkání", mtype="chat")
        message["body|cs"] = "Jsi to ty?"
        message["body|en"] = "Is it you?"
        message["thread"] = "e0ffe42b28561960c6b12b944a092794b9683a38"
        message.send()
        got = await other.sees("message")
        assert got["lang"] == "cs"
        assert dict(got["body|*"]) == {"cs": "Jsi to ty?", "en": "Is it you?"}
        assert (got["subject"], got["thread"]) == ("Setkání", message["thread"])


async def test_many_messages_come_in_order(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        for number in range(300):
            one.send_message(mto=juliet.jid, mbody=str(number), mtype="chat")
        got = [(await other.sees("message"))["body"] for _ in range(300)]
        assert got == [str(number) for number in range(300)]


async def test_messages_wait_for_who_is_away(romeo: Account, juliet: Account) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    async with online(romeo) as one:
        for body in ("first", "second"):
            one.send_message(mto=juliet.jid, mbody=body, mtype="chat")
        await one.pings("example.org")  # both have been handled
    async with online(juliet) as other:
        for body in ("first", "second"):
            got = await other.sees("message", from_=f"{romeo.jid}/orchard")
            assert got["body"] == body
            assert before < got["delay"]["stamp"] <= datetime.now(UTC)
            assert got["delay"]["from"] == "example.org"
        await other.pings("example.org")  # it has them
    async with online(juliet) as other:
        await other.pings("example.org")
        assert not other.saw("message")


async def test_messages_that_waited_do_not_come_again_after_logging_out(
    romeo: Account, juliet: Account
) -> None:
    async with online(romeo) as one:
        one.send_message(mto=juliet.jid, mbody="once", mtype="chat")
        await one.pings("example.org")
    async with online(juliet) as other:
        await other.sees("message", body="once")
        other.send_presence(ptype="unavailable")  # as RFC 6121 §4.5.1 asks of clients
    async with online(juliet) as other:
        await other.pings("example.org")
        assert not other.saw("message")


async def test_a_message_to_nobody_is_told(romeo: Account) -> None:
    async with online(romeo) as one:
        one.send_message(mto="nobody@example.org", mbody="Hello?", mtype="chat")
        error = await one.sees("message_error", from_="nobody@example.org")
        assert error["error"]["condition"] == "service-unavailable"


# What the server tells and keeps


async def test_discovers_the_server_and_its_account(romeo: Account) -> None:
    async with online(romeo) as client:
        disco = client.plugin["xep_0030"]
        info = (await client.asks(disco.get_info(jid="example.org")))["disco_info"]
        assert ("server", "im") in {identity[:2] for identity in info["identities"]}
        assert {"http://jabber.org/protocol/disco#info", "urn:xmpp:ping"} <= info["features"]
        assert {"vcard-temp", "jabber:iq:private"} <= info["features"]
        own = (await client.asks(disco.get_info(jid=romeo.jid)))["disco_info"]
        assert ("account", "registered") in {identity[:2] for identity in own["identities"]}
        items = await client.asks(disco.get_items(jid="example.org"))
        assert "pubsub.example.org" in {item[0] for item in items["disco_items"]["items"]}


async def test_a_friend_discovers_the_online_resource(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        await befriend(one, other)
        items = await one.asks(one.plugin["xep_0030"].get_items(jid=juliet.jid))
        assert {item[0] for item in items["disco_items"]["items"]} <= {other.boundjid.full}
        info = await one.asks(one.plugin["xep_0030"].get_info(jid=other.boundjid))
        assert "jabber:iq:version" in info["disco_info"]["features"]


async def test_publishes_a_vcard_that_others_read(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        card = one.plugin["xep_0054"].make_vcard()
        card["FN"], card["NICKNAME"] = "Romeo Montague ♥", "Romeo"
        await one.asks(one.plugin["xep_0054"].publish_vcard(card))
        got = await other.asks(other.plugin["xep_0054"].get_vcard(romeo.jid, cached=False))
        assert got["vcard_temp"]["FN"] == "Romeo Montague ♥"


async def test_pings_the_server_its_account_and_a_friend(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        for address in ("example.org", romeo.jid, str(other.boundjid)):
            assert await one.pings(address) == address


async def test_the_server_tells_version_time_and_uptime(romeo: Account) -> None:
    async with online(romeo) as client:
        version = await client.asks(client.plugin["xep_0092"].get_version("example.org"))
        assert version["software_version"]["name"] == "xmppd"
        told = await client.asks(client.plugin["xep_0202"].get_entity_time("example.org"))
        utc = told.xml.findtext("{urn:xmpp:time}time/{urn:xmpp:time}utc")  # it adds a second Z
        assert abs(datetime.fromisoformat(utc) - datetime.now(UTC)) < timedelta(hours=1)
        up = await client.asks(client.plugin["xep_0012"].get_last_activity("example.org"))
        assert up["last_activity"]["seconds"] >= 0


async def test_last_activity_is_for_friends(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one:
        last = one.plugin["xep_0012"]
        async with online(juliet) as other:
            with pytest.raises(IqError) as refused:
                await one.asks(last.get_last_activity(juliet.jid))
            assert refused.value.condition == "forbidden"
            await befriend(one, other)
            other.send_presence(ptype="unavailable", pstatus="good night")
            await one.sees("presence_unavailable", from_=other.boundjid)
        seen = None
        while seen is None:  # it is stored behind the stage
            with suppress(IqError):
                seen = (await one.asks(last.get_last_activity(juliet.jid)))["last_activity"]
        assert (seen["status"], seen["seconds"] < 60) == ("good night", True)


class Bookmark(ElementBase):
    """What a client stores for itself."""

    name = plugin_attrib = "bookmark"
    namespace = "urn:example:bookmark"
    interfaces: ClassVar[set[str]] = {"place"}


async def test_keeps_private_data(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        for client in (one, other):
            client.plugin["xep_0049"].register(Bookmark)
        bookmark = Bookmark()
        bookmark["place"] = "under the balcony <3"
        await one.asks(one.plugin["xep_0049"].store(bookmark))
        kept = await one.asks(one.plugin["xep_0049"].retrieve("bookmark"))
        assert kept["private"]["bookmark"]["place"] == "under the balcony <3"
        other_one = await other.asks(other.plugin["xep_0049"].retrieve("bookmark"))
        assert other_one["private"]["bookmark"]["place"] == ""


# Coming back


async def test_comes_back_after_its_connection_was_cut(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as one, online(juliet) as other:
        other.transport.abort()
        await other.sees("disconnected")
        other.start()
        await other.sees("session_start")
        other.send_presence()
        await other.sees("presence_available", from_=f"{juliet.jid}/orchard")
        one.send_message(mto=juliet.jid, mbody="Again!", mtype="chat")
        assert (await other.sees("message", body="Again!"))["from"] == one.boundjid


async def test_the_same_resource_replaces_the_older_session(romeo: Account) -> None:
    async with online(romeo, "orchard") as older, online(romeo, "orchard") as newer:
        assert (await older.sees("stream_error"))["condition"] == "conflict"
        await older.sees("disconnected")
        await newer.pings(romeo.jid)


async def test_a_restarted_server_takes_everyone_back(romeo: Account) -> None:
    with ServerProcess() as server:
        server.create(romeo.jid, romeo.password)
        account = Account.at(server, romeo.jid, romeo.password)
        async with online(account) as client:
            await asyncio.to_thread(server.stop)
            assert (await client.sees("stream_error"))["condition"] == "system-shutdown"
            await client.sees("disconnected")
            await asyncio.to_thread(server.start)
            client.start()
            await client.sees("session_start")


# Registration


async def test_registers_changes_the_password_and_removes_the_account(
    server: ServerProcess,
) -> None:
    account = Account.at(server, "benvolio@example.org", "first password")
    await register(account)
    async with online(account) as client:
        await client.asks(client.plugin["xep_0077"].change_password("second password"))
    refused = Client(account, mechanism="SCRAM-SHA-256")
    refused.start()
    await refused.sees("failed_auth")
    async with online(account.but(password="second password")) as client:
        await client.asks(client.plugin["xep_0077"].cancel_registration())
        await client.sees("disconnected")
    assert account.jid not in server.accounts()


async def test_a_taken_name_is_refused(romeo: Account) -> None:
    with pytest.raises(IqError) as refused:
        await register(romeo.but(password="some password"))
    assert refused.value.condition == "conflict"


async def register(account: Account) -> None:
    """Fill in the server's form as slixmpp's example does; IqError where it is refused."""
    client = Client(account)
    answers: asyncio.Queue[Any] = asyncio.Queue()

    async def fill_in(form: Any) -> None:
        assert form["register"]["fields"] == {"username", "password"}
        iq = client.make_iq_set()
        iq["register"]["username"] = client.requested_jid.user
        iq["register"]["password"] = client.password
        try:
            answers.put_nowait(await iq.send())
        except IqError as error:
            answers.put_nowait(error)
        client.disconnect()

    client.add_event_handler("register", fill_in)
    client.start()
    answer = await client.asks(answers.get())
    await client.sees("disconnected")
    if isinstance(answer, IqError):
        raise answer
    assert answer["type"] == "result"


# Stream management


async def test_resumes_after_its_connection_was_cut(romeo: Account, juliet: Account) -> None:
    async with online(juliet) as writer:
        phone = Client(romeo, "phone")
        phone.register_plugin("xep_0198")
        phone.start()
        await phone.sees("sm_enabled")
        phone.send_presence()
        await phone.sees("presence_available", from_=phone.boundjid)
        writer.send_message(phone.bare, "one")
        await phone.sees("message", body="one")
        phone.transport.abort()
        await phone.sees("disconnected")
        writer.send_message(phone.bare, "two")
        await writer.pings(writer.boundjid.domain)
        phone.start()
        await phone.sees("session_resumed")
        await phone.sees("message", body="two")
        phone.send_message(writer.bare, "three")
        await writer.sees("message", body="three")
        await phone.pings(phone.boundjid.domain)
        assert not phone.saw("message")
        await phone.disconnect()
