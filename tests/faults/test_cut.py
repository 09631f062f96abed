"""A network that carries nothing any more, in one direction or in both, and tells nobody: each
party in a network namespace of its own.
"""

import shutil
from collections.abc import Iterator

import pytest

from tests.faults.people import (
    JULIET,
    NURSE,
    ROMEO,
    answer,
    chat,
    ids,
    joins,
    populate,
    reads_offline,
    taken,
)
from tests.faults.phones import Phone
from tests.peers.network import Namespace, Namespaces
from tests.support.server import ServerProcess
from tests.support.two import wait_until
from xmppd.ns import DELAY

BOTH = ("INPUT", "OUTPUT")
PROGRAMS = ("ip", "iptables")
# The least that may be: a dead connection is found within 15 seconds of silence.
WATCHFUL = 'idle_ping = "10s"\nping_timeout = "5s"'


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespaces]:
    missing = [
        name for name in PROGRAMS if not shutil.which(name, path="/usr/sbin:/sbin:/usr/bin")
    ]
    if missing:
        pytest.skip(f"NO CUT WAS TESTED: not installed: {', '.join(missing)}")
    try:
        made = Namespaces(tmp_path_factory.mktemp("cut") / "resolv.conf", "cut")
    except OSError as error:
        pytest.skip(f"NO CUT WAS TESTED: network namespaces cannot be made: {error}")
    yield made
    made.close()


@pytest.fixture(scope="module")
def home(network: Namespaces) -> Namespace:
    """Where the server is."""
    return network.place("home")


@pytest.fixture(scope="module")
def desk(network: Namespaces) -> Namespace:
    """Where nothing happens."""
    return network.place("desk")


@pytest.fixture(scope="module")
def server(home: Namespace) -> Iterator[ServerProcess]:
    with ServerProcess(
        interface=home.address,
        before=home.before,
        c2s=WATCHFUL,
        disable=["archive"],
        options={"sm": {"max_resume": "60s"}},
    ) as made:
        populate(made)
        yield made


def numbered(server: ServerProcess, desk: Namespace, phone: Phone, first: int, last: int) -> None:
    """Messages to the phone, of which the server has taken charge."""
    romeo = joins(server, f"{ROMEO}/writes", connect=desk.connect)
    romeo.sends("".join(chat(f"{n}", phone.address) for n in range(first, last)))
    taken(romeo)
    assert romeo.inbox == []
    romeo.leaves()


def test_silence_is_noticed_and_the_session_goes_on_from_elsewhere(
    server: ServerProcess, network: Namespaces, desk: Namespace
) -> None:
    """Both directions: what was written into the void, what waited, and what comes later."""
    cell, tower = network.place("cell"), network.place("tower")
    phone = Phone(server, f"{JULIET}/phone", connect=cell.connect)
    phone.client.sends("<presence/>")
    assert phone.acknowledged() == 1
    numbered(server, desk, phone, 0, 5)
    phone.until("4")
    mark = server.log_lines
    cell.loses(*BOTH)
    numbered(server, desk, phone, 5, 10)
    server.wait_for_log("session hibernates", since=mark)
    numbered(server, desk, phone, 10, 15)
    phone.connect = tower.connect
    resumed = phone.comes_back()
    assert (resumed.name, resumed.get("h")) == ("resumed", "1")
    numbered(server, desk, phone, 15, 16)
    assert phone.until("15") == [f"{n}" for n in range(16)]
    phone.acknowledges()
    taken(phone.client)
    phone.client.leaves()
    assert reads_offline(server, JULIET, connect=desk.connect) == []


def test_a_client_that_moves_on_before_anybody_notices_finds_its_session(
    server: ServerProcess, network: Namespaces, desk: Namespace
) -> None:
    """Only what the client hears is lost at first: what it says arrives, and is not said twice."""
    train, station = network.place("train"), network.place("station")
    juliet = joins(server, f"{JULIET}/hears", connect=desk.connect)
    juliet.sends("<presence/>")
    taken(juliet)
    phone = Phone(server, f"{ROMEO}/train", connect=train.connect)
    train.loses("INPUT")
    numbered(server, desk, phone, 0, 3)
    phone.client.sends("".join(chat(id_, JULIET) for id_ in ("a", "b")))
    juliet.record(answer(juliet, "b"))
    train.loses("OUTPUT")
    phone.connect = station.connect
    resumed = phone.comes_back()
    assert (resumed.name, resumed.get("h")) == ("resumed", "2")
    assert phone.until("2") == ["0", "1", "2"]
    phone.client.sends(chat("c", JULIET))
    juliet.record(answer(juliet, "c"))
    assert [id_ for id_ in ids(juliet.inbox) if id_ in "abc"] == ["a", "b", "c"]
    juliet.leaves()
    phone.client.leaves()


@pytest.mark.parametrize("onward", ["another device", "nobody"])
def test_what_a_lost_client_never_got_goes_onward(
    home: Namespace, network: Namespaces, desk: Namespace, onward: str
) -> None:
    """The queue at expiry: to who is there, else into the store, with the time of each."""
    field = network.place(f"field{len(onward)}")
    with ServerProcess(
        interface=home.address,
        before=home.before,
        c2s=WATCHFUL,
        disable=["archive"],
        options={"sm": {"max_resume": "5s"}},
    ) as server:
        populate(server)
        phone = Phone(server, f"{NURSE}/phone", connect=field.connect)
        phone.client.sends("<presence/>")
        assert phone.acknowledged() == 1
        mark = server.log_lines
        field.loses(*BOTH)
        numbered(server, desk, phone, 0, 5)
        server.wait_for_log("session hibernates", since=mark)
        numbered(server, desk, phone, 5, 6)
        wanted = [f"{n}" for n in range(6)]
        if onward == "another device":
            tablet = joins(server, f"{NURSE}/tablet", connect=desk.connect)
            tablet.sends("<presence/>")
            taken(tablet)
            came = [each for each in tablet.inbox if each.name == "message"]
            while len(came) < 6:
                if (stanza := tablet.reads()).name == "message":
                    came.append(stanza)
            assert ids(came) == wanted
            assert all(each.child(DELAY, "delay") is not None for each in came)
            taken(tablet)
            tablet.leaves()
            wanted = []
        wait_until(lambda: NURSE not in str(server.run("sessions")), "the session expires")
        assert reads_offline(server, NURSE, connect=desk.connect) == wanted
