"""Purge once a day, from `run-due` and `worker`. What purges is imported on that occasion: it is slow to import."""

from __future__ import annotations

from datetime import timedelta

from mailer import operator_log
from mailer.commands import CommandContext

COMMAND = "privacy purge"
_ONCE_A_DAY = timedelta(hours=23)  # cron's runs come at about the same time of day


def purge_daily(context: CommandContext) -> None:
    """Purge unless that was done within a day. Of several processes at once one does it."""
    with context.database.read() as connection:
        last = operator_log.last_of(connection, COMMAND)
    now = context.now()
    if last is not None and now - last < _ONCE_A_DAY:
        return
    from campaigns.commands.purge import purge_after  # noqa: PLC0415 - see above

    purge_after(context, last, now)
