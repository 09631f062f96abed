"""Accounts as files: what they have is written out and read in again (XEP-0227 1.1).

For who changes servers, or keeps a copy. Modules write and read their own data, by the hooks
`account_exporting` and `account_importing`; the keys of passwords are written here.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from xmppd.api import (
    JID,
    AccountExists,
    CommandError,
    Element,
    HandlerCrashed,
    Host,
    JIDError,
    Module,
    Options,
    PasswordRefused,
    Rows,
    ScramKeys,
    StanzaError,
    Stop,
    check_account,
    command,
    events,
    make_jid,
    ns,
    option,
)
from xmppd.modules.portable import credentials
from xmppd.modules.portable.reading import (
    Event,
    HostData,
    Unknown,
    Unreadable,
    UserData,
    UserEnds,
    read,
)
from xmppd.modules.portable.writing import Writer

__all__ = ["Portable"]

MOST_NOTES = 200


class PortableOptions(Options):
    folder: Path | None = option(
        None,
        "Where files are written to and read from: commands name a file in it. None: `exports` "
        "in `data_dir`.",
        example="/srv/xmppd-exports",
    )


class Notes:
    """What the operator must be told of an import."""

    def __init__(self) -> None:
        self.imported = 0
        self._rows: list[tuple[str, str]] = []
        self._beyond = 0

    def add(self, who: str, what: str) -> None:
        if len(self._rows) < MOST_NOTES:
            self._rows.append((who, what))
        else:
            self._beyond += 1

    def why(self) -> str:
        """All of it in a sentence."""
        return "; ".join(": ".join(filter(None, row)) for row in self._rows)

    def rows(self) -> Rows:
        rest = [("", f"and {self._beyond} more notes")] if self._beyond else []
        rows = [("", f"{self.imported} accounts imported"), *self._rows, *rest]
        return Rows(("account", "note"), [*rows])


class Arriving:
    """An account that is being read. Without a password until all of it is there."""

    def __init__(self, host: Host, data: UserData) -> None:
        self.user = make_jid(data.name, host.name)
        self._host = host
        self._password = data.password
        self._keys: dict[str, ScramKeys] = {}

    async def begin(self) -> None:
        """Raises AccountExists."""
        await self._host.accounts.adopt(self.user.local)

    def take_keys(self, element: Element) -> str:
        """What is to be told of them; "" for nothing. Raises StanzaError."""
        found = credentials.read(element)
        if found is None:
            return f"{element.get('mechanism')} is not known here"
        self._keys[found[0]] = found[1]
        return ""

    async def end(self) -> str:
        """The account is like any other from now on; what is to be told of that."""
        note = ""
        if self._keys:
            await self._host.accounts.set_keys(self.user.local, self._keys)
        elif self._password:
            try:
                await self._host.accounts.set_password(self.user.local, self._password)
            except PasswordRefused as problem:
                note = f"the password cannot be used ({problem})"
        else:
            note = "it has no password: set one with passwd"
        self._host.hooks.of(events.account_created).signal(self.user)
        return note


class Portable(Module):
    name = "portable"
    options: PortableOptions

    # Out

    @command(
        "export-account",
        "Write an account and all that belongs to it into a new file (XEP-0227).",
        jid="Its bare JID.",
        file="The name of the file, in the folder for exports.",
    )
    async def export_account(self, jid: JID, file: str) -> str:
        await check_account(self.host, jid)
        return await self._export([jid.local], file)

    @command(
        "export-host",
        "Write all accounts of a host into a new file (XEP-0227).",
        file="The name of the file, in the folder for exports.",
    )
    async def export_host(self, file: str) -> str:
        return await self._export(sorted(await self.host.accounts.users()), file)

    async def _export(self, users: list[str], file: str) -> str:
        path = self._path(file)
        try:
            with Writer(path) as writer:
                writer.begin_host(self.host.name)
                for user in users:
                    await self._export_user(writer, make_jid(user, self.host.name))
                writer.end_host()
        except OSError as problem:
            raise CommandError(f"{path}: {problem.strerror}") from None
        self.log.info("{count} accounts are in {path}", count=len(users), path=str(path))
        return f"{len(users)} written to {path}"

    async def _export_user(self, writer: Writer, user: JID) -> None:
        writer.begin_user(user.local)
        await writer.write(self._keys(user))
        for part in self.host.hooks.of(events.account_exporting).gather(user):
            await writer.write(part)
        writer.end_user()

    async def _keys(self, user: JID) -> AsyncIterator[Element]:
        for each in credentials.written(await self.host.accounts.stored_keys(user.local)):
            yield each

    # In

    @command(
        "import-account",
        "Make an account of what a file says (XEP-0227); there must be none of its name.",
        jid="Its bare JID.",
        file="The name of the file, in the folder for exports.",
    )
    async def import_account(self, jid: JID, file: str) -> Rows:
        if jid.domain != self.host.name or not jid.local or not jid.is_bare:
            raise CommandError(f"{jid} is no address of an account of {self.host.name}")
        notes = await self._import(file, only=jid.local)
        if not notes.imported:
            raise CommandError(notes.why() or f"{jid} is not in the file")
        return notes.rows()

    @command(
        "import-host",
        "Make the accounts that a file has for this host (XEP-0227); those that exist are left.",
        file="The name of the file, in the folder for exports.",
    )
    async def import_host(self, file: str) -> Rows:
        return (await self._import(file)).rows()

    async def _import(self, file: str, only: str | None = None) -> Notes:
        notes, path = Notes(), self._path(file)
        try:
            await self._take_all(read(path), notes, only)
        except Unreadable as problem:
            done = f"; {notes.imported} accounts were imported before that"
            raise CommandError(f"{problem}{done if notes.imported else ''}") from None
        self.log.info("{count} accounts came from {path}", count=notes.imported, path=str(path))
        return notes

    async def _take_all(self, found: Iterator[Event], notes: Notes, only: str | None) -> None:
        ours, arriving = False, None
        for event in found:
            if isinstance(event, HostData):
                ours = event.jid.lower() == self.host.name
                if not ours:
                    notes.add("", f"the host {event.jid} is left out")
            elif isinstance(event, UserData):
                arriving = await self._begin(event, notes, only) if ours else None
            elif isinstance(event, Unknown):
                notes.add("", f"{event.what} is left out")
            elif arriving is not None and isinstance(event, UserEnds):
                self._note(notes, arriving, await arriving.end())
                notes.imported += 1
                arriving = None
            elif arriving is not None and isinstance(event, Element):
                self._note(notes, arriving, await self._take(arriving, event))

    @staticmethod
    def _note(notes: Notes, arriving: Arriving, said: str) -> None:
        if said:
            notes.add(arriving.user, said)

    async def _begin(self, data: UserData, notes: Notes, only: str | None) -> Arriving | None:
        try:
            arriving = Arriving(self.host, data)
            if only is not None and arriving.user.local != only:
                return None
            await arriving.begin()
        except JIDError as problem:
            notes.add(data.name[:200], f"no name for an account ({problem})")
        except AccountExists:
            notes.add(data.name, "there is such an account already: it is left as it is")
        else:
            return arriving
        return None

    async def _take(self, arriving: Arriving, element: Element) -> str:
        """What is to be told of that; "" for nothing."""
        if (element.ns, element.name) == (ns.PIE, "presence"):
            # a request in the namespace that stands around it, as Prosody 0.12 writes it
            element = Element(ns.CLIENT, "presence", element.attrs)
        shown = f"<{element.name} xmlns='{element.ns}'/>"
        try:
            if (element.ns, element.name) == (credentials.NS, "scram-credentials"):
                return arriving.take_keys(element)
            chain = self.host.hooks.of(events.account_importing)
            taken = await chain.wait(element, arriving.user)
        except StanzaError as problem:
            return f"{shown} is left out: {problem}"
        except HandlerCrashed as problem:
            return f"{shown} is left out: {problem}, see the log"
        return "" if isinstance(taken, Stop) else f"{shown} is left out: nobody knows it"

    def _path(self, file: str) -> Path:
        folder = self.options.folder or self.host.folder / "exports"
        if not file or file.startswith(".") or "/" in file or "\0" in file:
            raise CommandError(f"{file!r} is not the name of a file in {folder}")
        return folder / file
