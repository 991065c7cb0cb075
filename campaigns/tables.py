"""The tables of campaigns, schedules, digests, workers and deliveries, for statements. `models` is their schema."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, LargeBinary, String, Table, Text

from campaigns.states import CampaignState, DeliveryReason, DeliveryState
from mailer.database import BIG, TABLES, UTCDateTime, text_of

campaign = Table(
    "campaign",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("slug", String(100)),
    Column("topic", String(100)),
    Column("locale", String(16)),
    Column("state", text_of(CampaignState)),
    Column("notes", Text),
    Column("subject", Text),
    Column("html", Text),
    Column("text", Text),
    Column("content_hash", String(64)),
    Column("created_at", UTCDateTime),
    Column("frozen_at", UTCDateTime),
    Column("approved_at", UTCDateTime),
    Column("started_at", UTCDateTime),
    Column("finished_at", UTCDateTime),
    Column("paused_because", Text),
    Column("send_window", String(200)),
    Column("source", Text),
    Column("ledger_checkpoint", Text),
    Column("sealed_deliveries", BIG),
    Column("sealed_root", String(64)),
)

approval = Table(
    "campaign_approval",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("campaign_id", BIG),
    Column("name", String(200)),
    Column("login", String(200)),
    Column("approved_at", UTCDateTime),
    Column("audience", Integer),
    Column("content_hash", String(64)),
)

image = Table(
    "campaign_image",
    TABLES,
    Column("campaign_id", BIG, primary_key=True),
    Column("source", String(500), primary_key=True),
    Column("content_id", String(100)),
    Column("content_type", String(100)),
    Column("data", LargeBinary),
)

translation = Table(
    "campaign_translation",
    TABLES,
    Column("campaign_id", BIG, primary_key=True),
    Column("locale", String(16), primary_key=True),
    Column("subject", Text),
    Column("html", Text),
    Column("text", Text),
)

schedule = Table(
    "schedule",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("campaign_id", BIG),
    Column("due_at", UTCDateTime),
    Column("wall_time", String(32)),
    Column("zone", String(64)),
    Column("start_before", UTCDateTime),
    Column("started_at", UTCDateTime),
)

campaign_hold = Table(
    "campaign_hold",
    TABLES,
    Column("campaign_id", BIG, primary_key=True, autoincrement=False),
    Column("held_at", UTCDateTime),
)

delivery = Table(
    "delivery",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("campaign_id", BIG),
    Column("subscriber_id", BIG),
    Column("state", text_of(DeliveryState)),
    Column("attempts", Integer, default=0),
    Column("worker_id", BIG),
    Column("next_attempt_at", UTCDateTime),
    Column("first_attempted_at", UTCDateTime),
    Column("attempted_at", UTCDateTime),
    Column("ledger_entry", BIG),
    Column("completed_at", UTCDateTime),
    Column("smtp_phase", String(16)),
    Column("reason", text_of(DeliveryReason)),
    Column("reply_code", Integer),
    Column("diagnostic", Text),
)

delivery_count = Table(
    "delivery_count",
    TABLES,
    Column("campaign_id", BIG, primary_key=True, autoincrement=False),
    Column("state", String(16), primary_key=True),
    Column("deliveries", BIG),
)

worker = Table(
    "worker",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("host", String(64)),
    Column("process", String(64)),
    Column("campaign_id", BIG),
    Column("started_at", UTCDateTime),
    Column("lease_until", UTCDateTime),
    Column("retired_at", UTCDateTime),
)

notice = Table(
    "notice",
    TABLES,
    Column("key", String(64), primary_key=True),
    Column("printed_at", UTCDateTime),
)

digest = Table(
    "digest",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("name", String(60)),
    Column("changelog", Text),
    Column("cron", String(100)),
    Column("zone", String(64)),
    Column("topic", String(100)),
    Column("locale", String(16)),
    Column("base_url", Text),
    Column("max_lateness_seconds", Float),
    Column("created_at", UTCDateTime),
)

digest_tick = Table(
    "digest_tick",
    TABLES,
    Column("digest_id", BIG, primary_key=True),
    Column("due_at", UTCDateTime, primary_key=True),
    Column("ran_at", UTCDateTime),
    Column("versions", Text),
    Column("campaign_id", BIG),
    Column("skipped_because", Text),
)

digest_hold = Table(
    "digest_hold",
    TABLES,
    Column("digest_id", BIG, primary_key=True, autoincrement=False),
    Column("held_at", UTCDateTime),
)
