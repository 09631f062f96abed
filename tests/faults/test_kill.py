"""SIGKILL, and connections that are cut: nothing that was acknowledged is lost, or doubled."""

import os
import random
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.cluster import NEEDS_POSTGRESQL, Cluster
from tests.faults.people import (
    JULIET,
    LOST,
    NURSE,
    ROMEO,
    ROOM,
    Flood,
    answer,
    chat,
    condition,
    is_prefix,
    joins,
    ping,
    populate,
    reads_offline,
    taken,
    takes_until,
)
from tests.support.client import TLSClient
from tests.support.server import ServerProcess
from xmppd.jid import jid
from xmppd.ns import CLIENT, REGISTER, ROSTER
from xmppd.xml import to_xml

ROUNDS = int(os.environ.get("XMPPD_TEST_KILLS", "8"))
NOTE = "<note xmlns='urn:example:note'>what light</note>"


@pytest.fixture(scope="module")
def killed() -> Iterator[ServerProcess]:
    """One for all these tests: it starts again with the same data after each kill."""
    server = ServerProcess(options=ROOM)
    server.start()
    populate(server)
    yield server
    server.kill()
    server.clean()
    server.assert_no_traceback()


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_sigkill_under_traffic_loses_nothing_acknowledged_and_doubles_nothing(
    killed: ServerProcess, round_: int
) -> None:
    is_killed_under_traffic(killed, random.Random(round_).uniform(0, 0.8))


@NEEDS_POSTGRESQL
def test_sigkill_under_traffic_loses_and_doubles_nothing_on_postgresql(cluster: Cluster) -> None:
    with ServerProcess(database=f'url = "{cluster.url}"', options=ROOM) as server:
        populate(server)
        for moment in (0.1, 0.3, 0.6):
            is_killed_under_traffic(server, moment)
        for user in server.accounts():
            server.delete(user)


def is_killed_under_traffic(server: ServerProcess, after_s: float) -> None:
    flood = Flood(joins(server, f"{ROMEO}/floods"), JULIET, NURSE)
    timer = threading.Timer(after_s, server.kill)
    timer.start()
    flood.waits_for_the_end()
    timer.join()
    assert isinstance(flood.ended, LOST)
    server.start()
    for user in (JULIET, NURSE):
        kept = reads_offline(server, user, f"mark-{after_s}")
        assert is_prefix(kept, flood.sent[user]), "in order, each once"
        assert len(kept) >= len(flood.acknowledged[user])


def test_sigkill_while_the_recipient_reads_loses_nothing(killed: ServerProcess) -> None:
    writer = joins(killed, f"{ROMEO}/writes")
    writer.sends("".join(chat(f"{n}") for n in range(300)))
    taken(writer)
    reader = joins(killed, f"{JULIET}/reads")
    reader.sends("<presence/>")
    answer(reader, "150")
    killed.kill()
    killed.start()
    assert reads_offline(killed, JULIET) == [f"{n}" for n in range(300)]


# A result means durable


def sets(client: TLSClient, payload: str) -> None:
    client.sends(f"<iq type='set' id='set'>{payload}</iq>")
    assert condition(answer(client, "set")) == ("", "")


def gets(client: TLSClient, payload: str) -> str:
    client.sends(f"<iq type='get' id='get'>{payload}</iq>")
    return to_xml(answer(client, "get"), CLIENT)


@pytest.mark.parametrize(
    "change, look, wanted",
    [
        (
            f"<query xmlns='{ROSTER}'><item jid='mab@example.org' name='Queen Mab'/></query>",
            f"<query xmlns='{ROSTER}'/>",
            "Queen Mab",
        ),
        (
            f"<query xmlns='{ROSTER}'><item jid='mab@example.org' subscription='remove'/></query>",
            f"<query xmlns='{ROSTER}'/>",
            "</iq>",
        ),
        (
            f"<query xmlns='jabber:iq:private'>{NOTE}</query>",
            "<query xmlns='jabber:iq:private'><note xmlns='urn:example:note'/></query>",
            "what light",
        ),
        (
            "<vCard xmlns='vcard-temp'><FN>Romeo Montague</FN></vCard>",
            "<vCard xmlns='vcard-temp'/>",
            "Romeo Montague",
        ),
    ],
    ids=["roster", "roster removal", "private", "vcard"],
)
def test_an_answered_set_survives_sigkill(
    killed: ServerProcess, change: str, look: str, wanted: str
) -> None:
    sets(joins(killed, f"{ROMEO}/sets"), change)
    killed.kill()
    killed.start()
    found = gets(joins(killed, f"{ROMEO}/gets"), look)
    assert wanted in found
    assert ("mab@" in found) == ("Queen" in wanted)


def register(user: str, password: str) -> str:
    return (
        f"<query xmlns='{REGISTER}'><username>{user}</username>"
        f"<password>{password}</password></query>"
    )


def test_a_registered_account_survives_sigkill(killed: ServerProcess) -> None:
    stranger = TLSClient(killed.address, jid("mercutio@example.org/new"))
    stranger.opens()
    stranger.secures()
    sets(stranger, register("mercutio", "a plague on both"))
    killed.kill()
    killed.start()
    joins(killed, "mercutio@example.org/new", "a plague on both").leaves()


def test_a_changed_password_survives_sigkill(killed: ServerProcess) -> None:
    killed.create("paris@example.org")
    paris = joins(killed, "paris@example.org/x")
    sets(paris, register("paris", "another secret"))
    killed.kill()
    killed.start()
    joins(killed, "paris@example.org/x", "another secret").leaves()


def test_a_removed_account_stays_removed_after_sigkill(killed: ServerProcess) -> None:
    killed.create("rosaline@example.org")
    rosaline = joins(killed, "rosaline@example.org/x")
    rosaline.sends(f"<iq type='set' id='set'><query xmlns='{REGISTER}'><remove/></query></iq>")
    answer(rosaline, "set")
    killed.kill()
    killed.start()
    assert "rosaline@example.org" not in killed.accounts()


def test_a_subscription_request_that_was_taken_survives_sigkill(killed: ServerProcess) -> None:
    romeo = joins(killed, f"{ROMEO}/asks")
    romeo.sends(f"<presence to='{JULIET}' type='subscribe' id='asks'/>" + ping("taken"))
    answer(romeo, "taken")
    killed.kill()
    killed.start()
    juliet = joins(killed, f"{JULIET}/balcony")
    juliet.sends("<presence/>")
    assert answer(juliet, "asks").get("type") == "subscribe"


# Offline delivery that is cut


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.2])
def test_offline_delivery_cut_half_way_comes_again(killed: ServerProcess, after_s: float) -> None:
    wanted = [f"{n}" for n in range(200)]
    writer = joins(killed, f"{ROMEO}/writes")
    writer.sends("".join(chat(each, NURSE, "Night" * 200) for each in wanted))
    taken(writer)
    reader = joins(killed, f"{NURSE}/cut")
    reader.sends("<presence/>")
    time.sleep(after_s)  # that is the fault
    reader.disconnect()
    assert reads_offline(killed, NURSE) == wanted
    assert reads_offline(killed, NURSE) == []


def test_what_was_read_and_not_confirmed_comes_again(killed: ServerProcess) -> None:
    writer = joins(killed, f"{ROMEO}/writes")
    writer.sends(chat("1", NURSE) + chat("2", NURSE))
    taken(writer)
    reader = joins(killed, f"{NURSE}/cut")
    reader.sends("<presence/>")
    assert takes_until(reader, "2") == ["1"]
    reader.disconnect()
    assert reads_offline(killed, NURSE) == ["1", "2"]
