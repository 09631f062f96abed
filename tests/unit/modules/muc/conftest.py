"""The room of XEP-0045's examples: the first witch has made it, the second is there."""

import pytest

from tests.support.rooms import HAG, HAG_NICK, ROOM, joins, made
from xmppd.testing import Client, Talk


@pytest.fixture
def crone(talk: Talk) -> Client:
    """The owner, in the room."""
    return made(talk)


@pytest.fixture
def hag(talk: Talk, crone: Client) -> Client:
    """In the room, where the owner has seen her enter."""
    return joins(talk, HAG, HAG_NICK, ROOM, crone)
