"""What shows of a campaign's deliveries on which consent each rests: subject commitment, ledger entry, outcome.

The root over these lines stays with the campaign when the rows are deleted, so that an older audit can be compared
with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, String, exists, func, select, type_coerce, update

from campaigns.tables import campaign, delivery
from mailer.database import Database
from subscribers.ledger import EVENT, READ_AHEAD
from subscribers.ledger.tree import EMPTY, leaf_hash


class Seal(NamedTuple):
    """How many deliveries a campaign has, and the Merkle root over their lines (hex)."""

    deliveries: int
    root: str


def evidence_lines(connection: Connection, campaign_id: int) -> Iterator[tuple[bytes, str]]:
    """The line of each delivery and its outcome, in the order of the ledger entries.

    A line is canonical JSON (RFC 8785). Without an attempt, entry and subject are null. Rows are streamed.
    """
    entry = func.coalesce(delivery.c.ledger_entry, 0)
    lines = (
        select(entry, EVENT.c.subject, type_coerce(delivery.c.state, String))
        .select_from(delivery.outerjoin(EVENT, EVENT.c.id == delivery.c.ledger_entry))
        .where(delivery.c.campaign_id == campaign_id)
        .order_by(entry, delivery.c.id)
        .execution_options(yield_per=READ_AHEAD)
    )
    with connection.execute(lines) as rows:
        for number, subject, outcome in rows:
            cited = "null" if subject is None else f'"{subject}"'
            yield (
                f'{{"entry":{number or "null"},"outcome":"{outcome}","subject":{cited}}}'.encode(),
                outcome,
            )


def seal(connection: Connection, campaign_id: int) -> Seal:
    """Number and root of a campaign's deliveries as they are; some 5 µs for each."""
    frontier = EMPTY.extended(leaf_hash(line) for line, _ in evidence_lines(connection, campaign_id))
    return Seal(frontier.size, frontier.root.hex())


def keep_seal(connection: Connection, campaign_id: int) -> None:
    """Keep the seal of a campaign that has none yet. Call it before its first delivery is deleted."""
    kept = select(campaign.c.sealed_root).where(campaign.c.id == campaign_id)
    if connection.execute(kept).scalar_one() is None:
        _store(connection, campaign_id, seal(connection, campaign_id))


def seal_ended(database: Database, before: datetime) -> None:
    """Keep the seals of the campaigns that ended before `before`; nobody waits while they are made."""
    has_deliveries = exists().where(delivery.c.campaign_id == campaign.c.id)
    to_seal = select(campaign.c.id).where(
        campaign.c.finished_at <= before, campaign.c.sealed_root.is_(None), has_deliveries
    )
    with database.read() as connection:
        found = {number: seal(connection, number) for number in connection.execute(to_seal).scalars().all()}
    for number, made in found.items():
        with database.write() as connection:
            _store(connection, number, made)


def _store(connection: Connection, campaign_id: int, made: Seal) -> None:
    values = {"sealed_deliveries": made.deliveries, "sealed_root": made.root}
    unsealed = (campaign.c.id == campaign_id, campaign.c.sealed_root.is_(None))
    connection.execute(update(campaign).where(*unsealed).values(values))
