"""The hook bus: four kinds of chains, their order, and what a failing handler does."""

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from xmppd.hooks import (
    EARLY,
    LATE,
    NORMAL,
    ON,
    STOP,
    Filter,
    Gather,
    Handler,
    HandlerCrashed,
    Hooks,
    Order,
    Signal,
    Stop,
    WaitingFilter,
    attempt,
    on,
    spawn,
)
from xmppd.testing import result_of


class Refused(Exception):
    """What a handler may refuse with."""


number_passes: Filter[int, []] = Filter("A number passes.")
number_passed: Signal[int] = Signal("A number has passed.")
numbers: Gather[int, []] = Gather("Numbers are wanted.")
number_passing: WaitingFilter[int, []] = WaitingFilter("A number may wait.")


@pytest.fixture
def hooks() -> Hooks:
    return Hooks(expected=(Refused,))


def crash(*args: object) -> None:
    raise ZeroDivisionError


def refuse(*args: object) -> None:
    raise Refused


def handler(call: Callable[..., object], owner: str = "a", order: Order = NORMAL) -> Handler:
    return Handler(order, owner, call)


def test_a_filter_passes_the_value_through_its_handlers_in_order(hooks: Hooks) -> None:
    chain = hooks.of(number_passes)
    adds = [(number_passes, handler(lambda n: n + 1)), (number_passes, handler(lambda n: n * 10))]
    hooks.swap((), adds)
    assert chain.filter(1) == 20


def test_none_leaves_the_value_unchanged(hooks: Hooks) -> None:
    hooks.swap((), [(number_passes, handler(lambda n: None))])
    assert hooks.of(number_passes).filter(7) == 7


def test_stop_swallows_the_value_and_later_handlers_do_not_see_it(hooks: Hooks) -> None:
    seen: list[int] = []
    hooks.swap(
        (),
        [
            (number_passes, handler(lambda n: STOP, order=EARLY)),
            (number_passes, handler(seen.append)),
        ],
    )
    assert hooks.of(number_passes).filter(1) is STOP
    assert seen == []


def test_order_is_by_phase_and_then_by_name_of_the_module(hooks: Hooks) -> None:
    ran: list[str] = []
    rows = [("b", LATE), ("z", EARLY), ("c", NORMAL), ("a", NORMAL)]
    hooks.swap(
        (),
        [(number_passed, handler(lambda n, o=o: ran.append(o), o, phase)) for o, phase in rows],
    )
    hooks.of(number_passed).signal(1)
    assert ran == ["z", "a", "c", "b"]


def test_a_filter_that_crashes_fails_closed_and_names_its_module(hooks: Hooks) -> None:
    hooks.swap((), [(number_passes, handler(crash, "culprit"))])
    with pytest.raises(HandlerCrashed) as caught:
        hooks.of(number_passes).filter(1)
    assert caught.value.owner == "culprit"


def test_a_filter_may_refuse_with_what_is_expected(hooks: Hooks) -> None:
    hooks.swap((), [(number_passes, handler(refuse))])
    with pytest.raises(Refused):
        hooks.of(number_passes).filter(1)


def test_a_failing_handler_of_a_signal_does_not_keep_others_from_running(hooks: Hooks) -> None:
    seen: list[int] = []
    hooks.swap(
        (),
        [(number_passed, handler(crash, "a")), (number_passed, handler(seen.append, "b"))],
    )
    hooks.of(number_passed).signal(5)
    assert seen == [5]


def test_a_gather_collects_from_all_and_passes_over_who_fails(hooks: Hooks) -> None:
    hooks.swap(
        (),
        [
            (numbers, handler(lambda: [1, 2], "a")),
            (numbers, handler(crash, "b")),
            (numbers, handler(lambda: None, "c")),
            (numbers, handler(lambda: [3], "d")),
        ],
    )
    assert hooks.of(numbers).gather() == [1, 2, 3]


def test_a_waiting_filter_waits_for_each_handler_in_turn(hooks: Hooks) -> None:
    gate: Deferred[None] = Deferred()

    async def slow(n: int) -> int:
        await gate
        return n + 1

    hooks.swap(
        (),
        [(number_passing, handler(slow, "a")), (number_passing, handler(lambda n: n * 10, "b"))],
    )
    outcome: list[int | Stop] = []
    spawn(hooks.of(number_passing).wait(1)).addCallback(outcome.append)
    assert outcome == []
    gate.callback(None)
    assert outcome == [20]


def test_a_waiting_filter_that_crashes_after_waiting_fails_closed(hooks: Hooks) -> None:
    async def slow(n: int) -> int:
        raise ZeroDivisionError

    hooks.swap((), [(number_passing, handler(slow, "culprit"))])
    with pytest.raises(HandlerCrashed, match="culprit"):
        result_of(hooks.of(number_passing).wait(1))


