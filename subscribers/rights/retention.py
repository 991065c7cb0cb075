"""What is kept of people who left, and for how long (GDPR art. 5(1)(e), 17(3)(e))."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, false, not_, or_, select

from mailer.database import AnyOf
from mailer.retention import ExpiredRows
from subscribers import former_people, ledger, people, suppression
from subscribers.address import AddressHasher
from subscribers.kinds import AGREED, Channel, ConsentKind, SuppressionReason
from subscribers.ledger import CONSENT, EVERY_TOPIC, NewEvent
from subscribers.pending_requests import PENDING_REQUEST
from subscribers.people import Person
from subscribers.personal_data import holders_of
from subscribers.rights import holds
from subscribers.rights.erasure import erase
from subscribers.suppression import NewSuppression
from subscribers.tables import FORMER, LIFT, SUBSCRIBER


class PeopleWhoLeft(ExpiredRows):
    """People whose last consent ended before `before`. Their four fields go, and what the attached
    holders have of them; the nonce stays for the proof.

    The ledger gets an entry of it, and the keyed hash is suppressed from the day they left: no import with an older
    consent brings them back. Whom a hold, a pending request or `is_busy` concerns waits; `is_busy` is a condition on
    the person's id. `removed` collects who was deleted.
    """

    def __init__(self, before: datetime, now: datetime, is_busy: ColumnElement[bool] | None = None) -> None:
        of_person = CONSENT.c.subscriber_id == SUBSCRIBER.c.id
        stands = exists().where(of_person, CONSENT.c.state.in_(AGREED))
        recent = exists().where(of_person, CONSENT.c.since > before)
        super().__init__(
            "people_who_left",
            SUBSCRIBER.c.id,
            and_(
                exists().where(of_person),
                not_(stands),
                not_(recent),
                not_(holds.stands(SUBSCRIBER.c.id, now)),
                not_(exists().where(PENDING_REQUEST.c.subscriber_id == SUBSCRIBER.c.id)),
                not_(false() if is_busy is None else is_busy),
            ),
        )
        self._now = now
        self.removed: list[Person] = []

    def delete(self, connection: Connection, keys: Sequence[Any]) -> int:
        """Delete them. Needs a writing transaction."""
        ledger.lock(connection)
        rows = connection.execute(select(SUBSCRIBER).where(AnyOf(self.key, keys), self.condition)).all()
        gone = [people.person_from_row(row) for row in rows]
        statuses = ledger.statuses(connection, [person.id for person in gone])
        left: list[tuple[Person, datetime]] = []
        suppressions: list[NewSuppression] = []
        for person in gone:
            own = [status for (number, _), status in statuses.items() if number == person.id]
            left_at = max(status.since for status in own)
            objected = any(status.state is ConsentKind.OBJECTED for status in own)
            reason = SuppressionReason.OBJECTED if objected else SuppressionReason.WITHDRAWN
            suppressions.append(NewSuppression(person.hashed, reason, left_at))
            left.append((person, left_at))
        suppression.add_all(connection, suppressions, self._now, channel=Channel.RETENTION)
        events = [
            NewEvent(person.id, EVERY_TOPIC, ConsentKind.ERASED, self._now, Channel.RETENTION)
            for person in gone
        ]
        ledger.append(connection, events, self._now)
        former_people.add(connection, left)
        for holder in holders_of(connection):
            for person in gone:
                holder.erase(connection, person.id)
        people.remove(connection, *(person.id for person in gone))
        self.removed += gone
        return len(gone)


class HeldErasures(ExpiredRows):
    """People who asked for erasure while a hold stood that stands no more. A person who agreed again since is left out.

    `removed` collects who was erased.
    """

    def __init__(self, hasher: AddressHasher, now: datetime) -> None:
        agreed = exists().where(CONSENT.c.subscriber_id == SUBSCRIBER.c.id, CONSENT.c.state.in_(AGREED))
        asked = holds.has_erasure_request(SUBSCRIBER.c.id)
        held = holds.stands(SUBSCRIBER.c.id, now)
        super().__init__("held_erasures", SUBSCRIBER.c.id, and_(asked, not_(held), not_(agreed)))
        self._hasher, self._now = hasher, now
        self.removed: list[Person] = []

    def delete(self, connection: Connection, keys: Sequence[Any]) -> int:
        """Erase them. Needs a writing transaction."""
        ledger.lock(connection)
        rows = connection.execute(select(SUBSCRIBER).where(AnyOf(self.key, keys), self.condition)).all()
        for person in map(people.person_from_row, rows):
            channel = Channel.RETENTION
            erase(
                connection,
                person.address,
                hasher=self._hasher,
                source="end of a hold",
                now=self._now,
                channel=channel,
            )
            self.removed.append(person)
        return len(rows)


class FormerPeople(ExpiredRows):
    """What proves the consents of people who left before `before`, or who asked for erasure: nonce and notes.

    Whom a hold concerns waits.
    """

    def __init__(self, before: datetime, now: datetime) -> None:
        held = holds.stands(FORMER.c.subscriber_id, now)
        asked = holds.has_erasure_request(FORMER.c.subscriber_id)
        super().__init__(
            "proofs_after_leaving",
            FORMER.c.subscriber_id,
            and_(or_(FORMER.c.left_at <= before, asked), not_(held)),
        )

    def delete(self, connection: Connection, keys: Sequence[Any]) -> int:
        """Delete them, with the notes beside their entries. Needs a writing transaction.

        The condition is checked again under the ledger's lock: a hold may have been added since the keys were read.
        """
        ledger.lock(connection)
        still = (
            connection.execute(select(self.key).where(AnyOf(self.key, keys), self.condition)).scalars().all()
        )
        for number in still:
            ledger.erase_notes(connection, number)
        return super().delete(connection, still) if still else 0


def lifted_suppressions(before: datetime) -> ExpiredRows:
    """The records of suppressions that were lifted before `before`."""
    return ExpiredRows("lifted_suppressions", LIFT.c.id, LIFT.c.lifted_at <= before)
