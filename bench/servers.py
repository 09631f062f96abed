"""The servers under test as ordinary processes: own address, own folder, own configuration.

All three serve the same domain with the same certificate, over the same features, without limits
of rates and with passwords kept as SCRAM keys.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.load import Target, salted_password
from bench.ports import free_port
from bench.seed import Seed

DOMAIN = "bench.example"
PASSWORD = "but soft"  # of accounts that live for minutes, on loopback
ITERATIONS = 10_000  # of PBKDF2, where a server lets us choose
START_S = 60.0
ROOT = Path(__file__).parents[1]
MOD_MAM = """
  mod_mam:
    default: always
    db_type: mnesia"""
MOD_STREAM_MGMT = """
  mod_stream_mgmt: {}"""


class ServerError(Exception):
    """A server could not be started, or an account not be made."""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for the domain (ECDSA P-256), and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    paths = folder / "bench.crt", folder / "bench.key"
    paths[0].write_bytes(certificate.public_bytes(pem))
    paths[1].touch(mode=0o600)
    pkcs8 = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return paths


class Process(ABC):
    """A server in a folder of its own: `start`, and `stop`; what it writes stays in `folder`."""

    name: ClassVar[str]
    needs: ClassVar[str]  # the program that must be there
    folder: Path
    address: str
    port: int
    _process: subprocess.Popen[bytes] | None = None

    @classmethod
    def installed(cls) -> bool:
        return shutil.which(cls.needs, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerError(f"{self.name} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until clients are served. Raises ServerError."""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "output").read_text(errors="replace")[-2000:]
                self.stop()
                raise ServerError(f"{self.name} does not start:\n{said}")
            time.sleep(0.01)

    def connect(self, port: int) -> socket.socket:
        """A connection to one of its ports. Raises OSError."""
        return socket.create_connection((self.address, port), timeout=START_S)

    def _answers(self) -> bool:
        try:
            self.connect(self.port).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)  # its helpers too: a session of its own
        except ProcessLookupError:
            pass
        process.wait()

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it in the foreground."""

    def environment(self) -> dict[str, str]:
        """What its environment has beside ours."""
        return {}


class Server(Process):
    """One of those that are compared: it serves `domain`, and `register` makes accounts."""

    domain = DOMAIN
    has_tokens: ClassVar[bool] = False  # for logins in one round trip (XEP-0484)

    def __init__(self, folder: Path, certificate: Path, key: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir(parents=True)
        self.certificate = certificate
        self.key = key
        self.port = free_port(self.address)
        self.scram = "SHA-1"  # for which hash it keeps keys of passwords, where it must choose
        self.archives = False  # whether it archives what users send
        self.manages = False  # whether it offers stream management; ours always does
        self.configure()

    @property
    def target(self) -> Target:
        return Target(self.address, self.port, self.domain, PASSWORD, self.scram)

    @abstractmethod
    def configure(self) -> None:
        """Write the configuration."""

    @abstractmethod
    def register(self, users: Iterable[str]) -> None:
        """Make accounts while it runs, with keys for `scram`."""

    @abstractmethod
    def befriend(self, user: str, contacts: Sequence[str]) -> None:
        """Put them into each other's rosters, subscribed both ways. None has logged in yet."""

    @classmethod
    def version(cls) -> str:
        package = f"dpkg-query --show --showformat=${{Version}} {cls.name}"
        done = subprocess.run(package.split(), capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"


class Xmppd(Server):
    """Ours, from this checkout, in the Python that runs the bench."""

    name = "xmppd"
    address = "127.0.0.11"
    has_tokens = True
    needs = sys.executable

    @property
    def _control(self) -> Path:
        return self.folder / "var" / "ctl.sock"

    def configure(self) -> None:
        (self.folder / "xmppd.toml").write_text(f"""
data_dir = "{self.folder}/var"
[c2s]
listen = ["tcp:{self.port}:interface={self.address}"]
direct_tls = []
plaintext_auth = true
idle_ping = 3600
[c2s.limits]
connections_per_second = 100000
unauthenticated_per_address = 10000
outbound_bytes = 67108864
outbound_stanzas = 100000
[s2s]
enabled = false
[auth]
scram_iterations = {ITERATIONS}
[log]
level = "warn"
[modules]
disable = [{"" if self.archives else '"archive"'}]
[hosts."{self.domain}"]
certificate = "{self.certificate}"
key = "{self.key}"
[modules.muc]
messages_per_second = 0
joins_per_minute = 0
presences_per_second = 0
room_joins_per_minute = 0
""")

    def command(self) -> list[str]:
        # Not `-m twisted`: that installs a reactor of its own choice before ours.
        return [sys.executable, "-m", "xmppd", "--config", str(self.folder / "xmppd.toml")]

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT)}

    def _answers(self) -> bool:
        return self._control.exists() and super()._answers()

    def register(self, users: Iterable[str]) -> None:
        self.seed().add_accounts(users, PASSWORD, ITERATIONS)

    def befriend(self, user: str, contacts: Sequence[str]) -> None:
        self.seed().befriend(user, contacts)

    def seed(self) -> Seed:
        return Seed(self.folder / "var" / "xmppd.sqlite", self.domain)

    @classmethod
    def version(cls) -> str:
        git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
        try:
            done = subprocess.run(git, capture_output=True, text=True, check=False)
        except OSError:
            return "unknown"
        return done.stdout.strip() or "unknown"


