"""Say on a terminal what a command is busy with, where that takes long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailer.commands.context import CommandContext

DELAY = 0.5  # seconds


@contextmanager
def busy(context: CommandContext, what: str) -> Iterator[None]:
    """Show `what` on standard error, with a moving sign, where the block takes longer than DELAY; only on a terminal.

    It is for work that knows no total, and asks no question.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    shown = []

    def show() -> None:
        status = context.console.status(f"{what} ...")
        status.start()
        shown.append(status)

    timer = Timer(DELAY, show)
    with suppress(RuntimeError):  # no other thread may be started, and the work can do without
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if timer.ident is not None:
            timer.join()
        for status in shown:
            status.stop()
