"""Recurring times: a cron expression in an IANA zone, and the instants that it means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from campaigns.timing.zone import check_zone
from mailer.errors import InvalidInput
from mailer.quantity import quantity

FIELDS = 5
_NICKNAMES = {  # crontab(5)
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class Cadence:
    """A cron expression with five fields, or a nickname such as @weekly. It means wall-clock times in `zone`.

    When clocks change it follows Debian's cron: a skipped time moves to the end of the gap, and of a repeated time
    only the first counts. An expression with a star for minute or hour follows the clock without these rules.
    """

    expression: str
    zone: str

    @classmethod
    def parse(cls, expression: str, zone: str, now: datetime) -> Self:
        """Read a cron expression. Raises InvalidInput if it is invalid or never due, and for an unknown zone."""
        check_zone(zone)
        fields = _NICKNAMES.get(expression.strip().lower(), expression).split()
        cadence = cls(" ".join(fields), zone)
        try:
            if len(fields) == FIELDS:
                cadence.next(now)
                return cadence
            reason = f"has {quantity(len(fields), 'field')}, not {FIELDS}"
        except CronSimError as error:
            reason = f"is not a cron expression: {str(error)[:1].lower()}{str(error)[1:]}"
        except StopIteration:
            reason = "is never due"
        raise InvalidInput(
            f"{expression!r} {reason}",
            where="--every",
            hint='Write minute, hour, day of month, month and day of week: "0 9 1 * *" is the 1st at 9 o\'clock.',
        )

    def next(self, after: datetime) -> datetime:
        """The first time after `after`, in UTC."""
        return next(self._times(after))

    def latest(self, after: datetime, now: datetime) -> datetime | None:
        """The last time that is after `after` and not after `now`, in UTC; None if there is none."""
        found = None
        for found in takewhile(lambda time: time <= now, self._times(after)):  # noqa: B007 - the last one
            pass
        return found

    def _times(self, after: datetime) -> Iterator[datetime]:
        for time in CronSim(self.expression, after.astimezone(ZoneInfo(self.zone))):
            instant = time.astimezone(UTC)
            if instant > after:  # in a repeated hour the first time may be past
                yield instant
