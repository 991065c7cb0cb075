"""The tables of requests that wait for a confirmation, and of counted attempts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, Integer, String
from sqlmodel import Field, SQLModel

from mailer.database import BIG
from mailer.database.columns import one_of
from subscribers.pending_requests.kinds import RequestKind


class AttemptCount(SQLModel, table=True):
    """How often something was attempted in one period. Two periods have different hashes of the same value."""

    __tablename__ = "attempt_count"
    __table_args__ = (Index("ix_attempt_count_expires_at", "expires_at"),)

    key_hash: str = Field(sa_column=Column(String(64), primary_key=True))
    attempts: int = Field(sa_column=Column(Integer, nullable=False))
    expires_at: datetime


class PendingRequest(SQLModel, table=True):
    """A request that waits for its confirmation until `expires_at`.

    `subscriber_id` is the person on file who asked; a sign-up has none. The four fields hold what a sign-up
    stated, and `email` the new address of a person who moves. `wording` is the commitment to the text that was
    shown. A spent request remains until it is a day old, because requests are counted.
    """

    __tablename__ = "pending_request"
    __table_args__ = (
        Index("ix_pending_request_subscriber_id", "subscriber_id"),
        Index("ix_pending_request_expires_at", "expires_at"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    kind: RequestKind = Field(sa_column=one_of("kind", RequestKind))
    subscriber_id: int | None = Field(
        default=None, sa_column=Column(BIG, ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=True)
    )
    topic: str = Field(default="", sa_column=Column(String(100), nullable=False))
    locale: str = Field(sa_column=Column(String(16), nullable=False))
    salutation: str = Field(default="", sa_column=Column(String(200), nullable=False))
    first_name: str = Field(default="", sa_column=Column(String(200), nullable=False))
    surname: str = Field(default="", sa_column=Column(String(200), nullable=False))
    email: str = Field(default="", sa_column=Column(String(320), nullable=False))
    wording: str | None = Field(
        default=None, sa_column=Column(String(64), ForeignKey("wording.commitment"), nullable=True)
    )
    requested_at: datetime
    expires_at: datetime
    spent_at: datetime | None = None
