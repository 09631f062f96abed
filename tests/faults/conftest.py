"""Servers to which things happen."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cluster import Cluster
from tests.faults.people import ROOM, populate
from tests.support.server import ServerProcess

MODULES = Path(__file__).parent / "modules"
Serve = Callable[..., ServerProcess]


@pytest.fixture
def tracebacks_are_expected() -> None:
    """For tests in which something is meant to fail with one."""


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Starts a server with the usual accounts; its options are those of `ServerProcess`."""
    made: list[ServerProcess] = []

    def start(**options: Any) -> ServerProcess:
        server = ServerProcess(**{"options": ROOM, **options})
        made.append(server)
        server.start()
        populate(server)
        return server

    yield start
    for server in made:
        try:
            if "tracebacks_are_expected" not in request.fixturenames:
                server.assert_no_traceback()
        finally:
            server.kill()
            server.clean()


@pytest.fixture
def troubled(serve: Serve, tmp_path: Path) -> ServerProcess:
    """A server with the module `trouble`, which looks into `tmp_path`; its queue is short."""
    return serve(
        enable=["register", "trouble"],
        paths=[MODULES],
        environment={"XMPPD_TEST_TROUBLE": str(tmp_path)},
        database="queue = 10",
    )


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.remove()
