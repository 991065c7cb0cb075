"""The table of answers to requests with an Idempotency-Key."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index, Integer, String, Text
from sqlmodel import Field, SQLModel

import mailer.database.columns  # noqa: F401 - names the constraints
from mailer.database import BIG


class IdempotentRequest(SQLModel, table=True):
    """A stored answer: keyed hashes of the request's key and body, the answer, and the subscriber's id."""

    __tablename__ = "idempotent_request"
    __table_args__ = (
        Index("ix_idempotent_request_subscriber_id", "subscriber_id"),
        Index("ix_idempotent_request_answered_at", "answered_at"),
    )

    key_hash: str = Field(sa_column=Column(String(64), primary_key=True))
    body_hash: str = Field(sa_column=Column(String(64), nullable=False))
    status: int = Field(sa_column=Column(Integer, nullable=False))
    answer: str = Field(sa_column=Column(Text, nullable=False))
    subscriber_id: int | None = Field(default=None, sa_column=Column(BIG, nullable=True))
    answered_at: datetime
