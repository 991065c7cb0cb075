"""The fixed texts of mails and pages in each language, the greeting of a mail, and times as people write them.

`country`, `period`, `tag` and `written_time` are imported by name: sending needs none of them.

`locale/` has one TOML file for each language, all with the same keys.
"""

from __future__ import annotations

from templates.language.greeting import greet
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

__all__ = [
    "LOCALES",
    "Locale",
    "Register",
    "TextSection",
    "Texts",
    "format_long_date",
    "format_moment",
    "format_number",
    "format_share",
    "greet",
    "load_texts",
    "parse_locale",
]
