"""Gathered writes, back-pressure, and the ways in which a connection ends."""

from __future__ import annotations

from collections.abc import Callable
from errno import ECONNRESET
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from xmppd.transport.admission import Admission
from xmppd.transport.connection import Pause, StreamTransport
from xmppd.transport.flusher import Flusher
from xmppd.transport.sending import CHUNK
from xmppd.transport.wheel import TimerWheel

Recorder = Any  # of conftest.py, which is no module to import from
Connect = Callable[[], Recorder]


def test_writes_of_one_read_leave_in_one_send(connection: Recorder) -> None:
    def reply(data: bytes) -> None:
        connection.write(b"one ")
        connection.write(b"two")
        assert connection.wire.sent == b""

    connection.reply = reply
    connection.dataReceived(b"hello")
    assert connection.wire.socket.sends == [b"one two"]


def test_writes_outside_of_a_read_leave_in_one_send_in_the_next_pass(
    connection: Recorder,
) -> None:
    connection.write(b"one ")
    connection.write(b"two")
    assert connection.wire.sent == b""
    connection.turn()
    assert connection.wire.socket.sends == [b"one two"]


def test_a_read_sends_what_it_wrote_to_other_connections_too(connect: Connect) -> None:
    sender, reader = connect(), connect()

    def reply(data: bytes) -> None:
        reader.write(b"a")
        reader.write(b"b")

    sender.reply = reply
    sender.dataReceived(b"x")
    assert reader.wire.socket.sends == [b"ab"]


def test_a_read_inside_of_a_read_sends_nothing_before_the_outer_one_is_done(
    connect: Connect,
) -> None:
    outer, inner = connect(), connect()
    inner.reply = lambda data: outer.write(b"inner ")

    def reply(data: bytes) -> None:
        inner.dataReceived(b"x")
        assert outer.wire.sent == b""
        outer.write(b"outer")

    outer.reply = reply
    outer.dataReceived(b"x")
    assert outer.wire.socket.sends == [b"inner outer"]


def test_a_transport_without_socket_gets_one_write(clock: Clock, wheel: TimerWheel) -> None:
    connection, transport = StreamTransport(Flusher(clock), wheel), StringTransport()
    connection.makeConnection(transport)
    connection.write(b"a")
    connection.write(b"b")
    clock.advance(0)
    assert transport.value() == b"ab"
    assert connection.peer_address == "192.168.1.1"


def test_nagle_is_off_and_keepalive_on(connection: Recorder) -> None:
    assert connection.wire.no_delay
    assert connection.wire.keep_alive


def test_what_the_kernel_does_not_take_follows_in_order(connection: Recorder) -> None:
    connection.wire.socket.room = 3
    connection.write(b"abcdef")
    connection.turn()
    connection.write(b"ghi")
    connection.turn()
    assert connection.wire.sent == b"abc"
    assert (connection.buffered, connection.stalled) == (6, True)
    connection.wire.drain()
    assert connection.wire.sent == b"abcdefghi"
    assert (connection.buffered, connection.stalled) == (0, False)
    assert connection.events == ["opened", "drained"]


def test_drained_is_not_told_while_the_rest_waits_again(connection: Recorder) -> None:
    connection.wire.socket.room = 1
    connection.write(b"abc")
    connection.turn()
    connection.write(b"def")
    connection.wire.drain(room=1)
    assert connection.stalled
    assert connection.events == ["opened"]
    connection.wire.drain()
    assert connection.wire.sent == b"abcdef"
    assert connection.events == ["opened", "drained"]


def test_a_large_write_goes_in_chunks(connection: Recorder) -> None:
    data = bytes(range(256)) * 2000
    connection.write(data)
    connection.turn()
    assert connection.wire.sent == data
    assert max(map(len, connection.wire.socket.sends)) == CHUNK


def test_a_peer_that_does_not_read_is_dropped_at_the_limit(connection: Recorder) -> None:
    connection.max_buffered = 100
    connection.wire.socket.room = 0
    connection.write(b"x" * 60)
    connection.turn()
    connection.write(b"x" * 40)
    assert connection.wire.ended == ""
    connection.write(b"x")
    assert connection.wire.ended == "aborted"
    connection.gone()
    assert connection.events == ["opened", "lost: reads too slowly, 101 bytes waiting"]


def test_overflow_is_told_once(connection: Recorder) -> None:
    told: list[int] = []
    connection.overflowed = lambda: told.append(connection.buffered)
    connection.max_buffered = 10
    connection.wire.socket.room = 0
    for _ in range(3):
        connection.write(b"x" * 8)
    assert told == [16]


def test_too_many_writes_for_a_peer_that_does_not_read_overflow_too(
    connection: Recorder,
) -> None:
    told: list[int] = []
    connection.overflowed = lambda: told.append(connection.buffered)
    connection.max_waiting = 3
    connection.wire.socket.room = 0
    for _ in range(6):
        connection.write(b"x")
        connection.flush()
    assert told == [5]  # one that the kernel refused, and more than three behind it


def test_a_peer_that_reads_may_be_written_more_than_the_limit_in_one_pass(
    connection: Recorder,
) -> None:
    connection.max_buffered = 10
    connection.write(b"x" * 1000)
    assert connection.wire.ended == ""
    assert connection.wire.sent == b"x" * 1000


def test_pauses_nest_and_each_reason_counts_for_itself(connection: Recorder) -> None:
    connection.pause()
    connection.pause()
    connection.pause(Pause.SLOW_READER)
    connection.resume()
    connection.resume()
    with pytest.raises(RuntimeError):
        connection.resume()
    assert connection.paused
    assert not connection.wire.reading
    connection.resume(Pause.SLOW_READER)
    assert not connection.paused
    assert connection.wire.reading


