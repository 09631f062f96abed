"""For all tests."""

from collections.abc import Iterator

import pytest

from tests.support.server import ServerProcess

pytest_plugins = ["xmppd.testing.plugin"]


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A running server with the usual modules and registration, for the whole run.

    Whoever creates accounts removes them; `admin@example.org` administers it, once created.
    """
    with ServerProcess(admins=["admin@example.org"]) as process:
        yield process
