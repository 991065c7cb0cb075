"""The table of restores."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

import mailer.database.columns  # noqa: F401 - names the constraints
from mailer.database import BIG


class Restoration(SQLModel, table=True):
    """A restore: when and how it was detected, and when the leavers' journal was applied."""

    __tablename__ = "restoration"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    found_at: datetime
    reason: str = Field(sa_column=Column(Text, nullable=False))
    replayed_at: datetime | None = None
