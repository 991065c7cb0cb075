"""The quick look of run-due: it takes the place of the whole look only where that would find nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from campaigns import holds, notices, schedules
from campaigns.commands.run_due import NOTHING
from campaigns.quick_look import DUTIES, is_idle
from campaigns.tables import digest_tick, notice
from campaigns.timing import DueTime
from cli import mailer
from mailer.database import Database, ProcessKind, beat, count_beats
from templates.service_mail import ServiceMailKind
from tests.support.campaign import draft, subscribe, withdraw, write_config
from tests.support.deliveries import SentCampaign
from tests.support.schema import SCHEMA

NEVER_DUE = {
    *(
        "access_token",
        "archiving_hold",
        "attempt_count",
        "campaign_approval",
        "campaign_image",
        "campaign_translation",
        "consent",
    ),
    *("consent_note", "delivery_count", "former_subscriber", "idempotent_request", "installation"),
    *("ledger_checkpoint", "ledger_tile", "operator_act", "pending_request", "privacy_notice", "signing_key"),
    *("subscriber", "suppression", "suppression_lift", "throttle", "wording"),
}
"""The tables in which nothing waits for run-due, but for what may wait an hour: what is to be purged."""


def looks_idle(database: Database) -> bool:
    return is_idle(database.url.render_as_string(hide_password=False), Path())


@pytest.fixture
def looked(database: Database) -> Database:
    """A database with three people and a draft, in which a whole look found nothing a moment ago."""
    subscribe(database, 3)
    draft(database)
    look(database)
    return database


def look(database: Database) -> None:
    now = database.clock()()
    with database.write() as connection:
        beat(connection, ProcessKind.RUN_DUE, now)
        notices.note_whole_look(connection, now)


def execute(database: Database, statement: str) -> None:
    with database.write() as connection:
        connection.execute(text(statement))


def test_after_a_whole_look_that_found_nothing_the_quick_look_finds_nothing_and_beats(
    looked: Database,
) -> None:
    with looked.read() as connection:
        before = count_beats(connection, ProcessKind.RUN_DUE)
    assert looks_idle(looked)
    with looked.read() as connection:
        assert count_beats(connection, ProcessKind.RUN_DUE) == before + 1


def test_without_a_whole_look_in_the_last_hour_there_is_a_whole_look(looked: Database) -> None:
    execute(looked, "DELETE FROM notice")
    assert not looks_idle(looked)
    look(looked)
    with looked.write() as connection:
        hour_ago = looked.clock()() - timedelta(hours=1)
        connection.execute(notice.update().values(printed_at=hour_ago))
    assert not looks_idle(looked)


def test_after_a_change_in_the_ledger_there_is_a_whole_look(looked: Database) -> None:
    withdraw(looked, 1)
    assert not looks_idle(looked)


def test_a_host_without_a_heartbeat_takes_a_whole_look(looked: Database) -> None:
    execute(looked, "UPDATE heartbeat SET host = 'another'")
    assert not looks_idle(looked)


@pytest.mark.parametrize("state", ["sending", "paused", "missed"])
def test_a_campaign_that_is_not_over_is_a_duty(looked: Database, state: str) -> None:
    execute(looked, f"UPDATE campaign SET state = '{state}'")
    assert not looks_idle(looked)


@pytest.mark.parametrize(("minutes", "idle"), [(5, True), (-5, False)])
def test_a_scheduled_campaign_is_a_duty_once_it_is_due(looked: Database, minutes: int, idle: bool) -> None:
    due = looked.clock()() + timedelta(minutes=minutes)
    with looked.write() as connection:
        schedules.plan(connection, 1, DueTime(due, "2026-12-01 09:00", "Europe/Amsterdam", due))
        connection.execute(text("UPDATE campaign SET state = 'scheduled'"))
    assert looks_idle(looked) is idle


def test_a_worker_that_may_be_dead_and_an_uncertain_delivery_are_duties(sqlite_database: Database) -> None:
    sent = SentCampaign(sqlite_database, 1)
    context = sent.worker()
    look(sqlite_database)
    execute(sqlite_database, "UPDATE campaign SET state = 'finished'")
    assert not looks_idle(sqlite_database)
    execute(sqlite_database, "UPDATE worker SET retired_at = lease_until")
    assert looks_idle(sqlite_database)
    assert context.worker_id
    execute(sqlite_database, "UPDATE delivery SET state = 'uncertain'")
    assert not looks_idle(sqlite_database)


def test_a_webhook_that_lags_and_a_service_mail_are_duties(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 1)
    execute(
        sqlite_database,
        "INSERT INTO webhook_endpoint (id, url, key_id, generation, cursor, created_at, next_attempt_at, failures, last_answer) "
        "SELECT 'a', 'https://hooks.example.com/', 'k', 1, max(id), recorded_at, recorded_at, 0, '' FROM consent_event",
    )
    look(sqlite_database)
    assert looks_idle(sqlite_database)
    execute(sqlite_database, "UPDATE webhook_endpoint SET cursor = 0")
    assert not looks_idle(sqlite_database)
    execute(sqlite_database, "UPDATE webhook_endpoint SET parked_at = created_at")
    assert looks_idle(sqlite_database)
    with closing(sqlite3.connect(str(sqlite_database.url.database))) as plain, plain:  # without foreign keys
        plain.execute(
            "INSERT INTO service_mail (kind, request_id, expires_at, next_attempt_at, attempts) "
            "VALUES (?, 1, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 0)",
            [next(iter(ServiceMailKind)).value],
        )
    assert not looks_idle(sqlite_database)


def test_a_restored_database_is_a_duty_until_the_operator_has_decided(sqlite_database: Database) -> None:
    draft(sqlite_database)
    with sqlite_database.write() as connection:
        holds.hold(connection, "test", sqlite_database.clock()())
    look(sqlite_database)
    assert not looks_idle(sqlite_database)
    execute(sqlite_database, "UPDATE restoration SET replayed_at = found_at")
    assert not looks_idle(sqlite_database)
    execute(sqlite_database, "DELETE FROM campaign_hold")
    assert looks_idle(sqlite_database)


def test_a_digest_is_a_duty_once_its_time_has_come(looked: Database) -> None:
    execute(
        looked,
        "INSERT INTO digest (name, changelog, cron, zone, topic, locale, max_lateness_seconds, created_at) "
        "VALUES ('weekly', 'CHANGELOG.md', '0 9 * * 1', 'Europe/Amsterdam', 'notes', 'en', 3600, CURRENT_TIMESTAMP)",
    )
    with looked.write() as connection:
        now = looked.clock()()
        connection.execute(digest_tick.insert().values(digest_id=1, due_at=now, ran_at=now, versions=""))
    assert looks_idle(looked)
    with looked.write() as connection:
        week_ago = looked.clock()() - timedelta(days=8)
        connection.execute(digest_tick.update().values(due_at=week_ago))
    assert not looks_idle(looked)


def test_each_table_is_looked_at_or_holds_nothing_that_falls_due() -> None:
    asked = " ".join(DUTIES.values())
    others = {"digest", "digest_tick", "heartbeat", "notice"}  # asked apart
    tables = set(SCHEMA.tables) - others - NEVER_DUE
    assert {name for name in tables if f" {name}" not in asked} == set()


@pytest.mark.parametrize("url", ["sqlite:///missing.db", "sqlite:///mailer.db?timeout=1", "mysql://host/db"])
def test_a_database_that_can_not_be_asked_gets_a_whole_look(tmp_path: Path, url: str) -> None:
    assert not is_idle(url, tmp_path)
    assert not (tmp_path / "missing.db").exists()


def test_tables_of_another_version_get_a_whole_look(looked: Database) -> None:
    with looked.engine.begin() as connection:
        connection.execute(text("UPDATE release_mailer_version SET version_num = 'another'"))
    assert not looks_idle(looked)


def test_the_command_reports_the_same_after_a_quick_look(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> Result:
        return CliRunner().invoke(mailer, ["run-due", "--json"])

    subscribe(sqlite_database, 1)
    write_config(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    whole = run()
    monkeypatch.setattr("campaigns.commands.due.send_due", None)
    quick = run()
    assert (quick.exit_code, quick.stderr) == (0, "")
    assert json.loads(quick.stdout) == json.loads(whole.stdout) == NOTHING
