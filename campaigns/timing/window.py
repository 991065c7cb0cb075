"""The send window, such as "weekdays 08:00 to 18:00 Europe/Amsterdam"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from mailer.errors import InvalidInput
from mailer.time_zone import is_time_zone

ALWAYS = "always"
HINT = 'Write it as "weekdays 08:00 to 18:00 Europe/Amsterdam", "mon-thu,sat 22:00 to 06:00" or "always".'

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SETS = {"daily": range(7), "weekdays": range(5), "weekends": range(5, 7)}
_FORM = r"(?P<days>\S+)\s+(?P<opens>\d\d:\d\d)\s+to\s+(?P<closes>\d\d:\d\d)(?:\s+(?P<zone>\S+))?"
_LOOK_AHEAD = 15  # days: two weeks, because a change of clocks can skip the only opening of a week


class SendWindow(NamedTuple):
    """Wall-clock hours on days of the week, in one zone.

    It opens when the clock first shows `opens` on one of `days` (0 is Monday). It closes when the clock first shows
    `closes`, on the next day if `closes` is not after `opens`. A time that the clocks skip is moved forward by the same
    amount (PEP 495, fold=0), so a window that is skipped as a whole does not open.
    """

    days: frozenset[int]
    opens: time
    closes: time
    zone: str

    @classmethod
    def parse(cls, text: str, zone: str, where: str = "--window") -> Self | None:
        """Read ``DAYS HH:MM to HH:MM [ZONE]``; None for "always". `zone` is the default zone.

        Days are "daily", "weekdays", "weekends", or names and ranges such as "mon-thu,sat".
        Raises InvalidInput with `where`.
        """
        words = " ".join(text.split())
        if words.lower() == ALWAYS:
            return None
        found = re.fullmatch(_FORM, words, re.IGNORECASE)
        if found is None:
            raise InvalidInput(f"can't read the send window {text!r}", where=where, hint=HINT)
        zone = found["zone"] or zone
        if not is_time_zone(zone):
            raise InvalidInput(f"unknown zone {zone!r} in the send window", where=where, hint=HINT)
        opens, closes = _time(found["opens"], where), _time(found["closes"], where, midnight="24:00")
        if opens == closes and found["closes"] != "24:00":
            raise InvalidInput(
                "the send window opens and closes at the same time",
                where=where,
                hint='For whole days write "00:00 to 24:00".',
            )
        return cls(frozenset(_days(found["days"].lower(), where)), opens, closes, zone)

    def __str__(self) -> str:
        names = {frozenset(numbers): name for name, numbers in _SETS.items()}
        days = names.get(self.days) or ",".join(_DAYS[number] for number in sorted(self.days))
        closes = "24:00" if self.closes == time.min else f"{self.closes:%H:%M}"
        return f"{days} {self.opens:%H:%M} to {closes} {self.zone}"

    def next_open(self, now: datetime) -> datetime:
        """The first instant, not before `now`, at which the window is open. Raises InvalidInput if there is none."""
        for opening, closing in self._openings(now):
            if now < closing:
                return max(now, opening)
        raise InvalidInput(f"the send window {self} does not open within {_LOOK_AHEAD} days", hint=HINT)

    def is_open(self, now: datetime) -> bool:
        """Whether the window is open at `now`."""
        return any(opening <= now < closing for opening, closing in self._openings(now))

    def _openings(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The openings near and after `now`, in order: instants (UTC) of opening and closing."""
        today = now.astimezone(ZoneInfo(self.zone)).date()
        for ahead in range(-2, _LOOK_AHEAD):
            day = today + timedelta(days=ahead)
            if day.weekday() in self.days:
                last = day if self.opens < self.closes else day + timedelta(days=1)
                opening, closing = self._instant(day, self.opens), self._instant(last, self.closes)
                if opening < closing:
                    yield opening, closing

    def _instant(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, ZoneInfo(self.zone)).astimezone(UTC)


def _time(text: str, where: str, *, midnight: str | None = None) -> time:
    try:
        return time.min if text == midnight else time.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is not a time of day", where=where, hint=HINT) from None


def _days(text: str, where: str) -> Iterator[int]:
    if text in _SETS:
        yield from _SETS[text]
        return
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise InvalidInput(f"{part!r} names no days of the week", where=where, hint=HINT)
        begin = _DAYS.index(first)
        length = (_DAYS.index(last or first) - begin) % 7
        yield from ((begin + step) % 7 for step in range(length + 1))
