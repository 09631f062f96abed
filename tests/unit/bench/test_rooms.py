"""Whoever does not hear all that is said in a room must not make a server look fast."""

import socket
from collections.abc import Iterator

import pytest

from bench import rooms
from bench.load import Client, LoadError, Numbers, Target
from bench.rooms import Hall

TARGET = Target("127.0.0.1", 5222, "bench.example", "secret", tls=False)


@pytest.fixture
def hall() -> Iterator[Hall]:
    made = Hall()
    yield made
    made.close()


def guest(hall: Hall, name: str) -> socket.socket:
    """The server's end."""
    ours, theirs = socket.socketpair()
    hall.admit(Client(ours, TARGET, name))
    return theirs


def says(number: int) -> bytes:
    return b"<message><body>Hear%s</body></message>" % Numbers.token(number)


def test_all_must_hear_all(hall: Hall) -> None:
    ends = [guest(hall, name) for name in ("a", "b")]
    hall.number()
    for end in ends:
        end.sendall(says(0))
    hall.heard_by_all()


def test_who_comes_later_need_not_hear_what_was_before(hall: Hall) -> None:
    early = guest(hall, "a")
    early.sendall(says(0) + says(1))
    hall.number()
    hall.heard_by_all()
    late = guest(hall, "b")
    hall.number()
    late.sendall(says(1))
    hall.heard_by_all()


def test_who_hears_twice_or_not_at_all_is_noticed(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "TIMEOUT_S", 0.01)
    first, second = guest(hall, "a"), guest(hall, "b")
    hall.number()
    first.sendall(says(0))
    with pytest.raises(LoadError, match="did not come to all"):
        hall.heard_by_all()
    second.sendall(says(0) * 2)
    with pytest.raises(LoadError, match="twice"):
        hall.heard_by_all()


def test_an_answer_may_come_in_pieces_and_others_are_heard_meanwhile(hall: Hall) -> None:
    one, other = guest(hall, "a"), guest(hall, "b")
    hall.number()
    other.sendall(says(0))
    one.sendall(says(0) + b"<subj")
    one.sendall(b"ect/>")
    hall.ask(hall.clients[0], "<presence/>", b"<subject")
    hall.heard_by_all()
    assert one.recv(100) == b"<presence/>"
