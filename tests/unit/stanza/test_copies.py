"""One stanza to many, as stanzas: what `copies` promises."""

import pytest

from xmppd.jid import jid
from xmppd.stanza import Message, Presence, Stanza
from xmppd.xml import Element

ROMEO = jid("romeo@example.org/orchard")
MANY = [jid("juliet@example.org"), jid("ohara@example.org/o'a&b"), jid("example.net")]
STATUS = Element("jabber:client", "status", None, "there & back")


@pytest.mark.parametrize(
    "stanza",
    [
        Presence(ROMEO.bare, ROMEO),
        Presence(ROMEO.bare, ROMEO, "unavailable", "p'1", STATUS, lang="de"),
        Message(ROMEO.bare, ROMEO, "chat", raw=b"<body>hi</body>", extra={"{urn:x}a": "b"}),
    ],
)
@pytest.mark.parametrize("content_ns", ["jabber:client", "jabber:server"])
def test_copies_are_written_as_copies_made_one_by_one(stanza: Stanza, content_ns: str) -> None:
    written = [each.write(content_ns) for each in stanza.copies(MANY)]
    assert written == [stanza.copy(to=to).write(content_ns) for to in MANY]
    assert written == stanza.write_to_many(MANY, content_ns)


def test_a_copy_that_is_changed_once_more_is_written_with_the_change() -> None:
    (one,) = Presence(ROMEO.bare, ROMEO).copies(MANY[:1])
    assert one.copy(add=[STATUS]).write() == Presence(MANY[0], ROMEO, "", None, STATUS).write()
    assert one.copy(type="unavailable").write() == Presence(MANY[0], ROMEO, "unavailable").write()
    assert one.copy(from_=ROMEO.bare).write() == Presence(MANY[0], ROMEO.bare).write()
