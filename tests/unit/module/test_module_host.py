"""Modules: started in order, swapped in one step, and the old one serves if anything fails."""

from typing import Any

import pytest

from xmppd.api import (
    HOST,
    IQ,
    JID,
    SELF,
    Element,
    Module,
    ModuleFault,
    Options,
    PerSession,
    Session,
    Signal,
    command,
    events,
    iq_get,
    on,
    option,
    uses,
    uses_if,
)
from xmppd.config import Options as AnyOptions
from xmppd.module.base import options_of
from xmppd.module.host import in_order
from xmppd.testing import Talk, error, result, result_of

counted: Signal[int] = Signal("A number was counted.")
started: list[str] = []


@pytest.fixture(autouse=True)
def no_starts() -> None:
    started.clear()


class CounterOptions(Options):
    step: int = option(1, "What is added.", at_least=1)


class Counter(Module):
    """Counts what it is asked for."""

    name = "counter"
    options: CounterOptions
    seen = PerSession(0)

    async def start(self) -> None:
        started.append(self.name)
        self.count = 0

    async def stop(self) -> None:
        started.append(f"stopped {self.name}")

    def save(self) -> dict[str, Any]:
        return {"count": self.count}

    def restore(self, saved: dict[str, Any]) -> None:
        self.count = saved["count"]

    @iq_get("urn:t:count", "count")
    def answer(self, iq: IQ) -> Element:
        self.count += self.options.step
        self.fire(counted, self.count)
        return Element("urn:t:count", "count", None, str(self.count))

    @command("counted", "How far it has counted.")
    def counted(self) -> str:
        return str(self.count)


class Doubling(Counter):
    """The next version of the counter."""

    name = "counter"

    @iq_get("urn:t:count", "count")
    def answer(self, iq: IQ) -> Element:
        self.count *= 2
        return Element("urn:t:count", "count", None, str(self.count))


class Listener(Module):
    """Hears the counter."""

    name = "listener"
    counter = uses(Counter)
    absent = uses_if(Doubling)

    async def start(self) -> None:
        started.append(self.name)
        self.heard: list[int] = []

    @on(counted)
    def hear(self, number: int) -> None:
        self.heard.append(number)


class Rival(Module):
    """Wants what the counter has."""

    name = "rival"

    @iq_get("urn:t:count", "count")
    def answer(self, iq: IQ) -> None:
        """Never called."""


class Failing(Counter):
    """Does not start."""

    name = "counter"

    async def start(self) -> None:
        raise ZeroDivisionError("no")


COUNT = "<iq type='get' id='c' to='example.org'><count xmlns='urn:t:count'/></iq>"


def counts(talk: Talk, client: Any, expected: int) -> None:
    client.sends(COUNT)
    client.receives(result("c", f"<count xmlns='urn:t:count'>{expected}</count>"))


def swap(talk: Talk, leaving: list[str], *coming: type[Module]) -> None:
    modules = {cls: options_of(cls)() for cls in coming}
    result_of(talk.host.modules.swap(leaving, modules))


def test_modules_start_after_those_they_use() -> None:
    Talk(Listener, Counter, only=[])
    assert started == ["counter", "listener"]


def test_modules_that_use_each_other_in_a_circle_are_refused() -> None:
    class One(Module):
        name = "one"

    class Two(Module):
        name = "two"
        one = uses(One)

    One.two = uses(Two)  # type: ignore[attr-defined]
    with pytest.raises(ModuleFault, match="one, two"):
        in_order([One, Two])


def test_a_module_whose_needs_are_disabled_is_refused_by_name() -> None:
    talk = Talk(only=[])
    with pytest.raises(ModuleFault, match="listener needs counter"):
        swap(talk, [], Listener)


def test_a_module_that_others_use_cannot_leave_alone() -> None:
    talk = Talk(Counter, Listener, only=[])
    with pytest.raises(ModuleFault, match="listener needs counter"):
        swap(talk, ["counter"])
    assert "counter" in talk.host.modules


def test_what_is_used_if_present_is_none_when_absent() -> None:
    class Wishing(Module):
        name = "wishing"
        counter = uses_if(Counter)

    talk = Talk(Wishing, only=[])
    assert talk.module(Wishing).counter is None


def test_a_reload_carries_state_over_and_swaps_handlers_and_commands() -> None:
    talk = Talk(Counter, only=[])
    romeo = talk.bind("romeo@example.org/orchard")
    counts(talk, romeo, 1)
    counts(talk, romeo, 2)
    swap(talk, ["counter"], Doubling)
    counts(talk, romeo, 4)
    assert talk.run("counted") == "4"
    assert started == ["counter", "counter", "stopped counter"]


