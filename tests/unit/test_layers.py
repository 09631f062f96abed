"""The rooms import one way: from a line of the plan to the same line and those above it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# As in docs/architecture.rst. A room is a file or a package directly below xmppd/.
LINES = [
    {"jid", "ns", "xml", "stanza", "clock"},
    {"stream"},
    {"hooks", "storage", "config"},
    {"events", "sessions", "routing"},
    {"auth"},
    {"host", "module", "modules"},
    {"transport", "resolve"},
    {"c2s", "s2s", "components", "admin", "systemd", "watchdog", "logs", "memory", "machine"},
    {"api", "testing"},
    {"tap", "connections", "reload", "settings", "__main__"},
]
# admin/output.py and admin/commands.py are what a module says and declares: they stand above
# the module room, though they lie in the same folder as those who show them.
LIFTED = {"xmppd.admin.commands", "xmppd.admin.output"}
WITHOUT_TWISTED = {"jid", "ns", "xml", "stanza", "stream", "clock"}
ONLY_JID = {"hooks", "storage", "config"}
LEVEL = {room: number for number, rooms in enumerate(LINES) for room in rooms}


def files() -> list[Path]:
    return sorted(
        path
        for path in (ROOT / "xmppd").rglob("*.py")
        if "modules" not in path.relative_to(ROOT).parts
    )


def room(python_name: str) -> str:
    parts = python_name.split(".")
    return parts[1] if len(parts) > 1 else "xmppd"


def imports(path: Path) -> list[str]:
    """What a file imports when it is imported, and inside functions; not for annotations only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = [ast.Pass()]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "xmppd":
                found += [f"xmppd.{alias.name}" for alias in node.names]
            else:
                found.append(node.module)
    return found


def name_of(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    return ".".join(part for part in relative.parts if part != "__init__")


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_a_file_imports_only_rooms_of_its_own_line_and_above(path: Path) -> None:
    mine = room(name_of(path))
    if mine == "xmppd":
        return
    for name in imports(path):
        if name.startswith("xmppd.") and name not in LIFTED:
            level = LEVEL["api"] if mine == "api" else LEVEL[mine]
            assert LEVEL[room(name)] <= level, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_the_protocol_knows_nothing_of_twisted(path: Path) -> None:
    if room(name_of(path)) in WITHOUT_TWISTED:
        twisted = [name for name in imports(path) if name.split(".")[0] == "twisted"]
        assert twisted == []


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_hooks_storage_and_config_know_nothing_of_xmpp_but_addresses(path: Path) -> None:
    mine = room(name_of(path))
    if mine in ONLY_JID:
        others = {room(name) for name in imports(path) if name.startswith("xmppd.")}
        assert others <= {mine, "jid", "clock"}


def test_modules_import_the_api_and_each_other_and_nothing_else_of_the_server() -> None:
    for path in sorted((ROOT / "modules").rglob("*.py")):
        for name in imports(path):
            if name.split(".")[0] == "xmppd":
                assert name == "xmppd.api" or room(name) == "modules", f"{path.name}: {name}"
