"""Purge once a day, from `run-due` and `worker`. What purges is imported on that occasion: it is slow to import."""

from __future__ import annotations

from mailer import operator_log
from mailer.commands import CommandContext
from mailer.commands.daily import is_due_today

COMMAND = "privacy purge"


def purge_daily(context: CommandContext) -> None:
    """Purge unless that was done within a day. Of several processes at once one does it."""
    with context.database.read() as connection:
        last = operator_log.last_of(connection, COMMAND)
    now = context.now()
    if not is_due_today(last, now):
        return
    from campaigns.commands.purge import purge_after  # noqa: PLC0415 - see above

    purge_after(context, last, now)
