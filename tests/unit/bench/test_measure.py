"""CPU and memory of a process tree, read from /proc."""

import os
import subprocess
import sys

import pytest

from bench.measure import cpu_s, memory, processes

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")

CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdout=-1, stdin=-1)
child.stdout.readline()
print(child.pid, flush=True)
input()
child.communicate(b"\\n")
"""


def test_the_tree_has_children_of_children_and_their_memory() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=-1, stdin=-1) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert {parent.pid, child} <= set(processes(parent.pid))
        assert memory(parent.pid).rss >= memory(child).rss * 1.5
        parent.communicate(b"\n")


def test_cpu_time_is_counted_finer_than_ticks() -> None:
    before = cpu_s(os.getpid())
    sum(range(20000))
    assert cpu_s(os.getpid()) > before


def test_a_process_that_is_gone_costs_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert cpu_s(process.pid) == 0.0
