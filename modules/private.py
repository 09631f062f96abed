"""Private XML storage: what a client keeps for itself on the server (XEP-0049 1.2).

The namespace is the key: a set replaces all that was stored in its namespace, a get answers with
all of it (§2.3). An element without content takes away what was there: reading gives the same.
"""

from collections.abc import AsyncIterator, Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import (
    IQ,
    JID,
    SELF,
    STOP,
    Element,
    Module,
    Options,
    Repository,
    Size,
    StanzaError,
    Stop,
    WaitingFilter,
    XMLError,
    events,
    iq_get,
    iq_set,
    on,
    option,
    parse,
    query,
    table,
    to_xml,
    transaction,
    upsert,
)

NS = "jabber:iq:private"
RESERVED = ("jabber:", "http://jabber.org/")  # what begins so is not for clients to fill (§2.3)
private_storing: WaitingFilter[Element, [JID]] = WaitingFilter(
    "A client of the account stores this `<query/>`; all its elements are of one namespace, and it"
    " is small enough. It is stored when all handlers are through. STOP: it is not; an error is"
    " the answer."
)
private_reading: WaitingFilter[Element, [JID]] = WaitingFilter(
    "A client of the account gets this `<query/>`: what is stored, or the empty element that it"
    " asked for. What comes out is sent."
)
fragments = table(
    "private",
    sa.Column("user", sa.String, primary_key=True),
    sa.Column("ns", sa.String, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("xml", sa.Text, nullable=False),  # a <query/> with the elements
)


class PrivateOptions(Options):
    max_size: Size = option(65536, "What one namespace may hold, in bytes.", at_least=1024)
    max_total: Size = option(1048576, "What an account may hold in all.", at_least=1024)
    max_namespaces: int = option(100, "Namespaces that one account may use.", at_least=1)


class Fragments(Repository):
    @query
    def get(self, tx: Tx, user: str, ns: str) -> str | None:
        kept = sa.select(fragments.c.xml).where(self.mine(fragments, user=user, ns=ns))
        return tx.scalar(kept)

    @query
    def users(self, tx: Tx, ns: str) -> list[str]:
        """Those that have stored something there."""
        return list(tx.scalars(sa.select(fragments.c.user).where(self.mine(fragments, ns=ns))))

    @query
    def all(self, tx: Tx, user: str) -> list[tuple[str, str]]:
        """Namespaces with what they hold."""
        kept = sa.select(fragments.c.ns, fragments.c.xml).where(self.mine(fragments, user=user))
        return [(row.ns, row.xml) for row in tx.execute(kept.order_by(fragments.c.ns))]

    @transaction
    def put(self, tx: Tx, user: str, ns: str, xml: str, count: int, total: int) -> bool:
        """False, and nothing changes, where that is more than `count` namespaces or `total`
        bytes.
        """
        others = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(fragments.c.size), 0))
        others = others.where(self.mine(fragments, user=user), fragments.c.ns != ns)
        used, used_bytes = tx.execute(others).one()
        size = len(xml.encode())
        if used >= count or used_bytes + size > total:
            return False
        tx.execute(upsert(fragments, host=self.host, user=user, ns=ns, size=size, xml=xml))
        return True

    @transaction
    def drop(self, tx: Tx, user: str, ns: str) -> None:
        tx.execute(fragments.delete().where(self.mine(fragments, user=user, ns=ns)))

    @transaction
    def drop_all(self, tx: Tx, user: str) -> None:
        tx.execute(fragments.delete().where(self.mine(fragments, user=user)))


class PrivateStorage(Module):
    name = "private"
    options: PrivateOptions
    fragments: Fragments

    # For other modules

    async def stored(self, user: JID, ns: str) -> Element | None:
        """The `<query/>` that an account has stored in a namespace."""
        xml = await self.fragments.get(user.local, ns)
        return None if xml is None else self._readable(xml, user, ns)

    @iq_get(NS, "query", at=SELF)
    async def read(self, iq: IQ) -> Element:
        """Where nothing was stored, the empty element of the question comes back (§2.3)."""
        asked = iq.payload.elements
        if not asked:
            raise StanzaError("bad-request", "name the element to read")
        ns = _namespace(asked, "bad-request")
        stored = await self.stored(iq.from_.bare, ns)
        found = stored or Element(NS, "query", None, Element(ns, asked[0].name))
        passed = await self.host.hooks.of(private_reading).wait(found, iq.from_.bare)
        return found if isinstance(passed, Stop) else passed

    def _readable(self, xml: str, user: JID, ns: str) -> Element | None:
        try:
            return parse(xml)
        except XMLError:
            self.log.failure("private: {user}'s {ns} is damaged", user=user, ns=ns)
            return None

    @iq_set(NS, "query", at=SELF)
    async def write(self, iq: IQ) -> None:
        given = iq.payload.elements
        if not given:
            raise StanzaError("not-acceptable", "there is nothing to store")
        whole = Element(NS, "query", None, *given)
        self._check(given)
        if await self.host.hooks.of(private_storing).wait(whole, iq.from_.bare) is not STOP:
            await self._put(iq.from_.local, given)

    def _check(self, given: list[Element]) -> tuple[str, str]:
        """Their namespace, and what is stored. Raises StanzaError."""
        xml, limits = to_xml(Element(NS, "query", None, *given)), self.options
        if len(xml.encode()) > limits.max_size:
            raise StanzaError("not-acceptable", f"over {limits.max_size} bytes")
        return _namespace(given, "not-acceptable"), xml

    async def _put(self, user: str, given: list[Element]) -> None:
        (ns, xml), limits = self._check(given), self.options
        if not any(element.children or element.attrs for element in given):
            await self.fragments.drop(user, ns)
            return
        if not await self.fragments.put(user, ns, xml, limits.max_namespaces, limits.max_total):
            raise StanzaError("resource-constraint", "too much is stored already")

    # Copies of accounts (XEP-0227 §4.6)

    @on(events.account_exporting)
    def export(self, user: JID) -> Iterable[AsyncIterator[Element]]:
        yield self._exported(user)

    async def _exported(self, user: JID) -> AsyncIterator[Element]:
        for ns, xml in await self.fragments.all(user.local):
            stored = self._readable(xml, user, ns)
            if stored is not None:
                yield stored

    @on(events.account_importing)
    async def take_over(self, element: Element, user: JID) -> Stop | None:
        if (element.ns, element.name) != (NS, "query"):
            return None
        by_namespace: dict[str, list[Element]] = {}
        for each in element.elements:
            by_namespace.setdefault(each.ns, []).append(each)
        for given in by_namespace.values():
            await self._put(user.local, given)
        return STOP

    @on(events.account_deleting)
    async def forget(self, user: JID) -> None:
        await self.fragments.drop_all(user.local)


def _namespace(elements: list[Element], several: str) -> str:
    """The one namespace of the elements; the error `several` for more than one (§2.3)."""
    namespaces = {element.ns for element in elements}
    if len(namespaces) > 1:
        raise StanzaError(several, "one namespace at a time")
    (ns,) = namespaces
    if not ns:
        raise StanzaError("not-acceptable", "the element needs a namespace of its own")
    if ns.startswith(RESERVED) or ns == "vcard-temp":
        raise StanzaError("not-acceptable", "this namespace is reserved")
    return ns