def test_what_a_module_keeps_of_a_session_outlives_its_reload() -> None:
    talk = Talk(Counter, only=[])
    session = talk.bind("romeo@example.org/orchard").session
    talk.module(Counter).seen[session] = 3
    swap(talk, ["counter"], Counter)
    assert talk.module(Counter).seen[session] == 3


def test_signals_reach_modules_that_were_reloaded() -> None:
    talk = Talk(Counter, Listener, only=[])
    romeo = talk.bind("romeo@example.org/orchard")
    swap(talk, ["counter", "listener"], Counter, Listener)
    counts(talk, romeo, 1)
    assert talk.module(Listener).heard == [1]


def test_a_new_version_that_fails_to_start_leaves_the_old_serving() -> None:
    talk = Talk(Counter, only=[])
    romeo = talk.bind("romeo@example.org/orchard")
    counts(talk, romeo, 1)
    with pytest.raises(ModuleFault, match="did not start"):
        swap(talk, ["counter"], Failing)
    counts(talk, romeo, 2)
    assert talk.run("counted") == "2"


def test_a_second_claim_of_an_iq_stops_the_load_and_names_both() -> None:
    talk = Talk(Counter, only=[])
    with pytest.raises(ModuleFault, match="rival and counter both answer"):
        swap(talk, [], Rival)
    assert "rival" not in talk.host.modules
    counts(talk, talk.bind("romeo@example.org/orchard"), 1)


def test_a_module_that_left_answers_nothing_any_more() -> None:
    talk = Talk(Counter, only=[])
    romeo = talk.bind("romeo@example.org/orchard")
    swap(talk, ["counter"])
    romeo.sends(COUNT)
    romeo.receives(error("c", "cancel", "service-unavailable"))
    assert "counted" not in talk.commands
    assert talk.host.iqs.namespaces(HOST, SELF) == set()


def test_each_virtual_host_has_an_instance_with_options_of_its_own() -> None:
    talk = Talk(Counter, hosts=["example.org", "example.net"], only=[])
    romeo, other = talk.bind("romeo@example.org/o"), talk.bind("romeo@example.net/o")
    counts(talk, romeo, 1)
    counts(talk, romeo, 2)
    other.sends(COUNT.replace("example.org", "example.net"))
    other.receives(result("c", "<count xmlns='urn:t:count'>1</count>"))
    assert talk.module(Counter, "example.net") is not talk.module(Counter, "example.org")


def test_options_come_from_the_declared_class() -> None:
    talk = Talk(Counter, only=[], options={"counter": {"step": 5}})
    counts(talk, talk.bind("romeo@example.org/orchard"), 5)
    assert options_of(Rival) is AnyOptions


def test_periodic_work_runs_until_the_module_leaves_and_outlives_its_failures() -> None:
    ticks: list[float] = []

    class Ticking(Module):
        name = "ticking"

        async def start(self) -> None:
            self.every(10, self.tick)

        def tick(self) -> None:
            ticks.append(self.host.clock.seconds())
            if len(ticks) == 1:
                raise ZeroDivisionError

    talk = Talk(Ticking, only=[])
    talk.advance(10)
    talk.advance(10)
    assert ticks == [10, 20]
    swap(talk, ["ticking"])
    talk.advance(100)
    assert ticks == [10, 20]


def test_a_pause_lasts_as_long_as_was_said_also_where_the_module_leaves() -> None:
    went_on: list[float] = []

    class Patient(Module):
        name = "patient"

        async def start(self) -> None:
            self.background(self.work())

        async def work(self) -> None:
            for seconds in (3, 0):
                await self.pause(seconds)
                went_on.append(self.host.clock.seconds())

    talk = Talk(Patient, only=[])
    talk.advance(2)
    assert went_on == []
    swap(talk, ["patient"])
    talk.advance(1)
    talk.advance(0)
    assert went_on == [3, 3]


def test_a_handler_of_a_session_event_is_found_on_an_inherited_method() -> None:
    bound: list[JID] = []

    class Base(Module):
        @on(events.session_bound)
        def note(self, session: Session) -> None:
            bound.append(session.jid)

    class Noting(Base):
        name = "noting"

    talk = Talk(Noting, only=[])
    talk.bind("romeo@example.org/orchard")
    assert bound == ["romeo@example.org/orchard"]
