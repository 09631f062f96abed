"""Tells where the reactor stands when something blocks it."""

import sys
import threading
import time
import traceback
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

log = Logger()


class StallWatch(Service):
    """A thread that logs the reactor's stack once for each time it stands for `limit_s`."""

    name = "stall-watch"

    def __init__(self, reactor: Any, limit_s: float) -> None:
        self._reactor = reactor
        self._limit_s = limit_s
        self._turned = time.monotonic()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop = LoopingCall(self._turn)
        self._loop.clock = reactor

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._over.clear()
        _ = self._loop.start(self._limit_s / 4)
        watched = threading.get_ident()
        self._thread = threading.Thread(
            target=self._watch, args=(watched,), name="xmppd-stall-watch", daemon=True
        )
        self._thread.start()

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        self._over.set()

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def _watch(self, watched: int) -> None:
        told = 0.0
        while not self._over.wait(self._limit_s / 4):
            turned = self._turned
            if time.monotonic() - turned > self._limit_s and told != turned:
                told = turned
                self._tell(stack_of(watched))

    def _tell(self, stack: str) -> None:
        log.warn(
            "The reactor is blocked for more than {limit_s} s, here:\n{stack}",
            limit_s=self._limit_s,
            stack=stack,
        )


def stack_of(thread: int) -> str:
    """Where a thread is now; empty when it is gone."""
    frame = sys._current_frames().get(thread)
    return "" if frame is None else "".join(traceback.format_stack(frame))
