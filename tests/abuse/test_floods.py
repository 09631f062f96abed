"""Too much, too fast, never read, and at random: others are served meanwhile (L5)."""

import random
import select
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.abuse.server import Server
from tests.abuse.wire import CLIENT, HEADER, PATIENCE_S, STARTTLS, Wire, elements

MIB = 2**20
GROWTH = 128 * MIB


def write_until_stuck(wire: Wire, data: bytes, most: int) -> int:
    """Write without reading until nothing more is taken; the bytes that were."""
    written = 0
    wire.socket.settimeout(1.0)
    while written < most and not wire.ended:
        try:
            wire.socket.sendall(data)
        except TimeoutError:
            return written
        except OSError:
            wire.ended = "closed"
        written += len(data)
    return written


def test_a_receiver_that_never_reads_costs_a_bounded_amount(server: Server) -> None:
    receiver = Wire(server).online("flooded", "asleep")
    sender = Wire(server).online("flooder", "awake")
    before = server.resident()
    message = f"<message to='{receiver.jid}'><body>{'x' * 10_000}</body></message>".encode()
    write_until_stuck(sender, message * 10, 48 * MIB)
    assert server.resident() - before < GROWTH
    server.is_well()
    receiver.close()
    sender.close()


def test_a_sender_that_never_reads_his_answers_costs_a_bounded_amount(server: Server) -> None:
    sender = Wire(server).session("flooder", "deaf")
    before = server.resident()
    id_ = "x" * 8000
    ping = f"<iq type='get' id='{id_}' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"
    write_until_stuck(sender, ping.encode() * 10, 48 * MIB)
    assert server.resident() - before < GROWTH
    server.is_well()
    sender.close()


def test_a_slow_reader_gets_all_in_order(server: Server) -> None:
    receiver = Wire(server).online("flooded", "slow").new_stream()
    receiver.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sender = Wire(server).online("flooder", "patient")
    for number in range(100):
        sender.send(
            f"<message to='{receiver.jid}' id='{number}'><body>{'x' * 8000}</body></message>"
        )
    sender.sync()
    receiver.sync()
    got = [s.get("id") for s in receiver.stanzas() if s.tag == f"{CLIENT}message"]
    assert got == [str(number) for number in range(100)]
    receiver.close()
    sender.close()


@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='flooded@example.org'><body>flood</body></message>",
        "<presence/>",
        "<presence to='flooded@example.org'/>",
        "<presence to='nobody@example.org' type='probe'/>",
        "<iq type='get' id='f'><query xmlns='jabber:iq:roster'/></iq>",
        "<iq type='get' id='f'><vCard xmlns='vcard-temp'/></iq>",
        "<iq type='get' id='f' to='nobody@example.org'><query xmlns='urn:x'/></iq>",
        "<message to='nobody@example.org'><body>flood</body></message>",
        " \n",
    ],
    ids=lambda stanza: stanza[:60],
)
def test_others_are_served_during_a_flood(server: Server, stanza: str) -> None:
    sender = Wire(server).online("flooder", "flood")
    sender.socket.settimeout(PATIENCE_S)
    for _ in range(10):
        sender.send(stanza * 100)
        server.is_well()
        sender.sync().new_stream()
    sender.close()


def test_a_circle_of_errors_does_not_form(server: Server) -> None:
    one, two = Wire(server).online("flooder", "one"), Wire(server).online("flooded", "two")
    one.new_stream()
    two.new_stream()
    for sender, to in ((one, "flooded@example.org/gone"), (two, "flooder@example.org/gone")):
        sender.send(f"<message type='normal' to='{to}' id='c'><body>x</body></message>").sync()
    for wire in (one, two):
        assert len([s for s in wire.sync().stanzas() if s.get("id") == "c"]) == 1
        wire.close()


def test_50_logins_at_once_succeed(server: Server) -> None:
    wires = [Wire(server).secured() for _ in range(50)]
    for number, wire in enumerate(wires):
        user = ("flooder", "flooded", "mallory")[number % 3]
        wire.auth("PLAIN", f"\0{user}\0secret of {user}".encode())
    assert [wire.outcome() for wire in wires] == ["success"] * 50
    for wire in wires:
        wire.close()


