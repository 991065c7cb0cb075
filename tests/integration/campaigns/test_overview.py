"""What needs attention: named once, with the campaign and the command, and an exit code for monitoring."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text, update

from campaigns import catalogue, holds, notices, reports
from campaigns.commands.worker import WorkerNews
from campaigns.deliveries import campaign, delivery
from campaigns.lifecycle import Act
from campaigns.quick_look import WHOLE_LOOK
from campaigns.reports.overview import ProblemSeverity, overview
from campaigns.sending import RunResult
from campaigns.states import CampaignState, DeliveryState
from campaigns.timing import DueTime
from cli import mailer as command
from mailer.database import Database, ProcessKind, beat
from tests.support.campaign import dispatch_for, draft, settings_for, subscribe, threaded, write_config
from tests.support.relay import FaultyRelay

NOW = datetime.now(UTC)


@pytest.fixture
def home(sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings and three people; its relay is away."""
    write_config(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    subscribe(sqlite_database, 3)
    draft(sqlite_database)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def messages(database: Database, now: datetime = NOW) -> list[str]:
    with database.read() as connection:
        return [one.message for one in overview(connection, now).problems]


def test_nothing_needs_attention_in_a_new_database(database: Database) -> None:
    subscribe(database, 3)
    draft(database)
    assert messages(database) == []


@pytest.mark.parametrize(
    ("kind", "after", "word"),
    [
        (ProcessKind.RUN_DUE, 21, "run-due"),
        (ProcessKind.WORKER, 21, "worker"),
        (ProcessKind.SERVE, 3, "serve"),
    ],
)
def test_what_was_at_work_and_fell_silent_is_named(
    sqlite_database: Database, kind: ProcessKind, after: int, word: str
) -> None:
    with sqlite_database.write() as connection:
        beat(connection, kind, NOW)
    assert messages(sqlite_database, NOW + timedelta(minutes=1)) == []
    [message] = messages(sqlite_database, NOW + timedelta(minutes=after))
    assert word in message


def test_moments_are_told_in_the_given_zone_with_its_name(sqlite_database: Database) -> None:
    noon = datetime(2026, 7, 1, 10, tzinfo=UTC)
    with sqlite_database.write() as connection:
        beat(connection, ProcessKind.RUN_DUE, noon)
    with sqlite_database.read() as connection:
        found = overview(connection, noon + timedelta(days=1), ZoneInfo("Europe/Amsterdam"))
    assert "since 2026-07-01 12:00 CEST" in found.problems[0].message


def test_a_worker_takes_the_place_of_cron(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        beat(connection, ProcessKind.RUN_DUE, NOW - timedelta(days=1))
        beat(connection, ProcessKind.WORKER, NOW)
    assert messages(sqlite_database) == []


def test_a_campaign_that_is_sent_by_nobody_is_named(database: Database) -> None:
    subscribe(database, 3)
    draft(database)
    dispatch_for(database, settings_for(1)).start("notes")
    now = datetime.now(UTC)
    assert messages(database, now) == []
    [message] = messages(database, now + timedelta(minutes=20))
    assert message == "notes is being sent, and nobody is working on it."


def test_an_overdue_schedule_a_missed_and_a_paused_campaign_are_named(database: Database) -> None:
    subscribe(database, 3)
    for slug in ("late", "missed", "paused"):
        draft(database, slug)
    dispatch = dispatch_for(database, settings_for(1))
    dispatch.schedule("late", DueTime(NOW, "now", "UTC", NOW + timedelta(days=1)))
    dispatch.start("paused")
    dispatch.act("paused", Act.PAUSE)
    with database.write() as connection:
        missed = update(campaign).where(campaign.c.slug == "missed")
        connection.execute(missed.values(state=CampaignState.MISSED))
    found = messages(database, NOW + timedelta(minutes=20))
    assert len(found) == 3
    assert found[-1] == "paused is paused"  # as the operator wanted it: the least of the three


def test_uncertain_mails_of_a_finished_campaign_are_named_with_the_command(
    sqlite_database: Database, home: Path
) -> None:
    make_uncertain(sqlite_database)
    done = run("status", "--json")
    assert done.exit_code == 1
    [problem] = json.loads(done.stdout)["problems"]
    assert problem["slug"] == "notes"
    assert problem["severity"] == ProblemSeverity.FAILURE
    assert "mailer deliveries resolve notes" in problem["next_step"]
    assert "1 mail is uncertain" in run("status").stdout


def test_the_exit_code_is_that_of_the_worst(sqlite_database: Database, home: Path) -> None:
    assert run("status").exit_code == 0
    dispatch = dispatch_for(sqlite_database, settings_for(1))
    dispatch.start("notes")
    dispatch.act("notes", Act.PAUSE)
    assert run("status").exit_code == 3
    make_uncertain(sqlite_database)
    assert run("status").exit_code == 1


def test_doctor_fails_where_something_waits_for_a_person(sqlite_database: Database, home: Path) -> None:
    make_uncertain(sqlite_database)
    done = run("doctor", "--offline", "--json")
    assert done.exit_code == 1
    found = [one for one in json.loads(done.stdout)["findings"] if one["check"] == "attention"]
    assert [one["level"] for one in found] == ["fail"]


def test_a_held_database_is_the_first_of_all(sqlite_database: Database, home: Path) -> None:
    with sqlite_database.write() as connection:
        holds.hold(connection, "test", NOW)
    assert "mailer privacy replay" in run("status").stdout


def test_run_due_names_folder_campaign_and_command_once_an_hour(
    sqlite_database: Database, home: Path
) -> None:
    make_uncertain(sqlite_database)
    first = run("run-due")
    assert str(home) in first.stderr
    assert "mailer deliveries resolve notes" in first.stderr
    assert run("run-due").stderr == ""
    with sqlite_database.engine.begin() as connection:
        connection.execute(text("UPDATE notice SET printed_at = '2026-01-01 00:00:00.000000'"))
    assert run("run-due").stderr == first.stderr


def test_run_due_says_once_that_the_relay_is_away_and_once_that_it_is_back(
    sqlite_database: Database, home: Path
) -> None:
    dispatch_for(sqlite_database, settings_for(1)).start("notes")
    first, second = run("run-due"), run("run-due")
    assert (first.exit_code, second.exit_code) == (75, 75)
    assert "127.0.0.1:1" in first.stderr
    assert second.stderr == ""
    make_due(sqlite_database)
    relay = FaultyRelay()
    with threaded(relay):
        write_config(home, relay.port)
        back = run("run-due")
        assert (back.exit_code, back.stderr) == (0, "The relay is back.\n")
        draft(sqlite_database, "next")
        dispatch_for(sqlite_database, settings_for(1)).start("next")
        assert (run("run-due").stderr, len(relay.accepted)) == ("", 6)
    with sqlite_database.read() as connection:
        kept = connection.execute(text("SELECT key FROM notice")).scalars()
        assert [key for key in kept if not key.startswith(WHOLE_LOOK)] == []


@pytest.mark.parametrize(("check", "said"), [("warn", 1), ("require", 2)])
def test_run_due_warns_and_refuses_once_an_hour(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: str, said: int
) -> None:
    """Each refusal names its campaign; the warning is the same for all."""
    relay = FaultyRelay()
    with threaded(relay):
        url = database.url.render_as_string(hide_password=False)
        write_config(tmp_path, relay.port, database_url=url)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MAILER_UNSUBSCRIBE_CHECK", check)
        monkeypatch.setenv("MAILER_PUBLIC_URL", "http://127.0.0.1:1")
        subscribe(database, 1)
        for slug in ("one", "two"):
            draft(database, slug)
            due = DueTime(NOW, "now", "UTC", NOW + timedelta(days=1))
            dispatch_for(database, settings_for(1)).schedule(slug, due)
        printed = [run("run-due").stderr.count("Nobody could unsubscribe") for _ in range(2)]
    assert printed == [said, 0]


def test_a_worker_prints_once_what_it_finds_at_each_look(sqlite_database: Database, home: Path) -> None:
    dispatch_for(sqlite_database, settings_for(1)).start("notes")
    with sqlite_database.read() as connection:
        status = reports.campaign_status(connection, catalogue.find(connection, "notes"))
    away = RunResult(status, 75, "The relay is away.", relay_away=True)
    lines: list[str] = []
    warnings: list[str] = []
    news = WorkerNews(lines.append, warnings.append)
    for result in (away, away, RunResult(status, 0), away):
        news.report_result(result)
        news.print_once("Nobody could unsubscribe.")
    for problem in ("The database is away.", "The database is away.", None, "The database is away."):
        news.report_problem(problem)
    assert lines == [status.line()] * 3
    assert warnings == [
        *("The relay is away.", "Nobody could unsubscribe.", "The relay is away."),
        *["The database is away."] * 2,
    ]


def test_of_two_that_print_the_same_at_once_one_does(database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:

        def select_new(_: int) -> list[str]:
            with database.write() as connection:
                return notices.select_new(connection, ["It is so."], NOW)

        assert sorted(threads.map(select_new, range(4))) == [[], [], [], ["It is so."]]


def make_due(database: Database) -> None:
    """Mails that were put off are due."""
    with database.write() as connection:
        connection.execute(update(delivery).values(next_attempt_at=NOW))


def make_uncertain(database: Database) -> None:
    """A finished campaign with one mail in doubt."""
    with database.write() as connection:
        connection.execute(update(campaign).values(state=CampaignState.FINISHED, started_at=NOW))
        values = {"campaign_id": 1, "subscriber_id": 1, "state": DeliveryState.UNCERTAIN, "attempts": 1}
        connection.execute(delivery.delete())
        connection.execute(delivery.insert().values(values | {"next_attempt_at": NOW}))
