"""Components of a real server process, over sockets: who is one, who is not, and floods."""

import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from tests.components.wire import PATIENCE_S, SECRET, Wire, header
from tests.support.server import ServerProcess, free_ports

GATEWAY = "gateway.example.org"
OPTIONS = """
[components]
listen = ["tcp:{port}:interface=127.0.0.1"]
login_timeout = "2s"
outbound_bytes = "256KiB"
stalled = "3s"
[components."gateway.example.org"]
secret = "sesame"
name = "Gateway"
[components."second.example.org"]
secret = "sesame"
[components."third.example.net"]
secret = "another"
"""
TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE
PING = (
    "<iq type='get' id='{id}' from='{from_}' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"
)


class Yard(ServerProcess):
    """A server with components."""

    def __init__(self) -> None:
        (self.component_port,) = free_ports(1)
        super().__init__(more=OPTIONS.format(port=self.component_port))

    def wire(self, **options: int) -> Wire:
        return Wire(self.component_port, **options)

    def state(self, domain: str) -> str:
        return next(row[2] for row in self.run("components") if row[0] == domain)

    def waits_for(self, domain: str, state: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while self.state(domain) != state:
            assert time.monotonic() < end, f"{domain} is never {state}"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    with Yard() as server:
        yield server


def test_a_component_talks_to_the_server_and_to_another(yard: Yard) -> None:
    with yard.wire().proves(GATEWAY) as one, yard.wire().proves("second.example.org") as two:
        one.sends(PING.format(id="1", from_=GATEWAY))
        one.hears("type='result' id='1'")
        one.sends(
            f"<message from='x@{GATEWAY}' to='y@second.example.org'><body>hi</body></message>"
        )
        two.hears("<body>hi</body></message>")
        assert yard.state(GATEWAY) == "connected"
    yard.waits_for(GATEWAY, "away")


@pytest.mark.parametrize("domain", [GATEWAY, "third.example.net"])
def test_a_wrong_secret_is_not_authorized(yard: Yard, domain: str) -> None:
    with yard.wire() as wire:
        wire.shakes(wire.opens(domain), "wrong" if domain == GATEWAY else SECRET)
        assert "<not-authorized " in wire.ends()


def test_a_proof_is_good_for_its_own_stream_only(yard: Yard) -> None:
    with yard.wire() as one, yard.wire() as two:
        first = one.opens(GATEWAY)
        two.opens(GATEWAY)
        two.shakes(first, SECRET)
        assert "<not-authorized " in two.ends()


@pytest.mark.parametrize(
    ("said", "condition"),
    [
        (header("unknown.example.org"), "host-unknown"),
        (header("example.org"), "host-unknown"),
        (header(GATEWAY, "jabber:client"), "invalid-namespace"),
        (header(GATEWAY) + f"<message from='{GATEWAY}' to='example.org'/>", "not-authorized"),
        (header(GATEWAY) + f"<handshake>{'0' * 40}</handshake>", "not-authorized"),
        (header(GATEWAY) + "<!-- -->", "restricted-xml"),
        (header(GATEWAY) + "<a>" + "x" * 20_000, "policy-violation"),
        (header(GATEWAY) + "<a b='" + "x" * 20_000, "policy-violation"),
        ("\x16\x03\x01\x02\x00", "not-well-formed"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "not-well-formed"),
    ],
)
def test_strangers_are_sent_away_in_words(yard: Yard, said: str, condition: str) -> None:
    with yard.wire() as wire:
        wire.sends(said)
        heard = wire.ends()
        assert f"<{condition} " in heard
        assert heard.endswith("</stream:stream>")


@pytest.mark.parametrize("said", ["", "<stream:str", header(GATEWAY)])
def test_who_says_nothing_is_not_waited_for(yard: Yard, said: str) -> None:
    with yard.wire() as wire:
        wire.sends(said)
        assert "<connection-timeout " in wire.ends()


@pytest.mark.parametrize(
    ("stanza", "condition"),
    [
        ("<message from='example.org' to='a@example.org'/>", "invalid-from"),
        ("<message from='second.example.org' to='a@example.org'/>", "invalid-from"),
        ("<message to='a@example.org'/>", "improper-addressing"),
        (f"<message from='{GATEWAY}'/>", "improper-addressing"),
        ("<x xmlns='y'/>", "unsupported-stanza-type"),
        ("<message", "policy-violation"),
    ],
)
def test_a_component_that_breaks_the_rules_is_sent_away(
    yard: Yard, stanza: str, condition: str
) -> None:
    with yard.wire().proves(GATEWAY) as wire:
        wire.sends(stanza if stanza != "<message" else f"<message a='{'x' * 600_000}'/>")
        assert f"<{condition} " in wire.ends()
    yard.waits_for(GATEWAY, "away")


def test_a_second_connection_takes_the_place_of_the_first(yard: Yard) -> None:
    with yard.wire().proves(GATEWAY) as one, yard.wire().proves(GATEWAY) as two:
        assert "<conflict " in one.ends()
        two.sends(PING.format(id="2", from_=GATEWAY))
        two.hears("id='2'")


def test_a_flood_is_answered_in_order_while_others_are_served(yard: Yard) -> None:
    with yard.wire().proves(GATEWAY) as wire, yard.wire().proves("second.example.org") as other:
        wire.sends("".join(PING.format(id=f"n{n}.", from_=GATEWAY) for n in range(500)))
        other.sends(PING.format(id="bystander", from_="second.example.org"))
        assert "type='result'" in other.hears("id='bystander'")
        heard = wire.hears(*[f"id='n{n}.'" for n in range(500)])
        assert re.findall(r"id='n(\d+)\.'", heard) == [str(n) for n in range(500)]


def test_a_component_that_never_reads_is_ended_and_others_are_served(yard: Yard) -> None:
    body = "x" * 60_000
    with (
        yard.wire(buffer=4096).proves(GATEWAY),
        yard.wire().proves("second.example.org") as other,
        yard.wire().proves("third.example.net", "another") as writer,
    ):
        for number in range(400):
            try:
                writer.socket.settimeout(1.0)
                writer.sends(
                    f"<message from='third.example.net' to='{GATEWAY}' type='headline'"
                    f" id='{number}'><body>{body}</body></message>"
                )
            except TimeoutError:
                break  # it is held back, as it should be
        other.sends(PING.format(id="bystander", from_="second.example.org"))
        assert "type='result'" in other.hears("id='bystander'")
        yard.waits_for(GATEWAY, "away")
        assert [row[2] for row in yard.run("components") if row[0] == GATEWAY] == ["away"]


def test_cut_connections_leave_nothing_behind(yard: Yard) -> None:
    before = int(str(yard.run("status")["descriptors"]).split()[0])
    for _ in range(50):
        wire = yard.wire()
        wire.opens(GATEWAY)
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        wire.socket.close()
    end = time.monotonic() + PATIENCE_S
    while int(str(yard.run("status")["descriptors"]).split()[0]) > before + 5:
        assert time.monotonic() < end
        time.sleep(0.05)


# Reload, stop


def reload(server: ServerProcess, text: str) -> None:
    mark = server.log_lines
    server.config.write_text(text)
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("The configuration is reloaded", since=mark)


def test_a_port_begins_with_tls_after_a_reload_that_says_so() -> None:
    (port,) = free_ports(1)
    place = f'["tcp:{port}:interface=127.0.0.1"]\n[components."a.example.org"]\nsecret = "x"\n'
    with ServerProcess() as server:
        text = server.config.read_text()
        reload(server, f"{text}[components]\nlisten = {place}")
        reload(server, f"{text}[components]\ndirect_tls = {place}")
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        with TRUSTING.wrap_socket(plain) as secure:
            assert secure.version() == "TLSv1.3"


def test_components_come_change_and_go_by_a_reload() -> None:
    (port,) = free_ports(1)
    with ServerProcess() as server:
        text = server.config.read_text()
        assert server.run("components") == []
        listen = f'[components]\nlisten = ["tcp:{port}:interface=127.0.0.1"]\n'
        first = f'{text}{listen}[components."a.example.org"]\nsecret = "sesame"\n'
        reload(server, first)
        with Wire(port).proves("a.example.org") as wire:
            reload(server, f'{first}[components."b.example.org"]\nsecret = "sesame"\n')
            with Wire(port).proves("b.example.org"):
                pass
            wire.sends(PING.format(id="1", from_="a.example.org"))
            wire.hears("id='1'")
            reload(server, first.replace("sesame", "other"))
            assert "<reset " in wire.ends()
        with Wire(port).proves("a.example.org", "other") as wire:
            reload(server, text)
            assert "<host-gone " in wire.ends()
        with pytest.raises(ConnectionRefusedError):
            Wire(port)


def test_a_port_that_is_taken_by_another_stops_the_start_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = ServerProcess(more=OPTIONS.format(port=port))
        try:
            with pytest.raises(AssertionError, match="Address already in use"):
                server.start()
        finally:
            server.kill()
            server.clean()


def test_components_are_told_when_the_server_stops() -> None:
    server = Yard()
    server.start()
    stopping = threading.Thread(target=server.stop)
    with server.wire().proves(GATEWAY) as wire:
        stopping.start()
        assert "<system-shutdown " in wire.ends()
    stopping.join(PATIENCE_S)
    server.assert_no_traceback()
    assert not server.running
    server.clean()
