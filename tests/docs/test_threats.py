"""Each row of docs/threats.toml names tests that there are."""

import ast
from functools import cache
from pathlib import Path

import pytest
from xmppd_docs import threats

TESTS = Path(__file__).parents[1]
ROWS = list(threats.rows())


@cache
def names_of(file: str) -> frozenset[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    tree = ast.parse((TESTS / file).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.attack[:60])
def test_a_row_names_tests_that_exist(row: threats.Row) -> None:
    assert bool(row.tests) is not bool(row.absent), "tests, or why there are none"
    for test in row.tests:
        file, _, name = test.partition("::")
        assert name in names_of(file), test


def test_no_row_is_there_twice() -> None:
    assert len({(row.section, row.attack) for row in ROWS}) == len(ROWS) > 100


def test_all_files_against_abuse_and_faults_are_in_it() -> None:
    named = {test.partition("::")[0] for row in ROWS for test in row.tests}
    there = {
        str(path.relative_to(TESTS))
        for folder in ("abuse", "faults", "s2s/hostile")
        for path in (TESTS / folder).glob("test_*.py")
    }
    assert there <= named
