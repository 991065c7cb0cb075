"""Tables of the mailings: what is sent, when, by whom, and what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from mailer.database import BIG, one_of


class CampaignState(StrEnum):
    """draft -> approved -> scheduled -> sending <-> paused -> finished | cancelled

    `missed` is a scheduled campaign that nobody started within its lateness; it waits for a new time.
    """

    DRAFT = "draft"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    MISSED = "missed"
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    """pending -> claimed -> attempting -> accepted | deferred | rejected | uncertain; withheld without consent.

    `cancelled` is a delivery that was never attempted because its campaign was cancelled, `skipped` one that the operator
    gave up.
    """

    PENDING = "pending"
    CLAIMED = "claimed"
    ATTEMPTING = "attempting"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    WITHHELD = "withheld"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Campaign(SQLModel, table=True):
    """One release note to one topic.

    `notes` holds the release notes as JSON. `subject`, `html` and `text` are the rendered content with recipient
    slots, and `content_hash` its SHA-256 (hex); all four are written once, when the content is frozen.
    `send_window` is the campaign's own; without it the settings' holds.
    """

    __tablename__ = "campaign"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    slug: str = Field(sa_column=Column(String(100), nullable=False, unique=True))
    topic: str = Field(sa_column=Column(String(100), nullable=False))
    locale: str = Field(sa_column=Column(String(16), nullable=False))
    state: CampaignState = Field(default=CampaignState.DRAFT, sa_column=one_of("state", CampaignState))
    notes: str = Field(sa_column=Column(Text, nullable=False))
    subject: str | None = Field(default=None, sa_column=Column(Text))
    html: str | None = Field(default=None, sa_column=Column(Text))
    text: str | None = Field(default=None, sa_column=Column(Text))
    content_hash: str | None = Field(default=None, sa_column=Column(String(64)))
    created_at: datetime
    frozen_at: datetime | None = None
    approved_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    paused_because: str | None = Field(default=None, sa_column=Column(Text))
    send_window: str | None = Field(default=None, sa_column=Column(String(200)))


class CampaignImage(SQLModel, table=True):
    """A picture that travels inside a campaign's mail, as it was when the campaign was created.

    `source` is how the notes name it; it is empty for the brand's logo, which joins when the content is frozen.
    """

    __tablename__ = "campaign_image"

    campaign_id: int = Field(
        sa_column=Column(BIG, ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True)
    )
    source: str = Field(sa_column=Column(String(500), primary_key=True))
    content_id: str = Field(sa_column=Column(String(100), nullable=False))
    content_type: str = Field(sa_column=Column(String(100), nullable=False))
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Schedule(SQLModel, table=True):
    """A campaign's due time: the instant, and the wall-clock time and IANA zone that were asked for.

    After `start_before` it is not started any more, but missed.
    """

    __tablename__ = "schedule"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    campaign_id: int = Field(
        sa_column=Column(BIG, ForeignKey("campaign.id", ondelete="CASCADE"), nullable=False, unique=True)
    )
    due_at: datetime
    wall_time: str = Field(sa_column=Column(String(32), nullable=False))
    zone: str = Field(sa_column=Column(String(64), nullable=False))
    start_before: datetime
    started_at: datetime | None = None


class Digest(SQLModel, table=True):
    """A recurring campaign: what came into a changelog since the last one. `cron` is a cron expression in `zone`."""

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
    """One turn of a digest; that there is one row for each due time elects the host that runs it.

    `versions` are the releases it took up, one a line; the first tick of a digest, written when that is made,
    holds those that were in the changelog already. A line with "#" is a heading of what is not announced. `skipped_because` says why there is no campaign.
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


class Worker(SQLModel, table=True):
    """A run that holds claims. Its `id` counts up and is the fencing number of every claim it makes.

    A worker whose lease has passed, or whose process is gone, is buried by the next one; a buried worker can
    record nothing more.
    """

    __tablename__ = "worker"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    host: str = Field(sa_column=Column(String(64), nullable=False))
    process: str = Field(sa_column=Column(String(64), nullable=False))
    started_at: datetime
    lease_until: datetime
    retired_at: datetime | None = None


class Delivery(SQLModel, table=True):
    """One campaign to one subscriber: exactly one row, whatever happens.

    `subscriber_id` is a number, no reference: the row outlives the person's data, and holds none of it.
    `attempts` counts the times that the gate let it through; `next_attempt_at` is when it may be tried (again).
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("campaign_id", "subscriber_id"),
        Index(
            "ix_delivery_claimable",
            "campaign_id",
            "next_attempt_at",
            "id",
            sqlite_where=text("state IN ('pending', 'deferred')"),
            postgresql_where=text("state IN ('pending', 'deferred')"),
        ),
        Index(
            "ix_delivery_held",
            "worker_id",
            sqlite_where=text("state IN ('claimed', 'attempting')"),
            postgresql_where=text("state IN ('claimed', 'attempting')"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    campaign_id: int = Field(sa_column=Column(BIG, ForeignKey("campaign.id"), nullable=False))
    subscriber_id: int = Field(sa_column=Column(BIG, nullable=False))
    state: DeliveryState = Field(default=DeliveryState.PENDING, sa_column=one_of("state", DeliveryState))
    attempts: int = 0
    worker_id: int | None = Field(default=None, sa_column=Column(BIG))
    next_attempt_at: datetime
    first_attempted_at: datetime | None = None
    attempted_at: datetime | None = None
    completed_at: datetime | None = None
    phase: str | None = Field(default=None, sa_column=Column(String(16)))
    reply_code: int | None = None
    diagnostic: str | None = Field(default=None, sa_column=Column(Text))
