"""What others' clients can do, learnt once for all that say the same (XEP-0115 1.6.0, XEP-0390
0.3.2).

Presence names a hash; who has not seen it asks its sender by disco#info, and what the answer says
counts for all who name that hash, if it hashes to just that. Such answers are stored. Others count
for their sender alone, and only where the hash function is unknown.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx
from twisted.internet.defer import Deferred

from xmppd.api import (
    JID,
    XML_LANG,
    Element,
    FieldType,
    Form,
    FormType,
    Host,
    Module,
    Options,
    Presence,
    Repository,
    StanzaError,
    insert_ignore,
    ns,
    option,
    query,
    row_id,
    table,
    transaction,
)
from xmppd.modules.caps import hash_input

CAPS2: Final = "urn:xmpp:caps"
HASHES: Final = "urn:xmpp:hashes:2"
NOTIFY: Final = "+notify"
MAX_VER: Final = 256  # characters of a hash
MAX_NODE: Final = 1024
MAX_PIECES: Final = 1000  # identities, features and fields of an answer
MAX_BYTES: Final = 65536
MOST_WAITING: Final = 1000  # for the answer of one that announced the same
MOST_AT_ONCE: Final = 5  # questions that wait for one account's clients
# By their names in the registry of XEP-0300, which are those of IANA for XEP-0115.
FUNCTIONS: Final = {
    "sha-1": "sha1",
    "sha-256": "sha256",
    "sha-384": "sha384",
    "sha-512": "sha512",
    "sha3-256": "sha3_256",
    "sha3-512": "sha3_512",
}
STRONG: Final = ("sha-256", "sha3-256", "sha-512", "sha3-512")  # XEP-0390 wants no weaker ones


class Key(NamedTuple):
    """What presence names: a generation of the protocol, a hash function and a hash."""

    protocol: str  # "caps" or "caps2"
    algo: str
    ver: str
    node: str  # to be asked

    @property
    def text(self) -> str:
        return f"{self.protocol} {self.algo} {self.ver}"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`notify`: the nodes of which the client wants to be notified (XEP-0163 §4.4)."""

    features: frozenset[str] = frozenset()
    notify: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, features: Iterable[str]) -> "Capabilities":
        known = frozenset(features)
        wanted = frozenset(each[: -len(NOTIFY)] for each in known if each.endswith(NOTIFY))
        return cls(known, wanted)


NOTHING: Final = Capabilities()

entries = table(
    "entity_caps",
    row_id(),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("features", sa.Text, nullable=False),
    sa.UniqueConstraint("host", "key"),
)


class EntityCapsOptions(Options):
    in_memory: int = option(
        1000, "Kinds of clients whose capabilities are in memory.", at_least=10
    )
    stored: int = option(10000, "Kinds of clients whose capabilities are stored.", at_least=10)


class Entries(Repository):
    @query
    def get(self, tx: Tx, key: str) -> list[str] | None:
        text = tx.scalar(sa.select(entries.c.features).where(self.mine(entries, key=key)))
        return None if text is None else json.loads(text)

    @transaction
    def put(self, tx: Tx, key: str, features: list[str], most: int) -> None:
        """The oldest make room."""
        tx.execute(insert_ignore(entries, host=self.host, key=key, features=json.dumps(features)))
        ids = sa.select(entries.c.id).where(self.mine(entries)).order_by(entries.c.id.desc())
        first_kept = ids.limit(1).offset(most - 1).scalar_subquery()
        tx.execute(entries.delete().where(self.mine(entries), entries.c.id < first_kept))


