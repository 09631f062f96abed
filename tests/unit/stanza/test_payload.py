from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest

from xmppd.jid import JID, jid
from xmppd.stanza import (
    Payload,
    StanzaError,
    attr,
    child,
    child_text,
    child_texts,
    children,
    flag,
    text,
)
from xmppd.xml import XML_LANG, Element, parse

NS = "urn:test"


class Subscription(Enum):
    NONE = "none"
    BOTH = "both"


class Item(Payload, ns=NS, name="item"):
    jid: JID = attr()
    name: str | None = attr(default=None)
    subscription: Subscription = attr(default=Subscription.NONE)
    groups: list[str] = child_texts("group")


class Note(Payload, ns=NS, name="note"):
    lang: str | None = attr(XML_LANG, default=None)
    text: str = text()


class Query(Payload, ns=NS, name="query"):
    from_: JID | None = attr(default=None)
    count: int = attr(default=0)
    approved: bool | None = attr(default=None)
    since: datetime | None = attr("stamp", default=None)
    limit: int | None = child_text(default=None)
    owner: JID | None = child_text("jid", ns="urn:other", default=None)
    numbers: list[int] = child_texts("number")
    remove: bool = flag()
    note: Note | None = child(default=None)
    items: list[Item] = children()
    form: Element | None = child("x", ns="jabber:x:data", default=None)
    others: list[Element] = children("any", ns="urn:any")


ROMEO = jid("romeo@example.net")
FULL_XML = """<query xmlns='urn:test' from='romeo@example.net' count='-3' approved='true'
 stamp='2002-09-10T23:08:25Z'><limit>5</limit><jid xmlns='urn:other'>romeo@example.net</jid
><number>1</number><number>2</number><remove/><note xml:lang='en'>Hi</note
><item jid='romeo@example.net' name='R' subscription='both'><group>A</group><group/></item
><item jid='romeo@example.net' subscription='none'/><x xmlns='jabber:x:data'
/><any xmlns='urn:any'/></query>"""


def full() -> Query:
    return Query(
        from_=ROMEO,
        count=-3,
        approved=True,
        since=datetime(2002, 9, 10, 23, 8, 25, tzinfo=UTC),
        limit=5,
        owner=ROMEO,
        numbers=[1, 2],
        remove=True,
        note=Note(lang="en", text="Hi"),
        items=[
            Item(jid=ROMEO, name="R", subscription=Subscription.BOTH, groups=["A", ""]),
            Item(jid=ROMEO),
        ],
        form=Element("jabber:x:data", "x"),
        others=[Element("urn:any", "any")],
    )


def query(xml: str) -> Query:
    return Query.from_element(parse(xml.replace("<query", "<query xmlns='urn:test'")))


def test_every_kind_of_field_is_read() -> None:
    read = Query.from_element(parse(FULL_XML))
    assert read == full()
    assert isinstance(read.from_, JID)


def test_every_kind_of_field_is_written_in_order() -> None:
    assert full().element() == parse(FULL_XML)


def test_what_is_absent_reads_as_its_default_and_is_not_written() -> None:
    empty = query("<query/>")
    assert empty == Query()
    assert (empty.count, empty.remove, empty.items, empty.note) == (0, False, [], None)
    assert empty.element() == Element(NS, "query", {"count": "0"})


def test_lists_are_not_shared_between_objects() -> None:
    first = Query()
    first.numbers.append(1)
    assert Query().numbers == []
    assert query("<query/>").numbers == []


@pytest.mark.parametrize("value, expected", [("1", True), ("0", False), (" false ", False)])
def test_booleans_are_those_of_xml_schema(value: str, expected: bool) -> None:
    assert query(f"<query approved='{value}'/>").approved is expected


@pytest.mark.parametrize(
    "xml, text",
    [
        ("<query count='three'/>", "the attribute 'count' of query is not an integer"),
        ("<query count='1_000'/>", "the attribute 'count' of query is not an integer"),
        (f"<query count='{'9' * 5000}'/>", "the attribute 'count' of query is not an integer"),
        ("<query count='٣'/>", "the attribute 'count' of query is not an integer"),
        ("<query approved='yes'/>", "the attribute 'approved' of query is not a boolean"),
        ("<query stamp='now'/>", "the attribute 'stamp' of query is not a date and time"),
        ("<query from='@'/>", "the attribute 'from' of query is not a JID"),
        ("<query><limit/></query>", "'limit' in query is not an integer"),
        ("<query><number>x</number></query>", "'number' in query is not an integer"),
        ("<query><item/></query>", "item lacks the attribute 'jid'"),
        (
            "<query><item jid='a' subscription='all'/></query>",
            "the attribute 'subscription' of item is not one of none, both",
        ),
        ("<other xmlns='urn:test'/>", "expected query of urn:test"),
        ("<query xmlns='urn:other'/>".replace("query", "other"), "expected query of urn:test"),
    ],
)
def test_what_is_missing_or_malformed_is_bad_request_and_named(xml: str, text: str) -> None:
    with pytest.raises(StanzaError) as refused:
        query(xml)
    assert refused.value.condition == "bad-request"
    assert refused.value.text is not None
    assert refused.value.text.startswith(text)


class Strict(Payload, ns=NS, name="strict"):
    note: Note = child()
    title: str = child_text()
    size: int = text()


@pytest.mark.parametrize(
    "inner, text",
    [
        ("<title/>1", "strict lacks the child 'note'"),
        ("<note/>1", "strict lacks the child 'title'"),
        ("<note/><title/>", "the text of strict is not an integer"),
    ],
)
def test_children_and_text_can_be_required(inner: str, text: str) -> None:
    with pytest.raises(StanzaError, match=text):
        Strict.from_element(parse(f"<strict xmlns='urn:test'>{inner}</strict>"))
    good = Strict.from_element(parse("<strict xmlns='urn:test'><note/><title/>1</strict>"))
    assert good == Strict(note=Note(text=""), title="", size=1)


def test_a_constructor_wants_what_is_required_and_knows_its_fields() -> None:
    loose: Any = Item
    with pytest.raises(TypeError, match="Item needs jid"):
        loose()
    with pytest.raises(TypeError, match="Item has no nick"):
        loose(jid=ROMEO, nick="R")


def test_a_type_that_no_attribute_can_have_stops_the_class() -> None:
    for annotation in (float, list, "int | str"):
        with pytest.raises(TypeError):
            type(
                "Odd", (Payload,), {"__annotations__": {"x": annotation}, "x": attr()},
                ns=NS, name="odd",
            )  # fmt: skip
    with pytest.raises(TypeError, match="bool"):
        type("Odd", (Payload,), {"__annotations__": {"x": str}, "x": flag()}, ns=NS, name="odd")
    with pytest.raises(TypeError, match="list"):
        type("Odd", (Payload,), {"__annotations__": {"x": str}, "x": children()}, ns=NS, name="o")


def test_a_payload_shows_its_fields() -> None:
    assert repr(Note(text="Hi")) == "Note(lang=None, text='Hi')"
    assert Note(text="Hi") != Note(text="Ho")
