"""SIGINT, SIGTERM and SIGHUP: the first ends a command in order; a second SIGINT or SIGTERM ends it at once.

A command that can't end in order, because its database does not answer, is ended GRACE_SECONDS after its time.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType

from mailer.errors import TryAgainLater
from mailer.output import end_with_error

GRACE_SECONDS = 5.0  # after the time to end in order, to record what became of the mails that were given up
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Tells listeners that the operator wants the command to end.

    Handlers of other code are never called: asyncio.Runner has one for SIGINT that cancels the main task, and with
    it the mails in flight. Runner installs that one only where Python's own handler is in place, so a command opens
    `stop_signals` before it runs an event loop.
    """

    def __init__(self) -> None:
        self.requested = False  # whether a signal has come
        # A handler that interrupts another may put into it; of an Event it would wait for the lock.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._was_asked_to_end = False
        self._listeners: list[Callable[[], None]] = []

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as a signal comes."""
        if not self.requested:
            with suppress(Empty):
                self._wake.get(timeout=seconds)

    @contextmanager
    def calling(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call `listener` on the first signal and on the one that ends the command at once, in the main thread between
        two of its instructions.

        Where a signal came before, it is called at once.
        """
        self._listeners.append(listener)
        if self.requested:
            listener()
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def receive(self, number: int, _frame: FrameType | None = None) -> None:
        """Handle a signal."""
        # A SIGHUP is never the second signal: of a closed terminal it comes twice, from the kernel and the shell.
        asks_to_end = number != signal.SIGHUP
        is_first, is_second = not self.requested, asks_to_end and self._was_asked_to_end
        self._was_asked_to_end |= asks_to_end
        self.requested = True
        self._wake.put(None)
        if is_first or is_second:  # other processes count too how often they are told
            for listener in list(self._listeners):
                listener()
        if is_second:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


@contextmanager
def stop_signals(seconds_to_end: float) -> Iterator[StopSignals]:
    """Receive the signals while it is open; the handlers from before are put back.

    Where it is still open `seconds_to_end` and GRACE_SECONDS after the first signal, the process ends at once, with an
    error. So keep it open for all that may wait for the database: a frozen PostgreSQL never answers, and its connections
    stay open.

    A SIGHUP that is ignored remains so: the command was started with `nohup`.
    """
    stop = StopSignals()
    survives_its_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [number for number in NUMBERS if not (number == signal.SIGHUP and survives_its_terminal)]
    before = [signal.signal(number, stop.receive) for number in numbers]
    try:
        with _ended_when_overdue(stop, seconds_to_end):
            yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _ended_when_overdue(stop: StopSignals, seconds_to_end: float) -> Iterator[None]:
    def wait() -> None:
        if signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0):
            signal.setitimer(signal.ITIMER_REAL, seconds_to_end + GRACE_SECONDS)

    def end(_number: int, _frame: FrameType | None) -> None:
        end_with_error(
            TryAgainLater(
                f"It could not end in order within {seconds_to_end:g} seconds: the database does not answer.",
                hint="Mails in flight are uncertain. Nothing else is lost: the next run continues.",
            )
        )

    before = signal.signal(signal.SIGALRM, end)
    try:
        with stop.calling(wait):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
