"""Withdraw for an account system: one topic, or all that the person ever agreed to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from subscribers import ledger, rights, suppression
from subscribers.account.requests import Withdraw
from subscribers.address import AddressHasher
from subscribers.kinds import Channel, SuppressionReason
from subscribers.ledger import EVERY_TOPIC
from subscribers.people import Person
from subscribers.topic import is_topic


def withdraw_topics(
    connection: Connection, person: Person, request: Withdraw, hasher: AddressHasher, now: datetime
) -> set[str]:
    """Withdraw what `request` names; returns the topics. Needs a writing transaction.

    For every topic also those that the person left before: a withdrawal may date an earlier one later. Where a damaged
    database does not tell the topics, nothing more is mailed to the address.
    """
    topics = {request.topic}
    if request.topic == EVERY_TOPIC:
        named = ledger.named_topics(connection, person.id)
        topics = set(filter(is_topic, named or ()))
        if named is None or (named and not topics):
            _suppress(connection, person, request.source, now)
    for topic in sorted(topics):
        rights.withdraw(
            connection,
            person.address,
            topic,
            hasher=hasher,
            source=request.source,
            now=now,
            occurred_at=request.at,
            channel=Channel.API,
        )
    return topics


def _suppress(connection: Connection, person: Person, source: str, now: datetime) -> None:
    reason, channel = SuppressionReason.WITHDRAWN, Channel.API
    suppression.add(connection, person.hashed, reason, now, now, channel=channel, source=source)
