"""Saying what a client must receive: XML as in a XEP's example, or a function that judges."""

from collections.abc import Callable
from typing import TypeAlias

from xmppd.ns import CLIENT, STANZAS
from xmppd.xml import Element, parse, to_xml

# None: it matches; else what is wrong with it, in words.
Matcher: TypeAlias = Callable[[Element], str | None]


def matcher(wanted: str | Matcher) -> Matcher:
    """XML text stands for a stanza with at least these attributes and exactly these children."""
    return exactly(wanted) if isinstance(wanted, str) else wanted


def exactly(xml: str) -> Matcher:
    """At least these attributes, exactly these children (in any order)."""
    wanted = parse(xml, CLIENT)

    def judge(stanza: Element) -> str | None:
        problem = _outside(wanted, stanza)
        if problem is None and _names(wanted) != _names(stanza):
            problem = f"its children are {_names(stanza)}, not {_names(wanted)}"
        return problem or _children(wanted, stanza)

    return judge


def like(xml: str) -> Matcher:
    """At least these attributes and, at every depth, at least these children and texts."""
    wanted = parse(xml, CLIENT)

    def judge(stanza: Element) -> str | None:
        return None if _contains(stanza, wanted) else f"it has not all of {xml}"

    return judge


def result(id: str, payload: str | None = None) -> Matcher:
    """An IQ of type result; `payload` is compared if given ("" for none)."""

    def judge(stanza: Element) -> str | None:
        problem = _is(stanza, "iq", id, "result")
        if problem or payload is None:
            return problem
        found = "".join(to_xml(child, CLIENT) for child in stanza.elements)
        same = parse(payload, CLIENT) in stanza.elements if payload else not stanza.elements
        return None if same else f"its payload is {found or 'none'}, not {payload or 'none'}"

    return judge


def error(id: str | None, type: str, condition: str, kind: str = "iq") -> Matcher:
    """A stanza of type error, by `id`, error type and condition (RFC 6120 §8.3)."""

    def judge(stanza: Element) -> str | None:
        found = stanza.child(CLIENT, "error")
        if problem := _is(stanza, kind, id, "error"):
            return problem
        if found is None or found.get("type") != type:
            return f"its error is of type {found and found.get('type')!r}, not {type!r}"
        if found.child(STANZAS, condition) is None:
            return f"its condition is not {condition}"
        return None

    return judge


def message(body: str | None = None, **attributes: str) -> Matcher:
    """A message with this body and these attributes (`from_` for from); others do not matter."""

    def judge(stanza: Element) -> str | None:
        if body is not None and stanza.child_text(CLIENT, "body") != body:
            return f"its body is not {body!r}"
        return _has(stanza, "message", attributes)

    return judge


def presence(**attributes: str) -> Matcher:
    """Presence with these attributes (`from_` for from; available unless `type` is given)."""

    def judge(stanza: Element) -> str | None:
        if "type" not in attributes and stanza.get("type"):
            return f"it is of type {stanza.get('type')}"
        return _has(stanza, "presence", attributes)

    return judge


def _has(stanza: Element, name: str, attributes: dict[str, str]) -> str | None:
    if stanza.name != name:
        return f"it is no {name}"
    for key, value in attributes.items():
        if stanza.get(key.rstrip("_")) != value:
            return f"its {key.rstrip('_')} is {stanza.get(key.rstrip('_'))!r}, not {value!r}"
    return None


def _is(stanza: Element, name: str, id: str | None, type: str) -> str | None:
    if (stanza.name, stanza.get("type")) != (name, type):
        return f"it is no {name} of type {type}"
    if id is not None and stanza.get("id") != id:
        return f"its id is {stanza.get('id')!r}, not {id!r}"
    return None


def _outside(wanted: Element, found: Element) -> str | None:
    if (wanted.ns, wanted.name) != (found.ns, found.name):
        return f"it is no {wanted.name}"
    for key, value in wanted.attrs.items():
        if found.get(key) != value:
            return f"its {key} is {found.get(key)!r}, not {value!r}"
    return None


def _names(stanza: Element) -> list[str]:
    return sorted(f"{{{child.ns}}}{child.name}" for child in stanza.elements)


def _children(wanted: Element, found: Element) -> str | None:
    for child in wanted.elements:
        if child not in found.elements:
            return f"it lacks {to_xml(child, CLIENT)}"
    return None


def _contains(found: Element, wanted: Element) -> bool:
    """Whether `found` has all of `wanted`; tests' stanzas are shallow, so this may recurse."""
    if _outside(wanted, found):
        return False
    if wanted.text.strip() and wanted.text != found.text:
        return False
    left = list(found.elements)
    for child in wanted.elements:
        match = next((other for other in left if _contains(other, child)), None)
        if match is None:
            return False
        left.remove(match)
    return True
