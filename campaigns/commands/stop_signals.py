"""SIGINT and SIGTERM: the first ends a command in order, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Tells listeners that the operator wants the command to end.

    Handlers of other code are never called: asyncio.Runner has one for SIGINT that cancels the main task, and with
    it the mails in flight. Runner installs that one only where Python's own handler is in place, so a command opens
    `stop_signals` before it runs an event loop.
    """

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._listeners: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._requested.is_set()

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as a signal comes."""
        self._requested.wait(seconds)

    @contextmanager
    def calling(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call `listener` on each signal, in the main thread between two of its instructions.

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
        is_second = self.requested
        self._requested.set()
        for listener in list(self._listeners):
            listener()
        if is_second:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Receive SIGINT and SIGTERM while it is open; the handlers from before are put back."""
    stop = StopSignals()
    before = [signal.signal(number, stop.receive) for number in NUMBERS]
    try:
        yield stop
    finally:
        for number, handler in zip(NUMBERS, before, strict=True):
            signal.signal(number, handler)
