"""Countries: their names in each language, and which of them belong to the European Economic Area."""

from __future__ import annotations

from functools import cache

from templates.language.texts import LOCALES, Locale

# The member states of the European Union, and Iceland, Liechtenstein and Norway.
_EEA = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
        "IS",
        "LI",
        "NO",
    ]
)


def country_name(written: str, locale: Locale) -> str:
    """The name in this language of a country, given as ISO 3166 code or by name; as written where it is unknown."""
    code = _code(written)
    return _names(locale)[code] if code else written


def is_in_eea(written: str) -> bool:
    """Whether a country, given as ISO 3166 code or by name, is known to belong to the European Economic Area."""
    return _code(written) in _EEA


def _code(written: str) -> str | None:
    wanted = written.strip()
    if len(wanted) == 2 and wanted.upper() in _names("en"):
        return wanted.upper()
    return _codes().get(wanted.casefold())


@cache
def _codes() -> dict[str, str]:
    """The code of each country by its name in any language, in lower case."""
    named = {
        name.casefold(): code
        for locale in LOCALES
        for code, name in _names(locale).items()
        if len(code) == 2 and code.isalpha()
    }
    return named | {"the netherlands": "NL", "holland": "NL", "usa": "US"}


@cache
def _names(locale: Locale) -> dict[str, str]:
    from babel import Locale as BabelLocale  # noqa: PLC0415 - slow to import

    return dict(BabelLocale.parse(locale).territories)
