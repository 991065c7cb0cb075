"""Read a file of addresses: one on each line, or a CSV file with a column of addresses."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TextIO

from mailer.errors import InvalidInput
from subscribers.address import EmailAddress, normalise
from subscribers.intake.applicant import Refusal
from subscribers.intake.csv_file import MAX_LINE_LENGTH, Field, field_of
from subscribers.intake.encoding import first_line


def read_addresses(text: TextIO, name: str) -> Iterator[EmailAddress | Refusal]:
    """The addresses in a file that `csv_file.as_text` opened, called `name` in messages; bad ones as
    refusals.

    Raises InvalidInput where the first line is neither an address nor a header with a column for them.
    """
    first = first_line(text, name, MAX_LINE_LENGTH)
    delimiter = ";" if first.count(";") > first.count(",") else ","
    cells = _split(first, delimiter)
    column = next((index for index, cell in enumerate(cells) if field_of(cell) is Field.EMAIL), None)
    header = "" if column is None else cells[column]
    if column is None:
        if "@" not in first:
            raise InvalidInput(
                "the first line has neither an address nor a column for addresses.",
                where=f"{name}, row 1",
                hint='Write one address a line, or call the column "email".',
            )
        column = 0
        yield _read(cells, column, 1, header)
    row = 1
    while line := text.readline(MAX_LINE_LENGTH):
        row += 1
        if not line.isspace():
            yield _read(_split(line, delimiter), column, row, header)


def _read(cells: list[str], column: int, row: int, header: str) -> EmailAddress | Refusal:
    try:
        return normalise(cells[column].strip(" \u00a0"))
    except IndexError:
        return Refusal(row, header, "it has no such column")
    except InvalidInput as error:
        return Refusal(row, header, error.reason)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [""])
    except csv.Error:
        return [""]
