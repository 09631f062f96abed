"""Conversations are played twice: in memory, and against a real process over TLS."""

from collections.abc import Iterator

import pytest

from tests.support.server import HOSTS, ServerProcess
from tests.support.stages import ProcessStage
from xmppd.testing import Talk
from xmppd.testing.stage import bundled

ADMIN = "admin@example.org"


@pytest.fixture(params=["memory", "process"])
def talk(request: pytest.FixtureRequest) -> "Iterator[Talk | ProcessStage]":
    """Hosts example.org and example.net, registration on; admin@example.org administers both."""
    if request.param == "memory":
        yield Talk(bundled().get("register"), hosts=HOSTS, admins=[ADMIN])
        return
    stage = ProcessStage(request.getfixturevalue("server"))
    yield stage
    stage.close()


@pytest.fixture
def process(server: ServerProcess) -> Iterator[ProcessStage]:
    """For what only a stream shows."""
    stage = ProcessStage(server)
    yield stage
    stage.close()
