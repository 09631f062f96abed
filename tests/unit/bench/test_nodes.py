"""What the clients of the bench say of themselves must be believed by servers that verify it."""

import re

import pytest

from bench.nodes import FEED, description, presence, publication, version
from xmppd.modules.entity_caps import Key, matches
from xmppd.xml import parse

ASKED = [
    b"<iq from='hub@bench.example' to='contact1@bench.example/bench' type='get' id='a1'>",
    b'<iq type="get" id="a1" from="hub@bench.example" to="contact1@bench.example/bench">',
]


@pytest.mark.parametrize("asked", ASKED)
def test_the_answer_goes_to_who_asked(asked: bytes) -> None:
    answer = parse(description(asked).decode())
    assert (answer.get("to"), answer.get("id")) == ("hub@bench.example", "a1")


def test_the_answer_is_what_presence_stands_for() -> None:
    (info,) = parse(description(ASKED[0]).decode()).elements
    (caps,) = parse(presence().decode()).elements
    assert caps.get("ver") == version()
    assert matches(Key("caps", "sha-1", version(), "urn:bench"), info)
    assert f"{FEED}+notify" in [element.get("var") for element in info.elements]


def test_a_publication_is_numbered_once() -> None:
    assert len(re.findall(rb"%s", publication("bench"))) == 1
