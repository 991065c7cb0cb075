"""Compare the suppressions with the ledger, so that none is altered, added or taken out unnoticed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, String, exists, func, select, type_coerce

from subscribers.commitments import commit_to_suppressed
from subscribers.kinds import ConsentKind
from subscribers.ledger.events import BrokenEntry
from subscribers.ledger.reading import READ_AHEAD, UNREADABLE_ROW_ERRORS
from subscribers.tables import EVENT, SUPPRESSION


def check_suppressions(connection: Connection) -> None:
    """Compare each suppression with the entry that it cites, and each such entry with the suppressions.

    Raises BrokenEntry, which names the entry.
    """
    _check_rows(connection)
    _check_entries(connection)


def _check_rows(connection: Connection) -> None:
    statement = (
        select(
            *(SUPPRESSION.c[name] for name in ("address_hash", "salt", "since", "entry_id")),
            type_coerce(EVENT.c.kind, String).label("kind"),
            *(EVENT.c[name] for name in ("subject", "occurred_at")),
        )
        .select_from(SUPPRESSION.outerjoin(EVENT, EVENT.c.id == SUPPRESSION.c.entry_id))
        .order_by(SUPPRESSION.c.entry_id)
        .execution_options(yield_per=READ_AHEAD)
    )
    entry_id = 0
    try:
        with connection.execute(statement) as rows:
            for row in rows:
                entry_id = row.entry_id or 0
                if not _is_of_entry(row):
                    raise BrokenEntry(entry_id, "a suppression is not the one that it commits to")
    except UNREADABLE_ROW_ERRORS:
        raise BrokenEntry(entry_id, "the suppressions after the one of this entry can't be read") from None


def _is_of_entry(row: Any) -> bool:
    subject = commit_to_suppressed(row.salt, row.address_hash)
    return (row.kind, row.subject, row.occurred_at) == (ConsentKind.SUPPRESSED, subject, row.since)


def _check_entries(connection: Connection) -> None:
    """Each suppressed address is suppressed until an entry lifts it, and no less than its newest entry says.

    An earlier state of a row fits the entry that it cites. So neither an older date nor a lifted suppression may be
    put back.
    """
    lifted, cited = EVENT.alias(), EVENT.alias()
    is_lifted = exists().where(
        lifted.c.subscriber_id.is_(None),
        lifted.c.subject == EVENT.c.subject,
        lifted.c.kind == ConsentKind.LIFTED,
        lifted.c.id > EVENT.c.id,
    )
    stands = (
        exists()
        .where(cited.c.subscriber_id.is_(None), cited.c.subject == EVENT.c.subject)
        .where(SUPPRESSION.c.entry_id == cited.c.id, SUPPRESSION.c.since >= EVENT.c.occurred_at)
    )
    of_address = EVENT.c.subscriber_id.is_(None)
    recorded = select(func.min(EVENT.c.id)).where(of_address, EVENT.c.kind == ConsentKind.SUPPRESSED)
    if missing := connection.execute(recorded.where(~is_lifted, ~stands)).scalar_one():
        raise BrokenEntry(missing, "the suppression that it records is missing")
    still_stands = (
        exists()
        .where(cited.c.subscriber_id.is_(None), cited.c.subject == EVENT.c.subject, cited.c.id < EVENT.c.id)
        .where(SUPPRESSION.c.entry_id == cited.c.id)
    )
    ended = select(func.min(EVENT.c.id)).where(of_address, EVENT.c.kind == ConsentKind.LIFTED)
    if put_back := connection.execute(ended.where(still_stands)).scalar_one():
        raise BrokenEntry(put_back, "the suppression that it lifted was put back")
