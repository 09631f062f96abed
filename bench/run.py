"""Rounds on one server after the other: ``python -m bench``."""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

from bench.crowd import Crowd
from bench.federation import COUPLES, Couple, FederatedChat
from bench.floor import ALONE, FLOORS, Floor
from bench.load import LoadError
from bench.managed import MANAGED
from bench.measure import memory
from bench.nodes import NODES, READERS
from bench.page import FLOOR, OURS, Results, machine, peers_part, spread, write_part
from bench.page import servers as measured
from bench.ports import PortTaken
from bench.rooms import RoomLoad, guests
from bench.servers import ALL, ROOT, Server, ServerError, make_certificate
from bench.units import (
    ARCHIVED,
    CONTACTS,
    LOADS,
    NEWER,
    NEWER_LOGINS,
    USERS,
    Load,
    Step,
    Unit,
    goals,
)

WARM = 20  # sessions that come and go before memory is measured
SETTLE_S = 8.0  # ejabberd gives back 15 MB of what its start took
PAGE = ROOT / "docs" / "benchmarks.rst"
IDLE = Unit("resident memory per idle session, TLS", "kB", goals(0.42, 0.65))
IDLE_PLAIN = Unit("resident memory per idle session, plain", "kB")
EMPTY = Unit("resident memory without sessions", "MB")


class Stage(NamedTuple):
    """Loads that want the servers set up alike."""

    name: str
    loads: tuple[type[Load], ...]
    scram: str = "SHA-1"
    archives: bool = False
    manages: bool = False
    users: tuple[str, ...] = ()  # registered when the servers are set up so


STAGES = (
    Stage("basics", LOADS),
    Stage("rooms", (RoomLoad,)),
    Stage("nodes", NODES),
    Stage("managed", MANAGED, manages=True),
    Stage("archives", ARCHIVED, archives=True),
    Stage("newer", NEWER, scram="SHA-256", users=tuple(NEWER_LOGINS)),
)
PARTS = ("memory", *(stage.name for stage in STAGES), FLOOR, "federation")


class Plan(NamedTuple):
    """How much is measured. Many short rounds: machines are faster and slower for seconds, and
    so all servers share what comes. Sessions are idle for `idle_s` before they are looked at:
    xmppd gives back what a silent one does not need after 2 s, others may later.
    """

    rounds: int = 9
    messages: int = 1000
    sessions: int = 2000
    memory_rounds: int = 3
    plain: bool = True
    idle_s: float = 30.0
    parts: tuple[str, ...] = PARTS

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds of {self.messages} messages, {self.memory_rounds} of "
            f"{self.sessions} idle sessions"
        )


QUICK = Plan(
    rounds=3,
    messages=300,
    sessions=200,
    memory_rounds=1,
    plain=False,
    idle_s=5.0,
    parts=("memory", "basics", FLOOR),
)


class Bench:
    """What was found so far."""

    def __init__(self, servers: Sequence[Server], plan: Plan) -> None:
        self._servers = servers
        self.plan = plan
        self.results: Results = {}
        self.floor: Floor | None = None
        self.loads = [os.getloadavg()[0]]
        self.doing = "the start"  # for who interrupts it

    def note(self, unit: Unit, server: Server, value: float) -> None:
        self.results.setdefault(unit, {}).setdefault(server.name, []).append(value)

    def memory(self, unit: Unit, number: int, *, tls: bool) -> None:
        """A round in fresh processes, all servers at once: they wait together."""
        self.doing = f"{unit.title}, round {number + 1}"
        say(self.doing)
        self.restart()
        users = [f"idle{number}" for number in range(self.plan.sessions)]
        for server in self._servers:
            with Crowd(server.target, users[:WARM]) as warm:
                warm.wait()
                warm.finish()
        time.sleep(SETTLE_S)
        before = {server.name: memory(server.pid).rss for server in self._servers}
        with ExitStack() as stack:
            crowds = []
            for server in self._servers:
                crowd = Crowd(server.target._replace(tls=tls), users)
                crowds.append(stack.enter_context(crowd))
                crowd.wait()
            time.sleep(self.plan.idle_s)
            for server in self._servers:
                grown = memory(server.pid).rss - before[server.name]
                self.note(EMPTY, server, before[server.name] / 1024)
                self.note(unit, server, grown / self.plan.sessions)
            for crowd in crowds:
                crowd.finish()

    def restart(
        self, scram: str = "SHA-1", *, archives: bool = False, manages: bool = False
    ) -> None:
        for server in self._servers:
            server.stop()
            server.scram, server.archives, server.manages = scram, archives, manages
            server.configure()
            server.start()

    def measure(self, stage: Stage) -> None:
        self.restart(stage.scram, archives=stage.archives, manages=stage.manages)
        for server in self._servers:
            server.register(stage.users)
        for kind in stage.loads:
            makers = [partial(kind, server) for server in self._servers]
            if self.floor is not None and kind in FLOORS:
                makers.append(partial(FLOORS[kind], self.floor))
            self.alternate(kind.__name__, makers)

    def measure_floor(self) -> None:
        """What was not measured in turns with servers."""
        if self.floor is None:
            return
        loads = {load for stage in self._stages() for load in stage.loads}
        rest = [floor for load, floor in FLOORS.items() if load not in loads]
        for kind in (*rest, *ALONE):
            self.alternate(kind.__name__, [partial(kind, self.floor)])

    def _stages(self) -> Sequence[Stage]:
        return [stage for stage in STAGES if stage.name in self.plan.parts]

    def measure_all(self) -> None:
        for number in range(self.plan.memory_rounds if "memory" in self.plan.parts else 0):
            self.memory(IDLE, number, tls=True)
            if self.plan.plain:
                self.memory(IDLE_PLAIN, number, tls=False)
        for stage in self._stages():
            self.measure(stage)

    def alternate(self, title: str, makers: Sequence[Callable[[int], Load]]) -> None:
        """Rounds take turns, and every server comes first once. The first is for warming up."""
        known, began = set(self.results), time.monotonic()
        say(title)
        self.doing = title
        with ExitStack() as stack:
            loads: list[Load] = []
            for make in makers:
                loads.append(load := make(self.plan.messages))
                stack.callback(load.close)
                for step in load.steps():
                    step.work()
            for number in range(self.plan.rounds):
                self._round(loads, number)
            for load in loads:
                self.doing = f"{title} of {load.server.name}, the end"
                load.finish()
        self.loads.append(os.getloadavg()[0])
        self._tell([unit for unit in self.results if unit not in known])
        say(f"  in {time.monotonic() - began:.0f} s")

    def _round(self, loads: Sequence[Load], number: int) -> None:
        turn = number % len(loads)
        turns = (*loads[turn:], *loads[:turn])
        for place in range(max(len(load.steps()) for load in loads)):
            for load in turns:
                for step in load.steps()[place : place + 1]:
                    self._step(load, step)

    def _tell(self, units: Iterable[Unit]) -> None:
        """As soon as it is known: a bench that is interrupted has not been in vain."""
        for unit in units:
            found = (f"{name} {spread(each)}" for name, each in self.results[unit].items())
            say(f"  {unit.title}, {unit.unit}: {', '.join(found)}")

    def _step(self, load: Load, step: Step) -> None:
        title = type(load).__name__ if step.unit is None else step.unit.title
        self.doing = f"{title}, {load.server.name}"
        before = load.cpu_s()
        done = step.work()
        if step.unit is not None:
            self.note(step.unit, load.server, (load.cpu_s() - before) / done.units * 1e6)
        for unit, value in done.others.items():
            self.note(unit, load.server, value)


