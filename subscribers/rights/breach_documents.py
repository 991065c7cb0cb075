"""The documents of a breach: the report to the controllers, the authority's form, the letters, and who is concerned.

What only people know stands in square brackets, to be filled in.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from mailer.config import Settings
from subscribers.rights.breach import Category, ConcernedPerson, Incident, Scope
from subscribers.rights.spreadsheet import without_formula
from templates.environment import render_template
from templates.language import LOCALES, Locale, Register, format_long_date, format_number, greet, load_texts

PEOPLE_NAME = "people.csv"
FACTS_NAME = "facts.json"

_COLUMNS = ("email", "salutation", "first_name", "surname", "language", "greeting")


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach and what it concerns. `by_language` counts the people on file, `gone` those who no longer are."""

    incident: Incident
    people: int
    by_language: Mapping[Locale, int]
    gone: int
    records: Mapping[Category, int]

    def values(self, settings: Settings) -> dict[str, Any]:
        """The breach as plain values."""
        incident = self.incident
        return {
            "scope": incident.scope.value,
            "since": incident.since,
            "until": incident.until,
            "noticed_at": incident.noticed_at,
            "tell_controllers_by": incident.tell_controllers_by(settings.privacy),
            "notify_authority_by": incident.notify_authority_by(settings.privacy),
            "controllers": [controller.name for controller in settings.privacy.controllers],
            "people": self.people,
            "by_language": dict(self.by_language),
            "no_longer_on_file": self.gone,
            "records": {category.value: number for category, number in self.records.items()},
        }


def write_people(
    folder: Path, people: Iterable[ConcernedPerson], default: Locale, register: Register = "formal"
) -> Counter[Locale]:
    """Write who is concerned, with the greeting of their letter; returns how many there are by language.

    `default` is the language of those whose own is unknown, `register` that of the greeting.
    """
    by_language: Counter[Locale] = Counter()
    with _new_file(folder / PEOPLE_NAME) as file:
        table = csv.writer(file, lineterminator="\r\n")
        table.writerow(_COLUMNS)
        for names, email, written in people:
            locale = _locale_of(written, default)
            by_language[locale] += 1
            cells = (email, *names, locale, greet(locale, *names, register))
            table.writerow(map(without_formula, cells))
    return by_language


def write_documents(folder: Path, breach: Breach, settings: Settings) -> list[str]:
    """Write the report, the form and the facts in the settings' language, and a letter in each; returns their names."""
    documents = {
        "controllers.txt": ("breach_controllers", settings.locale),
        "authority.txt": ("breach_authority", settings.locale),
        **{f"letter.{locale}.txt": ("breach_letter", locale) for locale in LOCALES},
    }
    for name, (template, locale) in documents.items():
        text = render_template(
            f"documents/{template}.{locale}.txt.j2",
            _document_values(breach, settings, locale),
            templates_dir=settings.templates_dir,
        )
        with _new_file(folder / name) as file:
            file.write(text)
    with _new_file(folder / FACTS_NAME) as file:
        json.dump(breach.values(settings), file, indent=2, default=datetime.isoformat)
        file.write("\n")
    return [*documents, FACTS_NAME]


def scope_sentence(scope: Scope, locale: Locale) -> str:
    """What could be read, in a sentence."""
    return load_texts(locale)["breach"][scope]


def _document_values(breach: Breach, settings: Settings, locale: Locale) -> dict[str, Any]:
    texts, privacy, incident = load_texts(locale), settings.privacy, breach.incident
    moments = {
        "since": incident.since,
        "until": incident.until,
        "noticed_at": incident.noticed_at,
        "tell_controllers_by": incident.tell_controllers_by(privacy),
        "notify_authority_by": incident.notify_authority_by(privacy),
    }
    return {
        **{name: _moment(moment.astimezone(settings.tz), locale) for name, moment in moments.items()},
        "register": settings.form_of_address,
        "brand": settings.brand,
        "contact": str(privacy.contact or texts["breach"]["no_contact"]),
        "controllers": privacy.controllers,
        "authority": privacy.authority,
        "scope_sentence": scope_sentence(incident.scope, locale),
        "people": format_number(breach.people, locale),
        "gone": format_number(breach.gone, locale),
        "by_language": {
            texts["data"][f"language_{language}"]: format_number(number, locale)
            for language, number in breach.by_language.items()
        },
        "categories": [texts["data"][category] for category in breach.records],
        "records": {
            texts["data"][category]: format_number(number, locale)
            for category, number in breach.records.items()
        },
    }


def _moment(moment: datetime, locale: Locale) -> str:
    written = load_texts(locale)["breach"]["moment"]
    return written.format(
        day=format_long_date(moment.date(), locale), time=f"{moment:%H:%M}", zone=moment.tzname()
    )


def _locale_of(language: str, default: Locale) -> Locale:
    """The language of the mails that a wording's language (RFC 5646), such as ``nl-BE``, belongs to."""
    primary = language.strip().lower().replace("_", "-").partition("-")[0]
    return next((locale for locale in LOCALES if locale == primary), default)


def _new_file(path: Path) -> TextIO:
    """A new file that only its owner can read; a spreadsheet tells its encoding by the mark at its beginning."""
    encoding = "utf-8-sig" if path.suffix == ".csv" else "utf-8"
    file = path.open("x", encoding=encoding, newline="")
    path.chmod(0o600)
    return file
