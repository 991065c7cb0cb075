"""Standard output: results as text or JSON, in the encoding of the terminal or pipe."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path


def tolerate_any_text() -> None:
    """Make standard output and standard error escape characters that their encoding lacks, instead of
    failing.

    A report must not fail after the work is done.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def to_json(values: Mapping[str, object]) -> str:
    """One JSON object on one line; in ASCII, unless standard output is in UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").replace("_", "")
    return json.dumps(values, ensure_ascii=encoding != "utf8", default=_plain)


def write_line(line: str) -> None:
    """Write `line` to standard output at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    match value:
        case date():
            return value.isoformat()
        case Path():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
