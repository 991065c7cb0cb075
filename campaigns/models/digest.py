"""Tables of digests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, String, Text
from sqlmodel import Field, SQLModel

from mailer.database import BIG


class DigestRow(SQLModel, table=True):
    """A recurring campaign: the releases added to a changelog since the last one. `cron` is read in `zone`."""

    __tablename__ = "digest"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    name: str = Field(sa_column=Column(String(60), nullable=False, unique=True))
    changelog: str = Field(sa_column=Column(Text, nullable=False))
    cron: str = Field(sa_column=Column(String(100), nullable=False))
    zone: str = Field(sa_column=Column(String(64), nullable=False))
    topic: str = Field(sa_column=Column(String(100), nullable=False))
    locale: str = Field(sa_column=Column(String(16), nullable=False))
    base_url: str | None = Field(default=None, sa_column=Column(Text))
    max_lateness_seconds: float
    created_at: datetime


class DigestTick(SQLModel, table=True):
    """One due time of a digest. The row is unique, so only one host runs the digest.

    `versions` are the lines of the announced releases. The first tick, from the creation of the digest, has
    the releases that were in the changelog already. A line with "#" is a heading that is not announced.
    `skipped_because` says why there is no campaign.
    """

    __tablename__ = "digest_tick"

    digest_id: int = Field(
        sa_column=Column(BIG, ForeignKey("digest.id", ondelete="CASCADE"), primary_key=True)
    )
    due_at: datetime = Field(primary_key=True)
    ran_at: datetime
    versions: str = Field(sa_column=Column(Text, nullable=False))
    campaign_id: int | None = Field(default=None, sa_column=Column(BIG, ForeignKey("campaign.id")))
    skipped_because: str | None = Field(default=None, sa_column=Column(Text))


class DigestHold(SQLModel, table=True):
    """A digest of a restored database, held until the operator says whether its releases were announced
    since.
    """

    __tablename__ = "digest_hold"

    digest_id: int = Field(
        sa_column=Column(
            BIG, ForeignKey("digest.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
        )
    )
    held_at: datetime
