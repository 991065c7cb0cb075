"""Read the time of a consent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from mailer.errors import InvalidInput
from templates.language.written_time import TIME_FORMS, read_written_time

FORMS = f"2026-05-01T10:00:00+02:00, {TIME_FORMS}"

# An earlier date is an empty cell of a spreadsheet or a typing error.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def parse_consent_time(
    raw: str, zone: ZoneInfo, now: datetime, *, tolerance: timedelta = timedelta()
) -> datetime:
    """The instant (UTC) that `raw` names; see FORMS and `read_written_time`.

    Without an offset it is a wall-clock time in `zone`. Of a repeated time (end of summer time) the first
    counts; a skipped time (start of summer time) is refused. A date alone means the start of the day. These
    rules choose the earliest meaning, so that a consent is never dated after a withdrawal by mistake. A time
    up to `tolerance` in the future becomes now, because another clock may be fast. Raises InvalidInput, also
    for later times.
    """
    moment = _parse(raw.strip().removeprefix("'"), zone)  # spreadsheets mark text with it
    if moment > now + tolerance:
        raise InvalidInput("it lies in the future")
    moment = min(moment, now)
    if moment < _EARLIEST:
        raise InvalidInput(f"it lies before {_EARLIEST.year}")
    return moment


# Many rows have the same time, because spreadsheets store minutes or days.
@lru_cache(maxsize=10_000)
def _parse(raw: str, zone: ZoneInfo) -> datetime:
    if not raw:
        raise InvalidInput("it is empty; a consent needs the time it was given")
    written = read_written_time(raw)
    try:
        if written.tzinfo is not None:
            return written.astimezone(UTC)
        local = written.replace(tzinfo=zone)
        moment = local.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"it is not a time we can read; write {FORMS}") from None
    if moment.astimezone(zone) != local:  # within one zone clocks are compared, not instants
        raise InvalidInput(f"that clock time never was in {zone.key}: summer time began")
    return moment
