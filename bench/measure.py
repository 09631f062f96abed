"""What a server costs: CPU time and memory of its processes, read from /proc."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME, _CUTIME, _CSTIME = 11, 12, 13, 14  # after the name in proc_pid_stat(5)
_PPID = 1


class Memory(NamedTuple):
    """In kB. `pss` shares out the pages that processes have in common."""

    rss: int
    pss: int


def _stat(pid: int) -> list[str]:
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def processes(root: int) -> list[int]:
    """`root` and all its descendants that live now."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                parent = int(_stat(int(entry.name))[_PPID])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    return list(_walk(root, children))


def _walk(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in children.get(pid, ()):
        yield from _walk(child, children)


def cpu_s(root: int) -> float:
    """utime + stime of a process tree, with the children it has waited for, in seconds.

    Of living processes by their CPU clock: the same sum, but in ns where /proc counts in 10 ms.
    """
    total = 0.0
    for pid in processes(root):
        try:
            ended = _stat(pid)
            total += time.clock_gettime(_cpu_clock(pid))
        except (OSError, ValueError):
            continue
        total += (int(ended[_CUTIME]) + int(ended[_CSTIME])) / TICKS
    return total


def _cpu_clock(pid: int) -> int:
    """As clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | 2


def memory(root: int) -> Memory:
    """Resident memory of a process tree."""
    rss = pss = 0
    for pid in processes(root):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "Rss":
                rss += int(rest.split()[0])
            elif name == "Pss":
                pss += int(rest.split()[0])
    return Memory(rss, pss)
