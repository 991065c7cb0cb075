"""The table of requests that wait for a confirmation."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, String
from sqlmodel import Field, SQLModel

from mailer.database import BIG, one_of


class RequestKind(StrEnum):
    """What confirming a request does."""

    OWN_DATA = "own_data"  # opens the page with the person's own data
    NEW_ADDRESS = "new_address"  # changes the person's address
    TOPIC = "topic"  # records the consent of a person on file to a topic
    SIGN_UP = "sign_up"  # records the consent of a person who may be unknown


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
