"""Whoever does not hear all that is said in a room must not make a server look fast."""

import multiprocessing
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import hall as halls
from bench import rooms
from bench.hall import Hall
from bench.load import Client, LoadError, Numbers, Target
from bench.ports import free_port
from bench.rooms import Sized, measure, part
from bench.seats import Hear, Row, Seats, at_once

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
    monkeypatch.setattr(halls, "TIMEOUT_S", 0.01)
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


def test_somebody_else_who_is_watched_ends_the_listening(hall: Hall) -> None:
    there = guest(hall, "a")
    ours, theirs = multiprocessing.Pipe()
    hall.watch(ours)
    theirs.send("")
    assert hall.listen(None) == 0
    there.close()


# Large rooms


@pytest.mark.parametrize(
    ("said", "complaint"), [(says(0) + says(1), ""), (says(0) * 2, "twice"), (says(1), "lost")]
)
def test_occupants_of_other_processes_must_hear_all_too(said: bytes, complaint: str) -> None:
    row = Row(TARGET)
    guest(row.hall, "a").sendall(said)
    if complaint:
        with pytest.raises(LoadError, match=complaint):
            row.follow(Hear(2))
    else:
        row.follow(Hear(2))
    row.hall.close()


@pytest.mark.parametrize(("there", "together"), [(0, 50), (100, 50), (500, 20), (9999, 1)])
def test_fewer_enter_together_the_more_are_there(there: int, together: int) -> None:
    """Else what the server keeps for the moment would be taken for what a room takes."""
    assert at_once(there) == together


def test_a_process_that_cannot_do_what_it_is_told_says_so(hall: Hall) -> None:
    nobody = TARGET._replace(port=free_port(TARGET.address))
    with (
        Seats(nobody, hall, workers=1) as seats,
        pytest.raises(LoadError, match=r"an occupant: .*refused"),
    ):
        seats.come(["a"])


@pytest.mark.parametrize("quiet", [False, True])
def test_a_room_grows_from_size_to_size(
    quiet: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "SETTLE_S", 0.0)
    monkeypatch.setattr(rooms, "ROUNDS", 1)
    monkeypatch.setattr(rooms, "DELIVERIES", 100)
    found = list(measure(tmp_path, [30, 50], quiet=quiet))
    assert [(each.size, each.quiet) for each in found] == [(30, quiet), (50, quiet)]
    assert all(min(each.said_us + each.entered_us) > 0 for each in found)


def test_the_page_tells_of_each_size() -> None:
    found = [Sized(1000, False, 9000.0, [10.0], [40000.0], 200.0, 57.94)]
    rows = [line.split() for line in part(found, "Measured.").splitlines()]
    cells = "1,000 all 10.0 (10.0-10.0) 40000 (40000-40000) 40.0 9000 200 57.9"
    assert cells.split() in rows
