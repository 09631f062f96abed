"""A host with one component, in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from tests.support.components import DOMAIN, Peer, Yard
from xmppd.testing import Talk


@pytest.fixture
def talk() -> Talk:
    return Talk(hosts=["example.org", "example.net"])


@pytest.fixture
def yard(talk: Talk) -> Yard:
    yard = Yard(talk)
    assert yard.configure({DOMAIN: {}}) == []
    return yard


@pytest.fixture
def gateway(yard: Yard) -> Peer:
    return yard.joins()


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """What is logged meanwhile, as text."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    yield lambda: "\n".join(event["log_format"].format(**event) for event in events)
    globalLogPublisher.removeObserver(events.append)
