"""The first tables, and the triggers that keep the consent ledger append-only.

There is no way down: it would destroy the proof of consent.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "release_mailer_0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
KINDS = (
    "requested",
    "granted",
    "withdrawn",
    "objected",
    "rectified",
    "erased",
    "suppressed",
    "lifted",
)
APPEND_ONLY = ("consent_event", "wording")
REPLACED = {
    "consent_event": "old.id = NEW.id",
    "wording": "old.commitment = NEW.commitment AND old.text <> NEW.text",
}


def upgrade() -> None:
    _create_tables()
    _create_api_tables()
    _create_request_tables()
    _create_records()
    _create_privacy_tables()
    _make_append_only()


def _create_tables() -> None:
    installation = op.create_table(
        "installation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.bulk_insert(installation, [{"id": secrets.token_hex(16)}])
    op.create_table(
        "signing_key",
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("used_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_signing_key")),
    )
    op.create_table(
        "heartbeat",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("beats", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "host", name=op.f("pk_heartbeat")),
    )
    op.create_table(
        "notice",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("printed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notice")),
    )
    op.create_table(
        "restoration",
        sa.Column("id", BIG, nullable=False),
        sa.Column("found_at", INSTANT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("replayed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restoration")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "campaign",
        sa.Column("id", BIG, nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        _one_of(
            "campaign",
            "state",
            "draft",
            "approved",
            "scheduled",
            "missed",
            "sending",
            "paused",
            "finished",
            "cancelled",
        ),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("frozen_at", INSTANT, nullable=True),
        sa.Column("approved_at", INSTANT, nullable=True),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("paused_because", sa.Text(), nullable=True),
        sa.Column("send_window", sa.String(length=200), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("ledger_checkpoint", sa.Text(), nullable=True),
        sa.Column("sealed_deliveries", BIG, nullable=True),
        sa.Column("sealed_root", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
        sa.UniqueConstraint("slug", name=op.f("uq_campaign_slug")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_campaign_published",
        "campaign",
        ["topic", "state", "started_at", "finished_at", "frozen_at", "content_hash", "slug"],
    )
    op.create_table(
        "subscriber",
        sa.Column("id", BIG, nullable=False),
        sa.Column("salutation", sa.String(length=200), nullable=False),
        sa.Column("first_name", sa.String(length=200), nullable=False),
        sa.Column("surname", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_normalised", sa.String(length=320), nullable=False),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("email_normalised", name=op.f("uq_subscriber_email_normalised")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "suppression_lift",
        sa.Column("id", BIG, nullable=False),
        _one_of(
            "suppression_lift",
            "reason",
            "erased",
            "bounced",
            "complained",
            "objected",
            "withdrawn",
            "opted_out",
        ),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("lifted_at", INSTANT, nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression_lift")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "throttle",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("usage_log", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_throttle")),
    )
    op.create_table(
        "wording",
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("first_used_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("commitment", name=op.f("pk_wording")),
    )
    op.create_table(
        "worker",
        sa.Column("id", BIG, nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("process", sa.String(length=64), nullable=False),
        sa.Column("campaign_id", BIG, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("lease_until", INSTANT, nullable=False),
        sa.Column("retired_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "campaign_approval",
        sa.Column("id", BIG, nullable=False),
        sa.Column("campaign_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("login", sa.String(length=200), nullable=True),
        sa.Column("approved_at", INSTANT, nullable=False),
        sa.Column("audience", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_campaign_approval_campaign_id_campaign"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_approval")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_campaign_approval_campaign_id", "campaign_approval", ["campaign_id"])
    op.create_table(
        "campaign_image",
        sa.Column("campaign_id", BIG, nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.Column("content_id", sa.String(length=100), nullable=False),
        sa.Column("content_type", sa.String(length=100), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_campaign_image_campaign_id_campaign"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "source", name=op.f("pk_campaign_image")),
    )
    op.create_table(
        "campaign_translation",
        sa.Column("campaign_id", BIG, nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_campaign_translation_campaign_id_campaign"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "locale", name=op.f("pk_campaign_translation")),
    )
    _create_ledger()
    op.create_table(
        "delivery",
        sa.Column("id", BIG, nullable=False),
        sa.Column("campaign_id", BIG, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        _one_of(
            "delivery",
            "state",
            "pending",
            "claimed",
            "attempting",
            "accepted",
            "deferred",
            "rejected",
            "uncertain",
            "withheld",
            "cancelled",
            "skipped",
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker_id", BIG, nullable=True),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("first_attempted_at", INSTANT, nullable=True),
        sa.Column("attempted_at", INSTANT, nullable=True),
        sa.Column("ledger_entry", BIG, nullable=True),
        sa.Column("completed_at", INSTANT, nullable=True),
        sa.Column("smtp_phase", sa.String(length=16), nullable=True),
        _one_of("delivery", "reason", "limit", "compose", "given_up", "announced", "crash", nullable=True),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("diagnostic", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_delivery_campaign_id_campaign")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "campaign_id", "subscriber_id", name=op.f("uq_delivery_campaign_id_subscriber_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_delivery_claimable",
        "delivery",
        ["campaign_id", "next_attempt_at", "id"],
        sqlite_where=sa.text("state IN ('pending', 'deferred')"),
        postgresql_where=sa.text("state IN ('pending', 'deferred')"),
    )
    op.create_index(
        "ix_delivery_held",
        "delivery",
        ["worker_id"],
        sqlite_where=sa.text("worker_id IS NOT NULL"),
        postgresql_where=sa.text("worker_id IS NOT NULL"),
    )
    op.create_index(
        "ix_delivery_uncertain",
        "delivery",
        ["campaign_id"],
        sqlite_where=sa.text("state = 'uncertain'"),
        postgresql_where=sa.text("state = 'uncertain'"),
    )

    op.create_table(
        "schedule",
        sa.Column("id", BIG, nullable=False),
        sa.Column("campaign_id", BIG, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("wall_time", sa.String(length=32), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("start_before", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_schedule_campaign_id_campaign"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
        sa.UniqueConstraint("campaign_id", name=op.f("uq_schedule_campaign_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "digest",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("changelog", sa.Text(), nullable=False),
        sa.Column("cron", sa.String(length=100), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=True),
        sa.Column("max_lateness_seconds", sa.Float(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest")),
        sa.UniqueConstraint("name", name=op.f("uq_digest_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "digest_tick",
        sa.Column("digest_id", BIG, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("ran_at", INSTANT, nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("campaign_id", BIG, nullable=True),
        sa.Column("skipped_because", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_digest_tick_campaign_id_campaign")
        ),
        sa.ForeignKeyConstraint(
            ["digest_id"],
            ["digest.id"],
            name=op.f("fk_digest_tick_digest_id_digest"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest_id", "due_at", name=op.f("pk_digest_tick")),
    )
    for held in ("campaign", "digest"):
        op.create_table(
            f"{held}_hold",
            sa.Column(f"{held}_id", BIG, nullable=False),
            sa.Column("held_at", INSTANT, nullable=False),
            sa.ForeignKeyConstraint(
                [f"{held}_id"],
                [f"{held}.id"],
                name=op.f(f"fk_{held}_hold_{held}_id_{held}"),
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint(f"{held}_id", name=op.f(f"pk_{held}_hold")),
        )
    op.create_table(
        "consent",
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        _one_of("consent", "state", *KINDS),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("event_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["consent_event.id"], name=op.f("fk_consent_event_id_consent_event")
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_consent_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "topic", name=op.f("pk_consent")),
    )


def _create_api_tables() -> None:
    op.create_table(
        "access_token",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=200), nullable=False),
        sa.Column("requests_per_second", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.Column("last_used_on", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_token")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_access_token_secret_hash")),
    )
    op.create_table(
        "idempotent_request",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("subscriber_id", BIG, nullable=True),
        sa.Column("answered_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_idempotent_request")),
    )
    op.create_index("ix_idempotent_request_subscriber_id", "idempotent_request", ["subscriber_id"])
    op.create_index("ix_idempotent_request_answered_at", "idempotent_request", ["answered_at"])
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("former_key_id", sa.String(length=16), nullable=True),
        sa.Column("rotated_at", INSTANT, nullable=True),
        sa.Column("cursor", BIG, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", INSTANT, nullable=True),
        sa.Column("parked_at", INSTANT, nullable=True),
        sa.Column("last_answer", sa.String(length=200), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoint")),
    )


def _create_request_tables() -> None:
    op.create_table(
        "pending_request",
        sa.Column("id", BIG, nullable=False),
        _one_of("pending_request", "kind", "own_data", "new_address", "topic", "sign_up"),
        sa.Column("subscriber_id", BIG, nullable=True),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("salutation", sa.String(length=200), nullable=False),
        sa.Column("first_name", sa.String(length=200), nullable=False),
        sa.Column("surname", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("wording", sa.String(length=64), nullable=True),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("spent_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_pending_request_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["wording"], ["wording.commitment"], name=op.f("fk_pending_request_wording_wording")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_request")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pending_request_subscriber_id", "pending_request", ["subscriber_id"])
    op.create_index("ix_pending_request_expires_at", "pending_request", ["expires_at"])
    op.create_table(
        "service_mail",
        sa.Column("id", BIG, nullable=False),
        _one_of("service_mail", "kind", "own_data", "new_address", "address_notice", "topic", "sign_up"),
        sa.Column("request_id", BIG, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempted_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["pending_request.id"],
            name=op.f("fk_service_mail_request_id_pending_request"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_mail")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_mail_request_id", "service_mail", ["request_id"])
    op.create_table(
        "attempt_count",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_attempt_count")),
    )
    op.create_index("ix_attempt_count_expires_at", "attempt_count", ["expires_at"])


def _create_records() -> None:
    op.create_table(
        "operator_act",
        sa.Column("id", BIG, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("login", sa.String(length=100), nullable=False),
        sa.Column("command", sa.String(length=200), nullable=False),
        sa.Column("people", BIG, nullable=True),
        sa.Column("subscriber_ids", sa.String(length=250), nullable=False),
        sa.Column("disclosed_to", sa.String(length=200), nullable=True),
        sa.Column("ground", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_act")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_operator_act_at", "operator_act", ["at"])
    op.create_table(
        "former_subscriber",
        sa.Column("subscriber_id", BIG, autoincrement=False, nullable=False),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=16), nullable=False),
        sa.Column("left_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("subscriber_id", name=op.f("pk_former_subscriber")),
    )
    op.create_index("ix_former_subscriber_address_hash", "former_subscriber", ["address_hash"])
    op.create_table(
        "archiving_hold",
        sa.Column("id", BIG, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("ground", sa.String(length=500), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("erasure_requested_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archiving_hold")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_archiving_hold_subscriber_id", "archiving_hold", ["subscriber_id"])
    op.create_table(
        "delivery_count",
        sa.Column("campaign_id", BIG, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("deliveries", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_delivery_count_campaign_id_campaign"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "state", name=op.f("pk_delivery_count")),
    )


def _create_privacy_tables() -> None:
    op.create_table(
        "privacy_notice",
        sa.Column("version", BIG, autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("in_force_since", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_privacy_notice")),
    )


def _create_ledger() -> None:
    op.create_table(
        "consent_event",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=True),
        sa.Column("topic", sa.String(length=100), nullable=False),
        _one_of("consent_event", "kind", *KINDS),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        _one_of(
            "consent_event",
            "channel",
            "import",
            "sync",
            "api",
            "page",
            "one_click",
            "sign_up",
            "command",
            "retention",
            "bounce",
            "complaint",
            "replay",
        ),
        sa.Column("note", sa.String(length=64), nullable=True),
        sa.Column("wording", sa.String(length=64), nullable=True),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["wording"], ["wording.commitment"], name=op.f("fk_consent_event_wording_wording")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_event")),
    )
    op.create_index("ix_consent_event_subscriber_id_id", "consent_event", ["subscriber_id", "id"])
    op.create_index(
        "ix_consent_event_suppressed_subject",
        "consent_event",
        ["subject"],
        sqlite_where=sa.text("subscriber_id IS NULL"),
        postgresql_where=sa.text("subscriber_id IS NULL"),
    )
    op.create_table(
        "suppression",
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        _one_of(
            "suppression", "reason", "erased", "bounced", "complained", "objected", "withdrawn", "opted_out"
        ),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column("entry_id", BIG, nullable=True),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["consent_event.id"], name=op.f("fk_suppression_entry_id_consent_event")
        ),
        sa.PrimaryKeyConstraint("address_hash", name=op.f("pk_suppression")),
    )
    op.create_index("ix_suppression_entry_id", "suppression", ["entry_id"])
    op.create_table(
        "consent_note",
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.Column("subscriber_id", BIG, nullable=True),
        sa.PrimaryKeyConstraint("commitment", name=op.f("pk_consent_note")),
    )
    op.create_index("ix_consent_note_subscriber_id", "consent_note", ["subscriber_id"])
    op.create_table(
        "ledger_tile",
        sa.Column("level", BIG, autoincrement=False, nullable=False),
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_ledger_tile")),
    )
    checkpoint = op.create_table(
        "ledger_checkpoint",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_checkpoint")),
    )
    empty = sha256(b"").hexdigest()
    op.bulk_insert(checkpoint, [{"id": 1, "size": 0, "root": empty, "frontier": b"", "signed": None}])


def _one_of(table: str, name: str, *values: str, nullable: bool = False) -> sa.Column[str]:
    if op.get_bind().dialect.name == "postgresql":
        # Each statement reads the condition anew from the catalogue, and so long a one was a tenth of its time.
        known = f"{name} = ANY ('{{{','.join(values)}}}')"
    else:
        known = " OR ".join(f"{name} = '{value}'" for value in values)
    check = sa.CheckConstraint(known, name=op.f(f"ck_{table}_{name}"))
    return sa.Column(name, sa.String(length=16), check, nullable=nullable)


def _make_append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in APPEND_ONLY:
            for act in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        # INSERT OR REPLACE deletes the row in its way without asking the DELETE trigger.
        for table, replaced in REPLACED.items():
            op.execute(
                f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
                f"WHEN EXISTS (SELECT 1 FROM {table} AS old WHERE {replaced}) "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
