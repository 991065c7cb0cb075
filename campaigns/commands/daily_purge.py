"""Purge once a day, from `run-due` and `worker`. What purges is imported on that occasion: it is slow to import."""

from __future__ import annotations

from collections.abc import Callable

from campaigns import purge_clock
from mailer.commands import CommandContext
from mailer.commands.daily import is_due_today


def purge_daily(context: CommandContext, say: Callable[[str], None]) -> None:
    """Purge unless that was done within a day; `say` gets why it is not done. Of several processes at once one does it."""
    with context.database.read() as connection:
        last, now = purge_clock.last_purge(connection), context.now()
        if not is_due_today(last, now):
            return
        doubt = purge_clock.doubt(connection, now)
    if doubt is not None:
        step = "Set the clock, or, where it is right, run `mailer privacy purge` once and say so."
        say(f"{context.settings.folder}: nothing is deleted at its end. {doubt}\n{step}")
        return
    from campaigns.commands.purge import purge_after  # noqa: PLC0415 - see above

    purge_after(context, last, now)
