"""Write a person's data as a file: JSON for programs, CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from subscribers.rights.spreadsheet import without_formula


class ExportFormat(StrEnum):
    """The format of an export."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"


def to_json(values: Mapping[str, Any]) -> str:
    """The values of `rights.export_values` as JSON (schema: `rights.EXPORT_SCHEMA`)."""
    return json.dumps(values, ensure_ascii=False, indent=2, default=_plain) + "\n"


def to_csv(values: Mapping[str, Any]) -> str:
    """The same values as a table: part, number within the part, name, value.

    A value that a spreadsheet would take for a formula begins with an apostrophe (somebody else may have typed a
    name).
    """
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\r\n")
    rows.writerow(("part", "number", "name", "value"))
    for name, value in values.items():
        for part, number, field, cell in _rows(name, value):
            rows.writerow((part, number, field, _cell(cell)))
    return written.getvalue()


def _rows(name: str, value: Any) -> Iterator[tuple[str, int | str, str, Any]]:
    match value:
        case list():
            for number, item in enumerate(value, 1):
                for field, cell in item.items():
                    yield name, number, field, cell
        case dict():
            for field, cell in value.items():
                yield name, "", field, cell
        case _:
            yield "person", "", name, value


def _cell(value: Any) -> str:
    text = "" if value is None else str(_plain(value) if isinstance(value, date) else value)
    return without_formula(text)


def _plain(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