class Prosody(Server):
    name = "prosody"
    address = "127.0.0.12"
    needs = "prosody"

    def configure(self) -> None:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        (self.folder / "prosody.cfg.lua").write_text(f"""
daemonize = false
run_as_root = true
pidfile = "{self.folder}/prosody.pid"
data_path = "{data}"
network_backend = "epoll"
modules_enabled = {{
    "roster", "saslauth", "tls", "disco", "private", "vcard", "version", "time", "ping",
    "lastactivity", "pep", {'"mam",' if self.archives else ""}
    {'"smacks",' if self.manages else ""}
}}
modules_disabled = {{ "s2s" }}
authentication = "internal_hashed"
default_iteration_count = {ITERATIONS}
password_hash = "{self.scram}"
storage = {{ offline = "sql"; archive = "sql" }}
default_archive_policy = true
default_storage = "internal"
sql = {{ driver = "SQLite3", database = "{self.folder}/prosody.sqlite" }}
log = {{ warn = "*console" }}
c2s_ports = {{ {self.port} }}
c2s_interfaces = {{ "{self.address}" }}
c2s_direct_tls_ports = {{ }}
c2s_require_encryption = false
ssl = {{ certificate = "{self.certificate}"; key = "{self.key}" }}
VirtualHost "{self.domain}"
Component "pubsub.{self.domain}" "pubsub"
    admins = {{ "hub@{self.domain}" }}
Component "conference.{self.domain}" "muc"
""")

    def command(self) -> list[str]:
        return prosody_command(self.folder)

    def register(self, users: Iterable[str]) -> None:
        text = prosody_account(self.scram, PASSWORD)
        for user in users:
            self._write("accounts", user, text)

    def befriend(self, user: str, contacts: Sequence[str]) -> None:
        self._write("roster", user, _roster(contacts, self.domain))
        for contact in contacts:
            self._write("roster", contact, _roster([user], self.domain))

    def _write(self, store: str, user: str, text: str) -> None:
        folder = self.folder / "data" / self.domain.replace(".", "%2e") / store
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{user}.dat").write_text(text)


def prosody_account(scram: str, password: str) -> str:
    """As its internal storage writes it; prosodyctl takes a process for each account."""
    hashed = scram.replace("-", "").lower()
    salted = salted_password(hashed, password, b"bench", ITERATIONS)
    client = hmac.digest(salted, b"Client Key", hashed)
    return (
        f'return {{ ["salt"] = "bench"; ["iteration_count"] = {ITERATIONS}; '
        f'["stored_key"] = "{hashlib.new(hashed, client).hexdigest()}"; '
        f'["server_key"] = "{hmac.digest(salted, b"Server Key", hashed).hex()}"; }};\n'
    )


def _roster(contacts: Iterable[str], domain: str) -> str:
    rows = [
        f'["{contact}@{domain}"] = {{ ["subscription"] = "both"; ["groups"] = {{}}; }};'
        for contact in contacts
    ]
    head = '[false] = { ["version"] = 1; ["pending"] = {}; };'
    return f"return {{ {head} {' '.join(rows)} }};\n"


