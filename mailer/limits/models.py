"""The table of limits. It contains no personal data."""

from __future__ import annotations

from sqlalchemy import Column, String, Text
from sqlmodel import Field, SQLModel

import mailer.database.columns  # noqa: F401 - names the constraints


class ThrottleState(SQLModel, table=True):
    """The usage of a relay's or a provider's limits, as JSON (`mailer.limits.budget`).

    `name` is "relay NAME" or "provider NAME", with a name from the settings. It is never a domain, because a domain may
    belong to one person.
    """

    __tablename__ = "throttle"

    name: str = Field(sa_column=Column(String(120), primary_key=True))
    usage_log: str = Field(sa_column=Column(Text, nullable=False))
