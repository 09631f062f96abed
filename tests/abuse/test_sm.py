"""Stream management misused: foreign sessions, impossible counts, floods of acknowledgements."""

import re

import pytest

from tests.abuse.server import Server
from tests.abuse.wire import Wire, stream_error

SM = "urn:xmpp:sm:3"
ENABLE = f"<enable xmlns='{SM}' resume='true'/>"
R = f"<r xmlns='{SM}'/>"
MIB = 2**20


def enabled(wire: Wire) -> str:
    """The id of its session."""
    wire.new_stream().send(ENABLE)
    found = re.search(rb" id='([^']+)'", wire.until("<enabled ", "/>"))
    assert found
    return found[1].decode()


def resumes(server: Server, user: str, id_: str, h: str = "0") -> bytes:
    wire = Wire(server).login(user)
    wire.new_stream().send(f"<resume xmlns='{SM}' previd='{id_}' h='{h}'/>")
    answer = wire.until("<resumed ", "<failed ", "</stream:stream>")
    wire.reset()
    return answer


def test_a_foreign_session_cannot_be_resumed_and_its_owner_still_can(server: Server) -> None:
    owner = Wire(server).session("juliet", "x")
    id_ = enabled(owner)
    assert len(id_) >= 22
    assert b"<item-not-found" in resumes(server, "mallory", id_)
    owner.reset()
    assert b"<item-not-found" in resumes(server, "mallory", id_)
    assert b"<resumed " in resumes(server, "juliet", id_)


@pytest.mark.parametrize("h", ["1", "4294967295", "4294967296", "-1", "x", "", "9" * 5000])
def test_impossible_counts_end_the_stream(server: Server, h: str) -> None:
    wire = Wire(server).session("quiet")
    enabled(wire)
    wire.send(f"<a xmlns='{SM}' h='{h}'/>")
    numbers = h in ("1", "4294967295")  # the rest is no unsigned number of 32 bits
    assert stream_error(wire.until_closed()) == (
        "undefined-condition" if numbers else "bad-format"
    )
    assert (b"<handled-count-too-high xmlns='urn:xmpp:sm:3'" in wire.received) is numbers
    server.is_well()


def test_sm_before_login_is_refused(server: Server) -> None:
    for element in (ENABLE, R, f"<resume xmlns='{SM}' previd='x' h='0'/>"):
        wire = Wire(server).secured().send(element)
        assert stream_error(wire.until_closed()) == "not-authorized"


def test_floods_of_requests_and_answers_are_borne(server: Server) -> None:
    before = server.resident()
    wire = Wire(server).session("flooder", "acks")
    enabled(wire)
    for _ in range(50):
        wire.new_stream().send((R + f"<a xmlns='{SM}' h='0'/>") * 500)
        wire.sync()
    assert server.resident() - before < 64 * MIB
    server.is_well()
    wire.close()


def test_who_never_acknowledges_is_bounded(server: Server) -> None:
    receiver = Wire(server).online("flooded", "silent")
    enabled(receiver)
    sender = Wire(server).online("flooder", "loud")
    before = server.resident()
    message = f"<message to='{receiver.jid}' type='chat'><body>{'x' * 1000}</body></message>"
    for _ in range(40):
        sender.send(message * 250)
        sender.sync()
    receiver.until_closed()  # if it reads too late, it does not come to our last words
    assert "policy-violation" in server.logged(receiver.source)
    assert server.resident() - before < 128 * MIB
    server.is_well()
    sender.close()


def test_sessions_left_behind_are_few(server: Server) -> None:
    """Those that wait for their clients count among the 20; the oldest make way."""
    server.runs("adduser", jid="leaver@example.org", password="secret of leaver")
    for number in range(30):
        wire = Wire(server).session("leaver", f"r{number}")
        enabled(wire)
        wire.reset()
    last = Wire(server).session("leaver", "last")
    left = sessions_of(server, "leaver")
    assert len(left) == 20
    assert {"last", "r29", "r11"} <= left
    last.close()


def sessions_of(server: Server, user: str) -> set[str]:
    """The resources that are bound, whether their clients are there or not."""
    rows = server.runs("sessions")["rows"]  # type: ignore[index]
    prefix = f"{user}@example.org/"
    return {row[0].removeprefix(prefix) for row in rows if row[0].startswith(prefix)}
