"""Language tags as file names have them, such as ``nl``, ``pt-BR`` or ``zh_Hans``."""

from __future__ import annotations

from functools import cache


def language_of_tag(tag: str) -> str | None:
    """The language, in lower case, of a tag that CLDR has a locale for; None for other words.

    So ``pt-br`` is a language, and ``to-do`` is none, although Tongan and the Dominican Republic have these codes.
    """
    language, *rest = tag.lower().replace("-", "_").split("_")
    is_known = any(set(rest) <= parts for parts in _locales().get(language, ()))
    return language if is_known else None


def language_name(language: str) -> str:
    """The English name of a language."""
    from babel import Locale as BabelLocale  # noqa: PLC0415 - slow to import

    return str(BabelLocale.parse("en").languages.get(language, language))


@cache
def _locales() -> dict[str, list[frozenset[str]]]:
    """For each language what further parts the names of its locales have: scripts and countries."""
    from babel.localedata import locale_identifiers  # noqa: PLC0415 - slow to import

    found: dict[str, list[frozenset[str]]] = {}
    for identifier in locale_identifiers():
        language, *rest = identifier.lower().split("_")
        found.setdefault(language, []).append(frozenset(rest))
    return found
