"""What others' clients can do: asked once, verified, stored, and never believed by hearsay."""

import hashlib
from base64 import b64encode

import pytest

from xmppd.jid import jid
from xmppd.modules.entity_caps import EntityCaps, Key, matches, newer_input
from xmppd.stanza import Presence
from xmppd.testing import Client, Talk, like, result_of
from xmppd.xml import Element, parse

INFO = "http://jabber.org/protocol/disco#info"
CAPS = "http://jabber.org/protocol/caps"
HASHES = "urn:xmpp:hashes:2"
ROMEO, JULIET = "romeo@example.org/orchard", "juliet@example.org/balcony"

# XEP-0115 §5.2: the simple example
EXODUS = (
    f"<query xmlns='{INFO}' node='http://code.google.com/p/exodus#QgayPKawpkPSDYmwT/WM94uAlu0='>"
    "<identity category='client' name='Exodus 0.9.1' type='pc'/>"
    f"<feature var='{CAPS}'/><feature var='{INFO}'/>"
    "<feature var='http://jabber.org/protocol/disco#items'/>"
    "<feature var='http://jabber.org/protocol/muc'/></query>"
)
EXODUS_C = (
    f"<c xmlns='{CAPS}' hash='sha-1' node='http://code.google.com/p/exodus'"
    " ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>"
)
# XEP-0390 §4.6.1: the simple example
BOMBUS = (
    f"<query xmlns='{INFO}'><identity category='client' name='BombusMod' type='mobile'/>"
    + "".join(
        f"<feature var='{var}'/>"
        for var in (
            *("http://jabber.org/protocol/si", "http://jabber.org/protocol/bytestreams"),
            *("http://jabber.org/protocol/chatstates", INFO),
            *("http://jabber.org/protocol/disco#items", "urn:xmpp:ping", "jabber:iq:time"),
            *("jabber:iq:privacy", "jabber:iq:version", "http://jabber.org/protocol/rosterx"),
            *("urn:xmpp:time", "jabber:x:oob", "http://jabber.org/protocol/ibb"),
            "http://jabber.org/protocol/si/profile/file-transfer",
            *("urn:xmpp:receipts", "jabber:iq:roster", "jabber:iq:last"),
        )
    )
    + "</query>"
)
BOMBUS_SHA256 = "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8="


@pytest.fixture
def talk() -> Talk:
    return Talk(only=[EntityCaps, "disco", "presence"])


@pytest.fixture
def caps(talk: Talk) -> EntityCaps:
    return talk.module(EntityCaps)


def key_of(caps: EntityCaps, inside: str) -> Key | None:
    presence = Presence(jid(JULIET), jid(ROMEO), "", None, parse(inside))
    return caps.key(presence)


class Learning:
    """A question for a client's capabilities, and what came of it."""

    def __init__(self, talk: Talk, caps: EntityCaps, key: Key | None, client: Client) -> None:
        self.client = client
        self.found: list[frozenset[str]] = []
        caps.background(self._learn(caps, key))

    async def _learn(self, caps: EntityCaps, key: Key | None) -> None:
        learnt = await caps.learn(key, self.client.jid, self.client.jid.bare)
        self.found.append(learnt.features)

    def answered(self, info: str) -> None:
        asked = self.client.receives(like(f"<iq type='get'><query xmlns='{INFO}'/></iq>"))
        self.client.sends(
            f"<iq type='result' id='{asked.get('id')}' to='{asked.get('from')}'>{info}</iq>"
        )


def test_a_verified_answer_counts_for_all(talk: Talk, caps: EntityCaps) -> None:
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    key = key_of(caps, EXODUS_C)
    first = Learning(talk, caps, key, romeo)
    first.answered(EXODUS)
    assert "http://jabber.org/protocol/muc" in first.found[0]
    second = Learning(talk, caps, key, juliet)
    juliet.receives_nothing()
    assert second.found == first.found


def test_it_is_stored(talk: Talk, caps: EntityCaps) -> None:
    romeo = talk.bind(ROMEO)
    key = key_of(caps, EXODUS_C)
    Learning(talk, caps, key, romeo).answered(EXODUS)
    assert key is not None
    assert caps.known(key) is not None
    fresh = EntityCaps(talk.host, caps.options)
    assert fresh.known(key) is None
    assert (
        "http://jabber.org/protocol/muc"
        in result_of(fresh.learn(key, jid(JULIET), jid(JULIET).bare)).features
    )


def test_two_that_announce_the_same_are_asked_once(talk: Talk, caps: EntityCaps) -> None:
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    key = key_of(caps, EXODUS_C)
    first, second = Learning(talk, caps, key, romeo), Learning(talk, caps, key, juliet)
    juliet.receives_nothing()
    first.answered(EXODUS)
    assert first.found == second.found != []


