"""The table of access tokens. It contains no personal data."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Integer, String
from sqlmodel import Field, SQLModel

import mailer.database.columns  # noqa: F401 - names the constraints


class AccessTokenRow(SQLModel, table=True):
    """An access token: its SHA-256 (hex), scopes, expiry, and the day of its last use."""

    __tablename__ = "access_token"

    id: str = Field(sa_column=Column(String(16), primary_key=True))
    name: str = Field(sa_column=Column(String(100), nullable=False))
    secret_hash: str = Field(sa_column=Column(String(64), nullable=False, unique=True))
    scopes: str = Field(sa_column=Column(String(200), nullable=False))
    requests_per_second: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_on: str | None = Field(default=None, sa_column=Column(String(10), nullable=True))
