"""Whether mail may be sent on the ground of the ledger: what decides who gets mail was not altered.

Quicker than `verify`, because it leaves out what decides nothing about who gets mail: notes, names, and people who
agreed to nothing. The address of each recipient is compared when the mail is composed (`ConsentedRecipient`).
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, String, and_, exists, func, or_, select, type_coerce

from mailer.database import Database
from subscribers.kinds import ConsentKind
from subscribers.ledger.events import BrokenEntry
from subscribers.ledger.ledger import check_end
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS
from subscribers.ledger.suppressions import check_suppressions
from subscribers.ledger.tiles import read_stored
from subscribers.ledger.tree import EMPTY
from subscribers.ledger.walk import check_wordings, hashes_of_entries
from subscribers.ledger.walk_in_processes import gives_checkpoint
from subscribers.tables import CONSENT, EVENT

_ENDING = (ConsentKind.WITHDRAWN, ConsentKind.OBJECTED)


def check_before_run(connection: Connection) -> None:
    """What is checked before each run: the ledger's end, the consents, and the suppressions. Raises BrokenEntry."""
    check_end(connection)
    check_consents(connection)
    check_suppressions(connection)


def check_before_freezing(connection: Connection, database: Database | None = None) -> None:
    """What is checked before an audience is enrolled: as before a run, and each entry against the tree's root.

    It takes some 6 µs an entry; with `database`, which other processes then read too, it uses several processors
    for a large ledger. Raises BrokenEntry.
    """
    if database is None or not gives_checkpoint(connection, database):
        check_entries(connection, check_wordings(connection))
    check_before_run(connection)


def check_consents(connection: Connection) -> None:
    """Compare the consent table with the entries that it cites and the last ones after them, in one query.

    Raises BrokenEntry where a consent is not what its entry says, or where a later entry ends it.
    """
    cited, later = EVENT.alias(), EVENT.alias()
    ended = exists().where(
        later.c.subscriber_id == CONSENT.c.subscriber_id,
        later.c.id > CONSENT.c.event_id,
        or_(
            and_(later.c.topic == CONSENT.c.topic, later.c.kind.in_(_ENDING)),
            later.c.kind == ConsentKind.ERASED,
        ),
    )
    state, kind = type_coerce(CONSENT.c.state, String), type_coerce(cited.c.kind, String)
    differs = or_(
        cited.c.id.is_(None),
        cited.c.subscriber_id != CONSENT.c.subscriber_id,
        cited.c.topic != CONSENT.c.topic,
        # What was an objection stays one when a withdrawal follows.
        and_(state != kind, ~and_(state == ConsentKind.OBJECTED, kind == ConsentKind.WITHDRAWN)),
        and_(state == ConsentKind.GRANTED, ended),
    )
    statement = (
        select(CONSENT.c.subscriber_id, func.coalesce(cited.c.id, 0))
        .select_from(CONSENT.outerjoin(cited, cited.c.id == CONSENT.c.event_id))
        .where(differs)
        .limit(1)
    )
    if found := connection.execute(statement).first():
        subscriber_id, entry_id = found
        raise BrokenEntry(
            entry_id, f"the consent table does not agree with the ledger about subscriber {subscriber_id}"
        )


def check_entries(connection: Connection, topic_of_wording: Mapping[str, str]) -> None:
    """Hash all entries anew, and compare the tree's root with the checkpoint's. Raises BrokenEntry.

    `topic_of_wording` holds the wordings that are on file, by commitment.
    """
    frontier = EMPTY
    for hashes in hashes_of_entries(connection, topic_of_wording):
        frontier = frontier.extended(hashes)
    try:
        stored = read_stored(connection).frontier
    except UNREADABLE_ROW_ERRORS as error:
        raise BrokenEntry(frontier.size, f"its checkpoint was altered: {error}") from None
    if stored != frontier:
        raise BrokenEntry(frontier.size, "the entries up to it do not give the checkpoint's root")
