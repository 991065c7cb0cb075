"""The consent table: where each person stands, derived from the ledger's entries."""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, delete, update

from mailer.database import Prepared, bulk
from subscribers.kinds import ConsentKind
from subscribers.ledger.consent_lock import wait_for_gates
from subscribers.ledger.events import LedgerEntry, status_after
from subscribers.ledger.reading import Statuses
from subscribers.tables import CONSENT


def apply_entry(statuses: Statuses, line: LedgerEntry) -> None:
    """Bring `statuses` from before an entry to after it."""
    event = line.event
    if event.kind is ConsentKind.ERASED:
        for key in [key for key in statuses if key[0] == event.subscriber_id]:
            del statuses[key]
    elif event.subscriber_id is not None and event.kind is not ConsentKind.RECTIFIED:
        key = (event.subscriber_id, event.topic)
        status = status_after(statuses.get(key), event, line.id)
        if status is not None:
            statuses[key] = status


def store_statuses(connection: Connection, before: Statuses, after: Statuses) -> None:
    """Bring the consent table from `before` to `after`; nobody else writes there while the lock is held."""
    new = [
        (*key, str(status.state), status.since, status.event_id)
        for key, status in after.items()
        if key not in before
    ]
    bulk.insert(connection, CONSENT, ("subscriber_id", "topic", "state", "since", "event_id"), new)
    changed = [
        (person, topic, now.state, now.since, now.event_id)
        for (person, topic), was in before.items()
        if (now := after.get((person, topic), was)) != was
    ]
    ended = list(before.keys() - after.keys())
    if ended or any(state is not ConsentKind.GRANTED for _, _, state, *_ in changed):
        wait_for_gates(connection)
    if changed:
        _CHANGE_CONSENT.run_each(connection, changed, {})
    if ended:
        _END_CONSENT.run_each(connection, ended, {})


_OF_KEY = and_(CONSENT.c.subscriber_id == bindparam("person"), CONSENT.c.topic == bindparam("about"))
_CHANGE_CONSENT = Prepared(
    update(CONSENT)
    .where(_OF_KEY)
    .values(
        state=bindparam("new_state", type_=CONSENT.c.state.type),
        since=bindparam("new_since", type_=CONSENT.c.since.type),
        event_id=bindparam("new_entry_id"),
    ),
    each=["person", "about", "new_state", "new_since", "new_entry_id"],
)
_END_CONSENT = Prepared(delete(CONSENT).where(_OF_KEY), each=["person", "about"])
