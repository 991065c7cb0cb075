"""Why mails were not accepted, without personal data: the relay's replies name recipients."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, or_, select

from campaigns.deliveries import delivery, subscriber
from campaigns.states import DeliveryReason, DeliveryState
from mailer.smtp.outcome import MASK

_CODE = re.compile(r"(?:\d{3}[ -](?:\d\.\d{1,3}\.\d{1,3}\b)?)?")
_ADDRESS = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;]*[^\s<>\"'(),;.:]")
_QUERY = re.compile(r"(https?://[^\s?#]+)[?#]\S*")
# Queue ids and tokens, which differ from mail to mail: long, with letters and digits.
_TOKEN = re.compile(r"\b(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_-]{10,}\b")
_SHORTEST_NAME = 2
MOST_REASONS = 20


class Reply(NamedTuple):
    """Where a delivery ended and what the relay replied, with what the reply may name: the recipient's fields."""

    state: DeliveryState
    phase: str | None
    reason: DeliveryReason | None
    text: str | None
    fields: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a number of deliveries were not accepted."""

    state: DeliveryState
    smtp_phase: str | None
    reason: DeliveryReason | None
    reply: str | None
    deliveries: int


def reasons(connection: Connection, campaign_id: int) -> list[Reason]:
    """The MOST_REASONS most frequent reasons, most frequent first: state, SMTP phase, reason, and the reply without personal data."""
    person = (subscriber.c.email, subscriber.c.first_name, subscriber.c.surname)
    statement = (
        select(delivery.c.state, delivery.c.smtp_phase, delivery.c.reason, delivery.c.diagnostic, *person)
        .outerjoin(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(
            delivery.c.campaign_id == campaign_id,
            delivery.c.state != DeliveryState.ACCEPTED,
            or_(delivery.c.smtp_phase.is_not(None), delivery.c.reason.is_not(None)),
        )
    )
    with connection.execution_options(yield_per=2000).execute(statement) as rows:
        counted = count_reasons(Reply(*row[:4], fields=tuple(row[4:])) for row in rows)
    return counted[:MOST_REASONS]


def count_reasons(replies: Iterable[Reply]) -> list[Reason]:
    """The number of each reply, without what it names.

    A refusal of an announced envelope counts as any other: it says how the relay was asked, not why it refused.
    """
    counts = Counter(
        (
            one.state,
            one.phase,
            None if one.reason is DeliveryReason.ANNOUNCED else one.reason,
            one.text and without_personal_data(one.text, one.fields),
        )
        for one in replies
    )
    return [Reason(*key, number) for key, number in counts.most_common()]


def without_personal_data(reply: str, fields: Collection[str | None] = ()) -> str:
    """The reply with a mask for each address, for the recipient's `fields` and for what is different in each mail.

    Of an address among the fields the part before the @ is masked too. What follows the ? of a web address is dropped.
    The codes at the beginning stay.
    """
    start = _CODE.match(reply)[0]  # type: ignore[index]  # it matches the empty text too
    reply = reply[len(start) :]
    masked = _ADDRESS.sub(MASK, _QUERY.sub(r"\1", reply))
    for name in sorted({part for field in fields if field for part in _names(field)}, key=len, reverse=True):
        masked = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", MASK, masked, flags=re.IGNORECASE)
    return start + _TOKEN.sub(MASK, masked)


def _names(field: str) -> Iterable[str]:
    local = field.partition("@")[0]
    return [one for one in {local, *re.split(r"[\s.+_-]+", local)} if len(one) >= _SHORTEST_NAME]
