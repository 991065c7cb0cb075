"""When a consent was given, as people and programs write it down."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from mailer.errors import InvalidInput

FORMS = "2026-05-01T10:00:00+02:00, 2026-05-01 10:00 or 1-5-2026 10:00"

# ISO 8601: a date, with or without a time, with or without a zone.
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
# Dutch: day-month-year. With slashes it could be American just as well, so it is not guessed at.
_DUTCH = re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})(?:,? (\d{1,2}):(\d\d)(?::(\d\d))?)?", re.ASCII)

# Nobody agreed to email release notes before; it is a spreadsheet's empty cell or a slip of the pen.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def parse_consent_time(
    raw: str, zone: ZoneInfo, now: datetime, *, tolerance: timedelta = timedelta()
) -> datetime:
    """The instant (UTC) that `raw` names; see FORMS.

    Without a zone it is a wall-clock time in `zone`; of a time that came twice (summer time ended) the first is
    meant, and one that never was (summer time began) is refused. A date alone means the start of that day. Each
    choice is the earlier one, so that none can outrun a withdrawal. Another system's clock may be fast by `tolerance`:
    what it calls the future is now. Raises InvalidInput, also for the future.
    """
    moment = _parse(raw.strip(), zone)
    if moment > now + tolerance:
        raise InvalidInput("it lies in the future")
    moment = min(moment, now)
    if moment < _EARLIEST:
        raise InvalidInput(f"it lies before {_EARLIEST.year}")
    return moment


# Many rows share a time: what is kept in a spreadsheet has minutes, or only days.
@lru_cache(maxsize=10_000)
def _parse(raw: str, zone: ZoneInfo) -> datetime:
    if not raw:
        raise InvalidInput("it is empty; a consent needs the time it was given")
    try:
        written = _read(raw)
        if written.tzinfo is not None:
            return written.astimezone(UTC)
        local = written.replace(tzinfo=zone)
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"it is not a time we can read; write {FORMS}") from None
    if moment.astimezone(zone) != local:  # within one zone clocks are compared, not instants
        raise InvalidInput(f"that clock time never was in {zone.key}: summer time began")
    return moment


def _read(raw: str) -> datetime:
    if _ISO.fullmatch(raw):
        return datetime.fromisoformat(raw)
    if dutch := _DUTCH.fullmatch(raw):
        day, month, year, hour, minute, second = (int(part or 0) for part in dutch.groups())
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the caller reads the zone
    raise ValueError
