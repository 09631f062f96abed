"""Free memory goes back to the system now and then."""

import gc

from twisted.internet.task import Clock

from xmppd.memory import TRIM_S, Trimmer, settle, trimmer


def test_memory_is_given_back_each_minute_while_the_service_runs() -> None:
    clock, calls = Clock(), []
    service = Trimmer(clock, lambda: calls.append(clock.seconds()))
    service.startService()
    clock.advance(TRIM_S)
    clock.advance(TRIM_S)
    service.stopService()
    clock.advance(TRIM_S)
    assert calls == [TRIM_S, 2 * TRIM_S]


def test_the_c_library_takes_the_call() -> None:
    assert trimmer()() in (None, 0, 1)


def test_what_is_there_at_the_start_is_not_looked_at_again() -> None:
    thresholds = gc.get_threshold()
    try:
        settle()
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
