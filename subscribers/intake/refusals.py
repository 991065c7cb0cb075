"""The file of refused rows: number, column and reason, without the content of the row.

It has the encoding and the delimiter of the imported file.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mailer.errors import MailerError, Refused
from subscribers.intake.applicant import Refusal

_MOST_REASONS = 100  # that are counted
HEADER = ("row", "column", "reason")


class Refusals:
    """Writes `path` at the first refusal. Without refusals there is no file; that of an earlier import is
    removed.

    Raises Refused where `path` is a file, but not one of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.delimiter, self.encoding = ",", "utf-8"
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._open = ExitStack()
        self._writer: Any = None

    def __enter__(self) -> Self:
        try:
            if self.path.exists() and not self._is_ours():
                raise Refused(
                    f"{self.path} is there already, and it is not a list of refusals.",
                    hint="Name another file with --refusals.",
                )
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def write(self, refusal: Refusal) -> None:
        """Add a row. Raises MailerError where the file can't be written."""
        reason = (refusal.column, refusal.reason)
        if len(self._reasons) < _MOST_REASONS or reason in self._reasons:
            self._reasons[reason] += 1
        try:
            if self._writer is None:
                stream = self._open.enter_context(
                    self.path.open("w", encoding=self.encoding, errors="replace", newline="")
                )
                self._writer = csv.writer(stream, delimiter=self.delimiter, lineterminator="\n")
                self._writer.writerow(HEADER)
            self._writer.writerow((refusal.row, refusal.column, refusal.reason))
        except OSError as error:
            raise self._unwritable(error) from None

    def commonest(self) -> tuple[str, int] | None:
        """The reason of the most rows, with its column, and how many those are; None where there are several and no two rows share
        one.
        """
        found = next(iter(self._reasons.most_common(1)), None)
        if found is None or (found[1] == 1 and len(self._reasons) > 1):
            return None
        (column, reason), rows = found
        return f"{column}: {reason}" if column else reason, rows

    def _is_ours(self) -> bool:
        with self.path.open("rb") as stream:
            start = stream.read(100).decode(errors="replace").replace("\0", "")
        return not start or re.match(rf"\W*{'.'.join(HEADER)}\r?\n", start) is not None

    def _unwritable(self, error: OSError) -> MailerError:
        return MailerError(
            f"The refusals can't be written to {self.path}: {error.strerror}.",
            hint="Name another file with --refusals, and import again: rows that went in count as unchanged.",
        )
