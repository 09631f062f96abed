"""A stanza costs what its budget says: counted in a process of its own, where no other test has
warmed a cache or watches the log, so the same on every machine and in every order.
"""

import subprocess
import sys
from collections.abc import Callable
from textwrap import dedent

import pytest

from bench.calls import (
    BUDGETS,
    LESS,
    PYTHON,
    ROOT,
    SLACK,
    UNITS,
    Counts,
    budgets,
    count,
    faults,
    write,
)
from xmppd.jid import JID, jid
from xmppd.sessions import Session, SessionTable

LEFT: list[object] = []

BUDGET: Counts = {
    "ours": 40.0,
    "library": 20.0,
    "builtin": 50.0,
    "sends": 1.0,
    "sent": 130.0,
    "peak": 2000.0,
    "kept": 0.0,
}


@pytest.mark.skipif(
    sys.version_info[:2] != PYTHON, reason="other interpreters count calls differently"
)
def test_what_a_stanza_costs_is_what_its_budget_says() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.calls"],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, f"\n{ran.stderr}\n{ran.stdout}"


def test_every_unit_has_a_budget_and_every_budget_a_unit() -> None:
    known = budgets()
    assert set(known) == set(UNITS)
    assert all(set(budget) == set(SLACK) for budget in known.values())


def test_budgets_are_written_as_they_are_read() -> None:
    assert write(budgets()) == BUDGETS.read_text()


@pytest.mark.parametrize("what", SLACK)
def test_a_unit_that_costs_more_is_refused(what: str) -> None:
    slack = SLACK[what]
    most = BUDGET[what] * (1 + slack.share) + slack.more
    assert faults("chat", BUDGET | {what: most}, BUDGET) == []
    (told,) = faults("chat", BUDGET | {what: most + 0.1}, BUDGET)
    assert told.startswith(f"chat: {what} is ")
    assert "raise the budget in the same commit" in told


@pytest.mark.parametrize("what", [what for what in SLACK if what not in ("sends", "kept")])
def test_a_unit_that_costs_much_less_lowers_its_budget(what: str) -> None:
    least = BUDGET[what] * LESS - SLACK[what].more
    assert faults("chat", BUDGET | {what: least}, BUDGET) == []
    (told,) = faults("chat", BUDGET | {what: least - 0.1}, BUDGET)
    assert "lower the budget in the same commit" in told


@pytest.fixture(scope="module")
def before() -> Counts:
    return count("chat")


@pytest.mark.parametrize(
    "costs, what",
    [
        (lambda: jid("romeo@example.org/x").bare, "ours"),
        (lambda: [dedent("x") for _ in range(5)], "library"),
        (lambda: bytearray(10_000), "peak"),
        (lambda: LEFT.append(bytearray(100)), "kept"),
    ],
)
def test_work_that_is_added_to_a_stanza_is_counted(
    monkeypatch: pytest.MonkeyPatch, before: Counts, costs: Callable[[], object], what: str
) -> None:
    get = SessionTable.get

    def slower(self: SessionTable, full: JID) -> Session | None:
        costs()
        return get(self, full)

    monkeypatch.setattr(SessionTable, "get", slower)
    after = count("chat")
    LEFT.clear()
    assert any(fault.startswith(f"chat: {what} ") for fault in faults("chat", after, before))
