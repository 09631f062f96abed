"""The element tree. Nothing here recurses: a deep tree costs memory, never the C stack."""

from collections.abc import Iterator, Mapping
from typing import Final

XML_NS: Final = "http://www.w3.org/XML/1998/namespace"
XML_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"


class Element:
    """An element by its expanded name. `attrs` has unprefixed attributes by plain name and
    namespaced ones as "{uri}name"; `children` mixes elements and text, in order.
    """

    __slots__ = ("attrs", "children", "name", "ns")
    __hash__ = None  # type: ignore[assignment]  # mutable: equality is by value

    def __init__(
        self,
        ns: str,
        name: str,
        attrs: Mapping[str, str] | None = None,
        *children: "Element | str",
    ) -> None:
        self.ns = ns
        self.name = name
        self.attrs: dict[str, str] = dict(attrs) if attrs else {}
        self.children: list[Element | str] = list(children)

    def get(self, attr: str, default: str | None = None) -> str | None:
        return self.attrs.get(attr, default)

    def append(self, *children: "Element | str") -> None:
        self.children.extend(children)

    @property
    def elements(self) -> list["Element"]:
        return [child for child in self.children if isinstance(child, Element)]

    @property
    def text(self) -> str:
        """The text directly in this element, without that of its children."""
        return "".join([child for child in self.children if isinstance(child, str)])

    def child(self, ns: str, name: str | None = None) -> "Element | None":
        """The first child element of that name (of any, when None) in that namespace."""
        for child in self.children:
            if isinstance(child, Element) and child.ns == ns and name in (None, child.name):
                return child
        return None

    def all(self, ns: str | None = None, name: str | None = None) -> list["Element"]:
        """The child elements of that namespace and name; None stands for any."""
        return [e for e in self.elements if ns in (None, e.ns) and name in (None, e.name)]

    def child_text(self, ns: str, name: str) -> str | None:
        """The text of the first such child; None when there is no such child."""
        child = self.child(ns, name)
        return None if child is None else child.text

    def copy(self) -> "Element":
        """A deep copy."""
        root = Element(self.ns, self.name, self.attrs)
        todo = [(self, root)]
        while todo:
            source, target = todo.pop()
            for child in source.children:
                if isinstance(child, Element):
                    twin = Element(child.ns, child.name, child.attrs)
                    todo.append((child, twin))
                    child = twin
                target.children.append(child)
        return root

    def __eq__(self, other: object) -> bool:
        """By expanded names, attributes and children; text may be cut in different pieces."""
        if not isinstance(other, Element):
            return NotImplemented
        todo = [(self, other)]
        while todo:
            one, two = todo.pop()
            if one is two:
                continue
            if (one.name, one.ns, one.attrs) != (two.name, two.ns, two.attrs):
                return False
            ours, theirs = list(_merged(one.children)), list(_merged(two.children))
            if len(ours) != len(theirs):
                return False
            for mine, its in zip(ours, theirs, strict=True):
                if isinstance(mine, Element) and isinstance(its, Element):
                    todo.append((mine, its))
                elif isinstance(mine, Element) or isinstance(its, Element) or mine != its:
                    return False
        return True

    def __repr__(self) -> str:
        """The outermost tag alone: children may be many, deep, and secret."""
        attrs = "".join(f" {name}={value!r:.80}" for name, value in self.attrs.items())
        inside = f" with {len(self.children)} children" if self.children else ""
        return f"<Element {{{self.ns}}}{self.name}{attrs}{inside}>"


def _merged(children: list[Element | str]) -> Iterator[Element | str]:
    """Adjacent text as one piece, empty text left out."""
    pieces: list[str] = []
    for child in children:
        if isinstance(child, str):
            pieces.append(child)
            continue
        if text := "".join(pieces):
            yield text
        pieces.clear()
        yield child
    if text := "".join(pieces):
        yield text
