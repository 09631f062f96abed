"""The page of results: ratios first, then the numbers with their spread."""

import datetime
import os
import platform
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.units import Unit

OURS: Final = "xmppd"
FLOOR: Final = "floor"  # no server, but a loop that only passes bytes on
PARTS: Final = ("peers", "growth", "rooms")
HEAD: Final = """Benchmarks
==========

.. Written by `make bench`, `python -m bench.growth` and `python -m bench.rooms`: do not edit.

How it is measured, and what to make of it: :doc:`performance`.
"""
Results = dict[Unit, dict[str, list[float]]]


def write_part(path: Path, name: str, text: str) -> None:
    """Put a part in the place of the one of that name; the other parts stay."""
    old = path.read_text() if path.exists() else ""
    found = re.split(r"^\.\. part: (\w+)\n", old, flags=re.MULTILINE)[1:]
    parts = dict(zip(found[::2], found[1::2], strict=True)) | {name: f"\n{text.strip()}\n"}
    whole = [f".. part: {part}\n\n{parts[part].strip()}\n" for part in PARTS if part in parts]
    path.write_text("\n".join([HEAD, *whole]))


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
    """Ours to theirs, by the medians: below 1 we need less. With goals, and if they are met."""
    peers = [name for name in servers(results) if name != OURS]
    rows = []
    for unit, by_server in results.items():
        if unit.cost and OURS in by_server:
            cells = [_ratio(unit, by_server, peer) for peer in peers]
            rows.append([unit.title, *(cell for pair in cells for cell in pair)])
    return table(["xmppd to", *(head for peer in peers for head in (peer, "goal"))], rows)


def _ratio(unit: Unit, by_server: Mapping[str, Sequence[float]], peer: str) -> tuple[str, str]:
    if peer not in by_server:
        return "–", ""
    ratio = statistics.median(by_server[OURS]) / statistics.median(by_server[peer])
    goal = dict(unit.goals).get(peer)
    if goal is None:
        return f"{ratio:.2f}", ""
    return f"{ratio:.2f}", f"{goal:.2f}, {'met' if ratio <= goal else 'missed'}"


def numbers(results: Results) -> str:
    """Median (smallest-largest) of the rounds."""
    names = servers(results)
    rows = [
        [f"{unit.title}, {unit.unit}", *(spread(by_server.get(name, ())) for name in names)]
        for unit, by_server in results.items()
        if not by_server.keys().isdisjoint(names)
    ]
    return table(["", *names], rows)


def above_floor(results: Results) -> str:
    """What the loop needs, and how many times that the servers do, by the medians."""
    names = servers(results)
    rows = [
        [unit.title, spread(by_server[FLOOR]), *(_times(by_server, name) for name in names)]
        for unit, by_server in results.items()
        if FLOOR in by_server
    ]
    return table(["", "the loop, µs CPU", *(f"times that, {name}" for name in names)], rows)


def _times(by_server: Mapping[str, Sequence[float]], name: str) -> str:
    if name not in by_server:
        return "–"
    return f"{statistics.median(by_server[name]) / statistics.median(by_server[FLOOR]):.1f}"


def servers(results: Results) -> list[str]:
    """In the order of their first results."""
    found = dict.fromkeys(name for by_server in results.values() for name in by_server)
    return [name for name in found if name != FLOOR]


def spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    low, middle, high = min(values), statistics.median(values), max(values)
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


SHARES: Final = "Shares of what the other server needs (medians): below 1 we need less."
MEDIANS: Final = """Medians, with the smallest and the largest round; – where a server
does not do it:"""
ABOVE: Final = "A loop that does nothing but pass bytes on: what no server in Python undercuts."


def peers_part(results: Results, told: str, versions: Mapping[str, str], machine: str) -> str:
    """The part `peers`; `told` says how much was measured."""
    title = "Beside other servers"
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    names = servers(results)
    tables = []
    if OURS in names and len(names) > 1:
        tables += [SHARES, ratios(results)]
    if names:
        tables += [MEDIANS, numbers(results)]
    if any(FLOOR in by_server for by_server in results.values()):
        tables += [ABOVE, above_floor(results)]
    lines = [f"{told}, on {today()}.", *([f"{named}."] if named else []), f"{machine}."]
    return "\n\n".join([f"{title}\n{'-' * len(title)}", *tables, "\n".join(lines)]) + "\n"


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def machine(loads: Sequence[float]) -> str:
    """What it ran on; `loads` are averages of the minute, taken from time to time."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return (
        f"{os.cpu_count()} x {model}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, "
        f"load average {min(loads):.1f} to {max(loads):.1f} (the bench alone makes 1 to 2)"
    )
