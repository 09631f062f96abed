"""Which property of a vCard4 is which of the older card (XEP-0292 §11, RFC 6351)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from xmppd.api import Element
from xmppd.modules.vcard import NS as TEMP

NS: Final = "urn:ietf:params:xml:ns:vcard-4.0"


class Simple(NamedTuple):
    """A property with one value. `scheme` begins its URI, which is not said in the old card."""

    old: str
    new: str
    kind: str
    scheme: str = ""


SIMPLE: Final = (
    Simple("FN", "fn", "text"),
    Simple("NICKNAME", "nickname", "text"),
    Simple("BDAY", "bday", "date"),
    Simple("JABBERID", "impp", "uri", "xmpp:"),
    Simple("TZ", "tz", "text"),
    Simple("TITLE", "title", "text"),
    Simple("ROLE", "role", "text"),
    Simple("DESC", "note", "text"),  # §11.1.1; back too: older clients do not show NOTE
    Simple("NOTE", "note", "text"),
    Simple("PRODID", "prodid", "text"),
    Simple("REV", "rev", "timestamp"),
    Simple("UID", "uid", "uri"),
    Simple("URL", "url", "uri"),
)
PARTS: Final = {  # of what is structured
    "N": (
        "n",
        {
            "FAMILY": "surname",
            "GIVEN": "given",
            "MIDDLE": "additional",
            "PREFIX": "prefix",
            "SUFFIX": "suffix",
        },
    ),
    "ADR": (
        "adr",
        {
            "POBOX": "pobox",
            "EXTADD": "ext",
            "STREET": "street",
            "LOCALITY": "locality",
            "REGION": "region",
            "PCODE": "code",
            "CTRY": "country",
        },
    ),
}
TYPES: Final = ("home", "work", "text", "voice", "fax", "cell", "video", "pager", "textphone")
PICTURES: Final = {"PHOTO": "photo", "LOGO": "logo", "SOUND": "sound"}
LOST: Final = ("LABEL", "MAILER", "CLASS", "SORT-STRING", "AGENT")  # vCard4 says them not, or so


def _one(name: str, kind: str, value: str, *parameters: Element) -> Element:
    return Element(NS, name, None, *parameters, Element(NS, kind, None, value))


# To vCard4


def from_temp(card: Element, *, pictures: bool = True) -> Element:
    """`<vcard/>` for the older `<vCard/>`; `pictures`: with those that are in it."""
    made = [new for element in card.elements for new in _new(element, pictures)]
    return Element(NS, "vcard", None, *made)


def _new(element: Element, pictures: bool) -> Iterator[Element]:
    if element.ns != TEMP:
        return
    name, text = element.name, element.text.strip()
    for each in SIMPLE:
        if name == each.old and text:
            yield _one(each.new, each.kind, each.scheme + text)
    if name in PARTS:
        yield _structured(element)
    elif name in PICTURES:
        yield from _picture(element, pictures)
    elif name in FROM:
        yield from FROM[name](element)


def _structured(element: Element) -> Element:
    new, parts = PARTS[element.name]
    inside = [
        Element(NS, parts[part.name], None, part.text)
        for part in element.elements
        if part.name in parts
    ]
    return Element(NS, new, None, *_parameters(element), *inside)


def _parameters(element: Element) -> list[Element]:
    """The types of an address, and that it is preferred."""
    marks = {mark.name.lower() for mark in element.elements if mark.ns == TEMP}
    types = [Element(NS, "text", None, type_) for type_ in TYPES if type_ in marks]
    inside = [Element(NS, "type", None, *types)] if types else []
    if "pref" in marks:
        inside.append(Element(NS, "pref", None, Element(NS, "integer", None, "1")))
    return [Element(NS, "parameters", None, *inside)] if inside else []


def _picture(element: Element, pictures: bool) -> Iterator[Element]:
    """Elsewhere, or as `data:` URI (RFC 2397)."""
    new, elsewhere = PICTURES[element.name], element.child_text(TEMP, "EXTVAL")
    data = "".join((element.child_text(TEMP, "BINVAL") or "").split())
    if elsewhere:
        yield _one(new, "uri", elsewhere)
    elif data and pictures:
        usual = "audio/basic" if new == "sound" else "image/png"
        type_ = (element.child_text(TEMP, "TYPE") or "").strip() or usual
        yield _one(new, "uri", f"data:{type_};base64,{data}")


def _tel(element: Element) -> Iterator[Element]:
    number = (element.child_text(TEMP, "NUMBER") or "").strip()
    if number:
        yield _one("tel", "uri", f"tel:{number}", *_parameters(element))


def _email(element: Element) -> Iterator[Element]:
    address = element.child_text(TEMP, "USERID")
    if address:
        yield _one("email", "text", address, *_parameters(element))


def _org(element: Element) -> Iterator[Element]:
    name = element.child_text(TEMP, "ORGNAME")  # units are lost (§11.3.3)
    if name:
        yield _one("org", "text", name)


def _geo(element: Element) -> Iterator[Element]:
    lat, lon = element.child_text(TEMP, "LAT"), element.child_text(TEMP, "LON")
    if lat and lon:
        yield _one("geo", "uri", f"geo:{lat},{lon}")


def _categories(element: Element) -> Iterator[Element]:
    words = [Element(NS, "text", None, word.text) for word in element.all(TEMP, "KEYWORD")]
    if words:
        yield Element(NS, "categories", None, *words)


def _key(element: Element) -> Iterator[Element]:
    key = element.child_text(TEMP, "CRED")
    if key:
        yield _one("key", "text", key)


Convert = Callable[[Element], Iterable[Element]]
FROM: Final[dict[str, Convert]] = {
    "TEL": _tel,
    "EMAIL": _email,
    "ORG": _org,
    "GEO": _geo,
    "CATEGORIES": _categories,
    "KEY": _key,
}


# To the older card


def to_temp(card: Element) -> list[Element]:
    """The elements of the older card for a `<vcard/>`, also within groups (RFC 6351 §5)."""
    found = []
    for element in card.elements:
        inside = element.elements if element.name == "group" else [element]
        found += [old for each in inside if each.ns == NS for old in _old(each)]
    return found


def kept(before: Element, said: Element) -> list[Element]:
    """What an older card had that a vCard4 cannot say, or this one does not: pictures are
    published in other ways.
    """
    new = {element.name for element in said.elements}
    stay = {*LOST, *(old for old, its in PICTURES.items() if its not in new)}
    return [each for each in before.elements if each.ns != TEMP or each.name in stay]


def _old(element: Element) -> Iterator[Element]:
    name = element.name
    for each in SIMPLE:
        text = _value(element, each.kind)
        if name == each.new and each.old != "NOTE" and text.startswith(each.scheme) and text:
            yield Element(TEMP, each.old, None, text.removeprefix(each.scheme))
    for old, (new, parts) in PARTS.items():
        if name == new:
            yield _unstructured(element, old, parts)
    for old, new in PICTURES.items():
        if name == new:
            yield from _unpicture(element, old)
    if name in BACK:
        yield from BACK[name](element)


def _value(element: Element, kind: str) -> str:
    """The value, of the usual kind or of another."""
    said = element.child_text(NS, kind)
    if said is None:
        others = [each for each in element.elements if each.name != "parameters"]
        said = others[0].text if others else ""
    return said.strip()


def _text(name: str, value: str) -> Element:
    return Element(TEMP, name, None, value)


def _unstructured(element: Element, old: str, parts: dict[str, str]) -> Element:
    inside = [
        _text(part, value)
        for part, new in parts.items()
        if (value := element.child_text(NS, new)) is not None
    ]
    marks = _marks(element) if old == "ADR" else []
    return Element(TEMP, old, None, *marks, *inside)


def _marks(element: Element) -> list[Element]:
    parameters = element.child(NS, "parameters")
    if parameters is None:
        return []
    said = parameters.child(NS, "type")
    types = {text.text.strip().lower() for text in said.elements} if said is not None else set()
    marks = [Element(TEMP, type_.upper()) for type_ in TYPES if type_ in types]
    if parameters.child(NS, "pref") is not None:
        marks.append(Element(TEMP, "PREF"))
    return marks


def _unpicture(element: Element, old: str) -> Iterator[Element]:
    uri = _value(element, "uri")
    head, comma, data = uri.partition(",")
    if uri.startswith("data:") and comma and head.endswith(";base64"):
        type_ = head.removeprefix("data:").removesuffix(";base64")
        typed = [_text("TYPE", type_)] if type_ and old != "SOUND" else []
        yield Element(TEMP, old, None, *typed, _text("BINVAL", data))
    elif uri and not uri.startswith("data:"):
        yield Element(TEMP, old, None, _text("EXTVAL", uri))


def _untel(element: Element) -> Iterator[Element]:
    number = _value(element, "uri").removeprefix("tel:")
    if number:
        yield Element(TEMP, "TEL", None, *_marks(element), _text("NUMBER", number))


def _unemail(element: Element) -> Iterator[Element]:
    address = _value(element, "text")
    if address:
        marks = [Element(TEMP, "INTERNET"), *_marks(element)]
        yield Element(TEMP, "EMAIL", None, *marks, _text("USERID", address))


def _unorg(element: Element) -> Iterator[Element]:
    name = _value(element, "text")
    if name:
        yield Element(TEMP, "ORG", None, _text("ORGNAME", name))


def _ungeo(element: Element) -> Iterator[Element]:
    lat, comma, lon = _value(element, "uri").removeprefix("geo:").partition(",")
    if comma:
        lon = lon.partition(",")[0].partition(";")[0]  # no altitude, no precision
        yield Element(TEMP, "GEO", None, _text("LAT", lat), _text("LON", lon))


def _uncategories(element: Element) -> Iterator[Element]:
    words = [_text("KEYWORD", word.text) for word in element.all(NS, "text")]
    if words:
        yield Element(TEMP, "CATEGORIES", None, *words)


def _unkey(element: Element) -> Iterator[Element]:
    key = element.child_text(NS, "text")
    if key:
        yield Element(TEMP, "KEY", None, _text("CRED", key))


BACK: Final[dict[str, Convert]] = {
    "tel": _untel,
    "email": _unemail,
    "org": _unorg,
    "geo": _ungeo,
    "categories": _uncategories,
    "key": _unkey,
}
