"""What an account wants archived (XEP-0441 0.2.0)."""

import json
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    JID,
    Element,
    JIDError,
    Repository,
    StanzaError,
    jid,
    ns,
    query,
    table,
    transaction,
    upsert,
)

DEFAULTS = ("always", "never", "roster")
MOST_JIDS = 500  # in each of the two lists
preferences = table(
    "archive_preferences",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("default", sa.String, nullable=False),
    sa.Column("always", sa.Text, nullable=False),  # JSON
    sa.Column("never", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Preferences:
    """The default, and the contacts to whom it does not apply (§2.1)."""

    default: str
    always: frozenset[JID] = field(default=frozenset())
    never: frozenset[JID] = field(default=frozenset())

    def judge(self, peer: JID) -> bool | None:
        """Whether a message to or from `peer` is archived; None: if it is in the roster (§2.3).

        A contact in both lists is never archived: that is the wish that cannot be taken back.
        """
        if peer in self.never or peer.bare in self.never:
            return False
        if peer in self.always or peer.bare in self.always:
            return True
        return None if self.default == "roster" else self.default == "always"

    def element(self) -> Element:
        """`<prefs/>`: both lists are there, even if empty (§2.1)."""
        lists = [
            Element(
                ns.MAM, name, None, *(Element(ns.MAM, "jid", None, each) for each in sorted(of))
            )
            for name, of in (("always", self.always), ("never", self.never))
        ]
        return Element(ns.MAM, "prefs", {"default": self.default}, *lists)


def read_preferences(payload: Element) -> Preferences:
    """What a client sends; raises StanzaError bad-request, jid-malformed, resource-constraint."""
    default = payload.get("default")
    if default not in DEFAULTS:
        raise StanzaError("bad-request", "the default is always, never or roster")
    return Preferences(default, _list(payload, "always"), _list(payload, "never"))


def _list(payload: Element, name: str) -> frozenset[JID]:
    among = payload.child(ns.MAM, name)
    texts = [] if among is None else [each.text.strip() for each in among.all(ns.MAM, "jid")]
    if len(texts) > MOST_JIDS:
        raise StanzaError("resource-constraint", f"at most {MOST_JIDS} in one list", type="cancel")
    try:
        return frozenset(jid(text) for text in texts)
    except JIDError as problem:
        raise StanzaError("jid-malformed", str(problem)) from None


# Built once: it runs with logins.
SAID = sa.select(preferences).where(
    preferences.c.host == sa.bindparam("host"), preferences.c.user == sa.bindparam("user")
)


class PreferenceStore(Repository):
    @query
    def get(self, tx: Tx, user: str) -> Preferences | None:
        """None where the account has said nothing."""
        row = tx.execute(SAID, {"host": self.host, "user": user}).one_or_none()
        if row is None:
            return None
        lists = (frozenset(map(jid, json.loads(each))) for each in (row.always, row.never))
        return Preferences(row.default, *lists)

    @transaction
    def put(self, tx: Tx, user: str, wanted: Preferences) -> None:
        always, never = (json.dumps(sorted(each)) for each in (wanted.always, wanted.never))
        values = {"default": wanted.default, "always": always, "never": never}
        tx.execute(upsert(preferences, host=self.host, user=user, **values))

    @transaction
    def drop(self, tx: Tx, user: str) -> None:
        tx.execute(preferences.delete().where(self.mine(preferences, user=user)))
