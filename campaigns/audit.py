"""An audit: what shows a third party that each mail rested on a consent, without the database.

The whole ledger is in it, because only that shows that no withdrawal came between a consent and a mail.
`examples/verify_audit.py` checks it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile

from sqlalchemy import Connection, distinct, func, or_, select

from campaigns import approvals
from campaigns.deliveries import campaign, evidence
from mailer.errors import InvalidInput
from mailer.new_files import new_file
from subscribers.ledger import EVENT, WORDING, BrokenEntry, not_signed, signed_checkpoint, signer_of
from subscribers.ledger.checkpoint import Checkpoint
from subscribers.ledger.tree import EMPTY, leaf_hash
from subscribers.ledger.walk import encoded_entries

if TYPE_CHECKING:
    from mailer.config.ledger_key import LedgerKey

FORMAT = "release-mailer audit 1"
_FAST = 1  # of deflate: the hashes in the lines can't be made smaller


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit holds: campaigns that were sent in the window, their deliveries by outcome, the ledger's size."""

    campaigns: int
    outcomes: dict[str, int]
    entries: int


def write_audit(connection: Connection, file: Path, since: datetime, until: datetime, now: datetime) -> Audit:
    """Write the audit of the campaigns that were sent between `since` and `until` into a new file.

    Raises Refused where the ledger is not signed, BrokenEntry where it is damaged, InvalidInput where the file can't
    be made.
    """
    with _new_archive(file) as archive:
        # First the deliveries: each entry that they cite is in the ledger that is read afterwards.
        found = [
            _write_campaign(connection, archive, number, row)
            for number, row in enumerate(_campaigns(connection, since, until), 1)
        ]
        note, signed, key = _signed(connection)
        _write_entries(connection, archive, signed)
        manifest = {
            "format": FORMAT,
            "made_at": now,
            "window": {"from": since, "to": until},
            "checkpoint": note,
            "key": key.published,
            "campaigns": found,
            "wordings": [dict(row) for row in connection.execute(select(WORDING)).mappings()],
        }
        content = json.dumps(manifest, ensure_ascii=False, indent=1, default=datetime.isoformat).encode()
        archive.writestr("manifest.json", content)
        archive.writestr("manifest.note", key.sign(f"{FORMAT}\n{sha256(content).hexdigest()}\n"))
    outcomes = sum((Counter(each["outcomes"]) for each in found), Counter[str]())
    return Audit(len(found), dict(outcomes), signed.size)


def count_people(connection: Connection) -> int:
    """The number of people whom the ledger concerns."""
    number: int = connection.execute(select(func.count(distinct(EVENT.c.subscriber_id)))).scalar_one()
    return number


def _campaigns(connection: Connection, since: datetime, until: datetime) -> list[Any]:
    columns = (
        "id",
        "slug",
        "topic",
        "state",
        "content_hash",
        "frozen_at",
        "approved_at",
        "started_at",
        "finished_at",
        "ledger_checkpoint",
        "sealed_deliveries",
        "sealed_root",
    )
    in_window = (
        campaign.c.started_at < until,
        or_(campaign.c.finished_at.is_(None), campaign.c.finished_at >= since),
    )
    statement = select(*(campaign.c[name] for name in columns)).where(*in_window)
    return list(connection.execute(statement.order_by(campaign.c.id)).mappings())


def _write_campaign(connection: Connection, archive: ZipFile, number: int, row: Any) -> dict[str, Any]:
    """Write the lines of a campaign's deliveries; returns what the manifest says of it."""
    values = {name: value for name, value in row.items() if name != "id"}
    outcomes: Counter[str] = Counter()
    frontier = EMPTY
    name = f"deliveries/{number}.jsonl"
    with archive.open(name, "w", force_zip64=True) as file:
        for line, outcome in evidence.evidence_lines(connection, row["id"]):
            outcomes[outcome] += 1
            frontier = frontier.extended((leaf_hash(line),))
            file.write(line + b"\n")
    return values | {
        "approvals": [one.values() for one in reversed(approvals.read(connection, row["id"]))],
        "file": name,
        "deliveries": frontier.size,
        "root": frontier.root.hex(),
        "outcomes": dict(outcomes),
    }


def _signed(connection: Connection) -> tuple[str, Checkpoint, LedgerKey]:
    """The newest signed checkpoint, as a note and opened, and the key."""
    signer, note = signer_of(connection), signed_checkpoint(connection)
    key = signer.key if signer is not None else None
    opened = signer.open(note) if signer is not None and note is not None else None
    if note is None or opened is None or key is None:
        raise not_signed()
    return note, opened, key


def _write_entries(connection: Connection, archive: ZipFile, signed: Checkpoint) -> None:
    frontier = EMPTY
    with archive.open("entries.jsonl", "w", force_zip64=True) as file:
        for lines in encoded_entries(connection, signed.size):
            frontier = frontier.extended(map(leaf_hash, lines))
            file.write(b"\n".join(lines) + b"\n")
    if (frontier.size, frontier.root) != (signed.size, signed.root):
        raise BrokenEntry(frontier.size, "the entries up to it are not those that were signed")


@contextmanager
def _new_archive(path: Path) -> Iterator[ZipFile]:
    """A new archive that only its owner can read, complete or absent."""
    try:
        with new_file(path) as new, ZipFile(new, "w", ZIP_DEFLATED, compresslevel=_FAST) as archive:
            yield archive
    except OSError as error:
        raise InvalidInput(f"it can't be created: {error.strerror}.", where=str(path)) from None
