"""XEP-0359 §3 (its business rules) and XEP-0203 §5: who may say what on our behalf."""

import pytest

from xmppd.api import Message, Module, Stanza, events, jid, ns, on, parse
from xmppd.testing import Client, Talk, like, message

SID = "urn:xmpp:sid:0"
ORIGIN = f"<origin-id xmlns='{SID}' id='o1'/>"


@pytest.fixture
def talk() -> Talk:
    talk = Talk(only=["stanza_ids"])
    talk.router.claim("rooms.example.org", lambda stanza: None)
    return talk


@pytest.fixture
def juliet(talk: Talk) -> Client:
    juliet = talk.bind("juliet@example.org/balcony")
    juliet.sends("<presence/>")
    juliet.forget()
    return juliet


def stanza_id(by: str) -> str:
    return f"<stanza-id xmlns='{SID}' id='forged' by='{by}'/>"


def delay(from_: str) -> str:
    return f"<delay xmlns='urn:xmpp:delay' from='{from_}' stamp='2002-09-10T23:08:25Z'/>"


OURS = ["juliet@example.org", "romeo@example.org", "example.org", "room@rooms.example.org"]
SPELT = ["JULIET@Example.ORG", "juliet@example.org/balcony", "ｊuliet@example.org"]


@pytest.mark.parametrize("by", OURS + SPELT)
def test_a_client_gives_no_ids_on_our_behalf(talk: Talk, juliet: Client, by: str) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(
        "<message to='juliet@example.org' type='chat'><body>hi</body>"
        f"{stanza_id(by)}{ORIGIN}</message>"
    )
    juliet.receives(f"<message type='chat'><body>hi</body>{ORIGIN}</message>")


@pytest.mark.parametrize("by", OURS + SPELT)
def test_a_peer_gives_no_ids_on_our_behalf(talk: Talk, juliet: Client, by: str) -> None:
    talk.router.route(foreign(f"<body>hi</body>{stanza_id(by)}{stanza_id(by)}{ORIGIN}"))
    juliet.receives(f"<message><body>hi</body>{ORIGIN}</message>")


@pytest.mark.parametrize("by", ["room@muc.example.net", "not a jid@@", ""])
def test_the_ids_of_others_stay(talk: Talk, juliet: Client, by: str) -> None:
    inside = f"<body>hi</body>{stanza_id(by)}"
    talk.router.route(foreign(inside))
    juliet.receives(f"<message>{inside}</message>")


def test_a_room_of_ours_numbers_its_own_messages(talk: Talk, juliet: Client) -> None:
    inside = f"<body>hi</body>{stanza_id('room@rooms.example.org')}"
    said = foreign(inside, "room@rooms.example.org/nurse", "groupchat", juliet.jid)
    talk.router.route(said)
    juliet.receives(f"<message type='groupchat'>{inside}</message>")


@pytest.mark.parametrize("from_", ["example.org", "EXAMPLE.org", "room@rooms.example.org/nurse"])
def test_a_forged_delay_of_ours_is_removed(talk: Talk, juliet: Client, from_: str) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(f"<message to='juliet@example.org'><body>hi</body>{delay(from_)}</message>")
    talk.router.route(foreign(f"<body>hi</body>{delay(from_)}"))
    juliet.receives(*["<message><body>hi</body></message>"] * 2)


@pytest.mark.parametrize("from_", ["romeo@example.org/orchard", "example.net"])
def test_a_delay_of_the_senders_own_stays(talk: Talk, juliet: Client, from_: str) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(f"<message to='juliet@example.org'><body>hi</body>{delay(from_)}</message>")
    juliet.receives(f"<message><body>hi</body>{delay(from_)}</message>")


def test_presence_is_cleaned_of_forged_delays_too(talk: Talk, juliet: Client) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(f"<presence to='{juliet.jid}'><show>away</show>{delay('example.org')}</presence>")
    juliet.receives("<presence><show>away</show></presence>")


def test_no_ids_are_given_by_default(talk: Talk, juliet: Client) -> None:
    talk.router.route(foreign("<body>hi</body>"))
    juliet.receives("<message><body>hi</body></message>")


def test_the_rules_are_advertised(talk: Talk) -> None:
    assert SID in talk.host.modules.features()


# With `assign`


def assigning(*extra: type[Module]) -> Talk:
    return Talk(*extra, only=["stanza_ids"], options={"stanza_ids": {"assign": True}})


@pytest.mark.parametrize("type", ["chat", "normal"])
def test_each_message_gets_one_id_of_the_account(type: str) -> None:
    talk = assigning()
    clients = [talk.online(f"juliet@example.org/{name}") for name in ("balcony", "chamber")]
    talk.router.route(foreign(f"<body>hi</body>{stanza_id('juliet@example.org')}", type=type))
    ids = set()
    for client in clients:
        got = client.receives(message("hi", from_="romeo@example.net/orchard", id="m1"))
        (given,) = got.all(SID)
        assert (given.name, given.get("by")) == ("stanza-id", "juliet@example.org")
        ids.add(given.get("id"))
    assert len(ids) == 1
    assert ids != {"forged"}


def test_ids_differ_and_cannot_be_guessed() -> None:
    talk = assigning()
    juliet = talk.online("juliet@example.org/balcony")
    for _ in range(5):
        talk.router.route(foreign("<body>hi</body>"))
    ids = {juliet.receives(message("hi")).all(SID)[0].get("id") or "" for _ in range(5)}
    assert len(ids) == 5
    assert all(len(id) == 32 for id in ids)


@pytest.mark.parametrize("type", ["headline", "groupchat", "error"])
def test_only_messages_of_one_to_one_chats_get_ids(type: str) -> None:
    talk = assigning()
    juliet = talk.online("juliet@example.org/balcony")
    talk.router.route(foreign("<body>hi</body>", type=type, to=juliet.jid))
    assert juliet.receives(message("hi")).all(SID) == []


def test_an_id_that_an_archive_gave_stays_the_only_one() -> None:
    class Archive(Module):
        name = "archive"

        @on(events.user_receives)
        def keep(self, stanza: Stanza, user: object) -> Stanza | None:
            if stanza.kind != "message":
                return None
            return stanza.copy(add=[parse(f"<stanza-id xmlns='{SID}' id='7' by='{user}'/>")])

    talk = assigning(Archive)
    juliet = talk.online("juliet@example.org/balcony")
    talk.router.route(foreign("<body>hi</body>"))
    juliet.receives(like(f"<message><stanza-id xmlns='{SID}' id='7'/></message>"))
    talk.router.route(foreign("<body>hi</body>"))
    assert len(juliet.receives(message("hi")).all(SID)) == 1


def test_a_message_keeps_its_attributes_and_language_with_an_id() -> None:
    talk = assigning()
    juliet = talk.online("juliet@example.org/balcony")
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(
        "<message to='juliet@example.org' id='m9' xml:lang='it' type='chat'>"
        "<body>ciao</body></message>"
    )
    got = juliet.receives(message("ciao", type="chat", id="m9", from_=romeo.jid))
    assert got.get("{http://www.w3.org/XML/1998/namespace}lang") == "it"


def foreign(
    inside: str,
    from_: str = "romeo@example.net/orchard",
    type: str = "normal",
    to: str = "juliet@example.org",
) -> Message:
    """A message that came from elsewhere, as a stream makes it."""
    tree = parse(f"<m xmlns='{ns.CLIENT}'>{inside}</m>")
    names = tuple((child.ns, child.name) for child in tree.elements)
    return Message(jid(to), jid(from_), type, "m1", raw=inside.encode(), payloads=names)
