"""The unit files, and a start by socket activation, with systemd's own tools."""

import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

ETC = Path(__file__).parents[2] / "etc"
Process = Any  # conftest.py's: fixtures are not imported


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt install systemd")
    return found


@pytest.mark.parametrize("unit", ["xmppd.service", "xmppd-c2s.socket", "xmppd-s2s.socket"])
def test_systemd_finds_no_fault_in_the_units(unit: str) -> None:
    command = [tool("systemd-analyze"), "verify", "--man=no", str(ETC / unit)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    ours = [line for line in (found.stdout + found.stderr).splitlines() if "xmppd" in line]
    assert (found.returncode, ours) == (0, [])


def test_the_service_is_confined() -> None:
    verdict = subprocess.run(
        [
            tool("systemd-analyze"),
            "security",
            "--offline=true",
            "--threshold=25",
            str(ETC / "xmppd.service"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert verdict.returncode == 0, verdict.stdout[-300:] + verdict.stderr


def test_a_socket_of_systemd_is_served(process: Process) -> None:
    activate = tool("systemd-socket-activate")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process.configure(listen="systemd:domain=INET:name=c2s")
    environment = [f"--setenv=NOTIFY_SOCKET={process.folder}/notify"]
    process.launch(activate, "--listen", f"127.0.0.1:{port}", "--fdname=c2s", *environment)
    with connected(process, port) as client:  # it starts the server, and waits in its queue
        stream = process.stream(client)
        assert b"starttls" in stream.opens()
        process.signal(signal.SIGTERM)
        assert b"<system-shutdown" in stream.reads_until(b"</stream:stream>")
    assert process.ends() == -signal.SIGTERM


def connected(process: Process, port: int) -> socket.socket:
    """systemd-socket-activate says in its log when it listens; only then is there a port."""
    while f"Listening on 127.0.0.1:{port}" not in process.log.read_text():
        assert process.child.poll() is None, process.log.read_text()
    return socket.create_connection(("127.0.0.1", port), timeout=40)
