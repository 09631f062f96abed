"""Search for public rooms by words (XEP-0433 0.1.0)."""

from dataclasses import dataclass
from typing import Final

from xmppd.api import (
    IQ,
    SERVICE,
    Element,
    FieldType,
    Form,
    FormType,
    Page,
    ResultSetRequest,
    StanzaError,
    forms,
    iq_get,
    ns,
)
from xmppd.modules.muc.config import Config
from xmppd.modules.muc.limits import Rates
from xmppd.modules.muc.picturing import RoomPictures
from xmppd.modules.muc.room import Room

NS: Final = "urn:xmpp:channel-search:0:search"
PARAMS: Final = "urn:xmpp:channel-search:0:search-params"
ERROR: Final = "urn:xmpp:channel-search:0:error"
BY_USERS: Final = "{urn:xmpp:channel-search:0:order}nusers"
BY_ADDRESS: Final = "{urn:xmpp:channel-search:0:order}address"
NOT_ANONYMOUS: Final = "{urn:xmpp:channel-search:0:anonymity}none"
KINDS: Final = "xep-0045"
PLACES: Final = ("sinname", "sindescription", "sinaddress")
MOST: Final = 100
MOST_WORDS: Final = 10
SHORTEST, LONGEST = 2, 200
A_SECOND, AT_ONCE = 1.0, 30


@dataclass(frozen=True, slots=True)
class Channel:
    """A room as it is found."""

    name: str
    config: Config
    users: int

    def matches(self, words: list[str], places: frozenset[str]) -> bool:
        texts = {
            "sinname": self.config.name,
            "sindescription": self.config.description,
            "sinaddress": self.name,
        }
        text = "\n".join(texts[place] for place in places).casefold()
        return all(word in text for word in words)

    def element(self, domain: str) -> Element:
        item = Element(NS, "item", {"address": f"{self.name}@{domain}"})
        item.append(Element(NS, "name", None, self.config.name or self.name))
        if self.config.description:
            item.append(Element(NS, "description", None, self.config.description))
        if self.config.lang:
            item.append(Element(NS, "language", None, self.config.lang))
        item.append(Element(NS, "nusers", None, str(self.users)))
        item.append(Element(NS, "service-type", None, KINDS))
        if not self.config.members_only and not self.config.protected:
            item.append(Element(NS, "is-open"))
        item.append(Element(NS, "anonymity-mode", None, _anonymity(self.config)))
        return item


def _anonymity(config: Config) -> str:
    return "muc_semianonymous" if config.anonymous else NOT_ANONYMOUS


@dataclass(frozen=True, slots=True)
class Search:
    words: list[str]
    places: frozenset[str]
    least: int
    by_users: bool


class RoomSearch(RoomPictures):
    @iq_get(NS, "search", at=SERVICE)
    async def search(self, iq: IQ) -> Element:
        """The form, or what was found."""
        submitted = iq.payload.child(ns.FORMS, "x")
        if submitted is None:
            return Element(NS, "search", None, blank().element())
        if not self._searches.take(iq.from_.bare, self._now()):
            limited = Element(ERROR, "rate-limit", {"retry-after": "5"})
            raise StanzaError("resource-constraint", "slower, please", type="wait", app=limited)
        wanted = read(forms.submission(submitted, PARAMS))
        return await self._found(wanted, ResultSetRequest.of(iq.payload))

    @property
    def _searches(self) -> Rates:
        made: Rates = self.__dict__.setdefault("_search_rates", Rates(A_SECOND, AT_ONCE))
        return made

    async def _found(self, wanted: Search, request: ResultSetRequest | None) -> Element:
        request = request or ResultSetRequest()
        most = MOST if request.max is None else min(request.max, MOST)
        found = await self._matching(wanted)
        lines, first = _page(found, request, most)
        result = Element(NS, "result", None, *[e.element(self.domain.domain) for e in lines])
        names = [f"{e.name}@{self.domain.domain}" for e in lines]
        page = Page(
            items=lines,
            first=names[0] if names else None,
            last=names[-1] if names else None,
            index=first if names else None,
            count=len(found),
            complete=len(lines) == len(found),
        )
        result.append(page.element())
        return result

    async def _matching(self, wanted: Search) -> list[Channel]:
        """In the order that was asked for; of rooms that nobody is in, as far as they count."""
        there = [_channel(room) for room in self.rooms if room.config.public and not room.locked]
        found = [each for each in there if each.users >= wanted.least]
        if not wanted.least:
            names = {each.name for each in there}
            stored = await self.stored.searched(wanted.words, self.options.max_found)
            others = [Channel(name, Config.from_json(text), 0) for name, text in stored]
            found += [each for each in others if each.name not in names]
        found = [each for each in found if each.matches(wanted.words, wanted.places)]
        users = wanted.by_users
        return sorted(found, key=lambda each: (-each.users if users else 0, each.name))

    def service_features(self) -> set[str]:
        return {*super().service_features(), NS}


