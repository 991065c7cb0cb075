"""The mails to one person, for access, export and erasure (`subscribers.personal_data.PersonalDataHolder`)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from campaigns.tables import campaign, delivery


class DeliveryHolder:
    """What the deliveries say about a person: which mail, when, and what became of it."""

    name = "mails"
    tables = frozenset({delivery.name})

    def find(self, connection: Connection, subscriber_id: int) -> list[dict[str, Any]]:
        """The mails to a person, oldest first. The title is that of the mail, once its content is frozen."""
        statement = (
            select(
                campaign.c.slug,
                campaign.c.subject,
                campaign.c.topic,
                delivery.c.state,
                delivery.c.attempts,
                delivery.c.first_attempted_at,
                delivery.c.attempted_at,
                delivery.c.completed_at,
                delivery.c.diagnostic,
            )
            .join(campaign, campaign.c.id == delivery.c.campaign_id)
            .where(_is_of(subscriber_id))
            .order_by(delivery.c.id)
        )
        return [
            {
                "campaign": row.slug,
                "title": row.subject or row.slug,
                "topic": row.topic,
                "outcome": row.state.value,
                "attempts": row.attempts,
                "first_attempted_at": row.first_attempted_at,
                "attempted_at": row.attempted_at,
                "completed_at": row.completed_at,
                "reply": row.diagnostic,
            }
            for row in connection.execute(statement)
        ]

    def erase(self, connection: Connection, subscriber_id: int) -> None:
        """Erase the relay's replies, which may name the person. The rows remain: their number leads to nobody."""
        of_person = update(delivery).where(_is_of(subscriber_id), delivery.c.diagnostic.is_not(None))
        connection.execute(of_person.values(diagnostic=None))


def _is_of(subscriber_id: int) -> ColumnElement[bool]:
    """A condition: the delivery is one to this person. By way of the campaigns it finds them in the unique index."""
    every_campaign = select(campaign.c.id)
    return and_(delivery.c.campaign_id.in_(every_campaign), delivery.c.subscriber_id == subscriber_id)
