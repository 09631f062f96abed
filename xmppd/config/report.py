"""What is wrong with a configuration so far, and the sections that were made of it."""

from typing import TypeVar

from pydantic import ValidationError

from xmppd.config.faults import Fault, dotted, quote_key, show
from xmppd.config.file import Document, Table
from xmppd.config.options import BASE, OptionPath, Options
from xmppd.config.say import say
from xmppd.jid import JIDError, prepare_domain

Section = TypeVar("Section", bound=Options)


class Report:
    """Faults and warnings, each with its file and line; what is wrong is replaced by defaults."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self.wrong: set[OptionPath] = set()  # options and sections that were replaced

    def fault(self, path: OptionPath, message: str) -> None:
        self.faults.append(self._at(path, message))

    def warn(self, path: OptionPath, message: str) -> None:
        self.warnings.append(self._at(path, message))

    def in_order(self, faults: list[Fault]) -> list[Fault]:
        """Without repetitions, file by file and line by line."""
        rank = {source.name: n for n, source in enumerate(self.document.sources)}
        return sorted(dict.fromkeys(faults), key=lambda f: (rank.get(f.file, -1), f.line or 0))

    def _at(self, path: OptionPath, message: str) -> Fault:
        source, line = self.document.where(path)
        return Fault(source.name if source else "(defaults)", line, dotted(path), message)

    def table(self, value: object, path: OptionPath) -> Table:
        """`value` if it is one, else an empty one."""
        if isinstance(value, dict):
            return value
        self.fault(path, f"is {show(value)}, must be a table")
        return {}

    def section(self, kind: type[Section], data: Table, above: OptionPath) -> Section | None:
        """The section; with defaults in place of what is wrong, so that the check goes on."""
        try:
            return kind.model_validate(data, context={BASE: self.document.base})
        except ValidationError as wrong:
            errors = wrong.errors(include_url=False)
        for error in errors:
            path = error["loc"]
            self.fault((*above, *path), say(kind, error, _dig(data, path)))
            self.wrong.add((*above, *path[:1]))
        rest = {key: v for key, v in data.items() if (*above, key) not in self.wrong}
        try:
            return kind.model_validate(rest, context={BASE: self.document.base})
        except ValidationError:
            return None

    def domain(self, name: str, path: OptionPath) -> str | None:
        """The name of a section, prepared; None if it is no domain."""
        try:
            return str(prepare_domain(name))
        except JIDError as wrong:
            self.fault(path, f"is no domain name: {wrong}")
            return None

    def is_unquoted(self, above: str, name: str, table: object, own: set[str]) -> bool:
        """[hosts.example.org] is a table `org` in a host `example`: a fault, unless that is one of
        its `own` options.
        """
        if "." in name or quote_key(name) != name or not isinstance(table, dict) or not table:
            return False
        if not all(isinstance(value, dict) and key not in own for key, value in table.items()):
            return False
        wanted = f"{name}.{next(iter(table))}"
        self.fault((above, name), f'write the domain in quotes: [{above}."{wanted}"]')
        return True


def _dig(data: object, path: OptionPath) -> object:
    """What the file says at `path`; None where it says nothing."""
    for part in path:
        try:
            data = data[part]  # type: ignore[index]  # tables and lists; else a TypeError
        except (TypeError, KeyError, IndexError):
            return None
    return data