class Ejabberd(Server):
    """Accounts are made over its HTTP API on loopback."""

    name = "ejabberd"
    address = "127.0.0.13"
    needs = "ejabberdctl"

    def configure(self) -> None:
        self._api_port = free_port(self.address)
        whole = self.folder / "bench.pem"
        whole.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        (self.folder / "ejabberd.yml").write_text(f"""
hosts: ["{self.domain}"]
loglevel: warning
certfiles: ["{whole}"]
auth_method: internal
auth_password_format: scram
auth_scram_hash: {"sha" if self.scram == "SHA-1" else "sha256"}
shaper_rules:
  max_user_offline_messages: [{{100000: all}}]
listen:
  - port: {self.port}
    ip: "{self.address}"
    module: ejabberd_c2s
    starttls: true
  - port: {self._api_port}
    ip: "{self.address}"
    module: ejabberd_http
    request_handlers: {{/api: mod_http_api}}
api_permissions:
  bench:
    from: mod_http_api
    who: [{{ip: "127.0.0.0/8"}}]
    what: [register, add_rosteritem]
modules:{MOD_MAM if self.archives else ""}{MOD_STREAM_MGMT if self.manages else ""}
  mod_admin_extra: {{}}
  mod_caps: {{}}
  mod_disco: {{}}
  mod_http_api: {{}}
  mod_last: {{}}
  mod_muc:
    max_users: 10000
    default_room_options: {{max_users: 10000}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_private: {{}}
  mod_pubsub: {{plugins: [flat, pep]}}
  mod_roster: {{}}
  mod_time: {{}}
  mod_vcard: {{}}
  mod_version: {{}}
""")

    def command(self) -> list[str]:
        return ejabberd_command(self.folder)

    def environment(self) -> dict[str, str]:
        return ejabberd_environment(self.folder)

    def register(self, users: Iterable[str]) -> None:
        accounts = ({"user": user, "host": self.domain, "password": PASSWORD} for user in users)
        self._call("register", accounts)

    def befriend(self, user: str, contacts: Sequence[str]) -> None:
        pairs = [(user, contact) for contact in contacts]
        pairs += [(contact, user) for contact in contacts]
        said = {
            "localhost": self.domain,
            "host": self.domain,
            "nick": "",
            "group": "",
            "subs": "both",
        }
        self._call("add_rosteritem", ({"localuser": a, "user": b, **said} for a, b in pairs))

    def _call(self, command: str, arguments: Iterable[dict[str, str]]) -> None:
        call_ejabberd(self.connect(self._api_port), command, arguments)


def call_ejabberd(
    connected: socket.socket, command: str, arguments: Iterable[dict[str, str]]
) -> None:
    """Run a command of its HTTP API once with each of `arguments`. Raises ServerError."""
    api = http.client.HTTPConnection("ejabberd")
    api.sock = connected
    for each in arguments:
        api.request("POST", f"/api/{command}", json.dumps(each))
        answer = api.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise ServerError(f"ejabberd: {each}: {answer.status} {said!r}")
    api.close()


def prosody_command(folder: Path) -> list[str]:
    return ["prosody", "-F", "--config", str(folder / "prosody.cfg.lua")]


def ejabberd_command(folder: Path) -> list[str]:
    """Erlang is run directly: ejabberdctl would change to another user. Without a node name it
    needs no port mapper and no cookie.
    """
    mnesia = ["-mnesia", "dir", f'"{folder}/mnesia"']
    return ["erl", "-noinput", "+K", "true", "+P", "250000", *mnesia, "-s", "ejabberd"]


def ejabberd_environment(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "EJABBERD_CONFIG_PATH": str(folder / "ejabberd.yml"),
        "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
        "ERL_LIBS": "/usr/lib/x86_64-linux-gnu",
        "ERL_CRASH_DUMP_BYTES": "0",
        "ERL_MAX_PORTS": "32000",
    }


ALL: tuple[type[Server], ...] = (Xmppd, Prosody, Ejabberd)
