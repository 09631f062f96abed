"""A server that loses, doubles or reorders messages must not look fast."""

import socket
import threading
from collections.abc import Callable

import pytest

from bench.load import Chat, Client, LoadError, Numbers, Target, scram_sha1

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


def test_scram_answers_as_in_the_example_of_rfc_5802() -> None:
    nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
    final, signature = scram_sha1(
        "pencil",
        "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        f"r={nonce},s=QSXCR+Q6sek8bf92,i=4096".encode(),
    )
    assert final == f"c=biws,r={nonce},p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=".encode()
    assert signature == b"rmF9pqV8S7suAoZWja4dJRkFsKQ="
