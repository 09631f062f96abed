"""Orders to the sending process, and what is made of the latencies."""

import pytest

from bench.pairs import Flow, Order


def test_at_a_rate_each_message_has_its_time_whatever_has_arrived() -> None:
    order = Order(first=500, messages=3, start=7.0, rate=1000.0, window=0)
    assert [order.due(position) for position in range(3)] == pytest.approx([7.0, 7.001, 7.002])


def test_without_a_rate_all_are_due_at_once() -> None:
    order = Order(first=0, messages=3, start=7.0, rate=0.0, window=2)
    assert {order.due(position) for position in range(3)} == {7.0}


def test_one_late_message_in_a_hundred_shows_in_the_99th_percentile_only() -> None:
    flow = Flow(1000.0, [0.001] * 98 + [0.5] * 2)
    assert flow.percentile(50) == pytest.approx(0.001)
    assert flow.percentile(99) > 0.2
