"""A bar on the terminal while mails go out: how many, how fast, how much longer."""

from __future__ import annotations

import asyncio
import signal
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

from campaigns.sending import Sender
from mailer.errors import MailerError

REFRESH = 0.2  # seconds


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


@asynccontextmanager
async def progress(
    sender: Sender, console: Console, label: str, total: int, drain_seconds: float
) -> AsyncIterator[None]:
    """Show `sender` at work, of `total` mails; without a terminal nothing is drawn.

    The first SIGINT or SIGTERM lets the mails in the air land and then ends the run; those that have not
    landed after `drain_seconds` are given up. A second one ends the process at once. Both are safe: what was
    in the air is then uncertain.
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
    with bar, _stopped_by_signals(sender, console, drain_seconds):
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
    """Say when the database takes nothing, and when it does again."""
    said: MailerError | None = None
    while True:
        if sender.trouble and not said:
            console.print(f"{sender.trouble.message} Waiting for it.", style="yellow", markup=False)
        elif said and not sender.trouble:
            console.print("The database is back.", style="yellow")
        said = sender.trouble
        await asyncio.sleep(REFRESH)


@contextmanager
def _stopped_by_signals(sender: Sender, console: Console, drain_seconds: float) -> Iterator[None]:
    """Let signals end the run in order. A handler that was there before hears of it too, and is put back."""
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: signal.Signals) -> None:
        sender.stop()
        timers.append(loop.call_later(drain_seconds, sender.stop_at_once))
        for each in before:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        console.print("Stopping: the mails in the air are seen to their end. Once more to stop at once.")
        handler = before[number]
        if callable(handler) and handler is not signal.default_int_handler:
            handler(number, None)

    for number in before:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
