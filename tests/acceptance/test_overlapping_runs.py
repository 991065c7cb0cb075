"""Runs that overlap, as cron's do with a long campaign: nobody gets two mails, and only the run at work says
anything.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mailer.database import Database
from tests.support.campaign import dispatch_for, draft, settings_for, subscribe, threaded, write_config
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay

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
