"""Hats: further roles of users, beside those of the protocol (XEP-0317 0.3.1).

Admins of a room make them and give them to users, by ad-hoc commands of the room; who wears one
shows it in each presence.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Final

from xmppd.api import JID, XML_LANG, Element, StanzaError, lenient_jid

NS: Final = "urn:xmpp:hats:0"
FORM: Final = "urn:xmpp:hats:commands"
MOST_HATS: Final = 100
MOST_WEARERS: Final = 5000
MOST_EACH: Final = 20


@dataclass(frozen=True, slots=True)
class Hat:
    uri: str
    title: str
    hue: str = ""  # an angle of 0 to 360 (XEP-0392)
    lang: str = ""

    def element(self) -> Element:
        made = Element(NS, "hat", {"title": self.title, "uri": self.uri})
        if self.hue:
            made.attrs["hue"] = self.hue
        if self.lang:
            made.attrs[XML_LANG] = self.lang
        return made


class Hats:
    """The hats of a room, and who wears which."""

    __slots__ = ("known", "worn")

    def __init__(self) -> None:
        self.known: dict[str, Hat] = {}  # by URI
        self.worn: dict[JID, list[str]] = {}  # by bare JID, URIs in the order they were given

    def __bool__(self) -> bool:
        return bool(self.known)

    @property
    def hash(self) -> str:
        """Changes with the list (§2)."""
        text = "\0".join(f"{hat.uri}\1{hat.title}\1{hat.hue}" for hat in self.known.values())
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    def of(self, user: JID) -> Element | None:
        """`<hats/>` for the presence of this user."""
        worn = self.worn.get(user)
        if not worn:
            return None
        return Element(NS, "hats", None, *[self.known[uri].element() for uri in worn])

    def wearers(self, uri: str) -> list[JID]:
        return [user for user, worn in self.worn.items() if uri in worn]

    # Changes: each makes other Hats, that are stored before they are taken over

    def with_hat(self, hat: Hat) -> "Hats":
        """Raises resource-constraint."""
        made = self._copy()
        made.known[hat.uri] = hat
        if len(made.known) > MOST_HATS:
            raise StanzaError("resource-constraint", f"a room has at most {MOST_HATS} hats")
        return made

    def without_hat(self, uri: str) -> "Hats":
        """Nobody wears it any more (§3.3)."""
        made = self._copy()
        del made.known[uri]
        for user in made.wearers(uri):
            made._take(user, uri)
        return made

    def given(self, user: JID, uri: str) -> "Hats":
        """Raises resource-constraint."""
        made = self._copy()
        worn = made.worn.setdefault(user, [])
        if uri not in worn:
            worn.append(uri)
        if len(worn) > MOST_EACH or len(made.worn) > MOST_WEARERS:
            raise StanzaError("resource-constraint", "too many hats are worn already")
        return made

    def taken(self, user: JID, uri: str) -> "Hats":
        made = self._copy()
        if uri in made.worn.get(user, ()):
            made._take(user, uri)
        return made

    def _take(self, user: JID, uri: str) -> None:
        self.worn[user].remove(uri)
        if not self.worn[user]:
            del self.worn[user]

    def _copy(self) -> "Hats":
        made = Hats()
        made.known = dict(self.known)
        made.worn = {user: list(worn) for user, worn in self.worn.items()}
        return made

    def dump(self) -> dict[str, Any] | None:
        if not self.known:
            return None
        hats = [asdict(hat) for hat in self.known.values()]
        return {"hats": hats, "worn": {str(user): worn for user, worn in self.worn.items()}}

    @classmethod
    def load(cls, stored: dict[str, Any]) -> "Hats":
        made = cls()
        made.known = {each["uri"]: Hat(**each) for each in stored["hats"]}
        made.worn = {lenient_jid(user): worn for user, worn in stored["worn"].items()}
        return made
