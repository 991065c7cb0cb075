"""The due time of a scheduled campaign: a wall-clock time in an IANA zone, and its instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from campaigns.timing.zone import check_zone
from mailer.errors import InvalidInput

EXAMPLE = '"2026-12-01 09:00", "1-12-2026 09:00" or "1 december 2026 9:00"'

LATEST = timedelta(days=36_500)  # from now, so that each moment reckoned from a due time has a date


class DueTime(NamedTuple):
    """A due time: the instant (UTC), the requested wall-clock time and zone, and the latest start."""

    at: datetime
    wall_time: str
    zone: str
    start_before: datetime

    def __str__(self) -> str:
        local = self.at.astimezone(ZoneInfo(self.zone))
        return f"{local:%A %d %B %Y, %H:%M} {self.zone} ({self.at:%Y-%m-%d %H:%M} UTC)"


class Missed(NamedTuple):
    """A scheduled campaign that `run-due` found later than its permitted lateness."""

    slug: str
    wall_time: str
    zone: str

    def __str__(self) -> str:
        return (
            f"{self.slug}: missed. It was due {self.wall_time} {self.zone}, which is too long ago to start now.\n"
            f'Schedule it again: mailer campaigns schedule {self.slug} --at "..."; or send it: mailer campaigns send {self.slug}'
        )


def parse_due_time(wall_time: str, zone: str, now: datetime, max_lateness: timedelta) -> DueTime:
    """Read `wall_time` in `zone`. The campaign may start until `max_lateness` after it.

    The forms are those of `read_written_time`, as in an import.

    A time that the clocks skip is moved forward by the same amount (02:30 becomes 03:30). Of a repeated time the first
    counts (PEP 495, fold=0). Raises InvalidInput for an unreadable time, for a past one or one beyond LATEST, and for an
    unknown zone.
    """
    from templates.language.written_time import read_written_time  # noqa: PLC0415 - its patterns are slow to compile

    check_zone(zone)
    try:
        written = read_written_time(wall_time)
        local = written if written.tzinfo else written.replace(tzinfo=ZoneInfo(zone), fold=0)
        at = local.astimezone(UTC)
        naive = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if written.tzinfo else written
    except (InvalidInput, OverflowError):
        # The reason that `read_written_time` gives is for a column of a spreadsheet.
        raise InvalidInput(
            f"can't read the time {wall_time!r}", where="--at", hint=f"Write {EXAMPLE}."
        ) from None
    if at <= now:
        raise InvalidInput(
            f"{wall_time} {zone} is past",
            where="--at",
            hint="Give a later time, or send it now with `mailer campaigns send`.",
        )
    if at - now > LATEST:
        raise InvalidInput(
            f"{wall_time} {zone} is more than a hundred years ahead",
            where="--at",
            hint="Give an earlier time.",
        )
    return DueTime(at, naive.isoformat(sep=" ", timespec="minutes"), zone, at + max_lateness)
