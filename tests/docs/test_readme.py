"""What README.rst says is so."""

import re
from collections.abc import Callable

import pytest

from tests.docs.blocks import ROOT, blocks
from xmppd.module import Catalogue
from xmppd.testing import Talk, error, message

README = ROOT / "README.rst"
(MODULE,) = [block for block in blocks("python") if block.page == "README.rst"]


@pytest.fixture
def greeter(drop_in: Callable[[str, str], Catalogue]) -> Talk:
    catalogue = drop_in("greeter.py", MODULE.code)
    assert catalogue.faults == []
    return Talk(catalogue.get("greeter"))


def test_its_module_answers_who_says_hello_to_the_server(greeter: Talk) -> None:
    romeo = greeter.online("romeo@example.org/orchard")
    romeo.sends("<message to='example.org' type='chat'><body>hello</body></message>")
    romeo.receives(message("hello", from_="example.org", to="romeo@example.org/orchard"))


def test_its_module_leaves_other_messages_alone(greeter: Talk) -> None:
    romeo = greeter.online("romeo@example.org/orchard")
    romeo.sends("<message id='m1' to='example.org' type='chat'><body>bye</body></message>")
    romeo.receives(error("m1", "cancel", "service-unavailable", kind="message"))


def test_the_folders_and_files_it_names_are_there() -> None:
    named = re.findall(
        r"``((?:xmppd|modules|etc|docs|tests|bench)/[\w./-]*)``", README.read_text()
    )
    assert len(named) > 6
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_targets_of_make_that_pages_name_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    pages = [README, *(ROOT / "docs").glob("*.rst")]
    named = {t for page in pages for t in re.findall(r"(?:``|    )make (\w+)", page.read_text())}
    assert {"run", "test"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.M)] == []
