import pytest

from xmppd.ns import RSM
from xmppd.stanza import Page, ResultSet, ResultSetRequest, StanzaError, page
from xmppd.xml import Element, parse

LETTERS = list("abcdefghij")


def request(inner: str) -> ResultSetRequest:
    return ResultSetRequest.from_element(parse(f"<set xmlns='{RSM}'>{inner}</set>"))


def turn(inner: str, items: list[str] = LETTERS, at_most: int = 250) -> Page[str]:
    return page(items, request(inner), str, at_most=at_most)


@pytest.mark.parametrize(
    "inner, items, index, complete",
    [
        ("", "abcdefghij", 0, True),
        ("<max>3</max>", "abc", 0, False),
        ("<max>3</max><after/>", "abc", 0, False),
        ("<max>3</max><after>c</after>", "def", 3, False),
        ("<max>3</max><after>g</after>", "hij", 7, True),
        ("<max>3</max><after>h</after>", "ij", 8, True),
        ("<max>3</max><after>j</after>", "", None, True),
        ("<max>3</max><before/>", "hij", 7, False),
        ("<max>3</max><before>h</before>", "efg", 4, False),
        ("<max>3</max><before>c</before>", "ab", 0, True),
        ("<max>3</max><before>a</before>", "", None, True),
        ("<max>2</max><after>b</after><before>h</before>", "fg", 5, False),
        ("<max>9</max><after>b</after><before>f</before>", "cde", 2, True),
        ("<max>9</max><after>f</after><before>b</before>", "", None, True),
        ("<max>3</max><index>4</index>", "efg", 4, False),
        ("<max>3</max><index>0</index>", "abc", 0, False),
        ("<max>3</max><index>10</index>", "", None, True),
        ("<max>3</max><index>99</index>", "", None, True),
        ("<max>0</max>", "", None, False),
        ("<max>99</max>", "abcdefghij", 0, True),
    ],
)
def test_a_page_has_what_was_asked_for(
    inner: str, items: str, index: int | None, complete: bool
) -> None:
    found = turn(inner)
    assert ("".join(found.items), found.index, found.complete) == (items, index, complete)
    assert (found.first, found.last) == ((items[0], items[-1]) if items else (None, None))
    assert found.count == 10


def test_a_page_is_never_larger_than_the_server_allows() -> None:
    assert turn("<max>9</max>", at_most=4).items == list("abcd")
    assert turn("<before/>", at_most=4).items == list("ghij")
    assert len(page(range(1000), request(""), str).items) == 250


def test_paging_forwards_sees_each_item_once() -> None:
    seen: list[str] = []
    after = ""
    while not (found := turn(f"<max>3</max><after>{after}</after>")).complete:
        seen += found.items
        after = found.last or ""
    assert seen + found.items == LETTERS


@pytest.mark.parametrize("inner", ["<after>z</after>", "<before>z</before>"])
def test_an_unknown_id_is_item_not_found(inner: str) -> None:
    with pytest.raises(StanzaError, match="item-not-found"):
        turn(inner)


@pytest.mark.parametrize(
    "inner",
    [
        "<max>-1</max>",
        "<max>ten</max>",
        "<max/>",
        "<max>1.5</max>",
        "<index>-1</index>",
        "<index>x</index>",
        "<index>1</index><after>a</after>",
        "<index>1</index><before/>",
    ],
)
def test_a_malformed_request_is_bad_request(inner: str) -> None:
    with pytest.raises(StanzaError, match="bad-request"):
        request(inner)


def test_the_set_describes_the_page() -> None:
    assert turn("<max>2</max><after>b</after>").element() == parse(
        f"<set xmlns='{RSM}'><count>10</count><first index='2'>c</first><last>d</last></set>"
    )
    assert turn("<max>0</max>").element() == parse(f"<set xmlns='{RSM}'><count>10</count></set>")
    nothing = turn("", [])
    assert nothing.element() == parse(f"<set xmlns='{RSM}'><count>0</count></set>")


def test_a_set_without_what_is_too_costly_to_count_reads_back() -> None:
    costly = Page(["a"], "a", "a", None, None, False).element()
    assert costly == parse(f"<set xmlns='{RSM}'><first>a</first><last>a</last></set>")
    read = ResultSet.from_element(costly)
    assert read.first is not None
    assert (read.first.uid, read.first.index, read.last, read.count) == ("a", None, "a", None)


def test_the_request_is_found_within_the_payload() -> None:
    asked = ResultSetRequest(max=5, before="")
    found = ResultSetRequest.of(Element("u:q", "query", {}, asked.element()))
    assert found == asked
    assert ResultSetRequest.of(Element("u:q", "query")) is None
