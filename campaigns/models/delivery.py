"""Tables of deliveries, of the workers that send them, and of printed notices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, String, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from campaigns.states import DeliveryReason, DeliveryState
from mailer.database import BIG
from mailer.database.columns import one_of, partial_index


class DeliveryCount(SQLModel, table=True):
    """How many deliveries of a campaign ended in a state, of those whose rows were deleted at their end."""

    __tablename__ = "delivery_count"

    campaign_id: int = Field(
        sa_column=Column(
            BIG, ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
        )
    )
    state: str = Field(sa_column=Column(String(16), primary_key=True))
    deliveries: int = Field(sa_column=Column(BIG, nullable=False))


class Notice(SQLModel, table=True):
    """A message that `run-due` has printed, by the hash of its text, or a lasting condition by its name."""

    __tablename__ = "notice"

    key: str = Field(sa_column=Column(String(64), primary_key=True))
    printed_at: datetime


class Worker(SQLModel, table=True):
    """A run of a campaign, which holds claims. Its `id` counts up and is the fencing number of every claim it makes.

    `campaign_id` is a number without a foreign key: the row remains after the campaign is deleted.

    A worker whose lease has passed, or whose process is gone, is retired by the next one; a retired worker
    can record nothing more.
    """

    __tablename__ = "worker"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    host: str = Field(sa_column=Column(String(64), nullable=False))
    process: str = Field(sa_column=Column(String(64), nullable=False))
    campaign_id: int = Field(sa_column=Column(BIG, nullable=False))
    started_at: datetime
    lease_until: datetime
    retired_at: datetime | None = None


class Delivery(SQLModel, table=True):
    """One campaign to one subscriber. There is exactly one row for each pair.

    `subscriber_id` is a number without a foreign key: the row remains after the person is erased, and has no
    personal data. `attempts` counts the attempts that passed the gate. `next_attempt_at` is the time of the
    next attempt. `worker_id` is set where the state is claimed or attempting. `ledger_entry` is the person's newest
    entry in the ledger when the gate let the last attempt through. `smtp_phase`, `reply_code` and `diagnostic` say
    where the last attempt ended and what the relay replied.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("campaign_id", "subscriber_id"),
        partial_index(
            "ix_delivery_claimable",
            "campaign_id",
            "next_attempt_at",
            "id",
            where="state IN ('pending', 'deferred')",
        ),
        # Its condition does not name the state, so that an attempt leaves the index as it is.
        partial_index("ix_delivery_held", "worker_id", where="worker_id IS NOT NULL"),
        partial_index(
            "ix_delivery_uncertain",
            "campaign_id",
            where="state = 'uncertain'",
        ),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    campaign_id: int = Field(sa_column=Column(BIG, ForeignKey("campaign.id"), nullable=False))
    subscriber_id: int = Field(sa_column=Column(BIG, nullable=False))
    state: DeliveryState = Field(default=DeliveryState.PENDING, sa_column=one_of("state", DeliveryState))
    attempts: int = 0
    worker_id: int | None = Field(default=None, sa_column=Column(BIG))
    next_attempt_at: datetime
    first_attempted_at: datetime | None = None
    attempted_at: datetime | None = None
    ledger_entry: int | None = Field(default=None, sa_column=Column(BIG))
    completed_at: datetime | None = None
    smtp_phase: str | None = Field(default=None, sa_column=Column(String(16)))
    reason: DeliveryReason | None = Field(
        default=None, sa_column=one_of("reason", DeliveryReason, nullable=True)
    )
    reply_code: int | None = None
    diagnostic: str | None = Field(default=None, sa_column=Column(Text))
