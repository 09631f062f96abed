"""A server that loses, doubles or reorders messages must not look fast."""

import socket
import threading
from collections.abc import Callable

import pytest

from bench.load import Chat, Client, Fan, LoadError, Loop, Numbers, Target, scram

TARGET = Target("127.0.0.1", 5222, "bench.example", "secret")


def stanzas(*numbers: int) -> bytes:
    return b"".join(
        b"<message><body>Art thou%s Romeo?</body></message>" % Numbers.token(number)
        for number in numbers
    )


def test_numbers_in_order_are_counted() -> None:
    numbers = Numbers()
    assert numbers.take(stanzas(0, 1)) == 2
    assert numbers.take(stanzas(2)) == 1
    assert numbers.received == 3


@pytest.mark.parametrize("cut", range(len(stanzas(0, 1))))
def test_a_number_cut_by_a_read_is_counted_once(cut: int) -> None:
    numbers, data = Numbers(), stanzas(0, 1)
    assert numbers.take(data[:cut]) + numbers.take(data[cut:]) == 2


def test_the_last_number_may_come_again_where_servers_do_so() -> None:
    numbers = Numbers(repeated=True)
    assert numbers.take(stanzas(0, 0, 1, 1)) == 2
    with pytest.raises(LoadError, match="message 0 came twice"):
        numbers.take(stanzas(0))


def test_numbers_that_arrive_byte_by_byte_are_counted_once() -> None:
    numbers = Numbers()
    assert sum(numbers.take(bytes([byte])) for byte in stanzas(0, 1, 2)) == 3


@pytest.mark.parametrize(
    ("arrived", "complaint"),
    [
        ((0, 2), "message 1 is lost"),
        ((1,), "message 0 is lost"),
        ((0, 0), "message 0 came twice"),
        ((0, 1, 2, 1), "message 1 came twice"),
        ((1, 0), "message 0 is lost"),
    ],
)
def test_what_is_lost_doubled_or_overtaken_is_noticed(
    arrived: tuple[int, ...], complaint: str
) -> None:
    with pytest.raises(LoadError, match=complaint):
        Numbers().take(stanzas(*arrived))


def test_one_doubled_in_a_later_read_is_noticed() -> None:
    numbers = Numbers()
    numbers.take(stanzas(0, 1))
    with pytest.raises(LoadError, match="message 1 came twice"):
        numbers.take(stanzas(1))


# A conversation with a server that is no good


def client_on(end: socket.socket, name: str) -> Client:
    """A client that is logged in already, on one end of a socket pair."""
    end.settimeout(5)
    return Client(end, TARGET, name)


def chat_through(relay: Callable[[bytes], bytes], count: int, window: int) -> None:
    """`count` messages through a server that sends on what `relay` makes of each."""
    (ours, in_), (out, theirs) = socket.socketpair(), socket.socketpair()

    def serve() -> None:
        while data := in_.recv(65536):
            for part in data.split(b"</message>")[:-1]:
                out.sendall(relay(part + b"</message>"))
        out.close()

    server = threading.Thread(target=serve)
    server.start()
    try:
        Chat(client_on(ours, "romeo"), client_on(theirs, "juliet")).run(count, window)
    finally:
        ours.shutdown(socket.SHUT_WR)
        server.join()
        for end in (ours, in_, theirs):
            end.close()


@pytest.mark.parametrize("window", [1, 10])
def test_a_chat_through_a_good_server_ends(window: int) -> None:
    chat_through(lambda message: message, 25, window)


def test_a_message_that_the_server_doubles_ends_the_chat() -> None:
    with pytest.raises(LoadError, match="message 0 came twice"):
        chat_through(lambda message: message * 2, 3, 1)


def test_a_message_that_the_server_drops_ends_the_chat() -> None:
    dropped = Numbers.token(4)
    with pytest.raises(LoadError, match="message 4 is lost"):
        chat_through(lambda message: b"" if dropped in message else message, 20, 10)


def test_a_server_that_closes_the_stream_ends_the_chat() -> None:
    (ours, in_), (out, theirs) = socket.socketpair(), socket.socketpair()
    out.close()
    with ours, in_, theirs, pytest.raises(LoadError, match="closed the stream"):
        Chat(client_on(ours, "romeo"), client_on(theirs, "juliet")).run(1, 1)


@pytest.mark.parametrize(("served", "complaint"), [(1, ""), (2, "came twice"), (0, "is lost")])
def test_what_a_client_gets_back_is_counted_too(served: int, complaint: str) -> None:
    ours, theirs = socket.socketpair()
    client = client_on(ours, "romeo")
    with ours, theirs:
        theirs.sendall(Numbers.token(0) * served + Numbers.token(1))
        loop = Loop(client, client, b"<iq id='%s'/>")
        if complaint:
            with pytest.raises(LoadError, match=complaint):
                loop.run(2, 2)
        else:
            loop.run(2, 2)


@pytest.mark.parametrize(
    ("delivered", "complaint"), [([1, 1, 1], ""), ([1, 2, 1], "came twice"), ([1, 1, 0], "all")]
)
def test_presence_must_come_to_each_contact_once(
    delivered: list[int], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.load.TIMEOUT_S", 0.01)
    ends = [socket.socketpair() for _ in delivered]
    sender, *receivers = [client_on(ours, "romeo") for ours, _ in ends]
    fan = Fan(sender, receivers)
    for (_, theirs), times in zip(ends, delivered, strict=True):
        theirs.sendall(Numbers.token(0) * times)
    try:
        if complaint:
            with pytest.raises(LoadError, match=complaint):
                fan.run(1)
        else:
            fan.run(1)
    finally:
        fan.close()
        for _, theirs in ends:
            theirs.close()


def test_what_does_not_come_back_is_waited_for_at_its_receivers_alone() -> None:
    ends = [socket.socketpair() for _ in range(3)]
    sender, *receivers = [client_on(ours, "romeo") for ours, _ in ends]
    fan = Fan(sender, receivers, b"<iq id='%s'/>")
    for _, theirs in ends:  # ejabberd tells the publisher too
        theirs.sendall(Numbers.token(0))
    fan.run(1)
    assert ends[0][1].recv(100) == b"<iq id='#00000000#'/>"
    fan.close()
    for _, theirs in ends:
        theirs.close()


@pytest.mark.parametrize(
    ("name", "nonce", "salt", "proof", "signature"),
    [
        (  # RFC 5802 §5
            "SHA-1",
            "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
            "QSXCR+Q6sek8bf92",
            b"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            b"rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (  # RFC 7677 §3
            "SHA-256",
            "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ],
)
def test_scram_answers_as_in_the_examples_of_its_rfcs(
    name: str, nonce: str, salt: str, proof: bytes, signature: bytes
) -> None:
    ours = nonce[:24] if name == "SHA-1" else nonce[:20]
    challenge = f"r={nonce},s={salt},i=4096".encode()
    final, signed = scram(name, "pencil", f"n=user,r={ours}", challenge)
    assert final == f"c=biws,r={nonce},p=".encode() + proof
    assert signed == signature
