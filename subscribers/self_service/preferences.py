"""Choose topics on the unsubscribe page: the link turns topics off, and asks by mail before one is turned on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from subscribers import ledger, pending_requests, service_mails, suppression
from subscribers.kinds import ConsentKind
from subscribers.ledger import DAMAGE_ERRORS
from subscribers.pending_requests import RequestKind
from subscribers.self_service.links import Target
from subscribers.tables import SUBSCRIBER
from templates.service_mail import ServiceMailKind

MAILS_A_DAY = 5


@dataclass(frozen=True, slots=True)
class TopicChoice:
    """A topic on the page. One that the person objected to can't be turned on by a link that others may have."""

    topic: str
    is_on: bool
    can_turn_on: bool


def choices(connection: Connection, target: Target, offered: Sequence[str]) -> list[TopicChoice]:
    """The topics of the settings, in their order, then the others that the person agreed to.

    Empty where the link's address is not on file or gets no mail, or where the consents can't be read.
    """
    if not owner_is_on_file(connection, target):
        return []
    if suppression.since_by_hash(connection, target.address.hash) is not None:
        return []
    try:
        found = ledger.statuses(connection, [target.subscriber_id])
    except DAMAGE_ERRORS:
        return []
    states = {topic: status.state for (_, topic), status in found.items()}
    agreed = [topic for topic, state in sorted(states.items()) if state is ConsentKind.GRANTED]
    return [
        TopicChoice(topic, topic in agreed, _can_turn_on(states.get(topic), topic, offered))
        for topic in [*offered, *(topic for topic in agreed if topic not in offered)]
    ]


def request_topic(connection: Connection, target: Target, topic: str, wording: str, now: datetime) -> bool:
    """Let a mail ask the person of a link whether they want a topic; returns whether one is sent.

    `wording` is the text that they agree to. At most MAILS_A_DAY. None where the address of the link is no longer on
    file, or the person objected. Needs a writing transaction.
    """
    if not owner_is_on_file(connection, target, lock=True):
        return False
    statuses = ledger.statuses(connection, [target.subscriber_id])
    status = statuses.get((target.subscriber_id, topic))
    if status is not None and status.state in {ConsentKind.GRANTED, ConsentKind.OBJECTED}:
        return False
    kind, since = RequestKind.TOPIC, now - timedelta(days=1)
    if len(pending_requests.request_times(connection, target.subscriber_id, kind, since)) >= MAILS_A_DAY:
        return False
    number = pending_requests.add(
        connection,
        kind,
        target.locale,
        now,
        subscriber_id=target.subscriber_id,
        topic=topic,
        wording=ledger.store_wording(connection, wording, now, topic=topic, language=target.locale),
    )
    service_mails.enqueue(connection, ServiceMailKind.TOPIC, number, now)
    return True


def _can_turn_on(state: ConsentKind | None, topic: str, offered: Collection[str]) -> bool:
    return topic in offered and state not in {ConsentKind.GRANTED, ConsentKind.OBJECTED}


def owner_is_on_file(connection: Connection, target: Target, *, lock: bool = False) -> bool:
    """Whether the link's address is still the subscriber's. `lock` makes a second request wait for this one."""
    found = select(SUBSCRIBER.c.id).where(
        SUBSCRIBER.c.id == target.subscriber_id, SUBSCRIBER.c.address_hash == target.address.hash
    )
    return connection.execute(found.with_for_update() if lock else found).first() is not None
