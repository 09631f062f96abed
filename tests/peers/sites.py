"""The servers of the lab, each at its own place, on its own configuration and data.

Each site `name` serves these domains:

- `name.example`: certificate of the lab's authority, STARTTLS;
- `direct.name.example`: the same, but only `_xmpps-server` is in the DNS (XEP-0368);
- `dialback.name.example`: a self-signed certificate, so that only dialback proves it;
- `conference.name.example`: rooms.
"""

import json
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from bench.servers import (
    Process,
    call_ejabberd,
    ejabberd_command,
    ejabberd_environment,
    prosody_account,
    prosody_command,
)
from tests.peers.client import Guest
from tests.peers.network import Place
from tests.peers.zone import Zone
from tests.schemas.validate import validate
from tests.support.authority import Authority, Pair
from tests.support.server import PASSWORD, CommandFailed, ServerProcess
from xmppd.jid import JID, jid
from xmppd.xml import Element

C2S, C2S_DIRECT, S2S, DIRECT, API = 5222, 5223, 5269, 5270, 5280
KINDS = ("direct", "dialback", "conference")


class Lab:
    """What all sites share: the authority they trust, the network."""

    def __init__(
        self, folder: Path, authority: Authority, net: str, labels: Sequence[str]
    ) -> None:
        self.labels = labels
        self.folder = folder
        self.authority = authority
        self.trust = authority.write(folder / "authority.pem")
        self.net = net


class Site(ABC):
    """One server. `before_dns` tells the zone about it."""

    is_ours = False

    def __init__(self, label: str, place: Place, lab: Lab) -> None:
        self.label = label
        self.place = place
        self.lab = lab
        self.domain = f"{label}.example"
        self.hosts = (self.domain, *(f"{kind}.{self.domain}" for kind in KINDS[:2]))
        self.home = lab.folder / label
        self.home.mkdir()
        served = [self.domain, *(self.of(kind) for kind in ("direct", "conference", "bidi"))]
        self.proven = lab.authority.certify(self.home, "proven", dns=served)
        self.unproven = lab.authority.certify(
            self.home, "unproven", dns=[self.of("dialback")], self_signed=True
        )

    def of(self, kind: str) -> str:
        """Its domain of a kind; "" for the usual one."""
        return f"{kind}.{self.domain}" if kind else self.domain

    def pair_of(self, host: str) -> Pair:
        return self.unproven if host.startswith("dialback.") else self.proven

    def is_in(self, zone: Zone) -> None:
        target = f"xmpp.{self.domain}"
        zone.add_address(target, self.place.address)
        for kind in ("", "dialback", "conference", "bidi"):
            zone.add_service(self.of(kind), S2S, target)
        zone.add_service(self.of("direct"), DIRECT, target, tls=True)

    def client(self, address: str) -> Guest:
        """A client with a session of this full JID, on an account made as needed."""
        full = jid(address)
        self.create(full.bare)
        guest = self.guest(full)
        guest.connects()
        return guest

    @abstractmethod
    def guest(self, full: JID) -> Guest:
        """A client that is connected and has said nothing yet."""

    @abstractmethod
    def create(self, address: str) -> None:
        """Make an account, if there is none yet."""

    @abstractmethod
    def start(self) -> None:
        """Start it, and wait until it serves."""

    @abstractmethod
    def stop(self) -> None:
        """End it; what it stores stays."""

    def dies(self) -> None:
        """End it without a word, where that can be done."""
        self.stop()

    def clean(self) -> None:  # noqa: B027  # most store nothing there
        """Remove what it stored outside of the lab's folder."""

    @abstractmethod
    def proofs(self, own: str, peer: str) -> set[str]:
        """How `peer` has proven to `own` who it is: EXTERNAL, dialback; bidi if one stream
        carries both directions.
        """


