"""The element tree."""

import pytest

from xmppd.xml import Element, parse

DEEP = 100_000


def deep(text: str) -> Element:
    root = Element("n", "a", None, text)
    for _ in range(DEEP):
        root = Element("n", "a", None, root)
    return root


def test_children_are_found_by_namespace_and_name() -> None:
    a1, a2, b = Element("n", "a"), Element("m", "a", None, "x"), Element("n", "b")
    root = Element("n", "root", {"k": "v"}, "text", a1, a2, "more", b)
    assert root.child("n") is a1
    assert root.child("n", "b") is b
    assert root.child("m", "b") is None
    assert root.all("n") == [a1, b]
    assert root.all(name="a") == [a1, a2]
    assert root.elements == [a1, a2, b]
    assert root.text == "textmore"
    assert (root.child_text("m", "a"), root.child_text("n", "z")) == ("x", None)
    assert (root.get("k"), root.get("z"), root.get("z", "d")) == ("v", None, "d")


def test_attributes_given_are_copied() -> None:
    attrs = {"a": "1"}
    element = Element("", "x", attrs)
    element.attrs["b"] = "2"
    assert attrs == {"a": "1"}


def test_a_copy_shares_nothing_that_can_change() -> None:
    root = parse("<a xmlns='n' k='v'>t<b><c/>u</b></a>")
    twin = root.copy()
    assert twin == root
    inner = twin.elements[0]
    inner.attrs["new"] = "1"
    inner.elements[0].append("deep")
    assert root == parse("<a xmlns='n' k='v'>t<b><c/>u</b></a>")


def test_adjacent_and_empty_text_makes_no_difference() -> None:
    assert Element("n", "a", None, "x", "", "y") == Element("n", "a", None, "xy")
    assert Element("n", "a", None, "") == Element("n", "a")


@pytest.mark.parametrize(
    "other",
    [
        Element("m", "a", {"k": "v"}, "t", Element("n", "b")),
        Element("n", "z", {"k": "v"}, "t", Element("n", "b")),
        Element("n", "a", {"k": "w"}, "t", Element("n", "b")),
        Element("n", "a", {"k": "v"}, Element("n", "b"), "t"),
        Element("n", "a", {"k": "v"}, "t", Element("n", "b", None, "x")),
        Element("n", "a", {"k": "v"}, "t"),
        Element("n", "a", {"k": "v"}, "t", "u"),
        "a",
    ],
)
def test_any_other_difference_counts(other: object) -> None:
    assert Element("n", "a", {"k": "v"}, "t", Element("n", "b")) != other


def test_a_deep_tree_does_not_exhaust_the_stack() -> None:
    one = deep("x")
    twin = one.copy()
    assert one == twin
    assert one != deep("y")
    assert len(repr(one)) < 100
    del one, twin  # C stack: deallocation nests too


def test_a_repr_shows_no_content() -> None:
    assert "secret" not in repr(Element("n", "auth", None, "secret"))
