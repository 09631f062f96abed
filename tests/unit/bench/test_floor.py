"""The floor passes on what it is given, all of it and once, or it would be no measure."""

import os
import socket
import ssl
import threading
from pathlib import Path

import pytest

from bench import floor
from bench.floor import (
    ALONE,
    FLOORS,
    BareClient,
    Floor,
    FloorWakesLoad,
    WakefulClient,
    one_processor,
)
from bench.load import Chat, LoadError, Numbers, Target, message
from bench.passing import Passing
from bench.rooms import SAID
from bench.run import Bench, Plan, run_all
from bench.servers import make_certificate
from bench.units import PRESENCE

PLAN = Plan(rounds=1, messages=3, parts=("floor",))


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """Where the loop serves, in a thread that ends with the tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=Passing(listener, context).run, daemon=True).start()
    port = listener.getsockname()[1]
    return Target("127.0.0.1", port, "bench.example", "secret", tls=request.param)


def join(target: Target, user: str, group: str = "chat") -> BareClient:
    return BareClient.join(target, user, group)


def test_a_chat_through_it_loses_and_doubles_nothing(target: Target) -> None:
    chat = Chat(join(target, "romeo"), join(target, "juliet"))
    chat.run(50, 10)
    chat.run(50, 1)
    chat.close()


def test_bytes_go_to_all_others_of_the_group_alone(target: Target) -> None:
    stranger, *others = (join(target, "tybalt", "else"), join(target, "a"), join(target, "b"))
    speaker = join(target, "romeo")
    speaker.send(b"art thou")
    assert [other.receive() for other in others] == [b"art thou"] * 2
    others[0].send(b"Romeo")
    assert speaker.receive() == b"Romeo"  # and not its own words before
    fellow = join(target, "paris", "else")
    fellow.send(b"villain")
    assert stranger.receive() == b"villain"


def test_who_goes_takes_nobody_along(target: Target) -> None:
    gone, *others = (join(target, "tybalt"), join(target, "a"), join(target, "b"))
    socket.create_connection((target.address, target.port)).close()  # without a word
    gone.close()
    others[0].send(b"art thou")
    assert others[1].receive() == b"art thou"


def test_many_stanzas_at_once_arrive_whole(target: Target) -> None:
    speaker, listener = join(target, "romeo"), join(target, "juliet")
    numbers, stanza = Numbers(), message("juliet")
    for number in range(200):
        speaker.send(stanza % Numbers.token(number))
    while numbers.received < 200:
        numbers.take(listener.receive())


def test_who_does_not_sleep_hears_as_well_and_complains_of_silence(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    if target.tls:
        target = target._replace(tls=False)  # it looks at the bare socket
    client, speaker = WakefulClient.join(target, "juliet", "chat"), join(target, "romeo")
    speaker.send(b"art thou")
    assert client.receive() == b"art thou"
    monkeypatch.setattr(floor, "TIMEOUT_S", 0.01)
    with pytest.raises(LoadError, match="in vain"):
        client.receive()


def test_processors_are_given_back() -> None:
    before = os.sched_getaffinity(0)
    with one_processor([0]):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before


def test_it_is_a_process_that_is_measured_in_all_its_units(tmp_path: Path) -> None:
    bench, complete = run_all(PLAN, [], tmp_path)
    assert complete
    assert len(bench.results) == 10
    assert all(list(each) == ["floor"] for each in bench.results.values())


def test_in_turns_with_servers_it_is_not_measured_again(tmp_path: Path) -> None:
    """By its own loads only: nothing of the basics is run here."""
    bench = Bench([], PLAN._replace(parts=("basics", "rooms", "floor")))
    bench.floor = Floor(tmp_path, *make_certificate(tmp_path))
    bench.floor.start()
    try:
        bench.measure_floor()
    finally:
        bench.floor.stop()
    assert list(bench.results) == [floor.TOGETHER, floor.AWAKE]
    assert (FloorWakesLoad,) == ALONE


@pytest.mark.parametrize(("load", "on_floor"), FLOORS.items())
def test_its_units_are_those_of_the_load_beside_it(load: type, on_floor: type) -> None:
    theirs = getattr(load, "units", None) or (PRESENCE, SAID)
    assert set(theirs) & set(on_floor.units)  # type: ignore[attr-defined]
