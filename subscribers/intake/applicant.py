"""Read one row of a file: an applicant, an opt-out, or a refusal with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from unicodedata import category
from zoneinfo import ZoneInfo

from mailer.errors import InvalidInput
from subscribers.address import AddressHasher, EmailAddress, HashedAddress, normalise
from subscribers.intake.consent_time import parse_consent_time
from subscribers.intake.csv_file import Field, Malformed, PeopleCsv, Record
from subscribers.people import Names, parse_name

_NAMED_ADDRESS = re.compile(r"[^<>]*<\s*([^<>\s]+@[^<>\s]+)\s*>")
# All accepted words, in any case. Other words are refused, because consent must not be guessed.
YES = frozenset({"1", "true", "yes", "y", "ja", "j", "waar", "opt-in"})
NO = frozenset({"", "0", "false", "no", "n", "nee", "onwaar", "opt-out"})


# What programs write where they have no name; a mail would greet "Dear None". Null and Nan are names of people.
_NOTHING = frozenset(
    {
        "NULL",
        "null",
        "(null)",
        r"\N",
        "None",
        "none",
        "N/A",
        "n/a",
        "#N/A",
        "NaN",
        "undefined",
        "n.v.t.",
        "nvt",
    }
)


class Applicant(NamedTuple):
    """A person whose row says that they consented, and when."""

    row: int
    names: Names
    address: EmailAddress
    hashed: HashedAddress
    consented_at: datetime


class OptOutRow(NamedTuple):
    """A row that says no. `said_at` is None if the row has no readable date; then the no counts from now."""

    address: EmailAddress
    said_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused row. `column` is the header in the file, or empty if the reason concerns the whole row."""

    row: int
    column: str
    reason: str


class ApplicantReader:
    """Reads the records of a file. Times without a zone are in `zone`. No time may be after `now`."""

    def __init__(self, file: PeopleCsv, hasher: AddressHasher, zone: ZoneInfo, now: datetime) -> None:
        self._headers = file.headers
        self._names = [
            (field, place, file.columns[field])
            for place, field in enumerate((Field.SALUTATION, Field.FIRST_NAME, Field.SURNAME))
            if field in file.columns
        ]
        self._prefix = file.columns.get(Field.PREFIX)
        self._opted_in = file.columns[Field.OPTED_IN]
        self._opted_in_at = file.columns[Field.OPTED_IN_AT]
        self._email = file.columns[Field.EMAIL]
        self._hasher = hasher
        self._zone = zone
        self._now = now

    def read(self, record: Record | Malformed) -> Applicant | Refusal | None:
        """Read a record. None means that the row says no; see `read_no`."""
        if isinstance(record, Malformed):
            return Refusal(record.row, "", record.reason)
        cells = record.cells
        field = Field.OPTED_IN  # the one being read, which a refusal names
        try:
            if not parse_answer(cells[self._opted_in]):
                return None
            field = Field.OPTED_IN_AT
            consented_at = parse_consent_time(cells[self._opted_in_at], self._zone, self._now)
            field = Field.EMAIL
            address = _parse_address(cells[self._email])
            names = ["", "", ""]
            for field, place, index in self._names:
                names[place] = parse_name(self._name(cells, field, index))
        except InvalidInput as error:
            return self._refuse(record, field, error.reason)
        hashed = self._hasher.newest(address.key)
        return Applicant(record.row, Names(*names), address, hashed, consented_at)

    def _name(self, cells: list[str], field: Field, index: int) -> str:
        """The name in a cell; a surname includes its prefix ("van der")."""
        if field is not Field.SURNAME or self._prefix is None:
            return _said(cells[index])
        prefix, surname = _said(cells[self._prefix]).strip(), _said(cells[index]).strip()
        is_there = surname.casefold().startswith(f"{prefix.casefold()} ")
        return surname if not prefix or is_there else f"{prefix} {surname}"

    def _refuse(self, record: Record, first: Field, reason: str) -> Refusal:
        """The refusal of a row, with the reasons of all its columns."""
        cells, problems = record.cells, {first: reason}
        checks: list[tuple[Field, Callable[[], object]]] = [
            (Field.OPTED_IN_AT, lambda: parse_consent_time(cells[self._opted_in_at], self._zone, self._now)),
            (Field.EMAIL, lambda: _parse_address(cells[self._email])),
            *(
                (field, lambda field=field, index=index: parse_name(self._name(cells, field, index)))
                for field, _, index in self._names
            ),
        ]
        for field, check in checks:
            try:
                check()
            except InvalidInput as error:
                problems.setdefault(field, error.reason)
        if len(problems) == 1:
            return Refusal(record.row, self._headers[first], reason)
        columns = [self._headers[field] for field in problems]
        reasons = [f"{header}: {said}" for header, said in zip(columns, problems.values(), strict=True)]
        return Refusal(record.row, " + ".join(columns), "; ".join(reasons))

    def read_no(self, record: Record | Malformed) -> OptOutRow | None:
        """The opt-out in a row that says no; None if it has no readable address."""
        if isinstance(record, Malformed):
            return None
        cells = record.cells
        try:
            if parse_answer(cells[self._opted_in]):
                return None
            address = _parse_address(cells[self._email])
        except InvalidInput:
            return None
        try:
            return OptOutRow(address, parse_consent_time(cells[self._opted_in_at], self._zone, self._now))
        except InvalidInput:
            return OptOutRow(address, None)

    def address_in(self, record: Record | Malformed) -> EmailAddress | None:
        """The address in a row, even if the row is refused; None if it can't be read."""
        if isinstance(record, Malformed):
            return None
        try:
            return _parse_address(record.cells[self._email])
        except InvalidInput:
            return None

    def repeated(self, applicant: Applicant, first: int) -> Refusal:
        """The refusal of a person who occurs earlier in the file, in row `first`."""
        header = self._headers[Field.EMAIL]
        return Refusal(
            applicant.row, header, f"the same address is in row {first}, perhaps spelled otherwise"
        )


def _said(cell: str) -> str:
    """A cell of a name; empty where it says that there is none."""
    return "" if cell.strip() in _NOTHING else cell


def _parse_address(raw: str) -> EmailAddress:
    """The address in a cell, also in the form ``Name <address>``. Raises InvalidInput, which names invisible
    characters.
    """
    written = raw.strip(" \u00a0")
    if written.endswith(">") and (named := _NAMED_ADDRESS.fullmatch(written)):
        written = named[1]
    if written.startswith("'"):
        raise InvalidInput("it begins with an apostrophe, as a spreadsheet marks text; remove it")
    if not written.isascii() and (invisible := next((one for one in written if category(one) == "Cf"), None)):
        raise InvalidInput(f"it has an invisible character (U+{ord(invisible):04X})")
    return normalise(written)


@lru_cache(maxsize=100)
def parse_answer(raw: str) -> bool:
    """Whether a cell says yes. Raises InvalidInput if it says neither yes nor no."""
    word = raw.strip(" \t\u00a0").removeprefix("'").lower()  # spreadsheets mark text with it
    if word in YES:
        return True
    if word in NO:
        return False
    raise InvalidInput(f"it is neither a yes ({', '.join(sorted(YES))}) nor a no")
