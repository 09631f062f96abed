"""What an idle session takes, and who holds it: every byte accounted for.

``python -m bench.memory`` starts a server in a process of its own, lets sessions log in over TLS
(from other processes), waits until they are idle, and prints three tables, all per session:

1. objects that are reachable from its connection and from no other: what, where, how many bytes;
2. lines of code that allocated what is still there (tracemalloc): that is all of Python's memory,
   so also what tables hold for a session, and expat's, which no object shows;
3. resident memory of the process, with TLS and without: what is not Python's is OpenSSL's, and
   the loss of two allocators.
"""

import argparse
import collections
import ctypes
import functools
import gc
import multiprocessing
import resource
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, NamedTuple

from twisted.logger import globalLogBeginner

from bench.crowd import Crowd
from bench.inside import DOMAIN, discard, make_service
from bench.load import Target
from xmppd.c2s import ClientConnection, ClientFactory
from xmppd.testing import PASSWORD, Talk
from xmppd.transport.reactor import install_first

ROOT: Final = Path(__file__).parents[1]
WARM = 50  # sessions that come first and stay: what is made once is not a session's
SHARED: Final = (type, ModuleType, FunctionType, BuiltinFunctionType, CodeType)
WAIT_S = 4.0  # parsers are dropped after less silence than that
Names = dict[str, tuple[float, float]]  # by name: how many objects, and their bytes; a session


class Account(NamedTuple):
    """What one process found, in bytes a session."""

    resident: float
    trimmed: float  # resident when the C library has given back what is free
    python: float = 0.0  # of that, from Python's allocators
    objects: Names = {}  # noqa: RUF012  # a default that nobody changes
    lines: Names = {}  # noqa: RUF012


# One session's objects


def owned(connection: Any, known: set[int], elsewhere: set[int]) -> Iterator[tuple[str, Any]]:
    """The objects that a connection reaches, by name: not those that were there before any
    session (`known`), and not through other connections (`elsewhere`).
    """
    seen = {id(connection)}
    waiting: list[tuple[str, Any]] = [(type(connection).__name__, connection)]
    while waiting:
        name, owner = waiting.pop()
        yield name, owner
        for label, part in _parts(name, owner):
            key = id(part)
            if key in seen or key in known or key in elsewhere or isinstance(part, SHARED):
                continue
            if part is not None:
                seen.add(key)
                waiting.append((label, part))


def _parts(name: str, owner: Any) -> Iterator[tuple[str, Any]]:
    """What an object refers to, with names where it has names for it."""
    named = {id(value): attribute for attribute, value in _attributes(owner)}
    for part in gc.get_referents(owner):
        attribute = named.get(id(part))
        if attribute is not None:
            yield f"{type(owner).__name__}.{attribute}", part
        elif isinstance(owner, MethodType):
            yield type(part).__name__, part
        elif isinstance(owner, (list, tuple, dict, set, frozenset)):
            yield f"{name}[]", part
        else:
            yield f"{type(owner).__name__}: a {type(part).__name__}", part


def _attributes(owner: Any) -> Iterator[tuple[str, Any]]:
    for cls in type(owner).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot not in ("__weakref__", "__dict__") and hasattr(owner, slot):
                yield slot, getattr(owner, slot)
    if hasattr(owner, "__dict__"):
        yield "__dict__", owner.__dict__
        yield from owner.__dict__.items()


def account(connections: Sequence[Any], known: set[int]) -> Names:
    """The means over all connections; what several reach belongs to none of them."""
    roots = [connection.transport for connection in connections]
    borders = {id(each) for each in (*roots, *connections)}
    found = [list(owned(root, known, borders - {id(root.protocol)})) for root in roots]
    reached = collections.Counter(id(part) for parts in found for _, part in parts)
    names: dict[str, list[float]] = collections.defaultdict(lambda: [0.0, 0.0])
    for parts in found:
        for name, part in parts:
            if reached[id(part)] == 1:
                kind = type(part).__name__
                counts = names[name if name.endswith(kind) else f"{name}: {kind}"]
                counts[0] += 1 / len(roots)
                counts[1] += sys.getsizeof(part) / len(roots)
    return {name: (count, size) for name, (count, size) in names.items()}


# A server in a process of its own