def run(bench: Bench, servers: Sequence[Server]) -> None:
    """Start, register, measure. The servers are stopped in any case."""
    plan = bench.plan
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
            idle = [f"idle{number}" for number in range(plan.sessions)]
            server.register([*USERS, *READERS, *guests(), *idle])
            server.befriend("hub", CONTACTS)
        bench.measure_all()


def run_couples(bench: Bench, couples: Sequence[Couple]) -> None:
    with ExitStack() as stack:
        for couple in couples:
            stack.callback(couple.stop)
            couple.start()
        bench.alternate(
            FederatedChat.__name__, [partial(FederatedChat, couple) for couple in couples]
        )


def run_all(plan: Plan, kinds: Sequence[type[Server]], folder: Path) -> tuple[Bench, bool]:
    """What was found, and whether that is all: not if somebody interrupts it."""
    names = {kind.name for kind in kinds} if "federation" in plan.parts else set()
    federated = [kind for kind in COUPLES if kind.name in names]
    for each in federated:
        each.choose_port()  # or all would be measured in vain
    certificate = make_certificate(folder)
    servers = [kind(folder, *certificate) for kind in kinds]
    bench = Bench(servers, plan)
    try:
        with ExitStack() as stack:
            if FLOOR in plan.parts:
                bench.floor = Floor(folder, *certificate)
                stack.callback(bench.floor.stop)
                bench.floor.start()
            if set(plan.parts) - {FLOOR, "federation"}:
                run(bench, servers)
            bench.measure_floor()
        if federated:
            run_couples(bench, [Couple(kind, folder, certificate) for kind in federated])
    except (KeyboardInterrupt, LoadError, ServerError, OSError) as end:
        say(f"bench: ended by {type(end).__name__} {end} during: {bench.doing}")
        return bench, False
    return bench, True


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def interrupt(number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def raise_limits() -> None:
    """As many connections as the system gives; servers inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = max(hard, 50_000)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little and less exact; no page")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts; no page")
    parser.add_argument("--rounds", type=int, help="of each measurement, at least 3 to be told")
    parser.add_argument("--idle-rounds", type=int, help="of the measurements of memory; may be 0")
    names = [kind.name for kind in ALL]
    parser.add_argument("--servers", nargs="+", choices=names, default=names)
    parser.add_argument("--output", type=Path, help="the page; docs/benchmarks.rst if all is run")
    return parser.parse_args(given)


def plan_of(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else Plan()
    if options.rounds is not None:
        plan = plan._replace(rounds=options.rounds)
    if options.idle_rounds is not None:
        plan = plan._replace(memory_rounds=options.idle_rounds)
    if options.only is not None:
        plan = plan._replace(parts=tuple(options.only))
    return plan


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    raise_limits()
    for number in (signal.SIGINT, signal.SIGTERM):  # what is known is told
        signal.signal(number, interrupt)
    plan = plan_of(options)
    kinds = [kind for kind in ALL if kind.name in options.servers and kind.installed()]
    for name in sorted(set(options.servers) - {kind.name for kind in kinds}):
        say(f"{name} is not installed: measured without it")
    try:
        with tempfile.TemporaryDirectory(prefix="xmppd-bench-") as folder:
            bench, complete = run_all(plan, kinds, Path(folder))
    except (LoadError, PortTaken, ServerError) as error:
        say(f"bench: {error}")
        return 1
    versions = {kind.name: kind.version() for kind in kinds}
    there = {name: versions[name] for name in measured(bench.results) if name in versions}
    text = peers_part(bench.results, str(plan), there, machine(bench.loads))
    print(text)
    whole = complete and OURS in versions and len(versions) == len(ALL) and plan == Plan()
    page = options.output or (PAGE if whole else None)
    if page:
        write_part(page, "peers", text)
    return 0 if complete else 1
