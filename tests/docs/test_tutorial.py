"""The tutorial's module and tests, taken from the page and run as its reader would."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks
from xmppd.module import Catalogue
from xmppd.testing import Talk, error

Load = Callable[[str, str], Catalogue]
CAPTIONED = [block for block in blocks("python") if block.caption]
VERSIONS = [block for block in CAPTIONED if block.caption == "quiet.py"]


def pytest_in(folder: Path, *chosen: Block) -> subprocess.CompletedProcess[str]:
    """Write these files, a later one in the place of an earlier one, and run their tests."""
    for block in chosen:
        (folder / block.caption).write_text(block.code)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_each_version_of_the_module_is_a_drop_in_that_works(version: Block, drop_in: Load) -> None:
    catalogue = drop_in("quiet.py", version.code)
    assert catalogue.faults == []
    romeo = Talk(catalogue.get("quiet")).online("romeo@example.org/orchard")
    romeo.sends("<message id='m1' to='juliet@example.org'><body>SOFT!</body></message>")
    romeo.receives(error("m1", "modify", "not-acceptable", kind="message"))


def test_its_tests_pass_with_its_last_version(tmp_path: Path) -> None:
    outcome = pytest_in(tmp_path, *CAPTIONED)
    assert "3 passed" in outcome.stdout, outcome.stdout + outcome.stderr


def test_its_first_test_fails_without_the_handler(tmp_path: Path) -> None:
    last = VERSIONS[-1]
    deaf = last._replace(code=last.code.replace("    @on(events.user_sends)\n", ""))
    first_tests = [block for block in CAPTIONED if block.caption == "test_quiet.py"]
    outcome = pytest_in(tmp_path, deaf, *first_tests)
    assert "1 failed, 1 passed" in outcome.stdout, outcome.stdout + outcome.stderr


def test_its_last_version_has_some_twenty_lines() -> None:
    lines = [line for line in VERSIONS[-1].code.splitlines() if line.strip()]
    assert len(lines) <= 20


def test_its_last_version_has_the_option_of_which_the_page_speaks(drop_in: Load) -> None:
    options = drop_in("quiet.py", VERSIONS[-1].code).options()["quiet"]
    assert options.model_fields["letters"].default == 4
