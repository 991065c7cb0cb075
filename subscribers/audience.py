"""The predicate of the gate: who may get mail about a topic.

It is positive ("has granted and is not suppressed") and exists only here. The one statement that records an
attempt contains it. Only rows that it wrote become a `ConsentedRecipient`, and the sender accepts nothing
else.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal, select

from subscribers.address import HashedAddress
from subscribers.commitments import commit_to_subject
from subscribers.kinds import ConsentKind
from subscribers.tables import CONSENT, SUBSCRIBER, SUPPRESSION

# Aliases, so that a statement which reads these tables itself does not capture them.
_CONSENT, _PERSON, _SUPPRESSION = CONSENT.alias(), SUBSCRIBER.alias(), SUPPRESSION.alias()


class ConsentedRecipient(NamedTuple):
    """A person whose consent was read in the transaction that recorded the attempt to mail them.

    `subject` is the ledger's commitment to the person who agreed, which `nonce` opens. `wording` is the commitment to
    the words that they agreed to; only campaigns in several languages read it.
    """

    delivery_id: int
    subscriber_id: int
    salutation: str
    first_name: str
    surname: str
    email: str
    address: HashedAddress
    nonce: bytes
    subject: str | None
    wording: str | None = None

    def is_committed(self) -> bool:
        """Whether the ledger's commitment is to this address. It takes about 1 µs.

        The address on file is normalised but for the local part's case.
        """
        try:
            return commit_to_subject(self.nonce, self.email.lower()) == self.subject
        except (AttributeError, TypeError):  # SQLite keeps text in a column of octets
            return False


def consented(
    topic: ColumnElement[str] | str,
    subscriber_id: ColumnElement[int],
    address_hash: ColumnElement[str] | None = None,
) -> ColumnElement[bool]:
    """A condition: the person with `subscriber_id` consents to mail about `topic` now.

    It is correlated: `subscriber_id` is a column of the enclosing statement, and so is `address_hash`, which is looked
    up where it is not given.
    """
    granted = exists().where(
        _CONSENT.c.subscriber_id == subscriber_id,
        _CONSENT.c.topic == topic,
        _CONSENT.c.state == ConsentKind.GRANTED,
    )
    if address_hash is None:
        is_theirs = and_(_PERSON.c.id == subscriber_id, _SUPPRESSION.c.address_hash == _PERSON.c.address_hash)
    else:
        is_theirs = _SUPPRESSION.c.address_hash == address_hash
    return and_(granted, ~exists().where(is_theirs))


def count(connection: Connection, topic: str) -> int:
    """The number of people who consent to `topic`."""
    return connection.execute(_people(topic, func.count())).scalar_one()


def is_anyone(connection: Connection, topic: str) -> bool:
    """Whether anybody consents to `topic`. It ends at the first one."""
    return connection.execute(_people(topic, literal(1)).limit(1)).first() is not None


def _people(topic: str, column: ColumnElement[int]) -> Select[int]:
    consents = consented(topic, SUBSCRIBER.c.id, SUBSCRIBER.c.address_hash)
    return select(column).select_from(SUBSCRIBER).where(consents)


def count_by_topic(connection: Connection) -> dict[str, int]:
    """The number of people who consent, by topic; topics without consents are absent."""
    topics = select(CONSENT.c.topic).where(CONSENT.c.state == ConsentKind.GRANTED).distinct()
    names = sorted(connection.execute(topics).scalars())
    return {name: number for name in names if (number := count(connection, name))}