class EntityCaps(Module):
    name = "entity_caps"
    options: EntityCapsOptions
    entries: Entries

    def __init__(self, host: Host, options: Options) -> None:
        super().__init__(host, options)
        self._known: OrderedDict[str, Capabilities] = OrderedDict()
        self._asking: dict[str, list[Deferred[None]]] = {}
        self._open: Counter[JID] = Counter()

    def key(self, presence: Presence | None) -> Key | None:
        """What the presence says of its sender's capabilities; None: nothing that is understood.
        The newer protocol is preferred.
        """
        if presence is None:
            return None
        if presence.has(CAPS2, "c") and (key := _newer(presence.child(CAPS2, "c"))) is not None:
            return key
        return _older(presence.child(ns.CAPS, "c")) if presence.has(ns.CAPS, "c") else None

    def known(self, key: Key | None) -> Capabilities | None:
        """What is in memory; None: it must be learnt."""
        return NOTHING if key is None else self._known.get(key.text)

    async def learn(self, key: Key | None, of: JID, asker: JID) -> Capabilities:
        """The capabilities behind `key`; the client `of` is asked by the account `asker` if need
        be. None are known of who does not answer, or answers something else than it announced.
        """
        if key is None:
            return NOTHING
        known = self._known.get(key.text)
        if known is not None:
            self._known.move_to_end(key.text)  # what many use stays
        elif key.algo in FUNCTIONS:
            known = await self._recall(key)
        if known is None and (waiting := self._asking.get(key.text)) is not None:
            if len(waiting) >= MOST_WAITING:
                return NOTHING
            turn: Deferred[None] = Deferred()
            waiting.append(turn)
            await turn
            known = self._known.get(key.text)
        return await self._ask(key, of, asker) if known is None else known

    async def _recall(self, key: Key) -> Capabilities | None:
        stored = await self.entries.get(key.text)
        return None if stored is None else self._keep(key, Capabilities.of(stored))

    def _keep(self, key: Key, learnt: Capabilities) -> Capabilities:
        self._known[key.text] = learnt
        if len(self._known) > self.options.in_memory:
            self._known.popitem(last=False)
        return learnt

    async def _ask(self, key: Key, of: JID, asker: JID) -> Capabilities:
        if self._open[of.bare] >= MOST_AT_ONCE:
            return NOTHING
        self._open[of.bare] += 1
        self._asking.setdefault(key.text, [])
        try:
            return await self._answered(key, of, asker)
        except StanzaError:
            return NOTHING
        finally:
            self._open[of.bare] -= 1
            if not self._open[of.bare]:
                del self._open[of.bare]
            for turn in self._asking.pop(key.text, ()):
                turn.callback(None)

    async def _answered(self, key: Key, of: JID, asker: JID) -> Capabilities:
        """Raises StanzaError."""
        asked = Element(ns.DISCO_INFO, "query", {"node": key.node})
        answer = await self.host.questions.ask(of, asker, "get", asked)
        info = answer.child(ns.DISCO_INFO, "query")
        if info is None or not _well_formed(info):
            return NOTHING
        features = [each.get("var") or "" for each in info.all(ns.DISCO_INFO, "feature")]
        learnt = Capabilities.of(features)
        if key.algo not in FUNCTIONS:
            return learnt  # it cannot be verified: so it counts for this client alone (§5.4)
        if not matches(key, info, answer.lang or ""):
            return NOTHING
        if key.protocol == "caps" and _ambiguous(info):
            return learnt
        await self.entries.put(key.text, sorted(learnt.features), self.options.stored)
        return self._keep(key, learnt)


def matches(key: Key, info: Element, lang: str = "") -> bool:
    """Whether an answer is what its sender had announced (XEP-0115 §5.4, XEP-0390 §4.5)."""
    try:
        hashed = hash_input(info) if key.protocol == "caps" else newer_input(info, lang)
    except StanzaError:
        return False
    digest = hashlib.new(FUNCTIONS[key.algo], hashed, usedforsecurity=False).digest()
    return b64encode(digest).decode() == key.ver


def newer_input(info: Element, lang: str = "") -> bytes:
    """What XEP-0390 §4.1 hashes. Raises bad-request for what cannot be hashed."""
    known = {(ns.DISCO_INFO, "identity"), (ns.DISCO_INFO, "feature"), (ns.FORMS, "x")}
    if any((each.ns, each.name) not in known for each in info.elements):
        raise StanzaError("bad-request", "there is more than can be hashed")
    lang = info.get(XML_LANG) or lang
    features = [_units(each.get("var")) for each in info.all(ns.DISCO_INFO, "feature")]
    identities = [
        _units(
            each.get("category"), each.get("type"), each.get(XML_LANG) or lang, each.get("name")
        )
        + b"\x1e"
        for each in info.all(ns.DISCO_INFO, "identity")
    ]
    forms = [_newer_form(Form.from_element(each)) for each in info.all(ns.FORMS, "x")]
    parts = (features, identities, forms)
    return b"".join(b"".join(sorted(part)) + b"\x1c" for part in parts)


