"""What is asked of an archive: the form and the page of a query (XEP-0313 §4)."""

from dataclasses import dataclass, replace
from datetime import datetime

from xmppd.api import (
    JID,
    Element,
    Field,
    FieldType,
    Form,
    FormType,
    ResultSetRequest,
    StanzaError,
    forms,
    ns,
)
from xmppd.modules.archive.ids import Id, micros, parse_id

EXTENDED = f"{ns.MAM}#extended"
GROUPCHAT_FIELD = f"{ns.MAM}#groupchat-field"
FULL_TEXT = "urn:xmpp:fulltext:0"
FULL_TEXT_FIELD = f"{{{FULL_TEXT}}}fulltext"
VALIDATE = "http://jabber.org/protocol/xdata-validate"
MOST_PER_PAGE = 250
MOST_IDS = 250
MOST_QUERY_ID = 1023
LARGEST_INDEX = 2**31
FIELDS = {
    "with": FieldType.JID_SINGLE,
    "start": FieldType.TEXT_SINGLE,
    "end": FieldType.TEXT_SINGLE,
    "before-id": FieldType.TEXT_SINGLE,
    "after-id": FieldType.TEXT_SINGLE,
    "ids": FieldType.LIST_MULTI,
    "include-groupchat": FieldType.BOOLEAN,
    FULL_TEXT_FIELD: FieldType.TEXT_SINGLE,
}


@dataclass(frozen=True, slots=True)
class Query:
    """One page, of those messages that match."""

    query_id: str | None = None
    # What matches (§4.1)
    peer: JID | None = None
    start: int | None = None
    end: int | None = None
    after_id: Id | None = None
    before_id: Id | None = None
    ids: tuple[Id, ...] | None = None
    text: str = ""
    # Which page of it (§4.3)
    max: int = MOST_PER_PAGE
    after: Id | None = None
    before: Id | None = None
    index: int = 0
    backwards: bool = False
    flipped: bool = False

    @property
    def named(self) -> list[Id]:
        """The messages that must be there, or the query fails (§4.1.3, §4.3.2)."""
        single = (self.after_id, self.before_id, self.after, self.before)
        return [*(each for each in single if each is not None), *(self.ids or ())]

    @property
    def is_later_page(self) -> bool:
        return self.after is not None or self.before is not None or self.index > 0

    @property
    def is_whole(self) -> bool:
        """Whether its page leaves nothing out that lies between its first and last message."""
        return self.peer is None and self.ids is None and not self.text


def read_query(payload: Element, fields: frozenset[str]) -> Query:
    """The query in this `<query/>`; `fields` are those of the form that this archive knows.

    Raises StanzaError bad-request; feature-not-implemented for other fields (§4.1.5);
    item-not-found for ids that no archive gives.
    """
    if payload.get("node") is not None:
        raise StanzaError("item-not-found", "this archive has no nodes")
    query_id = payload.get("queryid")
    if query_id is not None and len(query_id) > MOST_QUERY_ID:
        raise StanzaError("bad-request", "the queryid is too long")
    flipped = payload.child(ns.MAM, "flip-page") is not None
    asked = _paged(Query(query_id=query_id, flipped=flipped), payload)
    form = payload.child(ns.FORMS, "x")
    return asked if form is None else _filtered(asked, form, fields)


def _filtered(asked: Query, element: Element, fields: frozenset[str]) -> Query:
    form = forms.submission(element, ns.MAM)
    if form.type != FormType.SUBMIT:
        raise StanzaError("bad-request", "the form must be of type submit")
    for each in form.fields:
        if each.var and each.var not in fields and each.var != forms.FORM_TYPE:
            raise StanzaError("feature-not-implemented", f"no field '{each.var[:100]}'")
    form.get("include-groupchat", bool)  # checked; rooms' messages are in their own archives
    start, end = form.get("start", datetime), form.get("end", datetime)
    return replace(
        asked,
        peer=form.get("with", JID),
        start=None if start is None else micros(start),
        end=None if end is None else micros(end),
        after_id=_id(form.get("after-id", str)),
        before_id=_id(form.get("before-id", str)),
        ids=_ids(form),
        text=(form.get(FULL_TEXT_FIELD, str) or "").strip(),
    )


def _ids(form: Form) -> tuple[Id, ...] | None:
    texts = dict.fromkeys(text for text in form.get_all("ids", str) if text)
    if len(texts) > MOST_IDS:
        raise StanzaError("bad-request", f"at most {MOST_IDS} ids at once")
    ids = tuple(_known(text) for text in texts)
    return ids or None


def _paged(asked: Query, payload: Element) -> Query:
    page = ResultSetRequest.of(payload)
    if page is None:
        return asked
    return replace(
        asked,
        max=MOST_PER_PAGE if page.max is None else min(page.max, MOST_PER_PAGE),
        after=_id(page.after),
        before=_id(page.before),
        index=min(page.index or 0, LARGEST_INDEX),
        backwards=page.before is not None,
    )


def _id(text: str | None) -> Id | None:
    """None also for the empty `<before/>`, which names the end (XEP-0059 §2.5)."""
    return _known(text) if text else None


def _known(text: str) -> Id:
    found = parse_id(text)
    if found is None:
        raise StanzaError("item-not-found", "no message has this id")
    return found


def blank_form(fields: frozenset[str]) -> Element:
    """The form with all fields that are understood (§4.1.5)."""
    blank = [Field(var=var, type=type_) for var, type_ in FIELDS.items() if var in fields]
    form = Form(type=FormType.FORM, fields=[forms.form_type(ns.MAM), *blank]).element()
    for field in form.all(ns.FORMS, "field"):
        if field.get("var") == "ids":  # open: the list of all ids is not told
            open_ = Element(VALIDATE, "open")
            field.append(Element(VALIDATE, "validate", {"datatype": "xs:string"}, open_))
    return Element(ns.MAM, "query", None, form)
