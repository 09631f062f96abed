"""What is measured does hibernate, and what is counted as waiting waits."""

import pytest

from bench.hibernation import Sleepers, measure


def test_sessions_that_are_measured_hibernate_and_messages_wait_for_them() -> None:
    sleepers = Sleepers()
    sleepers.come(2)
    sleepers.hear(sleepers.sessions, 3)
    for session in sleepers.sessions:
        assert session.hibernating
        assert session.managed is not None
        assert len(session.managed) == 3
        assert session.managed.unwritten == 3
        assert session.presence is not None


@pytest.mark.parametrize("messages", [0, 5])
def test_a_message_costs_something_and_none_costs_nothing(messages: int) -> None:
    found = measure(10, messages)
    assert 500 < found.session < 20_000
    assert (100 < found.message < 5_000) if messages else found.message < 100
