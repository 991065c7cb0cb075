"""The fixed texts of mails and pages in each language, the greeting of a mail, and times as people write them.

`locale/` has one TOML file for each language, all with the same keys.
"""

from __future__ import annotations

from templates.language.country import country_name, is_in_eea
from templates.language.greeting import greet
from templates.language.period import period_text
from templates.language.texts import (
    LOCALES,
    Locale,
    Register,
    Texts,
    TextSection,
    format_long_date,
    format_moment,
    format_number,
    format_share,
    load_texts,
    parse_locale,
)
from templates.language.written_time import TIME_FORMS, month_number, read_written_time

__all__ = [
    "LOCALES",
    "TIME_FORMS",
    "Locale",
    "Register",
    "TextSection",
    "Texts",
    "country_name",
    "format_long_date",
    "format_moment",
    "format_number",
    "format_share",
    "greet",
    "is_in_eea",
    "load_texts",
    "month_number",
    "parse_locale",
    "period_text",
    "read_written_time",
]