def resident() -> int:
    """Bytes of this process alone: its children are the clients."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def serve(
    tls: bool, traced: bool, sessions: int, wait_s: float, pipe: "Connection[Any, Any]"
) -> None:
    """Measure, tell the result to `pipe`, and end."""
    install_first()
    from twisted.internet import reactor, threads

    from xmppd.transport.accepted import make_lean  # imports the reactor

    globalLogBeginner.beginLoggingTo([discard], redirectStandardIO=False)
    talk = Talk()
    users = [f"idle{number}" for number in range(WARM + sessions)]
    for user in users:
        talk.account(f"{user}@{DOMAIN}")
    service = make_service(talk, reactor, tls=tls)
    factory = ClientFactory(service)
    server: Any = reactor
    server.flusher = service.flusher
    port = server.listenTCP(0, factory, interface="127.0.0.1")
    make_lean(port)
    target = Target("127.0.0.1", port.getHost().port, DOMAIN, PASSWORD, "SHA-1", tls)

    def done(outcome: object) -> None:
        pipe.send(outcome if isinstance(outcome, Account) else str(outcome))
        server.stop()

    def work() -> Account:
        return _grown(target, users, factory, wait_s, traced=traced)

    server.callWhenRunning(lambda: threads.deferToThread(work).addBoth(done))
    server.run()


def _grown(
    target: Target, users: list[str], factory: ClientFactory, wait_s: float, *, traced: bool
) -> Account:
    """In a thread, while the reactor serves; it rests whenever something is looked at here."""
    with Crowd(target, users[:WARM]) as warm:
        warm.wait()
        time.sleep(wait_s)
        gc.collect()
        old = gc.get_objects()  # held, so that no new object gets the id of an old one
        known = {id(each) for each in old}
        warm_ones = set(factory.connections)
        gc.collect()
        if traced:
            tracemalloc.start(1)
        before = resident()
        with Crowd(target, users[WARM:]) as crowd:
            crowd.wait()
            time.sleep(wait_s)
            gc.collect()
            return _look(factory.connections - warm_ones, known, before)


def _look(connections: set[ClientConnection], known: set[int], before: int) -> Account:
    count = len(connections)
    grown = (resident() - before) / count
    ctypes.CDLL(None).malloc_trim(0)
    trimmed = (resident() - before) / count
    if not tracemalloc.is_tracing():
        return Account(grown, trimmed)
    snapshot = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(False, tracemalloc.__file__)]
    )
    tracemalloc.stop()
    lines: Names = {}
    for each in snapshot.statistics("lineno"):
        if each.size >= 8 * count:
            frame = each.traceback[0]
            lines[f"{_short(frame.filename)}:{frame.lineno}"] = (
                each.count / count,
                each.size / count,
            )
    python = sum(trace.size for trace in snapshot.traces) / count
    return Account(grown, trimmed, python, account(list(connections), known), lines)


def _short(filename: str) -> str:
    path = Path(filename)
    if path.is_relative_to(ROOT) and "site-packages" not in path.parts:
        return str(path.relative_to(ROOT))
    return "/".join(path.parts[-3:])


# The tables


def measured(*, tls: bool, traced: bool, sessions: int, wait_s: float) -> Account:
    """In a fresh process. Raises RuntimeError if that failed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = (tls, traced, sessions, wait_s, theirs)
    process = context.Process(target=serve, args=arguments)
    process.start()
    theirs.close()
    try:
        outcome = ours.recv()
    finally:
        process.join()
    if not isinstance(outcome, Account):
        raise RuntimeError(outcome)
    return outcome


def by_name(names: Names, head: str, least: float) -> str:
    """The largest first; what is below `least` bytes in one line."""
    ordered = sorted(names.items(), key=lambda item: -item[1][1])
    rows = [[name, f"{n:.1f}", f"{size:.0f}"] for name, (n, size) in ordered if size >= least]
    small = sum(size for _, size in names.values() if size < least)
    total = sum(size for _, size in names.values())
    rows += [[f"each below {least:.0f}", "", f"{small:.0f}"], ["all", "", f"{total:.0f}"]]
    return table([head, "count", "bytes"], rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text in columns; figures stand at the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = []
    for first, *figures in (heads, *rows):
        cells = [cell.rjust(width) for cell, width in zip(figures, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds until they are idle")
    parser.add_argument("--least", type=float, default=40.0, help="bytes worth a line")
    args = parser.parse_args(given)
    run = functools.partial(measured, sessions=args.sessions, wait_s=args.wait)
    seen, tls, plain = (
        run(tls=True, traced=True),
        run(tls=True, traced=False),
        run(tls=False, traced=False),
    )
    print(by_name(seen.objects, "object", args.least), end="\n\n")
    print(by_name(seen.lines, "allocated by", args.least), end="\n\n")
    rest = tls.resident - seen.python
    rows = [
        ["resident with TLS", f"{tls.resident:.0f}"],
        ["of that Python's", f"{seen.python:.0f}"],
        ["of that not Python's: OpenSSL, sockets, loss of allocators", f"{rest:.0f}"],
        ["resident with TLS after malloc_trim", f"{tls.trimmed:.0f}"],
        ["resident without TLS", f"{plain.resident:.0f}"],
        ["resident without TLS after malloc_trim", f"{plain.trimmed:.0f}"],
        ["TLS", f"{tls.resident - plain.resident:.0f}"],
    ]
    print(table(["memory of a session", "bytes"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
