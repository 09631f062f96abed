"""The script that the README shows to newcomers."""

import subprocess
import sys
from pathlib import Path

from tests.clients.account import Account

SCRIPT = Path(__file__).parents[2] / "docs" / "first_chat.py"


def run(romeo: Account, juliet: Account, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            *(sys.executable, str(SCRIPT), romeo.jid, juliet.jid),
            *("--port", str(romeo.port), "--trust", romeo.certificate, *more),
        ],
        input=f"{romeo.password}\n{juliet.password}\n",
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_two_clients_chat(romeo: Account, juliet: Account) -> None:
    done = run(romeo, juliet)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *lines = done.stdout.splitlines()
    assert first.startswith(f"{romeo.jid}/")
    assert second.startswith(f"{juliet.jid}/")
    assert second.endswith("is online, encrypted with TLSv1.3")
    assert lines[0].endswith(": Art thou not Romeo, and a Montague?")
    assert lines[0].startswith("juliet")
    assert lines[1].startswith("romeo")


def test_a_wrong_password_is_a_sentence(romeo: Account, juliet: Account) -> None:
    done = run(romeo, juliet.but(password="guessed"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"No chat: {juliet.jid}: wrong user or password"


def test_a_missing_server_is_a_sentence(romeo: Account, juliet: Account) -> None:
    done = run(romeo, juliet, "--port", "1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"No chat: {romeo.jid}: ")
