"""The log: on standard error, filtered by level, as text or as a line of JSON an event.

Nothing about it stops the service: what a full disk, or a pipe that nobody reads, does not take is
lost, and counted.
"""

import os
import select
import time
from functools import lru_cache
from typing import TextIO

from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    eventAsJSON,
    formatEventAsClassicLogText,
    formatTime,
)
from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.config.server import LogOptions

PIECE = select.PIPE_BUF  # a pipe or socket that is ready takes so much without blocking


class QuickLogger(Logger):
    """For lines that each connection writes. Twisted's goes through all levels, in the order in
    which they were made, to see whether there is such a one: seven of the ten calls for a line.
    """

    def emit(self, level: LogLevel, format: str | None = None, **values: object) -> None:
        event = LogEvent(
            values,
            log_logger=self,
            log_level=level,
            log_namespace=self.namespace,
            log_source=self.source,
            log_format=format,
            log_time=time.time(),
        )
        self.observer(event)  # type: ignore[call-arg,misc]  # zope's interfaces have no self


class Out:
    """Writes lines to a file descriptor that takes them at once. `lost` counts the others."""

    def __init__(self, out: TextIO) -> None:
        self.lost = 0
        self._fd = out.fileno()
        self._ready = select.poll()
        self._ready.register(self._fd, select.POLLOUT)
        self._broken = ""  # ends the line that was written in part

    def write(self, line: str) -> None:
        data = (self._broken + line).encode("utf-8", "backslashreplace")
        for at in range(0, len(data), PIECE):
            if not self._takes(data[at : at + PIECE]):
                self._broken = "\n" if at else self._broken
                self.lost += 1
                return
        self._broken = ""

    def _takes(self, piece: bytes) -> bool:
        try:
            return bool(self._ready.poll(0)) and os.write(self._fd, piece) == len(piece)
        except OSError:  # a full disk, a closed pipe
            return False


class Memory:
    """Writes to what is no file, as tests have it."""

    lost = 0

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, line: str) -> None:
        try:
            self._out.write(line)
        except OSError:
            self.lost += 1


def writer(out: TextIO) -> Out | Memory:
    """For a file that has a descriptor, and for one that has none."""
    try:
        return Out(out)
    except OSError:
        return Memory(out)


@implementer(ILogObserver)
class Log:
    """An observer whose level may change while it runs."""

    def __init__(self, options: LogOptions, out: TextIO) -> None:
        self._out = writer(out)
        self._format = eventAsJSON if options.format == "json" else as_text
        self.configure(options)

    def configure(self, options: LogOptions) -> None:
        """Take another level."""
        least = LogLevel.levelWithName(options.level)
        # Twisted's filter looks through the namespace for each event, six times as long.
        self._passes = frozenset(level for level in LogLevel.iterconstants() if level >= least)

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level") not in self._passes:
            return
        if self._out.lost:
            self._tell_losses()
        self._write(event)

    def _write(self, event: LogEvent) -> None:
        line = self._format(event)
        if line:
            self._out.write(line if line.endswith("\n") else line + "\n")

    def _tell_losses(self) -> None:
        lost, self._out.lost = self._out.lost, 0
        note = LogEvent(
            log_time=time.time(),
            log_level=LogLevel.warn,
            log_namespace="xmppd.logs",
            log_format="{lost} entries of the log were lost: nobody took them",
            lost=lost,
        )
        self._write(note)
        if self._out.lost:  # nor this one
            self._out.lost = lost


def _time(when: float | None) -> str:
    return formatTime(None) if when is None else _second(int(when))


@lru_cache(maxsize=1)
def _second(when: int) -> str:
    return formatTime(when)


def _plain(event: LogEvent) -> str:
    """A line as Twisted would write it, in a third of the time; "" for what is not as most are:
    with a traceback, of another log, or with calls in its format.
    """
    form = event.get("log_format")
    if not isinstance(form, str) or "(" in form or "log_failure" in event or "log_system" in event:
        return ""
    try:
        text = form.format_map(event)
        where = f"{event['log_namespace']}#{event['log_level'].name}"
    except Exception:  # Twisted says what is wrong with it
        return ""
    text = text.replace("\n", "\n\t")
    return f"{_time(event.get('log_time'))} [{where}] {text}\n" if text else ""


def as_text(event: LogEvent) -> str:
    """One event, one line, but for tracebacks: what peers sent cannot forge a second."""
    text = _plain(event) or formatEventAsClassicLogText(event, _time) or ""
    return text if "log_failure" in event else text.rstrip("\n").replace("\r", "\\r")
