"""A private PostgreSQL, which may be stopped, and fall silent."""

import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest


def postgresql_tools() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


TOOLS = postgresql_tools()
NEEDS_POSTGRESQL = pytest.mark.skipif(
    TOOLS is None, reason="PostgreSQL is not installed: apt install postgresql"
)


class Cluster:
    """It runs as `postgres` if we are root, which it would refuse to be."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="xmppd-pg-"))
        self.owner = "postgres" if os.geteuid() == 0 else None
        if self.owner:
            subprocess.run(["chown", self.owner, self.folder], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-U", "xmppd", "--auth=trust", "-E", "UTF8", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://xmppd@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        self._run("pg_ctl", "-s", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-s", "-m", "fast", "stop")

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        self._run("pg_ctl", "-s", "-m", "immediate", "stop")
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def _run(self, tool: str, *arguments: str) -> None:
        assert TOOLS is not None
        command = [str(TOOLS / tool), "-D", str(self.folder / "data"), *arguments]
        subprocess.run(
            command, check=True, user=self.owner, cwd=self.folder, stdout=subprocess.DEVNULL
        )

    def _signal(self, number: signal.Signals) -> None:
        """To the server and all its children."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in [first, *map(int, children)]:
            os.kill(pid, number)
