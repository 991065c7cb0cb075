"""The fixed texts of mails and pages in each language, and the greeting of a mail.

`locale/` has one TOML file for each language, all with the same keys.
"""

from __future__ import annotations

from templates.language.greeting import greet
from templates.language.texts import (
    LOCALES,
    Locale,
    Texts,
    TextSection,
    format_long_date,
    load_texts,
    parse_locale,
)

__all__ = [
    "LOCALES",
    "Locale",
    "TextSection",
    "Texts",
    "format_long_date",
    "greet",
    "load_texts",
    "parse_locale",
]
