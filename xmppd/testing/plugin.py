"""Pytest's fixture `talk`: `pytest_plugins = ["xmppd.testing.plugin"]` in a conftest.py."""

import pytest

from xmppd.testing.stage import Talk


@pytest.fixture
def talk() -> Talk:
    """A host `example.org` in memory with the usual modules."""
    return Talk()