def test_a_liar_is_believed_nothing_and_the_next_one_is_asked(
    talk: Talk, caps: EntityCaps
) -> None:
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    key = key_of(caps, EXODUS_C)
    liar, honest = Learning(talk, caps, key, romeo), Learning(talk, caps, key, juliet)
    liar.answered(EXODUS.replace("protocol/muc", "protocol/nothing"))
    assert liar.found == [frozenset()]
    honest.answered(EXODUS)
    assert "http://jabber.org/protocol/muc" in honest.found[0]


def test_all_that_waited_for_a_liar_ask_for_themselves(talk: Talk, caps: EntityCaps) -> None:
    romeo, juliet, nurse = (talk.bind(f"{name}@example.org/x") for name in ("r", "j", "n"))
    key = key_of(caps, EXODUS_C)
    liar, one, two = (Learning(talk, caps, key, each) for each in (romeo, juliet, nurse))
    liar.answered("<other xmlns='urn:x'/>")
    one.answered(EXODUS)
    two.answered(EXODUS)
    assert one.found == two.found != [frozenset()]


def hashed(info: str) -> str:
    """The verification string of an attacker's answer, who hashes as XEP-0115 says."""
    from xmppd.modules.caps import verification

    return verification(parse(info))


FEATURE = "http://example.org/a+notify"
HONEST = (
    f"<query xmlns='{INFO}'><identity category='client' type='pc' name='x'/>"
    f"<feature var='a'/><feature var='{FEATURE}'/><feature var='urn:z+notify'/></query>"
)


@pytest.mark.parametrize(
    "forged",
    [
        # The first feature after "a" hidden in "a<..."
        f"<query xmlns='{INFO}'><identity category='client' type='pc' name='x'/>"
        f"<feature var='a&lt;{FEATURE}'/><feature var='urn:z+notify'/></query>",
        # A feature in the name of the identity
        f"<query xmlns='{INFO}'><identity category='client' type='pc' name='x&lt;a'/>"
        f"<feature var='{FEATURE}'/><feature var='urn:z+notify'/></query>",
        # The last feature as the type of a form
        f"<query xmlns='{INFO}'><identity category='client' type='pc' name='x'/>"
        f"<feature var='a'/><feature var='{FEATURE}'/><x xmlns='jabber:x:data' type='result'>"
        "<field var='FORM_TYPE' type='hidden'><value>urn:z+notify</value></field></x></query>",
    ],
)
def test_another_answer_with_the_same_hash_is_not_shared(
    talk: Talk, caps: EntityCaps, forged: str
) -> None:
    assert hashed(forged) == hashed(HONEST)  # the known weakness (XEP-0115 §9.3)
    romeo, juliet = talk.bind(ROMEO), talk.bind(JULIET)
    key = Key("caps", "sha-1", hashed(HONEST), "urn:client#x")
    Learning(talk, caps, key, romeo).answered(forged)
    assert caps.known(key) is None
    honest = Learning(talk, caps, key, juliet)
    honest.answered(HONEST)
    assert FEATURE in honest.found[0]
    assert caps.known(key) is not None


def test_identities_made_of_features_are_not_shared(talk: Talk, caps: EntityCaps) -> None:
    info = (
        f"<query xmlns='{INFO}'><identity category='client' type='pc' name='x'/>"
        "<feature var='http://example.org/a'/><feature var='urn:z'/></query>"
    )
    forged = (
        f"<query xmlns='{INFO}'><identity category='client' type='pc' name='x'/>"
        "<identity category='http:' type='' xml:lang='example.org' name='a'/>"
        "<feature var='urn:z'/></query>"
    )
    assert hashed(forged) == hashed(info)
    romeo = talk.bind(ROMEO)
    key = Key("caps", "sha-1", hashed(info), "urn:client#x")
    Learning(talk, caps, key, romeo).answered(forged)
    assert caps.known(key) is None


@pytest.mark.parametrize(
    "wrong",
    [
        EXODUS.replace("</query>", f"<feature var='{CAPS}'/></query>"),  # twice (§5.4 rule 3.4)
        EXODUS.replace(
            "</query>", "<identity category='client' name='Exodus 0.9.1' type='pc'/></query>"
        ),
        EXODUS.replace(
            "</query>",
            "".join(
                "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>"
                "<value>urn:f</value></field></x>"
                for _ in range(2)
            )
            + "</query>",
        ),
        f"<query xmlns='{INFO}'>"
        + "".join(f"<feature var='{number}'/>" for number in range(2000))
        + "</query>",
        "<other xmlns='urn:x'/>",
    ],
)
def test_ill_formed_answers_say_nothing(talk: Talk, caps: EntityCaps, wrong: str) -> None:
    romeo = talk.bind(ROMEO)
    learning = Learning(talk, caps, key_of(caps, EXODUS_C), romeo)
    learning.answered(wrong)
    assert learning.found == [frozenset()]


