"""The letters of a breach as they lie in their folder, to whom they go, and what became of each (GDPR art. 34)."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TextIO

from mailer.errors import ConfigurationError, InvalidInput, Refused, reason_of
from mailer.files import locked_folder, read_file
from subscribers.rights.breach_documents import PEOPLE_NAME
from subscribers.rights.letter_html import letter_html
from subscribers.rights.spreadsheet import original
from templates.language import LOCALES, Locale, parse_locale

JOURNAL_NAME = "sent.jsonl"
GREETING = "{greeting}"

_LARGEST_LETTER = 100_000  # bytes
_WHICH_FOLDER = "--output names a folder that `mailer privacy breach --since TIME` made, with all its files."
_TO_FILL_IN = re.compile(r"\[(?:Fill|Vul)\s+in")


class LetterState(StrEnum):
    """What became of a letter. `attempting` without another state after it is unknown: it is never sent again."""

    ATTEMPTING = "attempting"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"  # not offered, or not taken for now: sent by the next run
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class LetterText:
    """A letter. `body` holds GREETING once."""

    locale: Locale
    subject: str
    body: str

    def text_for(self, greeting: str) -> str:
        """The text to one person."""
        return self.body.replace(GREETING, greeting)

    def html_for(self, greeting: str) -> str:
        """The same as HTML."""
        return letter_html(self.text_for(greeting), self.subject, self.locale)


class Recipient(NamedTuple):
    """A row of the list of people. Rows count from 1."""

    row: int
    email: str
    locale: Locale
    greeting: str


def read_letters(folder: Path) -> dict[Locale, LetterText]:
    """The letters in a folder of `mailer privacy breach`. Raises InvalidInput, and Refused where one is not filled in."""
    return {locale: _read_letter(folder / f"letter.{locale}.txt", locale) for locale in LOCALES}


def _read_letter(path: Path, locale: Locale) -> LetterText:
    with _reading(path):
        text = read_file(path, _LARGEST_LETTER).decode("utf-8-sig").replace("\r\n", "\n")
    first, _, body = text.partition("\n")
    name, _, subject = first.partition(":")
    if name.strip() != "Subject" or not subject.strip() or body.count(GREETING) != 1:
        raise InvalidInput(
            f'its first line is to be "Subject: ...", and {GREETING} is to stand in it once.', where=str(path)
        )
    if _TO_FILL_IN.search(text):
        raise Refused(
            f"{path} is not filled in.", hint="Write what stands in [square brackets], or delete it."
        )
    return LetterText(locale, subject.strip(), body.strip() + "\n")


def read_people(folder: Path) -> Iterator[Recipient]:
    """Whom the breach concerns, one after the other. Raises InvalidInput."""
    path = folder / PEOPLE_NAME
    with _reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        for row, values in enumerate(csv.DictReader(file), 1):
            yield _recipient(row, values, where=f"{path}, row {row}")


def _recipient(row: int, values: dict[str, str | None], *, where: str) -> Recipient:
    email, language, greeting = (values.get(name) for name in ("email", "language", "greeting"))
    if email is None or language is None or greeting is None:
        raise InvalidInput("it has no email, language or greeting.", where=where, hint=_WHICH_FOLDER)
    return Recipient(row, original(email), parse_locale(language, where=where), greeting)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raises InvalidInput, which names the file, for what reading it as text raises."""
    try:
        yield
    except UnicodeDecodeError:
        raise InvalidInput("it is not UTF-8 text.", where=str(path), hint="Save the file as UTF-8.") from None
    except (OSError, csv.Error) as error:
        raise InvalidInput(
            f"it can't be read: {reason_of(error)}.", where=str(path), hint=_WHICH_FOLDER
        ) from None


class LetterJournal:
    """What became of each letter, in a file in the folder: an attempt is on disk before the letter is offered."""

    def __init__(self, file: TextIO, states: dict[int, LetterState]) -> None:
        self._file = file
        self._states = states

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[LetterJournal]:
        """The journal of a folder, which no other process can send meanwhile."""
        path = folder / JOURNAL_NAME
        with locked_folder(path), path.open("a+", encoding="utf-8") as file:
            path.chmod(0o600)
            file.seek(0)
            yield cls(file, _states(file, path))

    def is_to_send(self, row: int) -> bool:
        """Whether the letter was not attempted yet, or was put off."""
        return self._states.get(row, LetterState.DEFERRED) is LetterState.DEFERRED

    def note(self, row: int, state: LetterState) -> None:
        """Record what becomes of a letter, durably."""
        self._states[row] = state
        self._file.write(json.dumps({"row": row, "state": state.value}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def counts(self) -> Counter[LetterState]:
        """How many letters are in each state. An attempt without an outcome is uncertain."""
        found = Counter(self._states.values())
        found[LetterState.UNCERTAIN] += found.pop(LetterState.ATTEMPTING, 0)
        return found


def _states(file: TextIO, path: Path) -> dict[int, LetterState]:
    states, line = {}, "\n"
    for number, line in enumerate(file, 1):
        if not line.endswith("\n"):
            break  # a process died while it wrote the line: what stands before it counts
        try:
            values = json.loads(line)
            states[int(values["row"])] = LetterState(values["state"])
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(
                f"{path}, line {number}: it is not a line of a journal of letters."
            ) from None
    if not line.endswith("\n"):
        file.truncate(path.read_bytes().rfind(b"\n") + 1)
    return states
