"""XML from trees, without recursion and with nothing in it that RFC 6120 §11 prohibits."""

import re
from typing import Final

from xmppd.xml.element import XML_NS, Element
from xmppd.xml.errors import XMLError

XMLNS_NS: Final = "http://www.w3.org/2000/xmlns/"
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME: Final = re.compile(r"[^\W\d][\w.\-\u00b7]*")  # near enough to an NCName


def escape_text(text: str) -> str:
    """Character data. CR is written as a reference (parsers would read LF), and `>` too, so that
    `]]>` cannot come about.
    """
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if "\r" in text:
        text = text.replace("\r", "&#xD;")
    return text


def escape_attr(value: str) -> str:
    """An attribute's value for either kind of quotes; CR, LF and TAB survive as references."""
    value = escape_text(value)
    if '"' in value:
        value = value.replace('"', "&quot;")
    if "'" in value:
        value = value.replace("'", "&apos;")
    if "\n" in value:
        value = value.replace("\n", "&#xA;")
    if "\t" in value:
        value = value.replace("\t", "&#x9;")
    return value


def to_xml(element: Element, default_ns: str = "") -> str:
    """The element as XML for a place where `default_ns` is in force. Elements are written without
    prefixes, namespaced attributes with prefixes declared beside them. Raises XMLError for names
    and characters that XML 1.0 has no way to write.
    """
    out: list[str] = []
    # What is still to be written: text and end tags as str, elements with the namespace around.
    todo: list[str | tuple[Element, str]] = [(element, default_ns)]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            out.append(item)
            continue
        node, outer = item
        tag, ns = _start_tag(node, outer, out)
        if not node.children:
            out.append("/>")
            continue
        out.append(">")
        todo.append(f"</{tag}>")
        todo += [
            escape_text(child) if isinstance(child, str) else (child, ns)
            for child in reversed(node.children)
        ]
    xml = "".join(out)
    if not xml.isprintable() and (bad := _ILLEGAL.search(xml)):
        raise XMLError(f"U+{ord(bad[0]):04X} cannot be written in XML")
    return xml


def _start_tag(element: Element, outer: str, out: list[str]) -> tuple[str, str]:
    """Writes the start tag but its end; gives the tag's name and the default namespace inside."""
    ns, name = element.ns, element.name
    if not name.isalpha():
        _check_name(name)
    if ns == outer:
        out.append("<" + name)
    elif ns == XML_NS:  # may not be a default namespace (Namespaces in XML 1.0 §3)
        name, ns = "xml:" + name, outer
        out.append("<" + name)
    elif ns == XMLNS_NS:
        raise XMLError("no element can be in the namespace of xmlns")
    else:
        out.append(f"<{name} xmlns='{escape_attr(ns)}'")
    if element.attrs:
        _attributes(element.attrs, out)
    return name, ns


def _attributes(attrs: dict[str, str], out: list[str]) -> None:
    prefixes: dict[str, str] = {}
    for name, value in attrs.items():
        if name.startswith("{"):
            ns, _, name = name[1:].rpartition("}")
            prefix = _prefix(ns, prefixes, out)
            _check_name(name)
            name = f"{prefix}:{name}"
        elif not name.isalpha():
            _check_name(name)
        if name == "xmlns":
            raise XMLError("xmlns is no attribute: it follows from the element's namespace")
        out.append(f" {name}='{escape_attr(value)}'")


def _prefix(ns: str, prefixes: dict[str, str], out: list[str]) -> str:
    """The prefix of an attribute's namespace, which is declared on first use in this tag."""
    if ns == XML_NS:
        return "xml"
    if not ns or ns == XMLNS_NS:
        raise XMLError(f"no attribute can be in the namespace {ns!r}")
    prefix = prefixes.get(ns)
    if prefix is None:
        prefix = prefixes[ns] = f"ns{len(prefixes)}"
        out.append(f" xmlns:{prefix}='{escape_attr(ns)}'")
    return prefix


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise XMLError(f"{name!r} is no XML name")
