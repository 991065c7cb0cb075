"""The table of the operator's log: its schema."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index, String
from sqlmodel import Field, SQLModel

import mailer.database.columns  # noqa: F401 - names the constraints
from mailer.database import BIG
from mailer.operator_log import LONGEST_LOGIN


class OperatorActRow(SQLModel, table=True):
    """One act of an operator; `OperatorAct` is the value that is read from it.

    `people` is NULL until the command is done, and remains so where it was broken off. `subscriber_ids` is a JSON
    list, empty where there were more than ten people.
    """

    __tablename__ = "operator_act"
    __table_args__ = (Index("ix_operator_act_at", "at"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    at: datetime
    login: str = Field(sa_column=Column(String(LONGEST_LOGIN), nullable=False))
    command: str = Field(sa_column=Column(String(200), nullable=False))
    people: int | None = Field(default=None, sa_column=Column(BIG, nullable=True))
    subscriber_ids: str = Field(sa_column=Column(String(250), nullable=False))
    disclosed_to: str | None = Field(default=None, sa_column=Column(String(200), nullable=True))
    ground: str | None = Field(default=None, sa_column=Column(String(500), nullable=True))
