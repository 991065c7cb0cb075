"""A period of days in a language, such as "13 months"."""

from __future__ import annotations

from datetime import timedelta

from templates.language.texts import Locale

_DAYS_OF_YEAR = 365.25
_DAYS_OF_MONTH = 30.4375
_FEWEST = 2  # of a unit; less is said in the next smaller one


def period_text(period: timedelta, locale: Locale) -> str:
    """The period in years, months or days, rounded; at least one day."""
    from babel.units import format_unit  # noqa: PLC0415 - slow to import

    days = period.total_seconds() / timedelta(days=1).total_seconds()
    for unit, length in (("year", _DAYS_OF_YEAR), ("month", _DAYS_OF_MONTH)):
        if round(days / length) >= _FEWEST:
            return format_unit(round(days / length), f"duration-{unit}", locale=locale)
    return format_unit(max(1, round(days)), "duration-day", locale=locale)