def _newer_form(form: Form) -> bytes:
    if form.reported or form.items or form.form_type is None:
        raise StanzaError("bad-request", "a form that cannot be hashed")
    fields = [
        _units(each.var) + b"".join(sorted(_units(value) for value in each.values)) + b"\x1e"
        for each in form.fields
    ]
    return b"".join(sorted(fields)) + b"\x1d"


def _units(*texts: str | None) -> bytes:
    return b"".join((text or "").encode() + b"\x1f" for text in texts)


def _older(c: Element | None) -> Key | None:
    """XEP-0115 §4. The legacy format, without a hash, is ignored (§11)."""
    if c is None:
        return None
    algo, ver, node = c.get("hash") or "", c.get("ver") or "", c.get("node") or ""
    if not algo or not ver or len(algo) > 32 or len(ver) > MAX_VER or len(node) > MAX_NODE:
        return None
    return Key("caps", algo.lower(), ver, f"{node}#{ver}")


def _newer(c: Element | None) -> Key | None:
    """XEP-0390 §3.3: one hash of the set, by a function that is known."""
    found: dict[str, str] = {}
    for each in [] if c is None else c.all(HASHES, "hash"):
        ver = _canonical(each.text)
        if ver is not None:
            found.setdefault(each.get("algo") or "", ver)
    for algo in STRONG:
        if algo in found:
            return Key("caps2", algo, found[algo], f"{CAPS2}#{algo}.{found[algo]}")
    return None


def _canonical(text: str) -> str | None:
    try:
        return b64encode(b64decode("".join(text[:MAX_VER].split()), validate=True)).decode()
    except (NotBase64, ValueError):
        return None


def _well_formed(info: Element) -> bool:
    """XEP-0115 §5.4 rules 3.3 to 3.5, and bounded."""
    identities = [
        tuple(each.get(key) for key in ("category", "type", XML_LANG, "name"))
        for each in info.all(ns.DISCO_INFO, "identity")
    ]
    features = [each.get("var") for each in info.all(ns.DISCO_INFO, "feature")]
    try:
        forms = [Form.from_element(each) for each in info.all(ns.FORMS, "x")]
    except StanzaError:
        return False
    kinds = [form.form_type for form in forms if form.form_type is not None]
    return (
        _bounded(identities, features, forms)
        and all(_once(each) for each in (identities, features, kinds))
        and all(_one_kind(form) for form in forms)
    )


def _bounded(
    identities: list[tuple[str | None, ...]], features: list[str | None], forms: list[Form]
) -> bool:
    fields = [each for form in forms for each in form.fields]
    pieces = len(identities) + len(features) + sum(1 + len(each.values) for each in fields)
    return pieces <= MAX_PIECES and sum(len(each or "") for each in features) <= MAX_BYTES


def _once(values: Sequence[object]) -> bool:
    return len(set(values)) == len(values)


def _one_kind(form: Form) -> bool:
    kind = form.field("FORM_TYPE")
    return kind is None or len(set(kind.values)) <= 1


def _ambiguous(info: Element) -> bool:
    """Whether another answer could have the same hash: XEP-0115 joins what it hashes with "<" and
    "/", so a feature may be passed off as something else (§9.3). Such an answer is not shared.
    """
    for each in info.all(ns.DISCO_INFO, "identity"):
        category, type_ = each.get("category") or "", each.get("type") or ""
        lang, name = each.get(XML_LANG) or "", each.get("name") or ""
        if not category or not type_ or "/" in category + type_ + lang or "<" in name:
            return True
        if any(sign in category + type_ + lang for sign in "<:"):
            return True
    if any("<" in (each.get("var") or "") for each in info.all(ns.DISCO_INFO, "feature")):
        return True
    return any(_suspicious(Form.from_element(each)) for each in info.all(ns.FORMS, "x"))


def _suspicious(form: Form) -> bool:
    """Whether parts of it could be features: these are namespaces, which names of fields and
    their values hardly are.
    """
    if form.type is not FormType.RESULT or form.field("FORM_TYPE") is None:
        return True
    fields = [each for each in form.fields if each.var != "FORM_TYPE"]
    texts = [each.var or "" for each in fields] + [it for each in fields for it in each.values]
    texts += [form.form_type or ""]
    kinds = [each.kind for each in form.fields if each.var == "FORM_TYPE"]
    if not fields or any(kind is not FieldType.HIDDEN for kind in kinds):
        return True
    names = any(":" in (each.var or "") for each in fields)
    return names or any("<" in text or text.endswith(NOTIFY) for text in texts)
