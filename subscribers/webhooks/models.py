"""The table of webhook endpoints. It contains no personal data and no secret."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Integer, String
from sqlmodel import Field, SQLModel

import mailer.database.columns  # noqa: F401 - names the constraints
from mailer.database import BIG


class WebhookEndpoint(SQLModel, table=True):
    """A URL that receives the changes after number `cursor`.

    Its secret is derived from the secret key `key_id`, its id and `generation`. `lease` is the claim of the
    calling process. `parked_at` is when the calls stopped.
    """

    __tablename__ = "webhook_endpoint"

    id: str = Field(sa_column=Column(String(16), primary_key=True))
    url: str = Field(sa_column=Column(String(2000), nullable=False))
    key_id: str = Field(sa_column=Column(String(16), nullable=False))
    generation: int = Field(sa_column=Column(Integer, nullable=False))
    former_key_id: str | None = Field(default=None, sa_column=Column(String(16), nullable=True))
    rotated_at: datetime | None = None
    cursor: int = Field(sa_column=Column(BIG, nullable=False))
    created_at: datetime
    next_attempt_at: datetime
    failures: int = Field(sa_column=Column(Integer, nullable=False))
    failing_since: datetime | None = None
    parked_at: datetime | None = None
    last_answer: str = Field(default="", sa_column=Column(String(200), nullable=False))
    lease: str | None = Field(default=None, sa_column=Column(String(32), nullable=True))
    lease_until: datetime | None = None
