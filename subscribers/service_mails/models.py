"""The table of service mails that wait. It contains no personal data but the number of a request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, Integer
from sqlmodel import Field, SQLModel

from mailer.database import BIG
from mailer.database.columns import one_of
from templates.service_mail import ServiceMailKind


class ServiceMail(SQLModel, table=True):
    """A mail about the request `request_id`, until its outcome or `expires_at`; then the row is deleted.

    `attempted_at` is set before the mail is offered. A row that has it and no outcome belongs to a process
    that died: it is never sent again.
    """

    __tablename__ = "service_mail"
    __table_args__ = (
        Index("ix_service_mail_request_id", "request_id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    kind: ServiceMailKind = Field(sa_column=one_of("kind", ServiceMailKind))
    request_id: int = Field(
        sa_column=Column(BIG, ForeignKey("pending_request.id", ondelete="CASCADE"), nullable=False)
    )
    expires_at: datetime
    next_attempt_at: datetime
    attempts: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    attempted_at: datetime | None = None