def test_begun_without_anybody_who_waits_it_is_done_when_it_returns(hooks: Hooks) -> None:
    chain = hooks.of(number_passing)
    assert chain.begin(1) == 1
    hooks.swap((), [(number_passing, handler(lambda n: n + 1, "a"))])
    assert chain.begin(1) == 2
    hooks.swap((), [(number_passing, handler(lambda n: STOP, "b"))])
    assert chain.begin(1) is STOP


def test_begun_with_a_deferred_the_next_handler_waits_for_it(hooks: Hooks) -> None:
    gate: Deferred[int] = Deferred()

    async def second(n: int) -> int:
        return n * 10

    hooks.swap(
        (),
        [(number_passing, handler(lambda n: gate, "a")), (number_passing, handler(second, "b"))],
    )
    begun = hooks.of(number_passing).begin(1)
    assert isinstance(begun, Deferred)
    assert not begun.called
    gate.callback(2)
    assert result_of(begun) == 20


@pytest.mark.parametrize(
    "problem, raised", [(Refused, Refused), (ZeroDivisionError, HandlerCrashed)]
)
def test_begun_with_a_deferred_that_fails_it_fails_closed(
    hooks: Hooks, problem: type[Exception], raised: type[Exception]
) -> None:
    gate: Deferred[int] = Deferred()
    hooks.swap((), [(number_passing, handler(lambda n: gate, "culprit"))])
    begun = hooks.of(number_passing).begin(1)
    assert isinstance(begun, Deferred)
    gate.errback(problem())
    with pytest.raises(raised):
        result_of(begun)


def test_swapping_replaces_one_modules_handlers_and_leaves_others(hooks: Hooks) -> None:
    chain = hooks.of(number_passes)
    hooks.swap((), [(number_passes, handler(lambda n: n + 1, "old"))])
    hooks.swap((), [(number_passes, handler(lambda n: n + 100, "other"))])
    hooks.swap(["old"], [(number_passes, handler(lambda n: n + 2, "new"))])
    assert chain.filter(0) == 102
    assert [each.owner for each in chain.handlers] == ["new", "other"]


def test_a_chain_is_the_same_object_before_and_after_its_hook_is_declared_anew() -> None:
    hooks = Hooks()
    assert hooks.of(number_passes) is hooks.of(number_passes)
    assert number_passes.key == f"{__name__}.number_passes"


def test_a_chain_without_handlers_is_false(hooks: Hooks) -> None:
    chain = hooks.of(number_passes)
    assert not chain
    hooks.swap((), [(number_passes, handler(lambda n: n))])
    assert chain


def test_a_watcher_stands_beside_every_handler_and_can_be_taken_away(hooks: Hooks) -> None:
    calls: list[tuple[str, str]] = []

    def watcher(hook: str, watched: Handler) -> Callable[..., object]:
        def call(*args: object) -> object:
            calls.append((hook.rpartition(".")[2], watched.owner))
            return watched.call(*args)

        return call

    hooks.swap((), [(number_passes, handler(lambda n: n + 1, "m"))])
    hooks.watch(watcher)
    assert hooks.of(number_passes).filter(1) == 2
    hooks.watch(None)
    hooks.of(number_passes).filter(1)
    assert calls == [("number_passes", "m")]


def test_the_decorator_leaves_data_and_nothing_else() -> None:
    class Module:
        @on(number_passed, order=LATE)
        @on(numbers)
        def work(self, *args: int) -> list[int]:
            return [1]

    assert Module().work() == [1]
    assert getattr(Module.work, ON) == [(numbers, NORMAL, None), (number_passed, LATE, None)]


async def _sum(*parts: "Deferred[int]") -> int:
    return sum([await part for part in parts])


def test_work_that_need_not_wait_is_done_without_a_deferred() -> None:
    assert attempt(_sum(succeed(1), succeed(2))) == 3


def test_work_that_waits_goes_on_with_each_answer() -> None:
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()
    done = attempt(_sum(succeed(1), first, second))
    assert isinstance(done, Deferred)
    outcome: list[int] = []
    done.addCallback(outcome.append)
    first.callback(10)
    assert outcome == []
    second.callback(100)
    assert outcome == [111]


def test_what_work_raises_is_raised_at_once_and_later_is_the_failure() -> None:
    with pytest.raises(ValueError, match="now"):
        attempt(_sum(fail(ValueError("now"))))
    waited: Deferred[int] = Deferred()
    done = attempt(_sum(waited))
    assert isinstance(done, Deferred)
    problems: list[Failure] = []
    done.addErrback(problems.append)
    waited.errback(ValueError("later"))
    assert problems[0].check(ValueError)


def test_work_may_catch_what_it_waited_for() -> None:
    waited: Deferred[int] = Deferred()
    after: Deferred[int] = Deferred()

    async def careful() -> int:
        try:
            return await waited
        except ValueError:
            return await after

    done = attempt(careful())
    assert isinstance(done, Deferred)
    outcome: list[int] = []
    done.addCallback(outcome.append)
    waited.errback(ValueError())
    after.callback(7)
    assert outcome == [7]