def test_bytes_that_come_although_paused_are_kept_in_order(connection: Recorder) -> None:
    connection.pause()
    connection.dataReceived(b"a")
    connection.dataReceived(b"b")
    connection.resume()
    connection.dataReceived(b"c")
    assert connection.events == ["opened"]
    connection.turn()
    assert connection.events == ["opened", "received abc"]
    assert connection.wire.reading


def test_kept_bytes_wait_for_the_next_resume_when_paused_again(connection: Recorder) -> None:
    connection.pause()
    connection.dataReceived(b"a")
    connection.resume()
    connection.pause()
    connection.turn()
    assert connection.events == ["opened"]
    connection.resume()
    connection.turn()
    assert connection.events == ["opened", "received a"]


def test_close_sends_what_waits_and_then_fin(connection: Recorder) -> None:
    connection.write(b"bye")
    connection.close()
    connection.turn()
    assert connection.wire.sent == b"bye"
    assert connection.wire.ended == "fin"
    connection.readConnectionLost()
    assert connection.wire.ended == "closed"
    connection.gone()
    assert connection.events == ["opened", "lost: closed by us"]


def test_after_close_nothing_is_received_nor_written(connection: Recorder) -> None:
    connection.close()
    connection.write(b"late")
    connection.dataReceived(b"late")
    connection.turn()
    assert connection.wire.sent == b""
    assert connection.events == ["opened"]


def test_close_waits_for_a_slow_peer_with_its_fin(connection: Recorder) -> None:
    connection.wire.socket.room = 1
    connection.write(b"bye")
    connection.close()
    connection.turn()
    assert connection.wire.ended == ""
    connection.wire.drain()
    assert connection.wire.sent == b"bye"
    assert connection.wire.ended == "fin"


def test_close_reads_on_so_that_the_peer_is_not_reset(connection: Recorder) -> None:
    connection.pause()
    connection.close()
    assert connection.wire.reading


def test_a_peer_that_does_not_close_is_cut_off_after_the_timeout(
    connection: Recorder, clock: Clock
) -> None:
    connection.close(timeout_s=5)
    clock.advance(4)
    assert connection.wire.ended == "fin"
    clock.advance(2)
    assert connection.wire.ended == "aborted"


def test_a_connection_that_ended_in_time_is_not_cut_off(
    connection: Recorder, clock: Clock
) -> None:
    connection.close(timeout_s=5)
    clock.advance(1)
    connection.gone()
    clock.advance(10)
    assert connection.wire.ended == "fin"


def test_fin_of_the_peer_closes_after_the_answer_is_sent(connection: Recorder) -> None:
    connection.wire.socket.room = 1
    connection.write(b"answer")
    connection.turn()
    connection.readConnectionLost()
    connection.turn()
    assert connection.wire.ended == ""
    connection.wire.drain()
    assert connection.wire.sent == b"answer"
    assert connection.wire.ended == "closed"


def test_abort_drops_what_waits(connection: Recorder) -> None:
    connection.write(b"never")
    connection.abort("enough")
    connection.turn()
    assert connection.wire.ended == "aborted"
    assert connection.wire.sent == b""
    connection.gone()
    assert connection.events == ["opened", "lost: enough"]


@pytest.mark.parametrize(
    "end",
    [
        lambda c: c.gone(),
        lambda c: (c.gone(), c.gone()),
        lambda c: (c.abort(), c.gone(), c.abort()),
        lambda c: (c.close(), c.turn(), c.gone(), c.close()),
        lambda c: (c.close(), c.abort(), c.turn(), c.gone()),
        lambda c: (c.gone(), c.write(b"x"), c.turn(), c.pause(), c.resume()),
        lambda c: (c.pause(), c.dataReceived(b"x"), c.gone(), c.resume(), c.turn()),
    ],
)
def test_lost_is_called_once_however_it_ends(
    connection: Recorder, end: Callable[[Recorder], object]
) -> None:
    end(connection)
    assert len(connection.events) == 2
    assert connection.events[1].startswith("lost: ")


@pytest.mark.parametrize(
    "reason, why",
    [
        (ConnectionDone(), "closed by the peer"),
        (ConnectionLost("reset"), "Connection to the other side was lost"),
    ],
)
def test_lost_says_why(connection: Recorder, reason: Exception, why: str) -> None:
    connection.connectionLost(Failure(reason))
    assert connection.events[1].startswith(f"lost: {why}")


def test_a_reset_found_when_sending_ends_the_connection(connection: Recorder) -> None:
    connection.wire.socket.broken = ConnectionResetError(ECONNRESET, "Connection reset by peer")
    connection.write(b"x")
    connection.turn()
    connection.gone()
    assert connection.events == ["opened", "lost: connection lost: Connection reset by peer"]


def test_a_failing_owner_loses_its_connection_and_no_other(connect: Connect) -> None:
    broken, sound = connect(), connect()

    def reply(data: bytes) -> None:
        sound.write(b"sound")
        raise ZeroDivisionError

    broken.reply = reply
    broken.dataReceived(b"x")
    assert broken.wire.ended == "aborted"
    assert sound.wire.sent == b"sound"
    assert sound.wire.ended == ""


def test_the_ticket_of_admission_is_given_back(connection: Recorder, clock: Clock) -> None:
    admission = Admission(clock.seconds)
    connection.ticket = admission.admit("192.0.2.1")
    assert admission.strangers == 1
    connection.gone()
    assert admission.strangers == 0
