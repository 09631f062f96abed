"""Runs scenarios of `aioxmpp_script.py` in the interpreter that has aioxmpp."""

import json
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.clients.account import Account

SCRIPT = Path(__file__).with_name("aioxmpp_script.py")
PATIENCE_S = 60.0  # for a scenario; all of them together take seconds


class Facts(dict[str, Any]):
    """What a scenario told. A fact that is missing fails with the reason."""

    def __missing__(self, fact: str) -> Any:
        raise AssertionError(f"it did not get to {fact!r}: {self.get('failure', dict(self))}")


class AioxmppProcess:
    """A process that plays one scenario after another."""

    def __init__(self, python: str) -> None:
        self._child = subprocess.Popen(
            [python, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._errors: list[str] = []
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            pipe.close()
        self._reader.join()

    def begin(self, scenario: str, romeo: Account, juliet: Account) -> None:
        told = {"scenario": scenario, "romeo": romeo.as_json(), "juliet": juliet.as_json()}
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(told) + "\n")
        self._child.stdin.flush()

    def facts(self) -> Facts:
        """All facts of the scenario that was begun."""
        facts = Facts()
        while "end" not in facts:
            fact, value = self.fact()
            facts[fact] = value
        return facts

    def fact(self) -> tuple[str, Any]:
        """The next fact."""
        assert self._child.stdout is not None
        watch = threading.Timer(PATIENCE_S, self._child.kill)
        watch.start()
        try:
            line = self._child.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            self._child.wait()
            self._reader.join()
            raise AssertionError(f"aioxmpp ended or hung:\n{''.join(self._errors)}")
        told = json.loads(line)
        return told["fact"], told["value"]

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        with self._child.stderr as lines:
            self._errors.extend(lines)
