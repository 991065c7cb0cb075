"""When a scheduled campaign is due: a wall-clock time in an IANA zone -> an instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from mailer.errors import InvalidInput

EXAMPLE = '"2026-12-01 09:00"'


@dataclass(frozen=True, slots=True)
class DueTime:
    """An instant (UTC), the wall-clock time and zone that were asked for, and when it is too late."""

    at: datetime
    wall_time: str
    zone: str
    start_before: datetime

    def __str__(self) -> str:
        local = self.at.astimezone(ZoneInfo(self.zone))
        return f"{local:%A %d %B %Y, %H:%M} {self.zone} ({self.at:%Y-%m-%d %H:%M} UTC)"


@dataclass(frozen=True, slots=True)
class Missed:
    """A scheduled campaign whose time passed, by more than its lateness, while nobody ran `run-due`."""

    slug: str
    wall_time: str
    zone: str

    def __str__(self) -> str:
        return (
            f"{self.slug}: missed; it was due {self.wall_time} {self.zone}, which is too long ago to begin now.\n"
            f'Give it a new time: mailer campaigns schedule {self.slug} --at "..."; or: mailer campaigns send {self.slug}'
        )


def parse_due_time(wall_time: str, zone: str, now: datetime, max_lateness: timedelta) -> DueTime:
    """Read `wall_time` (ISO 8601, without an offset) in `zone`; `max_lateness` after it, it is too late.

    Where clocks go forward over it, it is moved on by as much as they are (02:30 becomes 03:30); where they go
    back and it comes twice, the first one counts (PEP 495, fold=0).
    Raises InvalidInput for a time that can't be read or is past, and for an unknown zone.
    """
    if zone not in available_timezones():
        raise InvalidInput(
            f"unknown zone {zone!r}", where="--tz", hint='Write an IANA name such as "Europe/Amsterdam".'
        )
    try:
        naive = datetime.fromisoformat(wall_time.strip())
        at = naive.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"can't read the time {wall_time!r}", where="--at", hint=f"Write {EXAMPLE}."
        ) from None
    if naive.tzinfo is not None:
        raise InvalidInput(
            "the time has an offset of its own", where="--at", hint=f"Write {EXAMPLE} and --tz."
        )
    if at <= now:
        raise InvalidInput(
            f"{wall_time} {zone} is past", where="--at", hint="Send it now: `mailer campaigns send`."
        )
    return DueTime(at, naive.isoformat(sep=" ", timespec="minutes"), zone, at + max_lateness)
