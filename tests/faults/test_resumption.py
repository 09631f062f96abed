"""Connections that are cut, and servers that stop or are killed, while sessions can be resumed."""

from collections.abc import Callable

import pytest

from tests.faults.people import (
    JULIET,
    ROMEO,
    chat,
    condition,
    joins,
    ping,
    reads_offline,
    taken,
)
from tests.faults.phones import Phone
from tests.support.server import ServerProcess

Serve = Callable[..., ServerProcess]


@pytest.fixture
def server(serve: Serve) -> ServerProcess:
    return serve()


def test_a_reset_costs_nothing_and_doubles_nothing(server: ServerProcess) -> None:
    phone = Phone(server, f"{JULIET}/phone")
    phone.client.sends("<presence/>")
    romeo = joins(server, f"{ROMEO}/writes")
    wanted: list[str] = []
    for turn in range(5):
        new = [f"{turn}-{n}" for n in range(20)]
        romeo.sends("".join(map(chat, new[:10])))
        phone.until(new[4])
        phone.cuts()
        romeo.sends("".join(map(chat, new[10:])))
        taken(romeo)
        assert phone.comes_back().name == "resumed"
        wanted += new
        assert phone.until(new[-1]) == wanted
    phone.acknowledges()
    taken(phone.client)
    phone.client.leaves()
    assert reads_offline(server, JULIET) == []


def test_a_restart_costs_nothing_and_nobody_leaves(server: ServerProcess) -> None:
    phone = Phone(server, f"{JULIET}/phone")
    phone.client.sends("<presence/>" + chat("from-me", ROMEO))
    assert phone.acknowledged() == 2
    romeo = joins(server, f"{ROMEO}/writes")
    romeo.sends(chat("1") + chat("2"))
    phone.until("1")
    phone.cuts()
    romeo.sends(chat("3"))
    taken(romeo)
    server.stop()
    server.start()
    resumed = phone.comes_back()
    assert (resumed.name, resumed.get("h")) == ("resumed", "2")
    assert phone.until("3") == ["1", "2", "3"]
    romeo = joins(server, f"{ROMEO}/writes")
    romeo.sends(chat("4"))
    phone.until("4")
    phone.acknowledges()
    assert phone.acknowledged() == 2
    phone.client.leaves()
    assert reads_offline(server, JULIET) == []


def test_a_client_that_is_connected_resumes_after_a_restart(server: ServerProcess) -> None:
    phone = Phone(server, f"{JULIET}/phone")
    phone.client.sends("<presence/>")
    assert phone.acknowledged() == 1
    server.stop()
    server.start()
    joins(server, f"{ROMEO}/writes").sends(chat("1"))
    assert phone.comes_back().name == "resumed"
    assert phone.until("1") == ["1"]


def test_sigkill_leaves_the_count_and_the_messages(server: ServerProcess) -> None:
    phone = Phone(server, f"{JULIET}/phone")
    phone.client.sends("<presence/>" + ping("p"))
    romeo = joins(server, f"{ROMEO}/writes")
    romeo.sends("".join(chat(f"{n}") for n in range(20)))
    phone.until("19")
    assert phone.acknowledged() == 2
    phone.cuts()
    romeo.sends("".join(chat(f"{n}") for n in range(20, 70)))
    taken(romeo)
    server.kill()
    server.start()
    failed = phone.comes_back()
    assert (failed.name, failed.get("h")) == ("failed", "2")
    assert failed.elements[0].name == "item-not-found"
    assert reads_offline(server, JULIET) == [f"{n}" for n in range(70)]


def test_sigkill_leaves_no_count_that_was_exceeded(server: ServerProcess) -> None:
    """What is stored at a loss is gone when the client is back and is acknowledged more."""
    phone = Phone(server, f"{JULIET}/phone")
    phone.client.sends("<presence/>")
    assert phone.acknowledged() == 1
    phone.cuts()
    romeo = joins(server, f"{ROMEO}/writes")
    romeo.sends(chat("1"))  # it is stored, and the count with it
    taken(romeo)
    assert phone.comes_back().name == "resumed"
    phone.client.sends(ping("p"))
    assert phone.acknowledged() == 2
    server.kill()
    server.start()
    failed = phone.comes_back()
    assert (failed.name, failed.get("h")) == ("failed", None)
    assert reads_offline(server, JULIET) == ["1"]


def test_what_is_not_durable_is_not_acknowledged_on_a_new_connection(
    server: ServerProcess,
) -> None:
    phone = Phone(server, f"{ROMEO}/phone")
    sent = [f"{n}" for n in range(200)]
    phone.client.sends("".join(map(chat, sent)))
    phone.cuts()
    resumed = phone.comes_back()
    assert resumed.name == "resumed"
    handled = int(resumed.get("h") or -1)
    server.kill()
    server.start()
    kept = reads_offline(server, JULIET)
    assert kept == sent[: len(kept)]
    assert len(kept) >= handled


def test_requests_to_who_does_not_come_back_are_answered(serve: Serve) -> None:
    server = serve(options={"sm": {"max_resume": "1s"}})
    phone = Phone(server, f"{JULIET}/phone")
    phone.client.sends("<presence/>")
    assert phone.acknowledged() == 1
    phone.cuts()
    romeo = joins(server, f"{ROMEO}/asks")
    to = f"{JULIET}/phone"
    romeo.sends(f"<iq type='get' id='q' to='{to}'><query xmlns='jabber:iq:version'/></iq>")
    while (came := romeo.reads()).get("id") != "q":
        pass
    assert condition(came) == ("cancel", "service-unavailable")


def test_occupants_stay_in_their_rooms_over_a_restart(server: ServerProcess) -> None:
    room = "capulets@conference.example.org"
    phone = Phone(server, f"{JULIET}/phone")
    romeo = joins(server, f"{ROMEO}/leaves")
    enter = "<presence to='{}/{}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    phone.client.sends("<presence/>" + enter.format(room, "Juliet"))
    assert phone.acknowledged() == 2
    configure = "<query xmlns='http://jabber.org/protocol/muc#owner'>"
    form = f"{configure}<x xmlns='jabber:x:data' type='submit'/></query>"
    phone.client.sends(f"<iq type='set' id='c' to='{room}'>{form}</iq>")
    assert phone.acknowledged() == 3
    romeo.sends(enter.format(room, "Romeo"))
    taken(romeo)
    phone.acknowledged()
    server.stop()
    server.start()
    resumed = phone.comes_back()
    assert resumed.name == "resumed"
    gone = phone.client.reads()
    while gone.get("type") != "unavailable":
        gone = phone.client.reads()
        phone.handled += 1
    assert gone.get("from") == f"{room}/Romeo"
    again = joins(server, f"{ROMEO}/leaves")
    again.sends(enter.format(room, "Romeo"))
    while (seen := again.reads()).get("from") != f"{room}/Juliet":
        pass
    assert seen.name == "presence"
    again.sends(f"<message to='{room}' type='groupchat' id='said'><body>here?</body></message>")
    phone.until("said")
