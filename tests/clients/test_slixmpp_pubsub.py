"""Publish-subscribe and personal eventing as users of slixmpp know them."""

import asyncio
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError

from tests.clients.account import Account
from tests.clients.slix import Client, befriend, online

SERVICE = "pubsub.example.org"
TUNE = "http://jabber.org/protocol/tune"
PUBSUB = ("xep_0004", "xep_0059", "xep_0060", "xep_0118", "xep_0163")


def plugged(client: Client) -> Any:
    """The client's pubsub; slixmpp loads what belongs to it."""
    for plugin in PUBSUB:
        client.register_plugin(plugin)
    return client.plugin["xep_0060"]


def entry(text: str) -> ET.Element:
    made = ET.Element("{urn:example:entry}entry")
    made.text = text
    return made


async def test_creates_publishes_retrieves_and_deletes(romeo: Account) -> None:
    async with online(romeo) as client:
        pubsub, node = plugged(client), f"news-{romeo.jid}"
        form = client.plugin["xep_0004"].make_form(ftype="submit")
        form.add_field(var="FORM_TYPE", value="http://jabber.org/protocol/pubsub#node_config")
        form.add_field(var="pubsub#title", value="News")
        await client.asks(pubsub.create_node(SERVICE, node, config=form))
        config = await client.asks(pubsub.get_node_config(SERVICE, node))
        values = config["pubsub_owner"]["configure"]["form"].get_values()
        assert values["pubsub#title"] == "News"
        for number in range(3):
            await client.asks(pubsub.publish(SERVICE, node, f"i{number}", entry(str(number))))
        found = await client.asks(pubsub.get_items(SERVICE, node, max_items=2))
        assert [item["id"] for item in found["pubsub"]["items"]] == ["i1", "i2"]
        one = await client.asks(pubsub.get_item(SERVICE, node, "i0"))
        assert [item["payload"].text for item in one["pubsub"]["items"]] == ["0"]
        await client.asks(pubsub.retract(SERVICE, node, "i0", notify=True))
        await client.asks(pubsub.purge(SERVICE, node))
        found = await client.asks(pubsub.get_items(SERVICE, node))
        assert list(found["pubsub"]["items"]) == []
        await client.asks(pubsub.delete_node(SERVICE, node))
        with pytest.raises(IqError) as refused:
            await client.asks(pubsub.get_items(SERVICE, node))
        assert refused.value.condition == "item-not-found"


async def test_a_subscriber_sees_events(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as owner, online(juliet) as reader:
        publishing, reading, node = plugged(owner), plugged(reader), f"news-{romeo.jid}"
        await owner.asks(publishing.create_node(SERVICE, node))
        answer = await reader.asks(reading.subscribe(SERVICE, node))
        assert answer["pubsub"]["subscription"]["subscription"] == "subscribed"
        await owner.asks(publishing.publish(SERVICE, node, "i1", entry("To be")))
        event = await reader.sees("pubsub_publish")
        assert event["pubsub_event"]["items"]["node"] == node
        await owner.asks(publishing.retract(SERVICE, node, "i1", notify=True))
        await reader.sees("pubsub_retract")
        subscribers = await owner.asks(publishing.get_node_subscriptions(SERVICE, node))
        (found,) = subscribers["pubsub_owner"]["subscriptions"]
        assert found["jid"].bare == juliet.jid
        await reader.asks(reading.unsubscribe(SERVICE, node))
        await owner.asks(publishing.delete_node(SERVICE, node))


async def test_a_subscription_is_approved_by_the_owner(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as owner, online(juliet) as reader:
        publishing, reading, node = plugged(owner), plugged(reader), f"news-{romeo.jid}"
        form = owner.plugin["xep_0004"].make_form(ftype="submit")
        form.add_field(var="FORM_TYPE", value="http://jabber.org/protocol/pubsub#node_config")
        form.add_field(var="pubsub#access_model", value="authorize")
        await owner.asks(publishing.create_node(SERVICE, node, config=form))
        answer = await reader.asks(reading.subscribe(SERVICE, node))
        assert answer["pubsub"]["subscription"]["subscription"] == "pending"
        modified = [(juliet.jid, "subscribed")]
        await owner.asks(publishing.modify_subscriptions(SERVICE, node, modified))
        event = await reader.sees("pubsub_subscription")
        assert event["pubsub_event"]["subscription"]["subscription"] == "subscribed"
        await owner.asks(publishing.delete_node(SERVICE, node))


async def test_contacts_see_a_tune_by_the_capabilities_of_their_client(
    romeo: Account, juliet: Account
) -> None:
    async with online(romeo) as listener, online(juliet) as player:
        for client in (listener, player):
            plugged(client)
        await befriend(listener, player)
        # to say that one is interested is to send presence with other capabilities
        listener.plugin["xep_0163"].add_interest(TUNE)
        await listener.plugin["xep_0115"].update_caps()
        await asyncio.wait_for(settled(listener), 20)
        tune = player.plugin["xep_0118"]
        await player.asks(tune.publish_tune(artist="Yes", title="Heart of the Sunrise"))
        event = await listener.sees("user_tune_publish")
        (item,) = event["pubsub_event"]["items"]
        assert item["tune"]["artist"] == "Yes"
        assert event["from"].bare == juliet.jid


async def settled(client: Client) -> None:
    """The server has asked for the client's capabilities, and has had the answer."""
    await client.sees("presence_available", from_=client.boundjid)
    await client.pings(SERVICE)
    await client.pings(SERVICE)


async def test_who_comes_online_gets_the_last_tune(romeo: Account, juliet: Account) -> None:
    async with online(juliet) as player:
        plugged(player)
        async with online(romeo) as listener:
            await befriend(listener, player)
        await player.asks(player.plugin["xep_0118"].publish_tune(title="Roundabout"))
        client = Client(romeo)
        plugged(client)
        client.plugin["xep_0163"].add_interest(TUNE)
        client.start()
        await client.sees("session_start")
        client.send_presence()
        event = await client.sees("user_tune_publish")
        (item,) = event["pubsub_event"]["items"]
        assert item["tune"]["title"] == "Roundabout"
        await client.disconnect()


async def test_its_own_account_tells_that_it_is_a_pubsub_service(romeo: Account) -> None:
    async with online(romeo) as client:
        info = await client.asks(client.plugin["xep_0030"].get_info(jid=client.bare))
        assert ("pubsub", "pep", None, None) in info["disco_info"]["identities"]
