"""The installed command, killed at random moments and started again: nobody twice, nobody lost, doubt is
named.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mailer.database import Database
from tests.support.campaign import dispatch_for, draft, settings_for, subscribe, threaded, write_config
from tests.support.figures import report_figures
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay

CONNECTIONS = 4
KILLS = int(os.environ.get("MAILER_TESTS_KILLS", "4"))  # a flavour of relay; three of them, so 12 in CI
PEOPLE = max(300, 50 * KILLS)  # about 20 of them are mailed before a kill
SECONDS = 600 + 20 * KILLS

FLAVOURS: dict[str, dict[str, Any]] = {
    "plain": {},
    "pipelining": {"pipelining": True},
    "chunking": {"pipelining": True, "chunking": True},
}


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_sigkill_at_random_moments_repeats_nobody_and_loses_nobody(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, flavour: str
) -> None:
    kills_and_doubts(mailer, sqlite_database, tmp_path, flavour, KILLS)


@pytest.mark.timeout(SECONDS)
def test_sigkill_on_postgresql_repeats_nobody_and_loses_nobody(
    mailer: InstalledMailer, postgresql_database: Database, tmp_path: Path
) -> None:
    kills_and_doubts(mailer, postgresql_database, tmp_path, "chunking", KILLS // 2)


def kills_and_doubts(
    mailer: InstalledMailer, database: Database, folder: Path, flavour: str, kills: int
) -> None:
    subscribe(database, PEOPLE)
    draft(database)
    with threaded(FaultyRelay(**FLAVOURS[flavour])) as relay:
        relay.slowness = 0.02
        url = database.url.render_as_string(hide_password=False)
        write_config(folder, relay.port, database_url=url, connections=CONNECTIONS)
        dispatch_for(database, settings_for(relay.port)).start("notes")
        landed, seed = 0, random.randrange(2**32)
        rng = random.Random(seed)
        for _ in range(kills):
            landed += kill_once(mailer, folder, relay, rng)
        relay.slowness = 0
        last = mailer.run("campaigns", "send", "notes", "--yes", "--json", cwd=folder, check=False)
        status = json.loads(last.stdout)
        listed = json.loads(
            mailer.run("deliveries", "list", "notes", "--state", "uncertain", "--json", cwd=folder).stdout
        )
        uncertain = {row["email"] for row in listed["deliveries"]}
        mailed = Counter(mail.recipient for mail in relay.accepted)
        everyone = {f"person{number}@example.com" for number in range(1, PEOPLE + 1)}
        report_figures(
            f"{database.url.get_backend_name()}, {flavour}: {kills} kills, {landed} of them with mails in flight; "
            f"of {PEOPLE:,} people {sum(number > 1 for number in mailed.values())} mailed twice, "
            f"{len(everyone - mailed.keys() - uncertain)} lost, {len(uncertain)} in doubt (seed {seed})"
        )
        assert landed >= kills // 2, f"too few kills met a mail in flight (seed {seed})"
        assert max(mailed.values()) == 1, f"somebody was mailed twice (seed {seed})"
        assert everyone - mailed.keys() <= uncertain, f"somebody was lost (seed {seed})"
        assert status["accepted"] + status["uncertain"] == PEOPLE
        assert len(uncertain) == status["uncertain"] <= kills * CONNECTIONS
        assert last.returncode == (3 if uncertain else 0)

        resolved = mailer.run("deliveries", "resolve", "notes", "--resend", "--json", cwd=folder)
        assert json.loads(resolved.stdout)["resolved"] == len(uncertain)
        mailer.run("run-due", cwd=folder)
        assert {mail.recipient for mail in relay.accepted} == everyone


def kill_once(mailer: InstalledMailer, folder: Path, relay: FaultyRelay, rng: random.Random) -> bool:
    """Start a run, let it send a few, kill it at a random moment. Was it at work?"""
    before = len(relay.accepted)
    process = mailer.start(
        "campaigns",
        "send",
        "notes",
        "--yes",
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while len(relay.accepted) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.15))
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    return len(relay.accepted) > before


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_four_runs_at_once_send_each_subscriber_one_mail(
    mailer: InstalledMailer, request: pytest.FixtureRequest, tmp_path: Path, engine: str
) -> None:
    database: Database = request.getfixturevalue(f"{engine}_database")
    people = 400
    subscribe(database, people)
    draft(database)
    with threaded(FaultyRelay(pipelining=True)) as relay:
        url = database.url.render_as_string(hide_password=False)
        write_config(tmp_path, relay.port, database_url=url)
        dispatch_for(database, settings_for(relay.port)).start("notes")
        runs = [mailer.start("run-due", cwd=tmp_path) for _ in range(4)]
        ends = [(*run.communicate(timeout=120), run.returncode) for run in runs]
        assert all(code in {0, 75} for *_, code in ends), ends
        mailer.run("run-due", cwd=tmp_path)
    mailed = Counter(mail.recipient for mail in relay.accepted)
    assert (len(mailed), set(mailed.values())) == (people, {1})


def test_sigterm_finishes_the_mails_in_flight(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    subscribe(sqlite_database, 400)
    draft(sqlite_database)
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.02
        write_config(tmp_path, relay.port, database_url=sqlite_database.url.render_as_string())
        dispatch_for(sqlite_database, settings_for(relay.port)).start("notes")
        with mailer.start(
            "campaigns", "send", "notes", "--yes", "--json", cwd=tmp_path, stderr=subprocess.DEVNULL
        ) as process:
            wait_for_mail(relay, 20, process)
            process.terminate()
            out, _ = process.communicate(timeout=60)
        status = json.loads(out)
        assert process.returncode == 75
        assert status["uncertain"] == status["in_flight"] == 0
        assert status["accepted"] == len(relay.accepted) < 400
        relay.slowness = 0
        assert (
            json.loads(mailer.run("campaigns", "send", "notes", "--yes", "--json", cwd=tmp_path).stdout)[
                "accepted"
            ]
            == 400
        )
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: 400}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_two_processes_share_a_campaign(
    mailer: InstalledMailer, request: pytest.FixtureRequest, tmp_path: Path, engine: str
) -> None:
    database: Database = request.getfixturevalue(f"{engine}_database")
    subscribe(database, 3000)
    draft(database)
    with threaded(FaultyRelay(pipelining=True)) as relay:
        url = database.url.render_as_string(hide_password=False)
        write_config(tmp_path, relay.port, database_url=url)
        done = mailer.run("campaigns", "send", "notes", "--yes", "--processes", "2", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["accepted"] == 3000
    assert json.loads(done.stdout)["state"] == "finished"
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: 3000}


def test_a_worker_sends_what_becomes_due_and_ends_in_order(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    subscribe(sqlite_database, 50)
    draft(sqlite_database)
    with threaded(FaultyRelay(pipelining=True)) as relay:
        write_config(tmp_path, relay.port, database_url=sqlite_database.url.render_as_string())
        with mailer.start("worker", "--every", "0.2", cwd=tmp_path) as process:
            dispatch_for(sqlite_database, settings_for(relay.port)).start("notes")
            wait_for_mail(relay, 50, process)
            process.terminate()
            out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert out.startswith("notes: finished, 50 accepted") or "Stopping" in errors


def wait_for_mail(relay: FaultyRelay, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while len(relay.accepted) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert len(relay.accepted) >= count


def test_a_campaign_that_was_tampered_with_holds_up_no_other(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    subscribe(sqlite_database, 3)
    with threaded(FaultyRelay(pipelining=True)) as relay:
        dispatch = dispatch_for(sqlite_database, settings_for(relay.port))
        for slug in ("first", "second"):
            draft(sqlite_database, slug)
            dispatch.start(slug)
        with sqlite_database.write() as connection:
            connection.exec_driver_sql("UPDATE campaign SET html = 'other' WHERE slug = 'first'")
        write_config(tmp_path, relay.port, database_url=sqlite_database.url.render_as_string())
        done = mailer.run("run-due", cwd=tmp_path, check=False)
    assert done.returncode == 4
    assert "'first' is not what was frozen" in done.stderr
    assert len(relay.accepted) == 3
