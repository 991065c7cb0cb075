"""The fixed texts of mails and pages: one TOML file for each language, with the same keys in each.

Code reads ``load_texts("nl")["mail"]["unsubscribe"]``, a template ``{{ texts.mail.unsubscribe }}``. A key that does
not exist raises TemplateError.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

from mailer.errors import InvalidInput, TemplateError

Locale: TypeAlias = Literal["nl", "en"]
Register: TypeAlias = Literal["formal", "informal"]
LOCALES: tuple[Locale, ...] = get_args(Locale)


class TextSection(Mapping[str, str]):
    """One table of a language file. A missing key raises TemplateError with the name of the file."""

    def __init__(self, locale: Locale, name: str, entries: Mapping[str, str]) -> None:
        self._locale = locale
        self._name = name
        self._entries = entries

    def __getitem__(self, key: str) -> str:
        try:
            return self._entries[key]
        except KeyError:
            raise TemplateError(f"locale/{self._locale}.toml has no text {self._name}.{key}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class Texts(Mapping[str, TextSection]):
    """All texts of a language file, by section."""

    def __init__(self, locale: Locale, sections: Mapping[str, Mapping[str, str]]) -> None:
        self._locale = locale
        self._sections = {name: TextSection(locale, name, entries) for name, entries in sections.items()}

    def __getitem__(self, name: str) -> TextSection:
        try:
            return self._sections[name]
        except KeyError:
            raise TemplateError(f"locale/{self._locale}.toml has no section [{name}].") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._sections)

    def __len__(self) -> int:
        return len(self._sections)


@cache
def load_texts(locale: Locale, register: Register = "formal") -> Texts:
    """The texts of one language. In the informal register those of ``[informal.mail]`` replace those of ``[mail]``, and so on."""
    source = files("templates").joinpath("language", "locale", f"{locale}.toml").read_text(encoding="utf-8")
    sections = tomllib.loads(source)
    informal = sections.pop("informal", {})
    if register == "informal":
        for name, entries in informal.items():
            sections[name] |= entries
    return Texts(locale, sections)


def parse_locale(value: str, *, where: str | None = None) -> Locale:
    """The language that `value` names, in upper or lower case.

    Raises InvalidInput, with `where`, for a language without texts.
    """
    lowered = value.strip().lower()
    if lowered not in LOCALES:
        known = " or ".join(LOCALES)
        raise InvalidInput(f"{value!r} is not a supported language.", where=where, hint=f"Write {known}.")
    return lowered


def format_long_date(day: date, locale: Locale) -> str:
    """The day with the month in words, in this language: ``1 november 2026``, ``1 November 2026``."""
    from babel.dates import format_date  # noqa: PLC0415 - slow to import

    return format_date(day, format="long", locale=load_texts(locale)["format"]["dates"])


def format_moment(moment: datetime, locale: Locale, zone: ZoneInfo) -> str:
    """The day and the minute in `zone`, in this language: ``1 november 2026 09:05``."""
    from babel.dates import format_datetime  # noqa: PLC0415 - as above

    wanted = load_texts(locale)["format"]["dates"]
    return format_datetime(moment, "d MMMM y HH:mm", tzinfo=zone, locale=wanted)


def format_number(number: int, locale: Locale) -> str:
    """The number with the marks of this language: ``1,204`` or ``1.204``."""
    from babel.numbers import format_decimal  # noqa: PLC0415 - as above

    return format_decimal(number, locale=load_texts(locale)["format"]["dates"])


def format_share(share: float, locale: Locale) -> str:
    """The share as a percentage with the marks of this language: ``98.7%`` or ``98,7%``. What is not quite all is not 100%."""
    from babel.numbers import format_percent  # noqa: PLC0415 - as above

    shown = min(share, 0.999) if share < 1 else share
    form = "0.00%" if 0 < shown < 0.01 else "0.#%"
    return format_percent(shown, form, locale=load_texts(locale)["format"]["dates"])
