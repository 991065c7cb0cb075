"""Read a CSV file of people record by record. A malformed record is reported and does not end the reading.

The delimiter is a comma, semicolon or tab, by the header or by a first line such as `sep=;`. Headers are
English or Dutch. Memory use does not depend on the length of the file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

from mailer.errors import InvalidInput
from mailer.lone_surrogates import has_lone_surrogate
from mailer.quantity import quantity
from subscribers.intake.encoding import first_line

MAX_LINE_LENGTH = 64 * 1024
MAX_TITLE_LENGTH = 100
MAX_LINES = 100
MAX_TITLES_SHOWN = 12


class Field(StrEnum):
    """The fields that are read. Other columns are ignored."""

    SALUTATION = "salutation"
    FIRST_NAME = "first_name"
    PREFIX = "surname_prefix"
    SURNAME = "surname"
    EMAIL = "email"
    OPTED_IN = "opted_in"
    OPTED_IN_AT = "opted_in_at"


# Headers without case, spaces, hyphens, underscores and dots.
HEADERS: dict[str, Field] = {
    **dict.fromkeys(("salutation", "aanhef"), Field.SALUTATION),
    **dict.fromkeys(("firstname", "givenname", "voornaam", "roepnaam"), Field.FIRST_NAME),
    **dict.fromkeys(
        ("surnameprefix", "tussenvoegsel", "tussenvoegsels", "voorvoegsel", "voorvoegsels"), Field.PREFIX
    ),
    **dict.fromkeys(("surname", "lastname", "familyname", "achternaam", "familienaam"), Field.SURNAME),
    **dict.fromkeys(("email", "emailaddress", "mail", "mailadres", "emailadres"), Field.EMAIL),
    **dict.fromkeys(("optedin", "optin", "consent", "toestemming"), Field.OPTED_IN),
    **dict.fromkeys(
        (
            "optedinat",
            "optedinon",
            "optinat",
            "optindate",
            "consentat",
            "consentdate",
            "toestemmingop",
            "toestemmingsdatum",
            "datumtoestemming",
        ),
        Field.OPTED_IN_AT,
    ),
}
REQUIRED = (Field.EMAIL, Field.OPTED_IN, Field.OPTED_IN_AT)
HINT = (
    "The header is salutation,first_name,surname,email,opted_in,opted_in_at or "
    "aanhef,voornaam,tussenvoegsel,achternaam,e-mailadres,toestemming,toestemming_op; the names may be left out."
)

_SEPARATOR_LINE = re.compile(r'"?sep=(\\t|[^"\r\n\w])"?[,;\t]*', re.IGNORECASE)  # Excel's
# The first characters of files of Excel and LibreOffice, read as Windows-1252 or as UTF-8.
_WORKBOOKS = ("PK\x03\x04", "ÐÏ\x11à", "\udcd0\udccf\x11")
_TEXT_FORMULA = re.compile(r'="([^"]*)"')  # keeps a spreadsheet from taking a text for a number
_DECORATION = re.compile(r"[\W_]")


def field_of(title: str) -> Field | None:
    """The field of a column with this title; None if the column is ignored."""
    return HEADERS.get(_DECORATION.sub("", title).casefold())


@dataclass(slots=True)
class Record:
    """The cells of a row. `row` is the number in a spreadsheet: the header is row 1."""

    row: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A malformed row, and the reason."""

    row: int
    reason: str


