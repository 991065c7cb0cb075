"""The greeting of a mail, from salutation, first name and surname, by the grammar of its language.

A salutation that is unknown or ambiguous ("dhr./mevr.") is ignored. Without a usable name the greeting is neutral. A
name that is written from right to left is isolated, so that it does not move the words and signs around it (UAX 9,
"Isolates").
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple, assert_never

from templates.language.texts import Locale, Register


class _Honorific(NamedTuple):
    """What each language writes before a surname; None if the language has no suitable word."""

    nl: str | None
    en: str


_MRS = _Honorific("mevrouw", "Mrs")
_MS = _Honorific("mevrouw", "Ms")
_MISS = _Honorific("mevrouw", "Miss")
_MR = _Honorific("heer", "Mr")
_MX = _Honorific(None, "Mx")
_DOCTOR = _Honorific("dr.", "Dr")
_PROFESSOR = _Honorific("professor", "Professor")

_SALUTATIONS = {
    **dict.fromkeys(("mevrouw", "mevr", "mw", "mvr", "ms", "madam", "madame", "vrouw"), _MS),
    **dict.fromkeys(("heer", "dhr", "hr", "meneer", "mijnheer", "mr", "mister", "sir"), _MR),
    "mrs": _MRS,
    "miss": _MISS,
    "mx": _MX,
}
_TITLES = {
    **dict.fromkeys(("dr", "doctor"), _DOCTOR),
    **dict.fromkeys(("prof", "professor"), _PROFESSOR),
}
# Words that a salutation may contain and a greeting leaves out: articles, "dear", and minor Dutch titles.
_IGNORED_WORDS = frozenset({"de", "den", "geachte", "beste", "dear", "drs", "ir", "ing"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})  # classes of characters, UAX 9
_ISOLATE, _END_OF_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_PARTICLE = re.compile(r"\w+ |[dl]['’]")


def greet(
    locale: Locale,
    salutation: str | None,
    first_name: str | None,
    surname: str | None,
    register: Register = "formal",
) -> str:
    """The greeting without the comma after it: ``Geachte mevrouw De Vries``, ``Dear Ms de Vries``.

    The salutation may be in either language, with or without full stops, in upper or lower case. Without a
    usable salutation the greeting has the first name (``Beste Zoë``, ``Dear Zoë``); without a first name it
    is neutral (``Beste lezer``, ``Dear reader``). The informal register has the first name (``Beste Zoë``, ``Hi Zoë``)
    where it is known.
    """
    if register == "informal" and (given_name := _clean_name(first_name)):
        return f"{'Beste' if locale == 'nl' else 'Hi'} {_isolate(given_name)}"
    honorific = _find_honorific(salutation or "", locale)
    family_name = _clean_name(surname) if honorific else ""
    match locale:
        case "nl":
            if family_name and honorific and honorific.nl:
                return f"Geachte {honorific.nl} {_isolate(capitalise_particle(family_name))}"
            return f"Beste {_isolate(_clean_name(first_name)) or 'lezer'}"
        case "en":
            if family_name and honorific:
                return f"Dear {honorific.en} {_isolate(family_name)}"
            return f"Dear {_isolate(_clean_name(first_name)) or 'reader'}"
        case _:
            assert_never(locale)


def capitalise_particle(surname: str) -> str:
    """A Dutch surname as it is written without a first name or initials before it.

    The first particle gets a capital (``De Vries``, ``Van den Berg``, ``D'Ancona``), the following ones do
    not. A name that starts with an apostrophe (``'t Hooft``) and a name of one word are not changed.
    (Taaladvies.net, "Hoofdletters in namen".)
    """
    if surname[0].islower() and _PARTICLE.match(surname):
        return surname[0].upper() + surname[1:]
    return surname


@lru_cache(maxsize=256)  # an audience has many people and few different salutations
def _find_honorific(salutation: str, locale: Locale) -> _Honorific | None:
    if locale == "nl":
        salutation = re.sub(r"\bmr\.", "", salutation)  # in Dutch a lawyer's title, for men and women
    words = [word.casefold() for word in re.split(r"[\s./]+", salutation) if word]
    if not all(word in _SALUTATIONS or word in _TITLES or word in _IGNORED_WORDS for word in words):
        return None
    salutations = {_SALUTATIONS[word] for word in words if word in _SALUTATIONS}
    titles = [_TITLES[word] for word in words if word in _TITLES]
    if len(salutations) > 1:
        return None
    title = (_PROFESSOR if _PROFESSOR in titles else titles[0]) if titles else None
    form_of_address = next(iter(salutations), None)
    return (form_of_address or title) if locale == "nl" else (title or form_of_address)


def _clean_name(value: str | None) -> str:
    """The name with single spaces; empty for a value without letters, such as "-" or "?"."""
    if not value or value.isalpha():
        return value or ""
    name = " ".join(value.split())
    return name if name[:1].isalpha() or any(map(str.isalpha, name)) else ""


def _isolate(name: str) -> str:
    """The name; between isolating characters where a part of it is written from right to left."""
    if name.isascii() or _RIGHT_TO_LEFT.isdisjoint(map(unicodedata.bidirectional, name)):
        return name
    return f"{_ISOLATE}{name}{_END_OF_ISOLATE}"