def _channel(room: Room) -> Channel:
    return Channel(room.name, room.config, len(room.occupants))


def _page(found: list[Channel], request: ResultSetRequest, most: int) -> tuple[list[Channel], int]:
    """Raises item-not-found for a room that is not found (any more)."""
    start, end = 0, len(found)
    if request.after:
        start = _position(found, request.after) + 1
    if request.before:
        end = _position(found, request.before)
    if request.index is not None:
        start = request.index
    if request.before is not None:
        start = max(start, end - most)
    return found[start : min(end, start + most)], start


def _position(found: list[Channel], address: str) -> int:
    name = address.partition("@")[0]
    for position, each in enumerate(found):
        if each.name == name:
            return position
    raise StanzaError("item-not-found", "this room is not found (any more)")


def blank() -> Form:
    """The form with its defaults (§4.2.1)."""
    orders = [(BY_USERS, "Number of online users"), (BY_ADDRESS, "Address")]
    kinds = [(KINDS, "XEP-0045 Multi User Chats")]
    one, many = FieldType.LIST_SINGLE, FieldType.LIST_MULTI
    return Form(
        type=FormType.FORM,
        fields=[
            forms.form_type(PARAMS),
            forms.field("q", None, FieldType.TEXT_SINGLE, label="Search for"),
            forms.field("all", False, label="Return all entries"),
            forms.field("sinname", True, label="Search in name"),
            forms.field("sindescription", True, label="Search in description"),
            forms.field("sinaddress", True, label="Search in address"),
            forms.field("min_users", "1", FieldType.TEXT_SINGLE, label="Minimum number of users"),
            forms.field("types", [KINDS], many, label="Service types", options=kinds),
            forms.field("key", BY_USERS, one, label="Sort results by", options=orders),
        ],
    )


def read(given: Form) -> Search:
    """Raises the errors of §4.2.2; fields that are not known are ignored (§5)."""
    words = _words(given)
    places = frozenset(name for name in PLACES if given.get(name, bool, True))
    if not given.get("sinaddr", bool, True):  # as the examples call it
        places -= {"sinaddress"}
    if words and not places:
        raise _refused("conflicting-fields", "nowhere to search")
    key = given.get("key", str, BY_USERS) or BY_USERS
    if key not in (BY_USERS, BY_ADDRESS):
        condition = Element(ERROR, "invalid-sort-key")
        raise StanzaError("feature-not-implemented", "unknown order", type="modify", app=condition)
    kinds = given.get_all("types", str)
    if kinds and KINDS not in kinds:
        raise _refused("no-search-conditions", "there are only rooms of XEP-0045 here")
    return Search(words, places, _least(given), key == BY_USERS)


def _words(given: Form) -> list[str]:
    everything, text = given.get("all", bool, False), (given.get("q", str, "") or "").strip()
    if everything and text:
        raise _refused("conflicting-fields", "all results, or those with these words?")
    if everything:
        return []
    if not text:
        raise _refused("no-search-conditions", "what is searched for?")
    words = list(dict.fromkeys(text.casefold().split()))
    if max(map(len, words)) < SHORTEST or len(text) > LONGEST or len(words) > MOST_WORDS:
        raise _refused("invalid-search-terms", f"words of {SHORTEST} letters or more are wanted")
    return words


def _least(given: Form) -> int:
    text = (given.get("min_users", str, "1") or "1").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise StanzaError("bad-request", "min_users is a number")
    return int(text)


def _refused(condition: str, text: str) -> StanzaError:
    return StanzaError("bad-request", text, type="modify", app=Element(ERROR, condition))
