"""For all tests: what the server sends in them keeps to the schemas of the specifications."""

from collections.abc import Iterator

import pytest

from tests.schemas.validate import validate
from tests.support.server import ServerProcess
from xmppd.testing import Talk

pytest_plugins = ["xmppd.testing.plugin"]
Talk.default_check = validate


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A running server with the usual modules and registration, for the whole run.

    Whoever creates accounts removes them; `admin@example.org` administers it, once created.
    """
    # One reader: visits to the database happen in order, so that a later one is a barrier.
    with ServerProcess(
        admins=["admin@example.org"],
        options={"register": {"per_day": 10_000, "tries_per_day": 10_000}},
        database="readers = 1",
    ) as process:
        yield process
