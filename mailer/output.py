"""Standard output: results as text or JSON, in the encoding of the terminal or pipe."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NoReturn, Self

from mailer.errors import MailerError

_SHOW_CURSOR = "\x1b[?25h"  # which a progress bar hides


def tolerate_any_text() -> None:
    """Make standard output and standard error escape characters that their encoding lacks, instead of
    failing.

    A report must not fail after the work is done. And a message that can't be written to standard error is left out.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper) and not isinstance(sys.stderr, _Messages):
        sys.stderr = _Messages.over(sys.stderr)


class _Messages(io.TextIOWrapper):
    """Standard error that leaves out what can't be written: nobody reads it any more, or the disk is full.

    A Ctrl-C that ends a run also ends `tee` behind it. The mails in flight are finished all the same.
    """

    @classmethod
    def over(cls, stream: io.TextIOWrapper) -> Self:
        """The same stream."""
        return cls(
            stream.buffer,
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )

    def write(self, text: str, /) -> int:
        """Write `text`, where that is possible."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is held back, where that is possible."""
        with suppress(OSError):
            super().flush()

    def close(self) -> None:
        """Close nothing: what is below belongs to the stream that this one stands for."""
        self.flush()


def to_json(values: Mapping[str, object]) -> str:
    """One JSON object on one line; in ASCII, unless standard output is in UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").replace("_", "")
    return json.dumps(values, ensure_ascii=encoding != "utf8", default=_plain)


def write_line(line: str) -> None:
    """Write `line` to standard output at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write_report(text: str) -> None:
    """Write what became of work that is done. Where nobody reads it any more, this and all that follows is left out."""
    try:
        write_line(text)
    except BrokenPipeError:
        discard_output()


def discard_output() -> None:
    """Write no more to standard output, also not what is held back: its reader is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def is_json_wanted() -> bool:
    """Whether the command line asks for JSON."""
    return "--json" in sys.argv[1:]


def write_error(message: str, hint: str | None, code: int) -> None:
    """Write an error to standard output as one JSON object on a line, where that is possible."""
    with suppress(OSError):  # then standard error has it
        write_line(to_json({"error": {"message": message, "hint": hint, "code": code}}))


def end_with_error(error: MailerError) -> NoReturn:
    """Report an error, and end the process at once, whatever its threads wait for."""
    start = _SHOW_CURSOR if sys.stderr.isatty() else ""
    sys.stderr.write(f"{start}Error: {error}\n")
    sys.stderr.flush()
    if is_json_wanted():
        write_error(error.message, error.hint, error.exit_code)
    os._exit(error.exit_code)


def _plain(value: object) -> object:
    match value:
        case date():
            return value.isoformat()
        case Path():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
