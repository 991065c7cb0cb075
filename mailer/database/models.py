"""The tables of heartbeats, of the installation, and of the keys that signed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Integer, String
from sqlmodel import Field, SQLModel

import mailer.database.columns  # noqa: F401 - names the constraints
from mailer.database.heartbeat import LONGEST_HOST


class HeartbeatRow(SQLModel, table=True):
    """The latest heartbeat of one kind of process on one host, and the number of heartbeats."""

    __tablename__ = "heartbeat"

    kind: str = Field(sa_column=Column(String(16), primary_key=True))
    host: str = Field(sa_column=Column(String(LONGEST_HOST), primary_key=True))
    beats: int = Field(sa_column=Column(Integer, nullable=False))
    at: datetime


class Installation(SQLModel, table=True):
    """The one row with a random id. It is created with the tables."""

    __tablename__ = "installation"

    id: str = Field(sa_column=Column(String(32), primary_key=True))


class SigningKey(SQLModel, table=True):
    """The id of a secret key that signed links in mails, and when it last did."""

    __tablename__ = "signing_key"

    key_id: str = Field(sa_column=Column(String(16), primary_key=True))
    used_at: datetime