def test_an_unknown_function_counts_for_its_client_alone(talk: Talk, caps: EntityCaps) -> None:
    romeo = talk.bind(ROMEO)
    key = key_of(caps, EXODUS_C.replace("sha-1", "whirlpool"))
    learning = Learning(talk, caps, key, romeo)
    learning.answered(EXODUS)
    assert "http://jabber.org/protocol/muc" in learning.found[0]
    assert caps.known(key) is None


def test_who_does_not_answer_can_do_nothing(talk: Talk, caps: EntityCaps) -> None:
    romeo = talk.bind(ROMEO)
    learning = Learning(talk, caps, key_of(caps, EXODUS_C), romeo)
    talk.advance(31)
    assert learning.found == [frozenset()]


def test_one_account_has_few_questions_at_a_time(talk: Talk, caps: EntityCaps) -> None:
    romeo = talk.bind(ROMEO)
    for number in range(20):
        Learning(talk, caps, Key("caps", "sha-1", f"ver{number}", "n"), romeo)
    asked = 0
    while True:
        try:
            romeo.receives(like("<iq type='get'/>"))
        except AssertionError:
            break
        asked += 1
    assert asked == 5


@pytest.mark.parametrize(
    "c",
    [
        "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='0.9'/>",  # the legacy format
        f"<c xmlns='{CAPS}' node='n' hash='sha-1'/>",
        f"<c xmlns='{CAPS}' node='n' hash='sha-1' ver='{'x' * 300}'/>",
        "<c xmlns='urn:xmpp:caps'/>",
        f"<c xmlns='urn:xmpp:caps'><hash xmlns='{HASHES}' algo='md5'>eA==</hash></c>",
        f"<c xmlns='urn:xmpp:caps'><hash xmlns='{HASHES}' algo='sha-256'>?</hash></c>",
    ],
)
def test_what_cannot_be_verified_is_no_key(caps: EntityCaps, c: str) -> None:
    assert key_of(caps, c) is None


def test_the_newer_protocol_hashes_as_its_example() -> None:
    info = parse(BOMBUS)
    digest = hashlib.sha256(newer_input(info)).digest()
    assert b64encode(digest).decode() == BOMBUS_SHA256
    assert matches(Key("caps2", "sha-256", BOMBUS_SHA256, ""), info)
    assert not matches(Key("caps2", "sha-512", BOMBUS_SHA256, ""), info)


def test_the_newer_protocol_is_asked_by_its_hash(talk: Talk, caps: EntityCaps) -> None:
    romeo = talk.bind(ROMEO)
    c = f"<hash xmlns='{HASHES}' algo='sha-256'>{BOMBUS_SHA256}</hash>"
    key = key_of(caps, f"<c xmlns='urn:xmpp:caps'>{c}</c>")
    learning = Learning(talk, caps, key, romeo)
    node = f"urn:xmpp:caps#sha-256.{BOMBUS_SHA256}"
    asked = romeo.receives(like(f"<iq type='get'><query xmlns='{INFO}' node='{node}'/></iq>"))
    romeo.sends(f"<iq type='result' id='{asked.get('id')}' to='{asked.get('from')}'>{BOMBUS}</iq>")
    assert "urn:xmpp:ping" in learning.found[0]
    assert caps.known(key) is not None


@pytest.mark.parametrize(
    "more",
    [
        Element("urn:x", "other"),
        parse("<x xmlns='jabber:x:data' type='result'><reported/></x>"),
        parse("<x xmlns='jabber:x:data' type='result'><field var='a'/></x>"),
    ],
)
def test_what_the_newer_protocol_cannot_hash_matches_nothing(more: Element) -> None:
    info = parse(BOMBUS)
    info.append(more)
    assert not matches(Key("caps2", "sha-256", BOMBUS_SHA256, ""), info)


def test_memory_and_storage_are_bounded(talk: Talk) -> None:
    small = Talk(
        only=[EntityCaps, "disco", "presence"],
        options={"entity_caps": {"in_memory": 10, "stored": 10}},
    )
    caps, romeo = small.module(EntityCaps), small.bind(ROMEO)
    keys = []
    for number in range(15):
        info = f"<query xmlns='{INFO}'><feature var='urn:{number}'/></query>"
        key = Key("caps", "sha-1", hashed(info), "n")
        Learning(small, caps, key, romeo).answered(info)
        keys.append(key)
    assert [caps.known(key) is not None for key in keys] == [False] * 5 + [True] * 10
    stored = [result_of(caps.entries.get(key.text)) is not None for key in keys]
    assert stored == [False] * 5 + [True] * 10
