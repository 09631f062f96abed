"""One timer for all sessions."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from xmppd.transport.wheel import TimerWheel


@pytest.mark.parametrize("delay_s", [0, 0.3, 1, 2.5, 30, 300])
@pytest.mark.parametrize("start_s", [0.0, 0.7])
def test_a_call_is_never_early_and_at_most_a_second_late(
    clock: Clock, wheel: TimerWheel, delay_s: float, start_s: float
) -> None:
    wheel.add(1000, lambda: None)
    clock.advance(start_s)
    called: list[float] = []
    wheel.add(delay_s, lambda: called.append(clock.seconds()))
    while not called:
        clock.advance(0.25)
    assert start_s + delay_s <= called[0] <= start_s + delay_s + 1.25


def test_one_reactor_timer_serves_all_and_only_while_there_are_any(
    clock: Clock, wheel: TimerWheel
) -> None:
    assert clock.getDelayedCalls() == []
    for delay_s in range(1, 50):
        wheel.add(delay_s, lambda: None)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(49)
    assert clock.getDelayedCalls() == []


def test_arguments_are_passed_and_order_is_that_of_time(clock: Clock, wheel: TimerWheel) -> None:
    called: list[str] = []
    wheel.add(3, called.append, "late")
    wheel.add(2, called.append, "early")
    clock.advance(10)
    assert called == ["early", "late"]


def test_a_cancelled_call_is_not_made(clock: Clock, wheel: TimerWheel) -> None:
    called: list[str] = []
    timer = wheel.add(2, called.append, "x")
    timer.cancel()
    timer.reschedule(1)
    clock.advance(10)
    assert called == []
    assert not timer.active


@pytest.mark.parametrize("delay_s, at_s", [(1, 6), (10, 15), (3, 8)])
def test_a_call_can_be_put_off_or_brought_forward(
    clock: Clock, wheel: TimerWheel, delay_s: float, at_s: float
) -> None:
    called: list[float] = []
    timer = wheel.add(8, lambda: called.append(clock.seconds()))
    clock.advance(5)
    timer.reschedule(delay_s)
    for _ in range(30):
        clock.advance(1)
    assert called == [at_s]


def test_putting_off_again_and_again_takes_no_room(clock: Clock, wheel: TimerWheel) -> None:
    timer = wheel.add(60, lambda: None)
    for _ in range(1000):
        timer.reschedule(60)
    assert sum(len(slot) for slot in wheel._slots.values()) == 1


def test_a_failing_call_does_not_stop_the_others(clock: Clock, wheel: TimerWheel) -> None:
    called: list[str] = []
    wheel.add(1, lambda: 1 / 0)
    wheel.add(1, called.append, "x")
    clock.advance(1)
    assert called == ["x"]


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_clock_that_jumps_ends_nothing(jump_s: float) -> None:
    clock = Clock()
    clock.rightNow = 10_000.0
    wheel, called = TimerWheel(clock), []
    wheel.add(30, called.append, "x")
    clock.advance(0.5)
    pending = clock.getDelayedCalls()[0]
    clock.rightNow += jump_s
    pending.reset(0)
    clock.advance(0)
    assert called == []
    for _ in range(30):
        clock.advance(1)
    assert called == ["x"]
