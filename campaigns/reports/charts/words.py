"""The words, numbers and times of a report in one language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from templates.language import Locale, format_moment, format_number, format_share, load_texts

_ENOUGH = 10  # of a unit: the next smaller one says little beside it
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@dataclass(frozen=True, slots=True)
class ReportWords:
    """The words of a report in `locale`, with times in `zone`."""

    locale: Locale
    zone: ZoneInfo

    def text(self, name: str, /, **values: str) -> str:
        """A text of the report."""
        return load_texts(self.locale)["report"][name].format(**values)

    def number(self, number: int) -> str:
        """A number with the marks of the language."""
        return format_number(number, self.locale)

    def share(self, part: int, whole: int) -> str:
        """The share of `part` in `whole` as a percentage."""
        return format_share(part / whole if whole else 0, self.locale)

    def moment(self, at: datetime) -> str:
        """The day and the minute."""
        return format_moment(at, self.locale, self.zone)

    def period(self, start: datetime, end: datetime) -> str:
        """From one moment to another; the day once, where it is one day, and one moment where it is one minute."""
        if self.moment(start) == self.moment(end):
            return self.moment(start)
        own = end.astimezone(self.zone)
        is_one_day = start.astimezone(self.zone).date() == own.date()
        return (
            f"{self.moment(start)}–{own:%H:%M}"
            if is_one_day
            else f"{self.moment(start)} – {self.moment(end)}"
        )

    def time(self, at: datetime, *, with_day: bool, with_seconds: bool = False) -> str:
        """The time of day, with the day where a period has several."""
        own = at.astimezone(self.zone)
        if with_day:
            return self.moment(at).replace(f" {own.year} ", " ")
        return f"{own:%H:%M:%S}" if with_seconds else f"{own:%H:%M}"

    def outcome(self, state: str) -> str:
        """What the report calls a state of deliveries."""
        name = "pending" if state in {"claimed", "attempting"} else state
        return self.text(f"outcome_{name}")

    def duration(self, seconds: float) -> str:
        """Such as "4 min 10 s" or "35 min": the largest unit, and the next one beside a small number of it."""
        for (unit, size), (smaller, smaller_size) in pairwise((*_UNITS, ("", 0))):
            if seconds < size:
                continue
            if not smaller or seconds >= _ENOUGH * size:
                return f"{round(seconds / size)} {self.text(f'unit_{unit}')}"
            number, rest = divmod(round(seconds / smaller_size), size // smaller_size)
            first = f"{number} {self.text(f'unit_{unit}')}"
            return f"{first} {rest} {self.text(f'unit_{smaller}')}" if rest else first
        return self.text("at_once")
