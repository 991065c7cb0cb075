"""The leavers' journal: a file outside the database that says who left, so that a restored backup does not forget them.

It also says whose address does not exist. Decision 014 says why nothing is taken out of it.

One JSON object a line: the keyed hash of the address, topic, kind and time. A file that can't be written delays nobody
and keeps nobody from leaving: what it is to hold is kept in memory, and written when that is possible again.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from mailer.errors import InvalidInput
from mailer.files import give_to_owner
from mailer.quantity import quantity
from mailer.threads import start_if_possible
from subscribers.leaver import Leaver, LeaverKind

JOURNAL_NAME = "mailer.journal"
CLOSE_SECONDS = 5.0
RETRY_SECONDS = 5.0

log = logging.getLogger("mailer.journal")


class Journal:
    """Appends to the file at `path` in a thread of its own; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._waiting: queue.SimpleQueue[list[Leaver] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.problem: str | None = None

    def record(self, noted: Iterable[object]) -> None:
        """Append the leavers among what a transaction noted. Returns at once, and raises nothing."""
        leavers = [one for one in noted if isinstance(one, Leaver)]
        if self._path is None or not leavers:
            return
        self._waiting.put(leavers)
        with self._lock:
            if self._thread is None:
                self._thread = start_if_possible(self._write_all, "journal")

    def close(self) -> None:
        """Wait until everything is written, at most CLOSE_SECONDS. What can't be written now is lost, and logged."""
        self._waiting.put(None)
        if self._thread is None:
            self._write_all()
        else:
            self._thread.join(CLOSE_SECONDS)
            self._thread = None

    def _write_all(self) -> None:
        unwritten: list[Leaver] = []
        is_open = True
        while is_open:
            try:
                leavers = self._waiting.get(timeout=RETRY_SECONDS if unwritten else None)
            except queue.Empty:
                leavers = []
            is_open = leavers is not None
            unwritten += leavers or []
            if unwritten:
                self._try_to_append(unwritten)
        if unwritten:
            log.warning("%s lacks %s: %s.", self._path, quantity(len(unwritten), "line"), self.problem)

    def _try_to_append(self, leavers: list[Leaver]) -> None:
        """Write `leavers`, and take out of the list what is written."""
        try:
            self._append(leavers)
        except OSError as error:
            if self.problem is None:
                log.warning("%s can't be written: %s. It is tried again.", self._path, error.strerror)
            self.problem = f"it can't be written: {error.strerror}"
            return
        if self.problem is not None:
            log.warning("%s is written again; nothing is missing.", self._path)
        self.problem = None

    def _append(self, leavers: list[Leaver]) -> None:
        if self._path is None:
            leavers.clear()
            return
        lines = "".join(map(_line, leavers)).encode("ascii")
        descriptor = _opened(self._path)
        try:
            if os.lseek(descriptor, 0, os.SEEK_END) and not _ends_a_line(descriptor):
                os.write(descriptor, b"\n")  # after a line that was cut short by a full disk
            _write(descriptor, lines, leavers)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_journal(path: Path) -> Iterator[Leaver]:
    """The leavers in a journal, in the order in which they left.

    A last line that was cut short is left out. Raises InvalidInput, with the line's number, for any other line that is
    not as `Journal` writes it, and where the file can't be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidInput(f"it can't be read: {reason}", where=str(path)) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            yield Leaver(
                str(values["address"]),
                str(values["key"]),
                str(values["topic"]),
                LeaverKind(values["kind"]),
                _instant(values["at"]),
            )
        except (ValueError, LookupError, TypeError):
            if number == len(lines) or _is_cut_short(line):
                continue
            raise InvalidInput(
                "it is not a line of the leavers' journal", where=f"{path}, line {number}"
            ) from None


def _opened(path: Path) -> int:
    flags = os.O_APPEND | os.O_CREAT | os.O_RDWR
    try:
        descriptor = os.open(path, flags | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags, 0o600)
    give_to_owner(descriptor, path.absolute().parent)
    return descriptor


def _write(descriptor: int, lines: bytes, leavers: list[Leaver]) -> None:
    """Write `lines`, one for each of `leavers`; those whose line is whole are taken out. A full disk takes a part."""
    written = 0
    try:
        while written < len(lines):
            written += os.write(descriptor, lines[written:])
    finally:
        del leavers[: lines.count(b"\n", 0, written)]


def _line(leaver: Leaver) -> str:
    values = {
        "at": leaver.at.isoformat(),
        "kind": leaver.kind.value,
        "topic": leaver.topic,
        "address": leaver.address_hash,
        "key": leaver.key_id,
    }
    return json.dumps(values) + "\n"


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at


def _is_cut_short(line: str) -> bool:
    return line.startswith('{"at"') and not line.rstrip().endswith("}")


def _ends_a_line(descriptor: int) -> bool:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1) == b"\n"
