"""A progress bar for a run: number, rate and remaining time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from campaigns.commands.stop_signals import StopSignals
from campaigns.sending import Sender
from mailer.errors import MailerError

REFRESH = 0.2  # seconds


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


@asynccontextmanager
async def progress(
    sender: Sender, console: Console, label: str, total: int, stop: StopSignals, drain_seconds: float
) -> AsyncIterator[None]:
    """Show how many of `total` mails `sender` has sent; without a terminal nothing is drawn.

    The first signal ends the run after the mails in flight; those that are not finished after `drain_seconds`
    are given up. The second ends the process at once. Both are safe: mails that were in flight are then
    uncertain.
    """
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar, _stopped_by(stop, sender, console, drain_seconds):
        task = bar.add_task(label, total=total)
        followers = [
            asyncio.create_task(_follow(sender, bar, task)),
            asyncio.create_task(_warn(sender, console)),
        ]
        try:
            yield
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)


async def _follow(sender: Sender, bar: Progress, task: object) -> None:
    while True:
        bar.update(task, completed=sender.tally.states.total())  # type: ignore[arg-type]  # rich's TaskID
        await asyncio.sleep(REFRESH)


async def _warn(sender: Sender, console: Console) -> None:
    """Print when the database fails, and when it works again."""
    printed: MailerError | None = None
    while True:
        if sender.database_error and not printed:
            console.print(f"{sender.database_error.message} Waiting for it.", style="yellow", markup=False)
        elif printed and not sender.database_error:
            console.print("The database is back.", style="yellow")
        printed = sender.database_error
        await asyncio.sleep(REFRESH)


@contextmanager
def _stopped_by(stop: StopSignals, sender: Sender, console: Console, drain_seconds: float) -> Iterator[None]:
    """Stop the sender on a signal, and give it up where it has not ended after `drain_seconds`."""
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def begin() -> None:
        if not timers:
            sender.stop()
            timers.append(loop.call_later(drain_seconds, sender.stop_at_once))
            console.print("Stopping: mails in flight are finished. Press Ctrl-C again to stop at once.")

    def wake_the_loop() -> None:
        loop.call_soon_threadsafe(begin)

    try:
        with stop.calling(wake_the_loop):
            yield
    finally:
        for timer in timers:
            timer.cancel()
