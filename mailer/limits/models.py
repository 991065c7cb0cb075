"""The table of limits. It names relays and providers, no people."""

from __future__ import annotations

from sqlalchemy import Column, String, Text
from sqlmodel import Field, SQLModel

import mailer.database.columns  # noqa: F401 - names the constraints


class ThrottleState(SQLModel, table=True):
    """The usage of a relay's or a provider's limits, as JSON (`mailer.limits.budget`).

    `name` is "relay NAME" or "provider NAME", both words from the settings: never a domain, which may be one
    person's own.
    """

    __tablename__ = "throttle"

    name: str = Field(sa_column=Column(String(120), primary_key=True))
    usage_log: str = Field(sa_column=Column(Text, nullable=False))
