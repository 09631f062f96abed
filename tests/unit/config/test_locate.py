"""Finding lines in TOML."""

import tomllib
from typing import Any

import pytest

from xmppd.config.locate import locate
from xmppd.config.options import OptionPath

FILE = '''# a comment with [brackets] and key = 1
top = 1

[c2s]
listen = [
    "tcp:5222",  # one ] here
    # a comment
    "tcp:5223",
]
motd = """
[not.a.table]
not_a_key = "quoted \\""" still inside"
"""
limits.stanza = 3
path = 'C:\\'
multi = \'\'\'
a = 1\'\'\'
[ hosts . "exam.ple" ]  # spaces
admins = ["a@b", { x = 1, y.z = [
  1, 2] }]
"quo\\u0074ed" = true
'lit.eral' = 1979-05-27 07:32:00
[[listener]]
port = 1
[[listener]]
port = 2
[listener.tls]
on = true
[[listener.names]]
n = 1
'''


@pytest.mark.parametrize(
    "path, line",
    [
        (("top",), 2),
        (("c2s",), 4),
        (("c2s", "listen"), 5),
        (("c2s", "listen", 0), 6),
        (("c2s", "listen", 1), 8),
        (("c2s", "motd"), 10),
        (("c2s", "limits"), 14),
        (("c2s", "limits", "stanza"), 14),
        (("c2s", "path"), 15),
        (("c2s", "multi"), 16),
        (("hosts",), 18),
        (("hosts", "exam.ple"), 18),
        (("hosts", "exam.ple", "admins", 0), 19),
        (("hosts", "exam.ple", "admins", 1, "x"), 19),
        (("hosts", "exam.ple", "admins", 1, "y", "z", 1), 20),
        (("hosts", "exam.ple", "quoted"), 21),
        (("hosts", "exam.ple", "lit.eral"), 22),
        (("listener",), 23),
        (("listener", 0, "port"), 24),
        (("listener", 1), 25),
        (("listener", 1, "port"), 26),
        (("listener", 1, "tls", "on"), 28),
        (("listener", 1, "names", 0, "n"), 30),
    ],
)
def test_an_option_is_found_on_its_line(path: OptionPath, line: int) -> None:
    assert locate(FILE)[path] == line


def test_exactly_what_the_file_says_is_found() -> None:
    assert set(locate(FILE)) == places_of(tomllib.loads(FILE))


def places_of(tree: Any) -> set[OptionPath]:
    if not isinstance(tree, dict | list):
        return set()
    found: set[OptionPath] = set()
    for key, below in tree.items() if isinstance(tree, dict) else enumerate(tree):
        found.add((key,))
        found |= {(key, *path) for path in places_of(below)}
    return found


@pytest.mark.parametrize("text", ["a = 1\n[b\nc = ", "= 3", 'x = 1\ny = "', "[", "a.b", "a = [1"])
def test_text_that_is_no_toml_neither_hangs_nor_raises(text: str) -> None:
    assert isinstance(locate(text), dict)
