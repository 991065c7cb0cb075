"""The words around the content in each language, and how a mail greets its reader.

`locale/` holds one TOML file per language with the same keys.
"""

from __future__ import annotations

from templates.language.greeting import greet
from templates.language.texts import LOCALES, Locale, Section, Texts, locale_of, long_date, texts_of

__all__ = ["LOCALES", "Locale", "Section", "Texts", "greet", "locale_of", "long_date", "texts_of"]
