"""What a run tells people while it sends: a progress bar on a terminal, and that the database is away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

from campaigns.commands.stop_signals import StopSignals
from campaigns.sending import Sender
from mailer.commands import CommandContext
from mailer.errors import MailerError

REFRESH = 0.2  # seconds


@asynccontextmanager
async def progress(
    sender: Sender, context: CommandContext, label: str, total: int, stop: StopSignals
) -> AsyncIterator[None]:
    """Show how many of `total` mails `sender` has sent; without a terminal nothing is drawn.

    The first signal ends the run after the mails in flight; those that are not finished after the settings'
    `drain_seconds` are given up. The second ends the process at once. Both are safe: mails that were in flight are
    then uncertain.
    """
    with ExitStack() as stack:
        stack.enter_context(_stopped_by(stop, sender, context))
        watching = [_warn(sender, context)]
        if sys.stderr.isatty():
            from campaigns.commands.progress_bar import progress_bar  # noqa: PLC0415 - slow to import

            watching.append(_follow(sender, stack.enter_context(progress_bar(context.console, label, total))))
        followers = [asyncio.create_task(one) for one in watching]
        try:
            yield
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)


async def _follow(sender: Sender, show: Callable[[int], None]) -> None:
    while True:
        show(sender.tally.states.total())
        await asyncio.sleep(REFRESH)


async def _warn(sender: Sender, context: CommandContext) -> None:
    """Print when the database fails, and when it works again."""
    printed: MailerError | None = None
    while True:
        error = sender.recorder.database_error
        if error and not printed:
            message = f"{error.message} Waiting for it."
            context.console.print(message, style="yellow", markup=False)
        elif printed and not error:
            context.console.print("The database is back.", style="yellow")
        printed = error
        await asyncio.sleep(REFRESH)


@contextmanager
def _stopped_by(stop: StopSignals, sender: Sender, context: CommandContext) -> Iterator[None]:
    """Stop the sender on a signal, and give it up where it has not ended after `drain_seconds`."""
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def begin() -> None:
        if not timers:
            sender.stop()
            timers.append(loop.call_later(context.settings.drain_seconds, sender.stop_at_once))
            context.console.print(
                "Stopping: mails in flight are finished. Press Ctrl-C again to stop at once."
            )

    def wake_the_loop() -> None:
        loop.call_soon_threadsafe(begin)

    try:
        with stop.calling(wake_the_loop):
            yield
    finally:
        for timer in timers:
            timer.cancel()
