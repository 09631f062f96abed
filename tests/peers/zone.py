"""The lab's DNS: Debian's NSD serves the root zone, so that a name exists or surely does not."""

import subprocess
import time
from pathlib import Path

from tests.peers.network import Place

START_S = 20.0
SOA = ". 3600 IN SOA ns.lab.example. nobody.lab.example. 1 3600 600 86400 1\n"


class Zone:
    """Names and services; `text` is the zone file."""

    def __init__(self, name_server: str) -> None:
        self._lines = [SOA, ". IN NS ns.lab.example.\n", f"ns.lab.example. IN A {name_server}\n"]

    def add_address(self, name: str, address: str) -> None:
        self._lines.append(f"{name}. 60 IN A {address}\n")

    def add_service(self, domain: str, port: int, target: str, *, tls: bool = False) -> None:
        """A SRV record, of `_xmpps-server` with `tls` (XEP-0368); target "" for no service."""
        service = "_xmpps-server" if tls else "_xmpp-server"
        self._lines.append(f"{service}._tcp.{domain}. 60 IN SRV 5 0 {port} {target}.\n")

    @property
    def text(self) -> str:
        return "".join(self._lines)


class NameServer:
    """NSD as an ordinary process at a place."""

    def __init__(self, place: Place, folder: Path, zone: Zone) -> None:
        self._place = place
        self._folder = folder
        (folder / "root.zone").write_text(zone.text)
        self._config = folder / "nsd.conf"
        self._config.write_text(f"""
server:
  ip-address: {place.address}
  server-count: 1
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  logfile: "{folder}/log"
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
""")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers. AssertionError with its log if it does not."""
        command = [*self._place.before, "nsd", "-d", "-c", str(self._config)]
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, self._said()
            assert time.monotonic() < deadline, self._said()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self._place.connect((self._place.address, 53), 1.0).close()
        except OSError:
            return False
        return True

    def _said(self) -> str:
        logs = (self._folder / name for name in ("output", "log"))
        return "".join(log.read_text() for log in logs if log.exists())

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(START_S)
