"""Avatars, profiles and bookmarks as users of slixmpp keep them, the newer way and the older."""

import hashlib
from typing import Any
from xml.etree import ElementTree as ET

from slixmpp.plugins.xep_0048.stanza import Bookmarks

from tests.clients.account import Account
from tests.clients.slix import Client, befriend, online

PNG = b"\x89PNG\r\n\x1a\n" + b"face" * 10
SHA1 = hashlib.sha1(PNG).hexdigest()
METADATA, DATA = "urn:xmpp:avatar:metadata", "urn:xmpp:avatar:data"
TUNE, MOOD = "http://jabber.org/protocol/tune", "http://jabber.org/protocol/mood"
BOOKMARKS, ROOM = "urn:xmpp:bookmarks:1", "theplay@conference.example.org"
PLUGINS = (
    *("xep_0004", "xep_0048", "xep_0054", "xep_0059", "xep_0060", "xep_0084", "xep_0107"),
    *("xep_0118", "xep_0153", "xep_0163"),
)


def plugged(client: Client, *only: str) -> Any:
    """Its plugins; slixmpp wants to hear of all nodes for which it has one."""
    for plugin in only or PLUGINS:
        client.register_plugin(plugin)
    return client.plugin


async def interested(client: Client, *nodes: str) -> None:
    """Say by capabilities what it wants to hear of."""
    for node in nodes:
        client.plugin["xep_0163"].add_interest(node)
    await client.plugin["xep_0115"].update_caps()
    await client.sees("presence_available", from_=client.boundjid)
    await client.pings("example.org")
    await client.pings("example.org")  # the server has asked by then, and has had the answer


async def shows(client: Client) -> None:
    avatar = client.plugin["xep_0084"]
    await client.asks(avatar.publish_avatar(PNG))
    info = {"id": SHA1, "type": "image/png", "bytes": len(PNG)}
    await client.asks(avatar.publish_avatar_metadata(info))


async def test_a_contact_is_told_of_an_avatar_and_gets_it(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as viewer, online(juliet) as sitter:
        viewing, _ = plugged(viewer), plugged(sitter)
        await befriend(viewer, sitter)
        await interested(viewer, METADATA)
        await shows(sitter)
        event = await viewer.sees("avatar_metadata_publish")
        (item,) = event["pubsub_event"]["items"]
        (info,) = item["avatar_metadata"]["items"]
        assert (info["id"], info["type"]) == (SHA1, "image/png")
        answer = await viewer.asks(viewing["xep_0084"].retrieve_avatar(sitter.bare, SHA1))
        (item,) = answer["pubsub"]["items"]
        assert item["avatar_data"]["value"] == PNG


async def test_an_avatar_is_seen_in_the_vcard_and_in_presence(
    romeo: Account, juliet: Account
) -> None:
    async with online(romeo) as viewer, online(juliet) as sitter:
        viewing, _ = plugged(viewer), plugged(sitter)
        await befriend(viewer, sitter)
        await shows(sitter)
        seen = ""
        while seen != SHA1:
            shown = await viewer.sees("presence_available", from_=sitter.boundjid)
            seen = shown.xml.findtext(".//{vcard-temp:x:update}photo") or ""
        card = await viewer.asks(viewing["xep_0054"].get_vcard(sitter.bare))
        assert card["vcard_temp"]["PHOTO"]["BINVAL"] == PNG


async def test_a_photo_in_the_vcard_is_told_as_avatar(romeo: Account, juliet: Account) -> None:
    async with online(romeo) as viewer, online(juliet) as sitter:
        plugged(viewer)
        sitting = plugged(sitter)
        await befriend(viewer, sitter)
        await interested(viewer, METADATA)
        card = sitting["xep_0054"].make_vcard()
        card["PHOTO"]["TYPE"] = "image/png"
        card["PHOTO"]["BINVAL"] = PNG
        await sitter.asks(sitting["xep_0054"].publish_vcard(card))
        event = await viewer.sees("avatar_metadata_publish")
        (item,) = event["pubsub_event"]["items"]
        assert item["id"] == SHA1


async def test_two_clients_hear_of_what_each_wants(romeo: Account, juliet: Account) -> None:
    async with (
        online(romeo, "tunes") as tunes,
        online(romeo, "moods") as moods,
        online(juliet) as other,
    ):
        plugged(tunes, "xep_0118")
        plugged(moods, "xep_0107")
        plugged(other)
        await befriend(tunes, other)
        await interested(tunes, TUNE)
        await interested(moods, MOOD)
        await other.asks(other.plugin["xep_0118"].publish_tune(title="Roundabout"))
        await other.asks(other.plugin["xep_0107"].publish_mood("happy"))
        await tunes.sees("user_tune_publish")
        await moods.sees("user_mood_publish")
        for client in (tunes, moods):
            await client.pings("example.org")
        assert not tunes.saw("user_mood_publish")
        assert not moods.saw("user_tune_publish")


def conference(name: str) -> ET.Element:
    made = ET.Element(f"{{{BOOKMARKS}}}conference", {"name": name, "autojoin": "true"})
    ET.SubElement(made, f"{{{BOOKMARKS}}}nick").text = "JC"
    return made


def told(bookmarks: Any) -> list[tuple[str, str, str]]:
    return [(str(c["jid"]), c["name"], c["nick"]) for c in bookmarks["conferences"]]


async def test_bookmarks_are_one_in_all_forms(romeo: Account) -> None:
    async with online(romeo) as client:
        plugins = plugged(client)
        pubsub, old = plugins["xep_0060"], plugins["xep_0048"]
        await client.asks(pubsub.publish(None, BOOKMARKS, ROOM, conference("The Play")))
        play = (ROOM, "The Play", "JC")
        answer = await client.asks(old.get_bookmarks(method="xep_0049"))
        assert told(answer["private"]["bookmarks"]) == [play]
        answer = await client.asks(old.get_bookmarks(method="xep_0223"))
        (item,) = answer["pubsub"]["items"]
        assert told(item["bookmarks"]) == [play]
        listed = Bookmarks()
        listed.add_conference("orchard@conference.example.org", "JC", name="The Orchard")
        await client.asks(old.set_bookmarks(listed, method="xep_0049"))
        found = await client.asks(pubsub.get_items(None, BOOKMARKS))
        (item,) = found["pubsub"]["items"]
        assert item["id"] == "orchard@conference.example.org"
        assert item["payload"].get("name") == "The Orchard"


async def test_the_profile_is_one_as_vcard4_and_as_vcard(romeo: Account) -> None:
    async with online(romeo) as client:
        plugins = plugged(client)
        ns = "urn:ietf:params:xml:ns:vcard-4.0"
        card = ET.Element(f"{{{ns}}}vcard")
        ET.SubElement(ET.SubElement(card, f"{{{ns}}}fn"), f"{{{ns}}}text").text = "Romeo"
        pubsub = plugins["xep_0060"]
        await client.asks(pubsub.publish(None, "urn:xmpp:vcard4", "current", card))
        older = await client.asks(plugins["xep_0054"].get_vcard(client.bare))
        assert older["vcard_temp"]["FN"] == "Romeo"
