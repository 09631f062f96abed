"""One reactor timer for all sessions, with ticks of a second."""

from __future__ import annotations

import math
from collections.abc import Callable

from twisted.logger import Logger

from xmppd.clock import Clock

log = Logger()

TICK_S = 1.0
# A step longer than this is the clock's, not ours: it must not end all sessions at once.
JUMP_S = 1800.0


class Timer:
    """A call to come; `cancel` and `reschedule` cost next to nothing."""

    __slots__ = ("_arguments", "_call", "_due", "_slot", "_wheel")

    def __init__(
        self,
        wheel: TimerWheel,
        due: int,
        call: Callable[..., object],
        arguments: tuple[object, ...],
    ) -> None:
        self._wheel = wheel
        self._due = due
        self._slot = due
        self._call: Callable[..., object] | None = call
        self._arguments = arguments

    @property
    def active(self) -> bool:
        """Neither called nor cancelled."""
        return self._call is not None

    def cancel(self) -> None:
        """Never call. Does nothing when that has happened already."""
        self._call = None
        self._arguments = ()

    def reschedule(self, delay_s: float) -> None:
        """Call `delay_s` from now instead. A timer that has been called or cancelled stays so."""
        if self._call is None:
            return
        self._due = self._wheel.tick_after(delay_s)
        if self._due < self._slot:
            self._wheel.put(self)

    def _reached(self, tick: int) -> None:
        """The wheel came to a slot that holds this timer: perhaps an old one of two."""
        if self._call is None or tick < self._slot:
            return
        if self._due > tick:
            self._wheel.put(self)
            return
        call, arguments = self._call, self._arguments
        self.cancel()
        try:
            call(*arguments)
        except Exception:
            log.failure("A timer's call failed")


class TimerWheel:
    """Calls things at the granularity of a second: never early, at most a second late.

    Runs its one reactor timer only while there are timers. A clock that jumps by more than half
    an hour, or backwards, counts as one tick.
    """

    __slots__ = ("_clock", "_last", "_running", "_slots", "_tick")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[int, list[Timer]] = {}
        self._tick = 0
        self._last = 0.0
        self._running = False

    def add(self, delay_s: float, call: Callable[..., object], *arguments: object) -> Timer:
        """Call `call(*arguments)` in `delay_s` seconds."""
        timer = Timer(self, self.tick_after(delay_s), call, arguments)
        self.put(timer)
        return timer

    def tick_after(self, delay_s: float) -> int:
        """The first tick that is not before `delay_s` seconds from now."""
        if not self._running:
            self._running = True
            self._last = self._clock.seconds()
            self._clock.callLater(TICK_S, self._advance)
        since = min(max(self._clock.seconds() - self._last, 0.0), JUMP_S)
        return self._tick + max(1, math.ceil((since + delay_s) / TICK_S - 1e-6))

    def put(self, timer: Timer) -> None:
        """Put `timer` into the slot that it is due in."""
        timer._slot = timer._due
        self._slots.setdefault(timer._due, []).append(timer)

    def _advance(self) -> None:
        now = self._clock.seconds()
        elapsed = now - self._last
        ticks = int(elapsed / TICK_S + 1e-6)
        if not 1 <= ticks <= JUMP_S:
            ticks, self._last = 1, now
        else:
            self._last += ticks * TICK_S
        for _ in range(ticks):
            self._tick += 1
            for timer in self._slots.pop(self._tick, ()):
                timer._reached(self._tick)
        self._running = bool(self._slots)
        if self._running:
            self._clock.callLater(max(0.0, self._last + TICK_S - now), self._advance)