STREAMS = [
    HEADER,
    HEADER + STARTTLS,
    HEADER + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHIAcg==</auth>",
    HEADER + "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    HEADER + "<message to='a@b'><body>x</body></message></stream:stream>",
]
STANZAS = [
    "<message to='flooded@example.org' id='1' xml:lang='en'><body>x &amp; y</body></message>",
    "<presence><show>away</show><priority>1</priority></presence>",
    "<presence to='flooded@example.org' type='subscribe' id='2'/>",
    "<iq type='get' id='3'><query xmlns='jabber:iq:roster' ver=''/></iq>",
    "<iq type='set' id='4'><query xmlns='jabber:iq:roster'><item jid='a@b.example' name='n'>"
    "<group>g</group></item></query></iq>",
    "<iq type='set' id='5'><vCard xmlns='vcard-temp'><FN>R</FN></vCard></iq>",
    "<iq type='get' id='6' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info' "
    "node='x'/></iq>",
    "<iq type='error' id='7' to='flooded@example.org/a'><error type='cancel'><gone "
    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    "<iq type='set' id='8'><query xmlns='jabber:iq:private'><x xmlns='x'/></query></iq>",
    "<iq type='get' id='9'><query xmlns='jabber:iq:last'/></iq>",
]  # fmt: skip


def mutations(chance: random.Random, seed: bytes) -> bytes:
    data = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        change: Callable[[], None] = chance.choice(
            [
                lambda at=at: data.__setitem__(at, chance.randrange(256)),
                lambda at=at: data.insert(at, chance.choice(b"<>&;'\"/=: x\0\xff![]?")),
                lambda at=at: data.__delitem__(slice(at, at + chance.randint(1, 20))),
                lambda at=at: data.__setitem__(slice(at, at), data[at : at + 40]),
                lambda at=at: data.__setitem__(
                    slice(at, at), chance.choice([b"&#x0;", b"]]>", b"<!--", b"xmlns=''", b"<a>"])
                ),
            ]
        )
        change()
        if not data:
            break
    return bytes(data)


def test_500_streams_at_random_do_no_harm(server: Server) -> None:
    chance = random.Random(20261121)
    for _ in range(500):
        wire = Wire(server)
        wire.send(mutations(chance, chance.choice(STREAMS).encode()))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.until_closed() or wire.ended in ("fin", "reset")
        wire.close()


def test_500_stanzas_at_random_do_no_harm(server: Server) -> None:
    chance = random.Random(20261121)
    wire = Wire(server).online("flooder", "fuzz")
    watched = Wire(server).online("flooded", "watch")
    for _ in range(500):
        wire.new_stream().send(mutations(chance, chance.choice(STANZAS).encode()))
        # An unfinished tag or element swallows what follows, so this ends it or the stream.
        wire.send("'\"></x></y>]]>\"></x>]]>'></x>]]>")
        if wire.until_closed().endswith(b"</stream:stream>"):
            wire = Wire(server).session("flooder", "fuzz")
    list(elements(watched.sync().received))
    watched.close()
    wire.close()


def test_streams_of_garbage_under_tls_end_the_stream(server: Server) -> None:
    chance = random.Random(7)
    for _ in range(20):
        wire = Wire(server, port=server.tls_port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        wire.socket = context.wrap_socket(wire.socket, server_hostname="example.org")
        wire.send(b"\x01" + chance.randbytes(500)).until_closed()
        assert b"<stream:error>" in wire.received
        wire.close()


def test_what_is_said_after_the_end_is_not_heard(server: Server) -> None:
    juliet = Wire(server).online("flooded").new_stream()
    romeo = Wire(server).session("flooder")
    romeo.send("</stream:stream><message to='flooded@example.org'><body>late</body></message>")
    romeo.until_closed()
    assert b"late" not in juliet.sync().received
    juliet.close()
    assert not select.select([romeo.socket], [], [], 0)[2]
