"""Withdraw a consent, also where the ledger or the consent table is damaged.

No integrity check may block a withdrawal (GDPR art. 7(3)). Damage stops sending instead.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, String, bindparam, select, type_coerce, update
from sqlalchemy.exc import DBAPIError

from mailer.database import Prepared, is_broken_off
from mailer.errors import MailerError
from subscribers.kinds import AGREED, Channel, ConsentKind
from subscribers.ledger.consent_lock import wait_for_gates
from subscribers.ledger.events import EVERY_TOPIC, ConsentStatus, NewEvent
from subscribers.ledger.ledger import append_unchecked, note_leavers
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS
from subscribers.tables import CONSENT, EVENT

log = logging.getLogger("mailer.ledger")

DAMAGE_ERRORS: tuple[type[Exception], ...] = (*UNREADABLE_ROW_ERRORS, DBAPIError, MailerError)
"""What an operation on a damaged ledger or consent table raises."""

REPEATED_AFTER = timedelta(days=1)
"""Repeats within it, as of a provider that tries again, are not recorded: a link that is called for ever fills no disk."""

_ENDED = frozenset({ConsentKind.WITHDRAWN.value, ConsentKind.OBJECTED.value})


class NewestEntry(NamedTuple):
    """The newest ledger entry about one subscriber and topic, as it is stored: nothing of it is checked."""

    kind: str
    channel: str


def newest_entry(connection: Connection, subscriber_id: int | None, topic: str) -> NewestEntry | None:
    """The newest ledger entry about this subscriber and topic, whether or not it is intact."""
    rows = _NEWEST_ENTRY.rows(connection, {"subscriber": subscriber_id, "about": topic})
    return NewestEntry(*rows[0]) if rows else None


_NEWEST_ENTRY = Prepared(
    select(type_coerce(EVENT.c.kind, String), type_coerce(EVENT.c.channel, String))
    .where(EVENT.c.subscriber_id == bindparam("subscriber"), EVENT.c.topic == bindparam("about"))
    .order_by(EVENT.c.id.desc())
    .limit(1)
)


def is_to_record(
    status: ConsentStatus | None,
    newest: Callable[[], NewestEntry | None],
    channel: Channel,
    occurred_at: datetime,
) -> bool:
    """Whether a withdrawal through `channel` is to be recorded.

    It is not where the ledger and the consent table agree already that there is no consent, with two exceptions. A
    withdrawal on the page can be undone there, so one that comes through something else is recorded on top. And one
    that comes REPEATED_AFTER the one on file, so that no consent from between them brings the person back; but not on
    the page, where undoing it would give a consent that was not there before.
    """
    if status is not None and status.state in AGREED:
        return True
    entry = newest()
    if entry is None:
        return status is not None and status.state not in {ConsentKind.WITHDRAWN, ConsentKind.OBJECTED}
    if entry.kind not in _ENDED:
        return True
    if channel is Channel.PAGE:
        return False
    if status is not None and occurred_at - status.since >= REPEATED_AFTER:
        return True
    can_be_undone = status is None or status.state is ConsentKind.WITHDRAWN
    return can_be_undone and entry.channel == Channel.PAGE


def withdraw_from_damaged(connection: Connection, event: NewEvent, now: datetime) -> bool:
    """Record the withdrawal `event` as far as the damaged tables take it; returns whether any of them did.

    Call it while the error is being handled. The consent table and the ledger are written apart, each in a savepoint, so
    that one takes it where the other can't. The log says what had failed, without what the rows hold.

    Where the error says that PostgreSQL broke the transaction or the connection off, or that nothing can be written,
    nothing is damaged. It is raised again, so that the whole transaction is done again, now or when the other side asks
    again.
    """
    if (error := sys.exception()) is not None:
        if is_broken_off(error):
            raise error
        log.warning(
            "A withdrawal is recorded without the ledger's checks: %s. `mailer consent verify` says more.",
            what_failed(error),
        )
    _attempt(connection, _note_leaver, event, now)
    ended = _attempt(connection, _end_consent, event, now)
    appended = _attempt(connection, _append_once, event, now)
    return ended or appended


@contextmanager
def despite_damage(connection: Connection) -> Iterator[None]:
    """A savepoint: where the tables are damaged, what is done within is undone, and the transaction goes on after it.

    Where nothing is damaged, but the transaction was broken off, the error is raised: the whole is to be done again.
    """
    try:
        with connection.begin_nested():
            yield
    except DAMAGE_ERRORS as error:
        if is_broken_off(error):
            raise


def what_failed(error: BaseException) -> str:
    """The kind of an error and where it was raised, without what the rows hold."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


def _attempt(
    connection: Connection,
    step: Callable[[Connection, NewEvent, datetime], bool],
    event: NewEvent,
    now: datetime,
) -> bool:
    with despite_damage(connection):
        return step(connection, event, now)
    return False


def _note_leaver(connection: Connection, event: NewEvent, _now: datetime) -> bool:
    note_leavers(connection, [event])
    return True


def _end_consent(connection: Connection, event: NewEvent, now: datetime) -> bool:
    of_key = (CONSENT.c.subscriber_id == event.subscriber_id, CONSENT.c.topic == event.topic)
    wait_for_gates(connection)
    ended = update(CONSENT).where(*of_key).values(state=event.kind, since=now)
    return connection.execute(ended).rowcount > 0


def _append_once(connection: Connection, event: NewEvent, now: datetime) -> bool:
    newest = newest_entry(connection, event.subscriber_id, event.topic)
    if newest is None or newest.kind not in _ENDED:
        append_unchecked(connection, [event], now)
    return True


def named_topics(connection: Connection, subscriber_id: int) -> set[str] | None:
    """The topics that the consent table or the ledger names for this person; None where neither can be read."""
    found: list[object] = []
    unread = 0
    for stored in (CONSENT, EVENT):
        named = select(type_coerce(stored.c.topic, String)).where(stored.c.subscriber_id == subscriber_id)
        try:
            with connection.begin_nested():
                found += connection.execute(named.distinct()).scalars()
        except DAMAGE_ERRORS:
            unread += 1  # the other one names them too
    topics = {topic for topic in found if isinstance(topic, str) and topic != EVERY_TOPIC}
    return topics if unread < 2 else None


def latest_moment(connection: Connection, subscriber_ids: Sequence[int], now: datetime) -> datetime:
    """When to date what takes something away from these subscribers: now, or later where the clock is behind.

    Nothing is taken away before it was given: it is dated no earlier than what the ledger and the consent table say
    of them. So an old consent that turns up again stays older, whatever the clock said.
    """
    in_table = select(CONSENT.c.since).where(CONSENT.c.subscriber_id.in_(subscriber_ids))
    in_ledger = select(EVENT.c.occurred_at).where(EVENT.c.subscriber_id.in_(subscriber_ids))
    moments = [now]
    for statement in (in_table, in_ledger):
        try:
            with connection.begin_nested():
                moments += [moment for row in connection.execute(statement) for moment in row]
        except DAMAGE_ERRORS:
            continue  # what can't be read does not keep anybody from leaving
    return max(moment for moment in moments if isinstance(moment, datetime))
