"""Real sockets: a reactor of the test's own, and name servers on loopback."""

from collections.abc import Iterator

import pytest

from tests.support.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()
