"""The reactor, in a process of its own: reads, half-closed and lost connections, failures."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(script: str) -> str:
    """What a script prints that runs with the reactor installed."""
    head = """
        from xmppd.transport.reactor import StreamReactor, install_first
        assert install_first()
        from twisted.internet import reactor
        from twisted.internet.protocol import Factory, Protocol
        from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
        assert isinstance(reactor, StreamReactor)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ECHO = """
import socket
said = []
class Echo(Protocol):
    def dataReceived(self, data):
        if data == b"fail":
            raise ZeroDivisionError
        self.transport.write(data)
    def connectionLost(self, reason):
        said.append(reason.type.__name__)
port = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
address = port.getHost()
"""


def test_bytes_are_read_and_written_and_the_end_is_noticed() -> None:
    script = """
    from threading import Thread
    def talk():
        client = socket.create_connection((address.host, address.port))
        client.sendall(b"hello")
        print(client.recv(5).decode())
        client.close()
        reactor.callFromThread(reactor.callLater, 0.2, reactor.stop)
    reactor.callWhenRunning(Thread(target=talk).start)
    reactor.run()
    print(said)
    """
    assert run(ECHO + textwrap.dedent(script)) == "hello\n['ConnectionDone']\n"


def test_a_protocol_that_fails_loses_its_connection_and_nobody_elses() -> None:
    script = """
    from threading import Thread
    def talk():
        first = socket.create_connection((address.host, address.port))
        second = socket.create_connection((address.host, address.port))
        first.sendall(b"fail")
        print(first.recv(5) == b"")
        second.sendall(b"alive")
        print(second.recv(5).decode())
        reactor.callFromThread(reactor.stop)
    reactor.callWhenRunning(Thread(target=talk).start)
    reactor.run()
    print(said[0])
    """
    assert run(ECHO + textwrap.dedent(script)) == "True\nalive\nZeroDivisionError\n"


def test_more_descriptors_than_events_of_a_pass_are_all_served() -> None:
    script = """
    from threading import Thread
    from xmppd.transport.reactor import MOST_EVENTS
    def talk():
        clients = [socket.create_connection((address.host, address.port))
                   for _ in range(MOST_EVENTS + 20)]
        for client in clients:
            client.sendall(b"x")
        print(sum(client.recv(1) == b"x" for client in clients) - MOST_EVENTS)
        reactor.callFromThread(reactor.stop)
    reactor.callWhenRunning(Thread(target=talk).start)
    reactor.run()
    """
    assert run(ECHO + textwrap.dedent(script)) == "20\n"


def test_all_that_a_pass_wrote_is_flushed_once() -> None:
    script = """
    from threading import Thread
    from xmppd.transport.flusher import Flusher
    reactor.flusher = Flusher(reactor)
    class Connection:
        def __init__(self): self.flushed = 0
        def flush(self): self.flushed += 1
    connection = Connection()
    class Write(Protocol):
        def dataReceived(self, data):
            with reactor.flusher:
                reactor.flusher.add(connection)
            said.append((reactor.flusher.depth, connection.flushed))
    port.factory.protocol = Write
    def talk():
        client = socket.create_connection((address.host, address.port))
        client.sendall(b"x")
        reactor.callFromThread(reactor.callLater, 0.2, reactor.stop)
    reactor.callWhenRunning(Thread(target=talk).start)
    reactor.run()
    print(said, connection.flushed)
    """
    assert run(ECHO + textwrap.dedent(script)) == "[(1, 0)] 1\n"


# What the loop asks of Twisted, and, where a Twisted has not got that, its own loop.
LOOPS = ("", "from xmppd.transport import reactor as ours; ours.PARTS = ('gone',)\n")


@pytest.mark.parametrize("loop", LOOPS, ids=["ours", "twisted's"])
def test_timed_calls_come_in_order_and_are_moved_and_cancelled(loop: str) -> None:
    script = """
    later = reactor.callLater(60, said.append, "sooner")
    reactor.callLater(0.02, said.append, "second")
    reactor.callLater(0.01, lambda: (said.append("first"), later.reset(0.03)))
    reactor.callLater(0.04, said.append, "never").cancel()
    held = reactor.callLater(0.05, lambda: (said.append("late"), reactor.stop()))
    held.delay(0.02)
    reactor.callLater(0.06, lambda: reactor.callLater(0, said.append, "from a call"))
    reactor.run()
    print(said)
    """
    expected = "['first', 'second', 'sooner', 'from a call', 'late']\n"
    assert run(ECHO + loop + textwrap.dedent(script)) == expected


@pytest.mark.parametrize("loop", LOOPS, ids=["ours", "twisted's"])
def test_a_call_from_a_thread_wakes_a_reactor_with_nothing_to_do(loop: str) -> None:
    script = """
    from threading import Thread
    def work():
        for number in range(50):
            reactor.callFromThread(said.append, number)
        reactor.callFromThread(reactor.stop)
    port.stopListening()
    reactor.callWhenRunning(Thread(target=work).start)
    reactor.run()
    print(said == list(range(50)))
    """
    assert run(ECHO + loop + textwrap.dedent(script)) == "True\n"


@pytest.mark.parametrize("loop", LOOPS, ids=["ours", "twisted's"])
def test_a_call_that_fails_is_logged_and_the_loop_goes_on(loop: str) -> None:
    script = """
    from twisted.logger import globalLogBeginner
    globalLogBeginner.beginLoggingTo([lambda event: said.append(str(event["log_level"].name))
        if "log_failure" in event else None], redirectStandardIO=False)
    reactor.callLater(0, lambda: 1 / 0)
    poll, failed = reactor._poller.poll, []
    class Poller:
        def __getattr__(self, name): return getattr(real, name)
        def poll(self, *given):
            if not failed:
                failed.append(1)
                raise ValueError("once")
            return poll(*given)
    real, reactor._poller = reactor._poller, Poller()
    reactor.callLater(0.02, reactor.stop)
    reactor.run()
    print(len(said))
    """
    assert run(ECHO + loop + textwrap.dedent(script)) == "2\n"


@pytest.mark.parametrize("loop", LOOPS, ids=["ours", "twisted's"])
def test_a_signal_stops_it_and_what_must_happen_before_does(loop: str) -> None:
    script = """
    import os, signal
    reactor.addSystemEventTrigger("before", "shutdown", said.append, "before")
    reactor.addSystemEventTrigger("after", "shutdown", said.append, "after")
    reactor.callWhenRunning(os.kill, os.getpid(), signal.SIGTERM)
    reactor.run()
    print(said)
    """
    assert run(ECHO + loop + textwrap.dedent(script)) == "['before', 'after']\n"


def test_a_stop_within_a_read_ends_the_loop() -> None:
    script = """
    from threading import Thread
    class Stop(Protocol):
        def dataReceived(self, data): reactor.stop()
    port.factory.protocol = Stop
    def talk():
        client = socket.create_connection((address.host, address.port))
        client.sendall(b"x")
        client.recv(1)
    reactor.callWhenRunning(Thread(target=talk, daemon=True).start)
    reactor.run()
    print("over")
    """
    assert run(ECHO + textwrap.dedent(script)) == "over\n"


def test_another_reactor_that_was_chosen_before_stays() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from twisted.internet import reactor\n"
            "from xmppd.transport.reactor import install_first\n"
            "print(install_first())",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == "False\n"