class Foreign(Process, Site):
    """A server of Debian's, as a process of ours."""

    port = C2S

    def __init__(self, label: str, place: Place, lab: Lab) -> None:
        Site.__init__(self, label, place, lab)
        self.folder = self.home
        self.address = place.address
        self._accounts: set[str] = set()
        self.configure()

    def guest(self, full: JID) -> Guest:
        return Guest((self.address, C2S), full, connect=self.place.connect)

    def connect(self, port: int) -> socket.socket:
        return self.place.connect((self.address, port), 5.0)

    def command(self) -> list[str]:
        return [*self.place.before, *self.program()]

    def create(self, address: str) -> None:
        if address not in self._accounts:
            self._accounts.add(address)
            self.register(address)

    def _log(self) -> str:
        files = (self.folder / name for name in ("output", "ejabberd.log"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    @abstractmethod
    def configure(self) -> None:
        """Write the configuration."""

    @abstractmethod
    def program(self) -> list[str]:
        """The command without what leads to the place."""

    @abstractmethod
    def register(self, address: str) -> None:
        """Make an account that does not exist yet."""


class Prosody(Foreign):
    name = "prosody"
    needs = "prosody"

    def configure(self) -> None:
        (self.folder / "prosody.cfg.lua").write_text(
            f"""
daemonize = false
run_as_root = true
pidfile = "{self.folder}/prosody.pid"
data_path = "{self.folder}/data"
unbound = {{ resolvconf = true }}
network_backend = "epoll"
use_ipv6 = false
modules_enabled = {{
    "roster", "saslauth", "tls", "dialback", "disco", "vcard", "version", "ping",
    "smacks", "pep",
}}
authentication = "internal_hashed"
password_hash = "SHA-256"
default_iteration_count = 10000
default_storage = "internal"
log = {{ debug = "*console" }}
interfaces = {{ "{self.address}" }}
c2s_ports = {{ {C2S} }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ {S2S} }}
s2s_direct_tls_ports = {{ {DIRECT} }}
s2s_require_encryption = true
s2s_timeout = 10
ssl = {{ cafile = "{self.lab.trust}"; {self._certified(self.domain)} }}
s2s_direct_tls_ssl = {{
    cafile = "{self.lab.trust}"; {self._certified(self.domain)}
}}
"""
            + "".join(self._host(host) for host in (*self.hosts, self.of("bidi")))
            + f"""
Component "{self.of("conference")}" "muc"
    ssl = {{ {self._certified(self.domain)} }}
"""
        )

    def _certified(self, host: str) -> str:
        pair = self.pair_of(host)
        return f'certificate = "{pair[0]}"; key = "{pair[1]}"'

    def _host(self, host: str) -> str:
        bidi = '    modules_enabled = { "s2s_bidi" }\n' if host.startswith("bidi.") else ""
        return f'VirtualHost "{host}"\n    ssl = {{ {self._certified(host)} }}\n{bidi}'

    def proofs(self, own: str, peer: str) -> set[str]:
        told = {
            "EXTERNAL": f"Accepting SASL EXTERNAL identity from {peer}",
            "dialback": f"asking {peer} if key ",
            "bidi": "equest(ed|ing) bidirectional stream",
        }
        return {how for how, words in told.items() if re.search(words, self._log())}

    def program(self) -> list[str]:
        return prosody_command(self.folder)

    def register(self, address: str) -> None:
        user, _, host = address.partition("@")
        accounts = self.folder / "data" / host.replace(".", "%2e") / "accounts"
        accounts.mkdir(parents=True, exist_ok=True)
        (accounts / f"{user}.dat").write_text(prosody_account("SHA-256", PASSWORD))


class Ejabberd(Foreign):
    name = "ejabberd"
    needs = "ejabberdctl"

    def configure(self) -> None:
        certified = [self._whole(pair) for pair in (self.proven, self.unproven)]
        (self.folder / "ejabberd.yml").write_text(f"""
hosts: {json.dumps(self.hosts)}
loglevel: debug
certfiles: {json.dumps(certified)}
ca_file: "{self.lab.trust}"
auth_method: internal
auth_password_format: scram
auth_scram_hash: sha256
s2s_use_starttls: required
s2s_timeout: 10
s2s_max_retry_delay: 1
listen:
  - port: {C2S}
    ip: "{self.address}"
    module: ejabberd_c2s
    starttls: true
  - port: {S2S}
    ip: "{self.address}"
    module: ejabberd_s2s_in
  - port: {DIRECT}
    ip: "{self.address}"
    module: ejabberd_s2s_in
    tls: true
  - port: {API}
    ip: "{self.address}"
    module: ejabberd_http
    request_handlers: {{/api: mod_http_api}}
api_permissions:
  lab:
    from: mod_http_api
    who: [{{ip: "{self.lab.net}"}}]
    what: [register]
modules:
  mod_admin_extra: {{}}
  mod_disco: {{}}
  mod_http_api: {{}}
  mod_muc: {{host: "conference.@HOST@"}}
  mod_caps: {{}}
  mod_pubsub: {{plugins: [flat, pep]}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_s2s_dialback: {{}}
  mod_vcard: {{}}
  mod_version: {{}}
""")

    def _whole(self, pair: Pair) -> str:
        whole = pair[0].with_suffix(".whole")
        whole.touch(mode=0o600)
        whole.write_bytes(b"".join(file.read_bytes() for file in pair))
        return str(whole)

    def proofs(self, own: str, peer: str) -> set[str]:
        words = f"Accepted inbound s2s (EXTERNAL|dialback) authentication {peer} -> {own} "
        return set(re.findall(words, self._log()))

    def program(self) -> list[str]:
        return ejabberd_command(self.folder)

    def environment(self) -> dict[str, str]:
        return ejabberd_environment(self.folder)

    def register(self, address: str) -> None:
        user, _, host = address.partition("@")
        said = {"user": user, "host": host, "password": PASSWORD}
        call_ejabberd(self.connect(API), "register", [said])


def judge_ours(element: Element) -> None:
    """By the schemas, but for what others wrote, who do not keep the order of an IQ's children."""
    sender = jid(element.get("from") or "ours.example").domain
    if sender.endswith(("ours.example", "theirs.example")):
        validate(element)


class Ours(Site):
    """This server, from this checkout."""

    is_ours = True

    def __init__(self, label: str, place: Place, lab: Lab) -> None:
        super().__init__(label, place, lab)
        self.server = ServerProcess(
            hosts=(),
            enable=(),
            before=place.before,
            interface=place.address,
            ports=(C2S, C2S_DIRECT, S2S, DIRECT),
            s2s=f'networks = ["{lab.net}"]\ntrust = "{lab.trust}"\n',
            more=self._more(),
        )

    def _more(self) -> str:
        """Who may prove itself by dialback, and the hosts."""
        peers = (
            f'[[s2s.peers]]\ndomain = "dialback.{label}.example"\ncertificates = "dialback"\n'
            for label in self.lab.labels
        )
        hosts = (
            f'[hosts."{host}"]\ncertificate = "{certificate}"\nkey = "{key}"\n'
            for host, (certificate, key) in ((host, self.pair_of(host)) for host in self.hosts)
        )
        return "".join((*peers, *hosts))

    def guest(self, full: JID) -> Guest:
        return Guest(self.server.address, full, connect=self.place.connect, check=judge_ours)

    def create(self, address: str) -> None:
        try:
            self.server.create(address)
        except CommandFailed:
            if address not in self.server.accounts():
                raise

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        if self.server.running:
            self.server.stop()

    def dies(self) -> None:
        self.server.kill()

    def clean(self) -> None:
        self.server.clean()

    def proofs(self, own: str, peer: str) -> set[str]:
        told = set()
        for direction, here, there, _address, _tls, how, *_ in self.server.run("s2s"):
            if own in here.split() and peer in there.split() and how is not None:
                told.add(how)
                if direction == "both":
                    told.add("bidi")
        return told
