"""Where modules come from: the bundled ones, installed packages, and drop-in folders.

All three are equal: the same API, the same options, the same reload. A file may define several
modules; a package's `__init__` exports them.
"""

import importlib
import importlib.metadata
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import xmppd.modules
from xmppd.config import Options
from xmppd.module.base import Module, dependencies, options_of

BUNDLED = "xmppd.modules"
DROPPED = "xmppd_dropins"
GROUP = "xmppd.modules"


class ModuleFault(Exception):
    """A module cannot be loaded, started or reloaded; the text is a sentence for the operator."""


class Source(NamedTuple):
    """A file, package or installed distribution that defines modules."""

    python_name: str
    path: Path | None  # None: found by Python's own import system


class Catalogue:
    """The module classes there are, by name. One per process."""

    def __init__(self, folders: Iterable[Path] = (), *, bundled: bool = True) -> None:
        self._folders = tuple(folders)
        self._bundled = bundled
        self._classes: dict[str, type[Module]] = {}
        self._sources: dict[str, Source] = {}
        self.faults: list[str] = []

    def load(self) -> "Catalogue":
        """Import everything that is found. What fails is in `faults`, in words; nothing raises."""
        for source in self._find():
            try:
                self._add(source, self._import(source))
            except ModuleFault as fault:
                self.faults.append(str(fault))
        return self

    def get(self, name: str) -> type[Module]:
        """Raises ModuleFault for an unknown name."""
        if name not in self._classes:
            raise ModuleFault(f"there is no module {name!r}")
        return self._classes[name]

    def __contains__(self, name: str) -> bool:
        return name in self._classes

    def __iter__(self) -> Iterator[type[Module]]:
        return iter([self._classes[name] for name in sorted(self._classes)])

    def options(self) -> dict[str, type[Options]]:
        return {cls.name: options_of(cls) for cls in self}

    def file(self, name: str) -> str:
        """Where the module's code is, for operators."""
        return str(sys.modules[self.get(name).__module__].__file__)

    def users_of(self, name: str) -> set[str]:
        """The module and all that use it, directly or not: what must be reloaded together."""
        found = {name}
        grown = True
        while grown:
            more = {cls.name for cls in self if dependencies(cls, needed=False) & found}
            grown = not more <= found
            found |= more
        return found

    # Reloading

    @contextmanager
    def reloaded(self, name: str) -> Iterator[set[str]]:
        """Import a module's source afresh, and the sources of all that use it.

        Yields the names of the modules concerned. If the import or the body of the `with` fails,
        the classes that were there before are there again.
        """
        names = self.users_of(name) if name in self._classes else {name}
        before = dict(self._classes), dict(self._sources)
        sources = self._sources_of(name, names)
        removed = {key: value for key, value in sys.modules.items() if _belongs(key, sources)}
        try:
            for key in removed:
                del sys.modules[key]
            concerned = {n for n, source in self._sources.items() if source in sources}
            for gone in concerned:
                del self._classes[gone], self._sources[gone]
            importlib.invalidate_caches()
            for source in sources:
                self._add(source, self._import(source))
            yield {n for n, source in self._sources.items() if source in sources} | concerned
        except BaseException:
            for key in [key for key in sys.modules if _belongs(key, sources)]:
                del sys.modules[key]
            sys.modules.update(removed)
            self._classes, self._sources = before
            raise

    def _sources_of(self, name: str, names: set[str]) -> list[Source]:
        """Sources to import again, the changed one first; a new file counts by its name."""
        known = [self._sources[n] for n in sorted(names, key=lambda n: n != name) if n in self]
        if known:
            return list(dict.fromkeys(known))
        fresh = [s for s in self._find() if s.python_name.rpartition(".")[2] == name]
        if not fresh:
            raise ModuleFault(f"there is no module {name!r}")
        return fresh

    # Finding and importing

    def _find(self) -> Iterator[Source]:
        if self._bundled:
            for found in pkgutil.iter_modules(xmppd.modules.__path__):
                yield Source(f"{BUNDLED}.{found.name}", None)
            for entry in importlib.metadata.entry_points(group=GROUP):
                yield Source(entry.module, None)
        for folder in self._folders:
            yield from self._dropped(folder)

    def _dropped(self, folder: Path) -> Iterator[Source]:
        if not folder.is_dir():
            self.faults.append(f"modules.paths: the folder {folder} does not exist")
            return
        for path in sorted(folder.iterdir()):
            if path.name.startswith(("_", ".", "test_")):
                continue
            if path.suffix == ".py":
                yield Source(f"{DROPPED}.{path.stem}", path)
            elif (path / "__init__.py").is_file():
                yield Source(f"{DROPPED}.{path.name}", path / "__init__.py")

    @staticmethod
    def _import(source: Source) -> ModuleType:
        try:
            if source.path is None:
                return importlib.import_module(source.python_name)
            return _dropped_in(source, source.path)
        except ModuleFault:
            raise
        except Exception as problem:
            where = source.path or source.python_name
            raise ModuleFault(
                f"{where} cannot be imported: {type(problem).__name__}: {problem}"
            ) from problem

    def _add(self, source: Source, module: ModuleType) -> None:
        defined = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Module)
            and _is_within(value.__module__, module.__name__)
            and "name" in vars(value)
        ]
        if not defined and source.path is not None:
            raise ModuleFault(f"{source.path} defines no module (a Module with a name)")
        for cls in defined:
            other = self._classes.get(cls.name)
            if other is not None and other is not cls:
                raise ModuleFault(
                    f"two modules are named {cls.name!r}: {other.__module__}, {cls.__module__}"
                )
            self._classes[cls.name] = cls
            self._sources[cls.name] = source


def _dropped_in(source: Source, path: Path) -> ModuleType:
    """Import a file of a drop-in folder; drop-ins find each other as `xmppd_dropins.NAME`."""
    folder = path.parents[1] if path.name == "__init__.py" else path.parent
    package = sys.modules.setdefault(DROPPED, ModuleType(DROPPED))
    package.__path__ = list(dict.fromkeys([*getattr(package, "__path__", []), str(folder)]))
    module = importlib.import_module(source.python_name)
    if module.__file__ != str(path):
        raise ModuleFault(f"{path} has the same name as {module.__file__}")
    return module


def _belongs(python_name: str, sources: Iterable[Source]) -> bool:
    """Whether this entry of `sys.modules` is one of the sources or lies within one."""
    return any(_is_within(python_name, source.python_name) for source in sources)


def _is_within(python_name: str, parent: str) -> bool:
    """Whether it is this Python module or one of its package."""
    return python_name == parent or python_name.startswith(f"{parent}.")
