"""Tables of campaigns: content, approvals, schedules, and holds after a restore."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String, Text
from sqlmodel import Field, SQLModel

from campaigns.states import CampaignState
from mailer.database import BIG
from mailer.database.columns import one_of


class CampaignRow(SQLModel, table=True):
    """One release note to one topic; `campaigns.campaign.Campaign` is the value that is read from it.

    `notes` holds the release notes as JSON. `subject`, `html` and `text` are the rendered content with
    recipient slots, and `content_hash` its SHA-256 (hex); all four are written together, when the content is
    frozen. `send_window` is the campaign's own; where it is NULL, the settings' window is used. `source` says
    as JSON where the notes come from. `approved_at` is when the last approval that was needed came;
    `CampaignApproval` has the approvals. `ledger_checkpoint` is the consent ledger's signed checkpoint when the
    audience was enrolled. `sealed_deliveries` and `sealed_root` are the number and the Merkle root (hex) of the
    deliveries before their rows were deleted (`campaigns.deliveries.keep_seal`).
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


class CampaignHold(SQLModel, table=True):
    """A campaign of a restored database, held until the operator says whether its open deliveries were sent."""

    __tablename__ = "campaign_hold"

    campaign_id: int = Field(
        sa_column=Column(
            BIG, ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
        )
    )
    held_at: datetime
