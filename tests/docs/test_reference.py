"""The pieces of the reference in writing-modules.rst, put together as one module that runs."""

import textwrap
from collections.abc import Callable

import pytest

from tests.docs.blocks import blocks
from xmppd.module import Catalogue
from xmppd.testing import Talk, error, result

HEAD = """
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Tx

from xmppd.api import *
from xmppd.api import IQ, JID

NS = "urn:example:notes"
"""
ADDED = """
    @iq_set(NS, "query", at=SELF)
    async def write(self, iq: IQ) -> None:
        await self.notes.put(iq.from_.local, iq.payload.text)
        self._seen[iq.from_.local] = 1
        self.fire(note_written, iq.from_.bare, iq.payload.text)

    _seen: dict[str, Any]

    async def start(self) -> None:
        self._seen = {}
"""
ASK = "<iq type='get' id='n1'><query xmlns='urn:example:notes'/></iq>"
WRITE = "<iq type='set' id='n2'><query xmlns='urn:example:notes'>Dovehouse</query></iq>"


def piece(containing: str) -> str:
    """The block of the page that has these words."""
    page = [b for b in blocks("python") if b.page == "writing-modules.rst" and not b.caption]
    (found,) = [block.code for block in page if containing in block.code]
    return found


def put_together() -> str:
    repository = piece("class Notes(Repository)")
    signal = piece("note_written: Signal").partition("\n\n")[0]
    parts = [
        piece(words) for words in ("@iq_get(NS", "PerSession(False)", "@command(", "def save")
    ]
    parts[1] = parts[1].splitlines()[0] + "\n"
    inside = textwrap.indent("\n".join(parts), "    ")
    return "\n".join([HEAD, signal, repository, inside, ADDED])


@pytest.fixture
def talk(drop_in: Callable[[str, str], Catalogue]) -> Talk:
    catalogue = drop_in("notebook.py", put_together())
    assert catalogue.faults == []
    return Talk(catalogue.get("notebook"))


def test_what_was_written_through_the_repository_is_read_again(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(ASK)
    romeo.receives(error("n1", "cancel", "item-not-found"))
    romeo.sends(WRITE)
    romeo.receives(result("n2", ""))
    romeo.sends(ASK)
    romeo.receives(result("n1", "<query xmlns='urn:example:notes'>Dovehouse</query>"))


def test_the_command_can_be_run_by_its_name(talk: Talk) -> None:
    assert talk.run("notes-count", jid="romeo@example.org") is None


def test_service_discovery_shows_the_claimed_namespace(talk: Talk) -> None:
    romeo = talk.bind("romeo@example.org/orchard")
    romeo.sends(
        "<iq type='get' id='d1' to='romeo@example.org'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )
    found = romeo.receives(result("d1"))
    features = [feature.get("var") for query in found.elements for feature in query.elements]
    assert "urn:example:notes" in features