class PeopleCsv:
    """A file of people, opened by `encoding.as_text`. It can be iterated once. Raises InvalidInput for an
    invalid header.

    `delimiter` separates cells. `columns` has the index of each field, `headers` its title in the file,
    `dropped` the ignored columns.
    """

    def __init__(self, text: TextIO, name: str) -> None:
        self._text = text
        self._put_back: list[str] = []
        self._name = name
        header = first_line(text, name, MAX_LINE_LENGTH)
        if said := _SEPARATOR_LINE.fullmatch(header.rstrip("\r\n")):
            self.delimiter = said[1].replace("\\t", "\t")
            header = self._next_line()
        else:
            self.delimiter = max(",;\t", key=header.count)
        titles = self._titles(header)
        while titles and not titles[-1].strip():
            titles.pop()
        self._width = len(titles)
        self.columns: dict[Field, int] = {}
        self.headers: dict[Field, str] = {}
        self.dropped: tuple[str, ...] = ()
        for index, title in enumerate(titles):
            self._assign(index, title)
        if len(titles) == 1 and any(mark in titles[0] for mark in ",;\t"):
            raise self._header_error(
                "the whole line stands in quotation marks, so that it is one cell",
                "Open the file in a spreadsheet, split the column into several, and save it again.",
            )
        if missing := [field.value for field in REQUIRED if field not in self.columns]:
            found = ", ".join([*self.headers.values(), *self.dropped][:MAX_TITLES_SHOWN])
            raise self._header_error(f"there is no column {' or '.join(missing)}; there are {found}", HINT)

    def __iter__(self) -> Iterator[Record | Malformed]:
        row = 1
        read, put_back, delimiter, width = self._text.readline, self._put_back, self.delimiter, self._width
        while line := put_back.pop() if put_back else read(MAX_LINE_LENGTH):
            row += 1
            if len(line) == MAX_LINE_LENGTH:
                self._skip_line(line)
                yield Malformed(row, f"it is longer than {MAX_LINE_LENGTH} characters")
            elif '"' in line:
                yield self._quoted(row, line)
            elif not line.isspace():
                cells = line.rstrip("\r\n").split(delimiter)
                if cells[0].strip() or any(map(str.strip, cells)):
                    yield Record(row, cells) if len(cells) == width else self._sized(row, cells)

    def _quoted(self, row: int, line: str) -> Record | Malformed:
        """Read a record that may have several lines. If that fails, only `line` is malformed."""
        further: list[str] = []
        try:
            cells = next(csv.reader(self._lines(line, further), delimiter=self.delimiter, strict=True))
            record = self._sized(
                row, [_TEXT_FORMULA.sub(r"\1", cell) if cell[:2] == '="' else cell for cell in cells]
            )
        except csv.Error:
            record = Malformed(row, "a quotation mark is not closed, or text follows a closed one")
        if isinstance(record, Malformed):
            self._put_back.extend(reversed(further))
        return record

    def _lines(self, line: str, further: list[str]) -> Iterator[str]:
        yield line
        while len(further) < MAX_LINES and (line := self._next_line()):
            further.append(line)
            yield line

    def _sized(self, row: int, cells: list[str]) -> Record | Malformed:
        if len(cells) == self._width:
            return Record(row, cells)
        if len(cells) > self._width and not any(map(str.strip, cells[self._width :])):
            return Record(row, cells[: self._width])
        return Malformed(row, f"it has {quantity(len(cells), 'cell')} where the header has {self._width}")

    def _next_line(self) -> str:
        return self._put_back.pop() if self._put_back else self._text.readline(MAX_LINE_LENGTH)

    def _skip_line(self, line: str) -> None:
        while line and not line.endswith(("\n", "\r")):
            line = self._next_line()

    def _titles(self, header: str) -> list[str]:
        if not header.strip():
            raise self._header_error("the header is missing", HINT)
        if header.startswith(_WORKBOOKS):
            raise self._header_error(
                "it is a spreadsheet's own file, not CSV", 'Open it there and save it as "CSV UTF-8".'
            )
        if "\0" in header or has_lone_surrogate(header):
            raise self._header_error("it is not text", "Save the file as CSV UTF-8, or name its --encoding.")
        try:
            # A title may have a line break in it.
            lines = self._lines(header, [])
            return next(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error:
            raise self._header_error("the header's quotation marks do not match", HINT) from None

    def _assign(self, index: int, title: str) -> None:
        shown = "".join(character for character in title if character.isprintable()).strip()[
            :MAX_TITLE_LENGTH
        ]
        field = field_of(title)
        if field is None:
            self.dropped += (shown or f"column {index + 1}",)
        elif field in self.columns:
            raise self._header_error(
                f"two columns hold the {field}: {self.headers[field]!r} and {shown!r}",
                "Rename or remove one of them.",
            )
        else:
            self.columns[field] = index
            self.headers[field] = shown

    def _header_error(self, what: str, hint: str) -> InvalidInput:
        return InvalidInput(f"{what}.", where=f"{self._name}, row 1", hint=hint)
