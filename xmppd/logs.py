"""The log: on standard error, filtered by level, as text or as a line of JSON an event."""

from typing import TextIO

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    eventAsJSON,
    formatEventAsClassicLogText,
)
from zope.interface import implementer  # type: ignore[import-untyped]

from xmppd.config.server import LogOptions


@implementer(ILogObserver)
class Log:
    """An observer whose level may change while it runs."""

    def __init__(self, options: LogOptions, out: TextIO) -> None:
        self._out = out
        self._format = eventAsJSON if options.format == "json" else as_text
        self.configure(options)

    def configure(self, options: LogOptions) -> None:
        """Take another level."""
        level = LogLevel.levelWithName(options.level)
        self._filter = LogLevelFilterPredicate(defaultLogLevel=level)

    def __call__(self, event: LogEvent) -> None:
        if self._filter(event) is PredicateResult.no:
            return
        line = self._format(event)
        if not line:
            return
        try:
            self._out.write(line if line.endswith("\n") else line + "\n")
            self._out.flush()
        except OSError:  # a full disk or a closed pipe must not stop the service
            return


def as_text(event: LogEvent) -> str:
    """One event, one line, but for tracebacks: what peers sent cannot forge a second."""
    text = formatEventAsClassicLogText(event) or ""
    return text if "log_failure" in event else text.rstrip("\n").replace("\r", "\\r")
