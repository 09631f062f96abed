"""The log: what passes, and how a line looks."""

import json
import os
from io import StringIO
from typing import Any, Literal

import pytest
from twisted.logger import Logger, LogLevel, LogPublisher, formatEventAsClassicLogText

from xmppd.config.server import LogOptions
from xmppd.logs import Log, QuickLogger

Level = Literal["debug", "info", "warn", "error", "critical"]


class Scene:
    def __init__(self, level: Level = "info", form: Literal["text", "json"] = "text") -> None:
        self.out = StringIO()
        self.log = Log(LogOptions(level=level, format=form), self.out)
        self.logger = Logger(namespace="garden", observer=LogPublisher(self.log))

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()


@pytest.mark.parametrize("level, count", [("debug", 3), ("info", 2), ("warn", 1), ("error", 0)])
def test_less_important_messages_are_left_out(level: Level, count: int) -> None:
    scene = Scene(level)
    scene.logger.debug("one")
    scene.logger.info("two")
    scene.logger.warn("three")
    assert len(scene.lines) == count


def test_a_quick_logger_says_what_twisteds_does() -> None:
    said: list[dict[str, Any]] = []
    for kind in (Logger, QuickLogger):
        kind(namespace="garden", observer=said.append).info("{who} came", who="juliet")
    theirs, ours = said
    assert isinstance(ours.pop("log_logger"), type(theirs.pop("log_logger")))
    assert ours.pop("log_time") >= theirs.pop("log_time")
    assert ours == theirs


def test_a_quick_logger_has_the_name_of_its_module() -> None:
    assert QuickLogger().namespace == __name__


def test_the_level_may_change_while_it_runs() -> None:
    scene = Scene("error")
    scene.log.configure(LogOptions(level="debug"))
    scene.logger.debug("seen")
    assert scene.lines[0].endswith("[garden#debug] seen")


def test_what_a_peer_sent_cannot_forge_a_line() -> None:
    scene = Scene()
    scene.logger.info("to {to}", to="x\r\n2026-01-01T00:00:00+0000 [garden#info] forged")
    assert scene.lines[0].endswith("to x\\r")
    assert scene.lines[1].startswith("\t")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{a} and {a!r}, {b.real:>3}", "x and 'x',   7"),
        ("{call()}", "called"),
        ("{missing}", "Unable to format event"),
        ("one\n{a}", "one\n\tx"),
    ],
)
def test_a_line_is_as_twisted_writes_it(form: str, text: str) -> None:
    scene = Scene()
    event: dict[str, Any] = {
        "log_format": form,
        "log_time": 1_700_000_000.7,
        "log_namespace": "garden",
        "log_level": LogLevel.info,
        "a": "x",
        "b": 7,
        "call": lambda: "called",
    }
    scene.log(event)
    line = scene.out.getvalue()
    assert text in line
    if "missing" not in form:
        assert line == formatEventAsClassicLogText(event)


def test_json_is_one_object_a_line() -> None:
    scene = Scene(form="json")
    scene.logger.info("to\n{to}", to="x")
    [line] = scene.lines
    assert json.loads(line)["to"] == "x"


def test_a_full_disk_stops_nothing() -> None:
    class Full(StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    log = Log(LogOptions(), Full())
    Logger(observer=LogPublisher(log)).info("lost")


def test_a_pipe_that_nobody_reads_blocks_nothing_and_losses_are_told() -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as out:
        logger = Logger(observer=LogPublisher(Log(LogOptions(), out)))
        for _ in range(20):
            logger.info("{text}", text="x" * 6000)
        before = os.read(reading, 1 << 20).decode()
        logger.info("again")
        said = os.read(reading, 1 << 20).decode()
    os.close(reading)
    lost = 20 - before.count("\n")
    assert f"{lost} entries of the log were lost" in said
    assert said.endswith("again\n")
    assert (before + said).count("\n") == 20 - lost + 2 + (not before.endswith("\n"))


def test_a_pipe_that_was_closed_stops_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as out:
        Logger(observer=LogPublisher(Log(LogOptions(), out))).info("lost")
