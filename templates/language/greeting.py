"""How a mail begins: salutation, first name and surname, in the grammar of its language.

Only what is certain is said. A salutation that is unknown or that leaves the person's sex open
("dhr./mevr.") counts as none, and where no name remains, the greeting is a neutral one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from templates.language.texts import Locale


@dataclass(frozen=True, slots=True)
class _Form:
    """How a salutation is written in each language, ahead of a surname; None where there is no good way."""

    nl: str | None
    en: str


_MRS = _Form("mevrouw", "Mrs")
_MS = _Form("mevrouw", "Ms")
_MISS = _Form("mevrouw", "Miss")
_MR = _Form("heer", "Mr")
_MX = _Form(None, "Mx")
_DOCTOR = _Form("dr.", "Dr")
_PROFESSOR = _Form("professor", "Professor")

_PERSONS = {
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
# The lesser Dutch titles are not used in a greeting; the rest are words around the salutation proper.
_PASSED_OVER = frozenset({"de", "den", "geachte", "beste", "dear", "drs", "ir", "ing"})
_PARTICLE = re.compile(r"\w+ |[dl]['’]")


def greet(locale: Locale, salutation: str | None, first_name: str | None, surname: str | None) -> str:
    """The greeting, without the comma after it: ``Geachte mevrouw De Vries``, ``Dear Ms de Vries``.

    The salutation may be in either language, with or without full stops and in any case. Where it does not
    serve, the first name does (``Beste Zoë``, ``Dear Zoë``); where that is missing too, nobody is guessed at
    (``Beste lezer``, ``Dear reader``).
    """
    family = _name(surname)
    form = _form(salutation or "", locale)
    match locale:
        case "nl":
            if family and form and form.nl:
                return f"Geachte {form.nl} {capitalise_particle(family)}"
            return f"Beste {_name(first_name) or 'lezer'}"
        case "en":
            if family and form:
                return f"Dear {form.en} {family}"
            return f"Dear {_name(first_name) or 'reader'}"
        case _:
            assert_never(locale)


def capitalise_particle(surname: str) -> str:
    """A Dutch surname as written without a first name or initials before it.

    The first particle takes a capital (``De Vries``, ``Van den Berg``, ``D'Ancona``), the following ones do
    not. A name that begins with an apostrophe stays as it is (``'t Hooft``), and so does a name of one word,
    for its bearer's spelling is the right one. (Taaladvies.net, "Hoofdletters in namen".)
    """
    if surname[0].islower() and _PARTICLE.match(surname):
        return surname[0].upper() + surname[1:]
    return surname


@lru_cache(maxsize=256)  # a list knows few salutations, and many people
def _form(salutation: str, locale: Locale) -> _Form | None:
    if locale == "nl":
        salutation = re.sub(r"\bmr\.", "", salutation)  # a lawyer's title there, and she may be a woman
    lowered = [word.casefold() for word in re.split(r"[\s./]+", salutation) if word]
    if not all(word in _PERSONS or word in _TITLES or word in _PASSED_OVER for word in lowered):
        return None
    persons = {_PERSONS[word] for word in lowered if word in _PERSONS}
    titles = [_TITLES[word] for word in lowered if word in _TITLES]
    if len(persons) > 1:
        return None
    title = (_PROFESSOR if _PROFESSOR in titles else titles[0]) if titles else None
    person = next(iter(persons), None)
    return (person or title) if locale == "nl" else (title or person)


def _name(value: str | None) -> str:
    """The name in single spaces; what has no letter in it ("-", "?") is no name."""
    name = " ".join((value or "").split())
    return name if any(map(str.isalpha, name)) else ""
