"""Runs that overlap, as cron's do with a long campaign: nobody gets two mails, and only the run at work says
anything.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from campaigns.deliveries import workers
from campaigns.tables import delivery
from mailer.database import Database
from tests.support.campaign import (
    counts,
    dispatch_for,
    draft,
    settings_for,
    subscribe,
    threaded,
    write_config,
)
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay
from tests.support.waiting import TIMEOUT_SECONDS, until

PEOPLE = 150


def test_a_run_that_finds_another_at_work_is_silent_and_done(
    mailer: InstalledMailer, database: Database, tmp_path: Path
) -> None:
    subscribe(database, PEOPLE)
    draft(database)
    relay = FaultyRelay(pipelining=True)
    with threaded(relay):
        relay.slowness = 0.05
        write_config(
            tmp_path,
            relay.port,
            database_url=database.url.render_as_string(hide_password=False),
            connections=1,
        )
        dispatch_for(database, settings_for(relay.port)).start("notes")
        runs = [mailer.start("run-due", cwd=tmp_path) for _ in range(3)]
        reports = [run.communicate(timeout=240) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], reports
    outputs = [(out, errors) for out, errors in reports if out or errors]
    assert all(f"{PEOPLE} accepted" in out.replace(",", "") and not errors for out, errors in outputs), (
        reports
    )
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: PEOPLE}


def test_what_a_process_beside_leaves_when_it_is_killed_is_reported_as_not_sent(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    subscribe(sqlite_database, 4 * PEOPLE)  # more than one process claims at first
    draft(sqlite_database)
    url = sqlite_database.url.render_as_string(hide_password=False)
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.1
        write_config(tmp_path, relay.port, database_url=url, connections=2)
        command = ("campaigns", "send", "notes", "--yes", "--processes", "2", "--json")
        process = mailer.start(*command, cwd=tmp_path)
        until(lambda: counts(sqlite_database).in_flight > 2, "mails in flight of both")
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split():
            os.kill(int(child), signal.SIGKILL)
        relay.slowness = 0
        out, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    status = json.loads(out)
    assert "Another run" not in errors
    assert status["in_flight"] == 0 < status["uncertain"]
    assert process.returncode == (75 if status["pending"] else 3)
    assert status["state"] == ("sending" if status["pending"] else "finished")


def test_a_run_that_is_stopped_does_not_take_the_run_of_another_campaign_for_one_that_goes_on(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    subscribe(sqlite_database, 4 * PEOPLE)
    draft(sqlite_database, "one")
    draft(sqlite_database, "other")
    url = sqlite_database.url.render_as_string(hide_password=False)
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.1
        write_config(tmp_path, relay.port, database_url=url, connections=2)
        one, other = (
            mailer.start("campaigns", "send", slug, "--yes", cwd=tmp_path) for slug in ("one", "other")
        )
        until(lambda: counts(sqlite_database, "other").accepted > 0, "the first mails of the other")
        until(lambda: counts(sqlite_database, "one").accepted > 0, "the first mails")
        one.terminate()
        _, errors = one.communicate(timeout=TIMEOUT_SECONDS)
        assert other.poll() is None
        other.kill()
        other.communicate()
    assert one.returncode == 75
    assert "Stopped early" in errors


def test_a_run_that_is_stopped_knows_of_one_that_waits_for_a_limit(
    mailer: InstalledMailer, database: Database, tmp_path: Path
) -> None:
    subscribe(database, 10)
    draft(database)
    with threaded(FaultyRelay(pipelining=True)) as relay:
        url = database.url.render_as_string(hide_password=False)
        write_config(tmp_path, relay.port, database_url=url, connections=2)
        limit = {"MAILER_PROVIDERS__ACME__DOMAINS": "example.com", "MAILER_PROVIDERS__ACME__PER_MINUTE": "3"}
        send = ("campaigns", "send", "notes", "--yes")
        waiting = mailer.start(*send, cwd=tmp_path, env=limit)
        until(lambda: counts(database).accepted >= 3 and not _is_any_held(database), "the limit")
        stopped = mailer.start(*send, cwd=tmp_path, env=limit)
        until(lambda: _at_work(database) == 2, "both at work")
        stopped.terminate()
        _, errors = stopped.communicate(timeout=TIMEOUT_SECONDS)
        assert waiting.poll() is None
        waiting.terminate()
        _, last = waiting.communicate(timeout=TIMEOUT_SECONDS)
    assert "Another run is sending the rest." in errors
    assert stopped.returncode == 0
    assert "Stopped early" in last
    assert waiting.returncode == 75


def _is_any_held(database: Database) -> bool:
    with database.read() as connection:
        held = select(delivery.c.id).where(delivery.c.worker_id.is_not(None))
        return connection.execute(held).first() is not None


def _at_work(database: Database) -> int:
    with database.read() as connection:
        return len(workers.unretired(connection))
