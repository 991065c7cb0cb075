"""Anchors: checkpoints that were taken out of the database, into a file, with the time stamp of an authority.

Whoever rolls the database back, and the head file with it, does not fit the anchors any more.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from mailer.errors import ConfigurationError, InvalidInput, MailerError, reason_of
from mailer.files import read_file
from mailer.quantity import quantity
from mailer.timestamps import check_timestamp, request_timestamp
from subscribers.ledger.checkpoint import Checkpoint, LedgerSigner, not_signed, signer_of
from subscribers.ledger.events import BrokenEntry
from subscribers.ledger.tiles import head, signed_checkpoint

_START = b'{"checkpoint": "'  # of each line
_LARGEST_FILE = 50_000_000  # bytes; an anchor with a time stamp has some 8 KB


@dataclass(frozen=True, slots=True)
class Authority:
    """A time-stamping authority (RFC 3161): its URL, and the file with its root certificate."""

    url: str
    certificates: Path


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed checkpoint (a C2SP note) and when it was taken out. `timestamp` is the authority's answer (DER)."""

    checkpoint: str
    made_at: datetime
    timestamp: bytes | None = None

    def dump(self) -> str:
        """The anchor as a line of JSON."""
        values = {
            "checkpoint": self.checkpoint,
            "made_at": self.made_at.isoformat(),
            "timestamp": None if self.timestamp is None else base64.b64encode(self.timestamp).decode(),
        }
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def load(cls, line: str) -> Anchor:
        """The anchor in a line of JSON. Raises ValueError where it is none."""
        values: Any = json.loads(line)
        try:
            stamp = values["timestamp"]
            return cls(
                str(values["checkpoint"]),
                datetime.fromisoformat(values["made_at"]),
                None if stamp is None else base64.b64decode(stamp, validate=True),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None


def signed_note(connection: Connection) -> str:
    """The newest signed checkpoint. Raises Refused where the ledger is not signed."""
    note = signed_checkpoint(connection)
    if note is None:
        raise not_signed()
    return note


def make_anchor(note: str, now: datetime, authority: Authority | None) -> Anchor:
    """Take a signed checkpoint out, stamped by the authority where there is one.

    Raises the errors of `request_timestamp`. Call it outside a transaction: it waits for the authority.
    """
    stamp = None
    if authority is not None:
        stamp = request_timestamp(authority.url, note.encode(), authority.certificates)
    return Anchor(note, now, stamp)


def append_anchor(path: Path, anchor: Anchor) -> None:
    """Write the anchor at the end of a file, one process at a time. Raises InvalidInput where it can't be written."""
    line = anchor.dump().encode() + b"\n"
    try:
        with path.open("ab") as file:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _ends_a_line(path):
                line = b"\n" + line  # after a line that was cut short by a crash or a full disk
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InvalidInput(f"the anchor can't be written: {error.strerror}.", where=str(path)) from None


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def read_anchors(path: Path) -> list[Anchor]:
    """The anchors in a file, oldest first; none where there is no file. A line that was cut short is left out.

    Raises ConfigurationError where another line is no anchor, or the file can't be read, and InvalidInput where it is no
    file of a usable size.
    """
    try:
        lines = read_file(path, _LARGEST_FILE).splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {reason_of(error)}.") from None
    anchors = []
    for number, line in enumerate(lines, 1):
        try:
            anchors.append(Anchor.load(line.decode()))
        except ValueError:
            if _is_cut_short(line):
                continue
            raise ConfigurationError(
                f"{path}, line {number}: it is not an anchor.", hint="Restore the file from your copy of it."
            ) from None
    return anchors


def _is_cut_short(line: bytes) -> bool:
    return line != b"" and line[: len(_START)] == _START[: len(line)] and not line.endswith(b"}")


def check_anchors(
    connection: Connection, path: Path, certificates: Path | None = None, *, newest_only: bool = False
) -> list[Anchor]:
    """Compare the ledger with the anchors in a file, or with the newest of them; returns those.

    With the authority's `certificates` the time stamps are checked too. Raises BrokenEntry where an anchor was signed
    by another key, or the ledger does not hold it; ConfigurationError where the file or the key can't be read.
    """
    anchors, signer = read_anchors(path), signer_of(connection)
    if newest_only and (last := newest(anchors)) is not None:
        anchors = [last]
    if not anchors:
        return []
    if signer is None or signer.key is None:
        raise ConfigurationError(
            f"{path} can't be checked without the key that signs the ledger.",
            hint="Restore mailer.ledger.key from your copy.",
        )
    for anchor in anchors:
        _check(connection, anchor, path, signer)
        if certificates is not None and anchor.timestamp is not None:
            _check_timestamp(anchor, path, certificates)
    return anchors


def _check(connection: Connection, anchor: Anchor, path: Path, signer: LedgerSigner) -> None:
    opened = signer.open(anchor.checkpoint)
    if opened is None:
        raise BrokenEntry(
            0, f"an anchor in {path} of {anchor.made_at:%Y-%m-%d} was signed by another key, or altered"
        )
    found = head(connection, opened.size)
    if found.root == opened.root.hex():
        return
    if not found.root:
        raise BrokenEntry(opened.size, f"it is missing; {_description(anchor, opened, path)}")
    raise BrokenEntry(
        opened.size, f"the entries up to it are not those of {_description(anchor, opened, path)}"
    )


def _check_timestamp(anchor: Anchor, path: Path, certificates: Path) -> None:
    try:
        check_timestamp(anchor.timestamp or b"", anchor.checkpoint.encode(), certificates)
    except ConfigurationError:
        raise
    except MailerError as error:
        raise BrokenEntry(0, f"an anchor in {path} of {anchor.made_at:%Y-%m-%d}: {error.message}") from None


def _description(anchor: Anchor, opened: Checkpoint, path: Path) -> str:
    entries = quantity(opened.size, "entry", "entries")
    return f"the anchor in {path} of {anchor.made_at:%Y-%m-%d}, which has {entries}"


def newest(anchors: Sequence[Anchor]) -> Anchor | None:
    """The newest of these anchors."""
    return max(anchors, key=lambda each: each.made_at, default=None)
