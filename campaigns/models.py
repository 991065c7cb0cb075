"""Tables of campaigns, their schedules, digests, workers and deliveries."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from mailer.database import BIG, one_of


class CampaignState(StrEnum):
    """draft -> approved -> scheduled -> sending <-> paused -> finished | cancelled

    `missed` is a scheduled campaign that was not started before `start_before`; it waits for a new time.
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
    """pending -> claimed -> attempting -> accepted | deferred | rejected | uncertain; withheld without
    consent.

    `cancelled` is a delivery whose campaign was cancelled before it was accepted, `skipped` one that the
    operator gave up.
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


class DeliveryReason(StrEnum):
    """Why a delivery is in its state, where that is not the relay's reply alone.

    `given_up` comes with the phase and the reply of the last attempt.
    """

    LIMIT = "limit"  # pending: a limit holds it back, and it has a place in the queue
    COMPOSE = "compose"  # rejected: the recipient's fields can't be sent
    GIVEN_UP = "given_up"  # rejected: deferred for too long
    ANNOUNCED = "announced"  # rejected or deferred: the relay refused the envelope before the gate
    CRASH = "crash"  # uncertain: its worker died during the attempt


class CampaignRow(SQLModel, table=True):
    """One release note to one topic; `campaigns.campaign.Campaign` is the value that is read from it.

    `notes` holds the release notes as JSON. `subject`, `html` and `text` are the rendered content with
    recipient slots, and `content_hash` its SHA-256 (hex); all four are written together, when the content is
    frozen. `send_window` is the campaign's own; where it is NULL, the settings' window is used. `source` says
    as JSON where the notes come from. `approved_at` is when the last approval that was needed came; `CampaignApproval`
    has the approvals. `ledger_checkpoint` is the consent ledger's signed checkpoint when the audience was enrolled. `sealed_deliveries` and `sealed_root` are the
    number and the Merkle root (hex) of the deliveries before their rows were deleted (`campaigns.deliveries.seal`).
    """

    __tablename__ = "campaign"
    __table_args__ = (
        # It has all that lists of published campaigns read: a row with its contents is many pages long.
        Index(
            "ix_campaign_published",
            "topic",
            "state",
            "started_at",
            "finished_at",
            "frozen_at",
            "content_hash",
            "slug",
        ),
        {"sqlite_autoincrement": True},
    )

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
    source: str | None = Field(default=None, sa_column=Column(Text))
    ledger_checkpoint: str | None = Field(default=None, sa_column=Column(Text))
    sealed_deliveries: int | None = Field(default=None, sa_column=Column(BIG))
    sealed_root: str | None = Field(default=None, sa_column=Column(String(64)))


class CampaignApproval(SQLModel, table=True):
    """One person's approval of a campaign's frozen content.

    `name` is the name that the approver gave, `login` their login on the machine, `audience` how many people agreed
    to the topic at that time, and `content_hash` the hash of what they approved.
    """

    __tablename__ = "campaign_approval"
    __table_args__ = (
        Index("ix_campaign_approval_campaign_id", "campaign_id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    campaign_id: int = Field(
        sa_column=Column(BIG, ForeignKey("campaign.id", ondelete="CASCADE"), nullable=False)
    )
    name: str | None = Field(default=None, sa_column=Column(String(200)))
    login: str | None = Field(default=None, sa_column=Column(String(200)))
    approved_at: datetime
    audience: int
    content_hash: str = Field(sa_column=Column(String(64), nullable=False))


class CampaignImage(SQLModel, table=True):
    """An image inside the campaign's mail, as it was when the campaign was created.

    `source` is its source in the notes. The brand's logos, which are added when the content is frozen, have a
    source of their own.
    """

    __tablename__ = "campaign_image"

    campaign_id: int = Field(
        sa_column=Column(BIG, ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True)
    )
    source: str = Field(sa_column=Column(String(500), primary_key=True))
    content_id: str = Field(sa_column=Column(String(100), nullable=False))
    content_type: str = Field(sa_column=Column(String(100), nullable=False))
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class CampaignTranslation(SQLModel, table=True):
    """The frozen content of a campaign in a language beside its first one. `campaign.content_hash` covers it."""

    __tablename__ = "campaign_translation"

    campaign_id: int = Field(
        sa_column=Column(BIG, ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True)
    )
    locale: str = Field(sa_column=Column(String(16), primary_key=True))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    html: str = Field(sa_column=Column(Text, nullable=False))
    text: str = Field(sa_column=Column(Text, nullable=False))


class Schedule(SQLModel, table=True):
    """A campaign's due time: the instant, and the requested wall-clock time and IANA zone.

    After `start_before` it is missed and does not start.
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


class CampaignHold(SQLModel, table=True):
    """A campaign of a restored database, held until the operator says whether its open deliveries were sent."""

    __tablename__ = "campaign_hold"

    campaign_id: int = Field(
        sa_column=Column(
            BIG, ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
        )
    )
    held_at: datetime


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


class DeliveryCount(SQLModel, table=True):
    """How many deliveries of a campaign ended in a state, of those whose rows were deleted at their end."""

    __tablename__ = "delivery_count"

    campaign_id: int = Field(
        sa_column=Column(
            BIG, ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
        )
    )
    state: str = Field(sa_column=Column(String(16), primary_key=True))
    deliveries: int = Field(sa_column=Column(BIG, nullable=False))


class Notice(SQLModel, table=True):
    """A message that `run-due` has printed, by the hash of its text, or a lasting condition by its name."""

    __tablename__ = "notice"

    key: str = Field(sa_column=Column(String(64), primary_key=True))
    printed_at: datetime


class Worker(SQLModel, table=True):
    """A run that holds claims. Its `id` counts up and is the fencing number of every claim it makes.

    A worker whose lease has passed, or whose process is gone, is retired by the next one; a retired worker
    can record nothing more.
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
    """One campaign to one subscriber. There is exactly one row for each pair.

    `subscriber_id` is a number without a foreign key: the row remains after the person is erased, and has no
    personal data. `attempts` counts the attempts that passed the gate. `next_attempt_at` is the time of the
    next attempt. `ledger_entry` is the person's newest entry in the ledger when the gate let the last attempt through.
    `smtp_phase`, `reply_code` and `diagnostic` say where the last attempt ended and what the
    relay replied.
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
        Index(
            "ix_delivery_uncertain",
            "campaign_id",
            sqlite_where=text("state = 'uncertain'"),
            postgresql_where=text("state = 'uncertain'"),
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
    ledger_entry: int | None = Field(default=None, sa_column=Column(BIG))
    completed_at: datetime | None = None
    smtp_phase: str | None = Field(default=None, sa_column=Column(String(16)))
    reason: DeliveryReason | None = Field(
        default=None, sa_column=one_of("reason", DeliveryReason, nullable=True)
    )
    reply_code: int | None = None
    diagnostic: str | None = Field(default=None, sa_column=Column(Text))
