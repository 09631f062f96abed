"""Whose clients want to hear of which nodes: what their capabilities say (XEP-0163 §4.4)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xmppd.api import JID
from xmppd.modules.entity_caps import Key

MOST_SHARING: Final = 2000  # resources that share presence with one account
MOST: Final = 200_000  # with all accounts of a host
MOST_OF_ONE: Final = 20  # resources of one contact
MOST_STRANGERS: Final = 50  # resources of no contacts, with one account
MOST_STRANGERS_IN_ALL: Final = 20_000
NONE: Final[frozenset[str]] = frozenset()


@dataclass(slots=True)
class Hearer:
    """A resource: what its last presence named, and the nodes it wants to hear of.

    `told`: those of which it got the last item since it came online. Once is enough, however
    often it changes its mind (XEP-0163 §4.3.3).
    """

    key: Key | None
    stranger: bool = False  # is in nobody's roster: what strangers send shuts out no contact
    notify: frozenset[str] = NONE
    told: frozenset[str] = NONE

    def learn(self, notify: frozenset[str]) -> frozenset[str]:
        """Take over what it wants; the nodes of which it needs the last item."""
        new = notify - self.told
        self.notify, self.told = notify, self.told | notify
        return new


class Sharing:
    """Resources that are no local contacts' and have sent presence to accounts of this host."""

    def __init__(self) -> None:
        self._of: dict[JID, dict[JID, Hearer]] = {}
        self._count = self._strangers = 0

    def get(self, user: JID, who: JID) -> Hearer | None:
        return self._of.get(user, {}).get(who)

    def add(
        self, user: JID, who: JID, key: Key | None, *, stranger: bool = False
    ) -> Hearer | None:
        """None where no more can be remembered."""
        those = self._of.get(user, {})
        if not self._has_room(those, who, stranger):
            return None
        self._count += 1
        self._strangers += stranger
        hearer = Hearer(key, stranger)
        self._of.setdefault(user, those)[who] = hearer
        return hearer

    def _has_room(self, those: Mapping[JID, Hearer], who: JID, stranger: bool) -> bool:
        if len(those) >= MOST_SHARING or self._count >= MOST:
            return False
        if sum(full.bare == who.bare for full in those) >= MOST_OF_ONE:
            return False
        if not stranger:
            return True
        here = sum(it.stranger for it in those.values())
        return here < MOST_STRANGERS and self._strangers < MOST_STRANGERS_IN_ALL

    def remove(self, user: JID, who: JID) -> None:
        """A bare JID stands for all its resources."""
        those = self._of.get(user, {})
        gone = [who] if who.is_full else [full for full in those if full.bare == who]
        for full in gone:
            hearer = those.pop(full, None)
            if hearer is not None:
                self._count -= 1
                self._strangers -= hearer.stranger
        if not those:
            self._of.pop(user, None)

    def remove_user(self, user: JID) -> None:
        those = self._of.pop(user, {})
        self._count -= len(those)
        self._strangers -= sum(it.stranger for it in those.values())

    def hearing(self, user: JID, node: str) -> Iterator[JID]:
        """Those that share presence with the account and want to hear of that node."""
        for who, hearer in self._of.get(user, {}).items():
            if node in hearer.notify:
                yield who

    def save(self) -> list[tuple[JID, JID, Key | None, bool, frozenset[str]]]:
        return [
            (user, who, it.key, it.stranger, it.notify)
            for user, those in self._of.items()
            for who, it in those.items()
        ]

    def restore(self, saved: list[tuple[JID, JID, Key | None, bool, frozenset[str]]]) -> None:
        for user, who, key, stranger, notify in saved:
            known = None if key is None else Key(*key)
            hearer = self.add(user, who, known, stranger=stranger)
            if hearer is not None:
                hearer.learn(notify)

    def of(self, user: JID, bare: JID) -> list[tuple[JID, Hearer]]:
        """The resources of a contact that share presence with the account."""
        return [(who, it) for who, it in self._of.get(user, {}).items() if who.bare == bare]
