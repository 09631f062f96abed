"""A bench that ends says why: servers that lose or double, or somebody who interrupts it."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from bench import run
from bench.federation import FederatedChat
from bench.load import Chat, Client, LoadError, Numbers, Target
from bench.managed import ManagedChatLoad
from bench.run import Bench, Plan, run_all
from bench.servers import Xmppd
from bench.units import ChatLoad, Step

PLAN = Plan(rounds=2, messages=3, parts=())
Relay = Callable[[bytes], bytes]


class Here(Xmppd):
    """A server whose process is this one: what is measured is not what is tested."""

    pid = os.getpid()


class RelayedChat(ChatLoad):
    """Through a thread that hands on what `relay` makes of each message."""

    relay: Relay = staticmethod(bytes)
    closed = False

    def meet(self) -> Chat:
        (ours, self._in), (self._out, theirs) = socket.socketpair(), socket.socketpair()
        for end in (ours, theirs):
            end.settimeout(5)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        target = Target("127.0.0.1", 5222, "bench.example", "secret")
        return Chat(Client(ours, target, "romeo"), Client(theirs, target, "juliet"))

    def _serve(self) -> None:
        with self._in, self._out, suppress(OSError):  # who has seen enough is gone
            while data := self._in.recv(65536):
                for part in data.split(b"</message>")[:-1]:
                    self._out.sendall(type(self).relay(part + b"</message>"))

    def close(self) -> None:
        super().close()
        self._thread.join()
        type(self).closed = True


@pytest.fixture
def server(tmp_path: Path) -> Here:
    return Here(tmp_path, tmp_path, tmp_path)


@pytest.fixture
def chat() -> Iterator[type[RelayedChat]]:
    class Chat(RelayedChat):
        pass

    yield Chat
    assert Chat.closed


def alternate(chat: type[RelayedChat], server: Here, relay: Relay = bytes) -> Bench:
    chat.relay = staticmethod(relay)
    bench = Bench([server], PLAN)
    bench.alternate("chat", [partial(chat, server)])
    return bench


def test_rounds_are_noted_for_each_unit(chat: type[RelayedChat], server: Here) -> None:
    found = alternate(chat, server).results
    assert [len(each["xmppd"]) for each in found.values()] == [PLAN.rounds] * 2


def test_what_is_lost_ends_the_rounds(chat: type[RelayedChat], server: Here) -> None:
    lost = Numbers.token(10)  # one of several under way
    with pytest.raises(LoadError, match="message 10 is lost"):
        alternate(chat, server, lambda data: b"" if lost in data else data)


def test_what_is_doubled_ends_the_rounds(chat: type[RelayedChat], server: Here) -> None:
    twice = Numbers.token(7)
    with pytest.raises(LoadError, match="message 7 came twice"):
        alternate(chat, server, lambda data: data * 2 if twice in data else data)


def test_what_is_doubled_at_the_very_end_is_found_by_finishing(
    chat: type[RelayedChat], server: Here
) -> None:
    last = PLAN.messages * 2 * (PLAN.rounds + 1) - 1
    with pytest.raises(LoadError, match=f"message {last} came twice"):
        alternate(chat, server, lambda d: d * 2 if Numbers.token(last) in d else d)


def test_who_interrupts_rounds_is_not_told_of_what_was_under_way(
    chat: type[RelayedChat], server: Here
) -> None:
    """There are messages under way then, and the next that comes is not the next that is due."""

    class Broken(chat):  # type: ignore[misc, valid-type]
        def steps(self) -> list[Step]:
            return [Step(None, self._break_off)]

        def _break_off(self) -> NoReturn:
            self._chat.run(1, 1)
            self._chat._sender.send(b"<message>" + Numbers.token(0) + b"</message>")
            raise KeyboardInterrupt("SIGTERM")

    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        alternate(Broken, server)
    chat.closed = Broken.closed


def test_an_interruption_says_what_it_was_and_during_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(bench: Bench, _servers: object) -> None:
        bench.doing = "roster of nobody, TLS, prosody"
        raise KeyboardInterrupt("SIGTERM")

    monkeypatch.setattr(run, "run", interrupted)
    _, complete = run_all(PLAN._replace(parts=("basics",)), [], tmp_path)
    assert not complete
    said = "bench: ended by KeyboardInterrupt SIGTERM during: roster of nobody, TLS, prosody\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("kind", [ManagedChatLoad, FederatedChat])
def test_chats_of_other_kinds_differ_in_who_meets_alone(kind: type[ChatLoad]) -> None:
    for name in ("steps", "finish", "close", "_run"):
        assert getattr(kind, name) is getattr(ChatLoad, name)
