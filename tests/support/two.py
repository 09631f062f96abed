"""Two servers of ours that find each other by `s2s.routes`, over loopback."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from tests.schemas.validate import validate
from tests.support.authority import Authority
from tests.support.client import TLSClient
from tests.support.server import PATIENCE_S, CommandFailed, ServerProcess, free_ports
from xmppd.jid import jid
from xmppd.ns import CLIENT
from xmppd.testing import presence
from xmppd.testing.matching import Matcher
from xmppd.xml import Element, to_xml

JULIET, ROMEO = "juliet@capulet.example/balcony", "romeo@montague.example/orchard"
HEARS_S = 20.0
CAPULET, MONTAGUE = "capulet.example", "montague.example"
ROOMS = "rooms.capulet.example"


def wait_until(true: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """What `true` gives when that is true for the first time; it is asked again and again."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        found = true()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"it never came about: {what}")


def hears(client: TLSClient, wanted: Matcher) -> Element:
    """The next stanza that is wanted, whatever else comes before it."""
    client.socket.settimeout(HEARS_S)
    until = time.monotonic() + HEARS_S
    passed: list[str] = []
    while time.monotonic() < until:
        try:
            stanza = client.inbox.pop(0) if client.inbox else client.reads()
        except TimeoutError:
            break
        if wanted(stanza) is None:
            return stanza
        passed.append(to_xml(stanza, CLIENT))
    raise AssertionError(f"{client.jid} never heard it, but {passed}")


class TwoServers:
    """capulet.example (which also hosts `rooms.`) and montague.example, with or without an
    authority that signs their certificates. `s2s` are lines for `[s2s]` of both.
    """

    def __init__(
        self,
        folder: Path,
        *,
        certified: bool = True,
        s2s: str = "",
        more_hosts: Sequence[str] = (ROOMS,),
    ) -> None:
        self._authority = Authority.make("Verona") if certified else None
        self._trust = folder / "verona.pem"
        if self._authority is not None:
            self._authority.write(self._trust)
        ports = {CAPULET: free_ports(4), MONTAGUE: free_ports(4)}
        to = {of: f"127.0.0.1:{each[2]}" for of, each in ports.items()}
        for domain in more_hosts:
            to[domain] = to[CAPULET]
        self.capulet = self._server([CAPULET, *more_hosts], ports[CAPULET], to, s2s)
        self.montague = self._server([MONTAGUE], ports[MONTAGUE], to, s2s)
        self.kind = ""  # how a test calls it
        self._clients: list[TLSClient] = []

    def _server(
        self, hosts: Sequence[str], ports: Sequence[int], to: dict[str, str], s2s: str
    ) -> ServerProcess:
        routes = [f"{domain}={place}" for domain, place in to.items() if domain not in hosts]
        lines = f"routes = {routes}\n{s2s}".replace("'", '"')
        if self._authority is not None:
            lines += f'\ntrust = "{self._trust}"\n'
        server = ServerProcess(hosts=hosts, ports=ports, s2s=lines, enable=())
        if self._authority is not None:
            folder = server.folder / "data" / "certificates"
            folder.mkdir(parents=True, mode=0o700)
            for host in hosts:
                self._authority.certify(folder, host)
        return server

    def __enter__(self) -> Self:
        with ThreadPoolExecutor() as pool:
            list(pool.map(ServerProcess.start, (self.capulet, self.montague)))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for client in self._clients:
            client.socket.close()
        with ThreadPoolExecutor() as pool:
            end = ServerProcess.stop if kind is None else ServerProcess.kill
            both = (self.capulet, self.montague)
            list(pool.map(end, (server for server in both if server.running)))
        for server in both:
            server.clean()

    @contextmanager
    def told(self, lines: str, *, direct_tls: bool = False) -> Iterator[None]:
        """Both have these lines in `[s2s]` meanwhile, reach each other by TLS from the first byte
        on if that is wanted, and have no links from before.
        """
        both = (self.capulet, self.montague)
        before = [server.config.read_text() for server in both]
        texts = [text.replace("[s2s]", f"[s2s]\n{lines}", 1) for text in before]
        if direct_tls:
            for server in both:
                place, direct = (f"=127.0.0.1:{server.s2s_port}", server.s2s_tls_port)
                texts = [text.replace(place, f"=tls:127.0.0.1:{direct}") for text in texts]
        self._reload(both, texts)
        yield
        self._reload(both, before)

    def _reload(self, servers: Sequence[ServerProcess], texts: Sequence[str]) -> None:
        for server, text in zip(servers, texts, strict=True):
            server.config.write_text(text)
            server.run("reload", config=True)
            for domain in {link["there"] for link in self.links(server) if link["how"]}:
                with suppress(CommandFailed):  # the other has closed it
                    server.run("s2s-close", domain=domain)
        for server in servers:
            wait_until(lambda server=server: not self.links(server), "no link is left")

    def server_of(self, domain: str) -> ServerProcess:
        return self.montague if domain == MONTAGUE else self.capulet

    def bind(self, address: str) -> TLSClient:
        """A client with that full JID, whose account is made if there is none; no presence yet."""
        full = jid(address)
        server = self.server_of(full.domain)
        if full.bare not in server.accounts():
            server.create(full.bare)
        client = TLSClient(server.address, full, check=validate)
        client.socket.settimeout(PATIENCE_S)
        client.connects()
        self._clients.append(client)
        return client

    def online(self, address: str) -> TLSClient:
        client = self.bind(address)
        client.sends("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        client.sends("<presence/>")
        hears(client, presence(from_=client.jid))
        return client

    def befriend(self) -> tuple[TLSClient, TLSClient]:
        """Juliet and Romeo, online, each subscribed to the other."""
        juliet, romeo = self.online(JULIET), self.online(ROMEO)
        for one, other in ((juliet, romeo), (romeo, juliet)):
            one.sends(f"<presence to='{other.jid.bare}' type='subscribe'/>")
            hears(other, presence(type="subscribe", from_=one.jid.bare))
            other.sends(f"<presence to='{one.jid.bare}' type='subscribed'/>")
            hears(one, presence(type="subscribed", from_=other.jid.bare))
            hears(one, presence(from_=other.jid))
        return juliet, romeo

    def links(self, server: ServerProcess) -> list[dict[str, Any]]:
        """What `xmppctl s2s` says."""
        names = ("direction", "here", "there", "address", "tls", "how", "queue", "seconds")
        names += ("in", "out", "failure")
        return [dict(zip(names, row, strict=True)) for row in server.run("s2s")]
