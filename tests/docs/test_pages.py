"""The examples in the pages: configuration that loads, commands that exist, code that parses."""

import ast
import re
from pathlib import Path

import pytest
from xmppd_docs import commands
from xmppd_docs.options import known

from tests.docs.blocks import PAGES, Block, blocks
from tests.unit.test_layers import LINES
from xmppd.admin import ctl
from xmppd.config import ConfigErrors, ModuleInfo, Options, ServerOptions, load, option
from xmppd.config.options import declarations

# Files that a reader has, and this machine has not.
ABSENT = re.compile(r"No such file or directory|has no certificate")
OF_READERS = ("notes-count",)


class QuietOptions(Options):
    letters: int = option(4, "As the tutorial's.")


def faults_of(path: Path) -> list[str]:
    try:
        load(path, {**known(), "quiet": ModuleInfo(QuietOptions, True)})
    except ConfigErrors as errors:
        return [str(fault) for fault in errors.faults]
    return []


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_piece_of_configuration_has_no_mistakes(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "xmppd.toml"
    path.write_text(block.code)
    (tmp_path / "modules.d").mkdir()
    assert [fault for fault in faults_of(path) if not ABSENT.search(fault)] == []


def test_a_mistake_in_a_piece_of_configuration_would_be_found(tmp_path: Path) -> None:
    block = Block("a page", 1, "toml", "", "[c2s]\nidle_pign = 5\n")
    with pytest.raises(AssertionError):
        test_a_piece_of_configuration_has_no_mistakes(block, tmp_path)


def test_the_commands_that_pages_name_exist() -> None:
    named = {
        name
        for page in PAGES
        for name in re.findall(
            r"(?:bin/|``|\| |^ +)xmppctl ([a-z][a-z-]+)", page.read_text(), re.M
        )
    }
    there = {command.name for command in commands.core_commands()}
    there |= {command.name for _, command in commands.module_commands()}
    assert len(named) > 10
    assert named - there - ctl.main.commands.keys() - set(OF_READERS) == set()


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_in_the_pages_parses(block: Block) -> None:
    ast.parse(block.code)


def test_the_options_that_pages_name_exist() -> None:
    there = {".".join(map(str, path)) for path, _ in declarations(ServerOptions)}
    tables = {path.rpartition(".")[0] for path in there}
    roots = {path.split(".")[0] for path in there} - {"modules"}
    named = {
        name
        for page in PAGES
        for name in re.findall(r"``([a-z0-9_]+(?:\.[a-z_]+)+)``", page.read_text())
        if name.split(".")[0] in roots
    }
    assert len(named) > 10
    assert named - there - tables - {"xmppd.api", "xmppd.toml"} == set()


def test_the_rooms_of_the_architecture_are_the_lines_that_are_tested() -> None:
    (drawn,) = [b.code for b in blocks("text") if b.code.startswith("jid ns xml")]
    names = {name for line in LINES for name in line}
    lines = [
        {word.strip("()/") for word in line.split("  ")[0].split()} | in_brackets(line)
        for line in drawn.splitlines()
    ]
    for line, wanted in zip(lines, LINES, strict=True):
        assert line & names == wanted - {"__main__"}  # only an entry to the program


def in_brackets(line: str) -> set[str]:
    return set(re.findall(r"\((\w+)/\)", line))
