"""Schedules, windows, digests and doubt at the command line: what cron and the operator see."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from campaigns.tables import digest_tick, schedule
from mailer.database import Database
from tests.support.campaign import dispatch_for, draft, settings_for, subscribe, threaded, write_config
from tests.support.faults import Fault, Point
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.fixture
def folder(sqlite_database: Database, tmp_path: Path) -> Path:
    """Where the commands run: two people on file, one draft, and a relay that nobody asked for yet."""
    subscribe(sqlite_database, 2)
    draft(sqlite_database)
    write_config(tmp_path, 9, database_url=sqlite_database.url.render_as_string())
    return tmp_path


def hence(**values: int) -> str:
    return f"{datetime.now(AMSTERDAM) + timedelta(**values):%Y-%m-%d %H:%M}"


def shut_window() -> str:
    """An hour that is not now: it opens in two."""
    opens, closes = (datetime.now(UTC) + timedelta(hours=hours) for hours in (2, 3))
    return f"daily {opens:%H:%M} to {closes:%H:%M} UTC"


def test_run_due_says_once_what_was_missed_and_how_to_go_on(
    mailer: InstalledMailer, sqlite_database: Database, folder: Path
) -> None:
    arguments = ("campaigns", "schedule", "notes", "--at", hence(hours=1), "--max-lateness", "90m", "--json")
    scheduled = json.loads(mailer.run(*arguments, cwd=folder).stdout)
    latest, due = (datetime.fromisoformat(scheduled[key]) for key in ("start_before", "due_at"))
    assert latest - due == timedelta(minutes=90)
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    with sqlite_database.write() as connection:
        times = {"due_at": two_days_ago, "start_before": two_days_ago + timedelta(minutes=90)}
        connection.execute(update(schedule).values(times))
    first = mailer.run("run-due", cwd=folder, check=False)
    assert first.returncode == 4
    assert first.stdout == ""
    assert "notes: missed" in first.stderr
    assert "mailer campaigns schedule notes --at" in first.stderr
    again = mailer.run("run-due", cwd=folder)
    assert (again.stdout, again.stderr) == ("", "")
    assert "missed its time" in mailer.run("campaigns", "status", "notes", cwd=folder).stdout
    mailer.run("campaigns", "schedule", "notes", "--at", hence(hours=1), cwd=folder)
    assert "scheduled" in mailer.run("campaigns", "status", "notes", cwd=folder).stdout


def test_outside_its_window_send_says_when_it_opens_and_ends_well(
    mailer: InstalledMailer, folder: Path
) -> None:
    done = mailer.run("campaigns", "send", "notes", "--yes", "--window", shut_window(), cwd=folder)
    assert "The send window opens" in done.stderr
    assert "sending" in done.stdout
    assert mailer.run("run-due", cwd=folder).stdout == ""
    assert "send window opens:" in mailer.run("campaigns", "status", "notes", cwd=folder).stdout


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--window", "office hours", "can't read the send window"),
        ("--max-lateness", "a while", "must be a duration"),
        ("--tz", "Amsterdam", "unknown zone"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_option_to_mend(
    mailer: InstalledMailer, folder: Path, option: str, value: str, reason: str
) -> None:
    done = mailer.run(
        "campaigns", "schedule", "notes", "--at", hence(hours=1), option, value, cwd=folder, check=False
    )
    assert done.returncode in {1, 2}
    assert reason in done.stderr
    assert option in done.stderr


def test_a_digest_is_made_and_sent_by_run_due_and_only_when_something_is_new(
    mailer: InstalledMailer, sqlite_database: Database, folder: Path
) -> None:
    changelog = folder / "CHANGELOG.md"
    changelog.write_text("## 1.0.0\n\n- The first.\n", encoding="utf-8")
    create = ("digests", "create", "daily", "--changelog", "CHANGELOG.md", "--every", "0 * * * *", "--json")
    assert json.loads(mailer.run(*create, cwd=folder).stdout)["every"] == "0 * * * *"
    turn_back(sqlite_database, hours=1)
    assert json.loads(mailer.run("run-due", "--json", cwd=folder).stdout)["campaigns"] == []
    changelog.write_text("## 1.1.0\n\n- The second.\n\n## 1.0.0\n\n- The first.\n", encoding="utf-8")
    turn_back(sqlite_database, hours=2)
    with threaded(FaultyRelay()) as relay:
        write_config(folder, relay.port, database_url=sqlite_database.url.render_as_string())
        done = mailer.run("run-due", cwd=folder)
    assert len(relay.accepted) == 2
    assert "with 1.1.0" in done.stderr
    assert "finished, 2 accepted" in done.stdout
    (listed,) = json.loads(mailer.run("digests", "list", "--json", cwd=folder).stdout)["digests"]
    assert listed["last_versions"] == ["1.1.0"]
    assert "nothing new" in mailer.run("digests", "run", "daily", cwd=folder).stdout
    mailer.run("digests", "delete", "daily", cwd=folder)
    assert mailer.run("digests", "list", cwd=folder).stdout == "There are no digests.\n"


def turn_back(database: Database, *, hours: int) -> None:
    """Move the creation and the runs of the digest that far into the past."""
    with database.write() as connection:
        ticks = select(digest_tick.c.due_at).order_by(digest_tick.c.due_at)
        for due_at in connection.execute(ticks).scalars().all():
            earlier = update(digest_tick).where(digest_tick.c.due_at == due_at)
            connection.execute(earlier.values(due_at=due_at - timedelta(hours=hours)))


def test_single_doubts_are_resolved_by_their_number(
    mailer: InstalledMailer, sqlite_database: Database, folder: Path
) -> None:
    silent = {Point.FINAL: Fault.HANG_UP}
    with threaded(FaultyRelay([silent, silent])) as relay:
        write_config(folder, relay.port, database_url=sqlite_database.url.render_as_string())
        dispatch_for(sqlite_database, settings_for(relay.port)).start("notes")
        assert mailer.run("run-due", cwd=folder, check=False).returncode == 3
        listed = mailer.run("deliveries", "list", "notes", "--state", "uncertain", "--json", cwd=folder)
        first, second = json.loads(listed.stdout)["deliveries"]
        assert first["diagnostic"]
        assert first["attempted_at"]
        wrong = mailer.run(
            *("deliveries", "resolve", "notes", "--resend", "--id", str(first["id"]), "--id", "999"),
            cwd=folder,
            check=False,
        )
        assert wrong.returncode == 1
        assert "no uncertain delivery 999" in wrong.stderr
        resolve = ("deliveries", "resolve", "notes", "--json")
        sent = mailer.run(*resolve, "--assume-sent", "--id", str(first["id"]), cwd=folder)
        assert (json.loads(sent.stdout)["resolved"], json.loads(sent.stdout)["uncertain"]) == (1, 1)
        again = mailer.run(*resolve, "--resend", "--id", str(second["id"]), cwd=folder)
        assert json.loads(again.stdout)["resolved"] == 1
        mailer.run("run-due", cwd=folder)
    assert [mail.recipient for mail in relay.accepted].count(second["email"]) == 2
