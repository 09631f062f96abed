"""Rounds on one server after the other, their medians, and the page that shows them."""

import argparse
import datetime
import functools
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.load import Chat, Client, Crowd, LoadError
from bench.measure import cpu_s, memory
from bench.servers import ALL, Server, ServerError, make_certificate

OURS = "xmppd"
WARM = 20  # sessions that come and go before memory is measured
SETTLE_S = 8.0  # ejabberd gives back 15 MB of what its start took
DOZE_S = 45.0  # idle sessions are looked at after so long: xmppd drops parsers after 30


class Plan(NamedTuple):
    """How much is measured."""

    rounds: int = 3
    messages: int = 3000
    sessions: int = 1000
    doze_s: float = DOZE_S


QUICK = Plan(rounds=3, messages=1000, sessions=500, doze_s=2.0)


class Unit(NamedTuple):
    """One row of the table: what `measure` of a server gives, and in what."""

    title: str
    unit: str


IDLE = Unit("resident memory per idle TLS session", "kB")
EMPTY = Unit("resident memory without sessions", "MB")
ONE = Unit("chat message, one in flight, TLS", "µs CPU")
TEN = Unit("chat message, ten in flight, TLS", "µs CPU")
Results = dict[Unit, dict[str, list[float]]]


def measure_memory(servers: Sequence[Server], plan: Plan, results: Results) -> None:
    """Each round in fresh processes, all servers at once: they wait together."""
    users = [f"idle{number}" for number in range(plan.sessions)]
    for server in servers:
        server.stop()
        server.start()
        with Crowd(server.target, users[:WARM]) as warm:
            warm.wait()
            warm.close()
    time.sleep(SETTLE_S)
    before = {server.name: memory(server.pid).rss for server in servers}
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(crowd := Crowd(server.target, users))
            stack.callback(crowd.close)
            crowd.wait()
        time.sleep(plan.doze_s)
        for server in servers:
            grown = memory(server.pid).rss - before[server.name]
            note(results, EMPTY, server, before[server.name] / 1024)
            note(results, IDLE, server, grown / plan.sessions)


def measure_chat(servers: Sequence[Server], plan: Plan, results: Results) -> None:
    """Rounds take turns, and every server comes first once."""
    chats = {server.name: start_chat(server) for server in servers}
    for chat in chats.values():
        chat.run(plan.messages // 3, 10)  # warm
    for number in range(plan.rounds):
        turn = number % len(servers)
        for server in (*servers[turn:], *servers[:turn]):
            for unit, window in ((ONE, 1), (TEN, 10)):
                work = functools.partial(chats[server.name].run, plan.messages, window)
                spent_s = cpu_of(server, work)
                note(results, unit, server, spent_s / plan.messages * 1e6)
    for chat in chats.values():
        chat.run(10, 1)  # whatever came too often would be seen now
        chat.close()


def start_chat(server: Server) -> Chat:
    sender, receiver = (Client.log_in(server.target, user) for user in ("romeo", "juliet"))
    sender.be_available()
    receiver.be_available()
    return Chat(sender, receiver)


def cpu_of(server: Server, work: Callable[[], object]) -> float:
    """CPU seconds that `server` spends on `work`."""
    before = cpu_s(server.pid)
    work()
    return cpu_s(server.pid) - before


def note(results: Results, unit: Unit, server: Server, value: float) -> None:
    results.setdefault(unit, {}).setdefault(server.name, []).append(value)


def run(plan: Plan, kinds: Sequence[type[Server]], folder: Path) -> Results:
    """Start, register, measure. The servers are stopped in any case."""
    results: Results = {}
    users = ["romeo", "juliet", *(f"idle{number}" for number in range(plan.sessions))]
    certificate = make_certificate(folder)
    with ExitStack() as stack:
        servers = [kind(folder, *certificate) for kind in kinds]
        for server in servers:
            stack.callback(server.stop)
            server.start()
            server.register(users)
        for number in range(plan.rounds):
            say(f"memory, round {number + 1} of {plan.rounds}")
            measure_memory(servers, plan, results)
        say(f"chat, {plan.rounds} rounds")
        measure_chat(servers, plan, results)
    return results


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# The page


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A simple table of reStructuredText."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    rule = "  ".join("=" * width for width in widths)
    head, *texts = [
        "  ".join([cell.ljust(width) for cell, width in zip(line, widths, strict=True)]).rstrip()
        for line in lines
    ]
    return "\n".join([rule, head, rule, *texts, rule])


def ratios(results: Results) -> str:
    """Ours to theirs, by the medians: below 1 we need less."""
    peers = [name for name in first(results) if name != OURS]
    rows = []
    for unit, by_server in results.items():
        ours = statistics.median(by_server[OURS])
        share = [f"{ours / statistics.median(by_server[peer]):.2f}" for peer in peers]
        rows.append([unit.title, *share])
    return table(["xmppd to", *peers], rows)


def numbers(results: Results) -> str:
    """Median (smallest-largest) of the rounds."""
    servers = list(first(results))
    rows = [
        [f"{unit.title}, {unit.unit}", *(spread(by_server[name]) for name in servers)]
        for unit, by_server in results.items()
    ]
    return table(["", *servers], rows)


def first(results: Results) -> Mapping[str, list[float]]:
    return next(iter(results.values()))


def spread(values: Sequence[float]) -> str:
    digits = 0 if statistics.median(values) >= 100 else 1
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def page(results: Results, plan: Plan, versions: Mapping[str, str], command: str) -> str:
    title = "Measured beside other servers"
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    ratio = f"{ratios(results)}\n\n" if OURS in first(results) and len(first(results)) > 1 else ""
    return f"""{title}
{"=" * len(title)}

.. Written by ``{command}``: do not edit.

Shares of what the other server needs (medians): below 1 we need less.

{ratio}Medians, with the smallest and the largest round:

{numbers(results)}

{plan.rounds} rounds, {plan.messages} messages and {plan.sessions} sessions each, on {today}.
{told}.
{machine()}.
"""


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} x {model}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average at the end {load:.1f}"
    )


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and less exact")
    parser.add_argument("--rounds", type=int, help="of each measurement, at least 3 to be told")
    names = [kind.name for kind in ALL]
    parser.add_argument("--servers", nargs="+", choices=names, default=names)
    parser.add_argument("--output", type=Path, help="write the page there too")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    plan = QUICK if options.quick else Plan()
    if options.rounds:
        plan = plan._replace(rounds=options.rounds)
    kinds = []
    for kind in ALL:
        if kind.name in options.servers:
            if kind.installed():
                kinds.append(kind)
            else:
                say(f"{kind.name} is not installed: measured without it")
    try:
        with tempfile.TemporaryDirectory(prefix="xmppd-bench-") as folder:
            results = run(plan, kinds, Path(folder))
    except (LoadError, ServerError) as error:
        say(f"bench: {error}")
        return 1
    versions = {kind.name: kind.version() for kind in kinds}
    command = "python -m bench" + (" --quick" if options.quick else "")
    text = page(results, plan, versions, command)
    print(text)
    if options.output:
        options.output.write_text(text)
    return 0
