"""A PostgreSQL that is frozen while mail is sent: a signal ends the run in time, and nobody is lost or mailed twice."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from mailer.database import Database
from tests.support.campaign import (
    NOTES,
    counts,
    dispatch_for,
    draft,
    settings_for,
    subscribe,
    threaded,
    write_config,
)
from tests.support.frozen_postgresql import frozen
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay
from tests.support.waiting import TIMEOUT_SECONDS, until

PEOPLE = 600
CONNECTIONS = 4
DRAIN_SECONDS = 2
GRACE_SECONDS = 5
PATIENCE = 5  # for a busy machine

SEND = "campaigns send notes --yes"
ENDS = [
    (SEND, signal.SIGTERM),
    (f"{SEND} --json", signal.SIGHUP),
    (f"{SEND} --processes 2", signal.SIGINT),
    ("run-due", signal.SIGTERM),
    ("worker --every 0.2", signal.SIGINT),
]


@pytest.mark.parametrize(("command", "number"), ENDS, ids=str)
def test_a_signal_ends_a_run_in_time_while_the_database_is_frozen(
    mailer: InstalledMailer,
    postgresql_database: Database,
    tmp_path: Path,
    command: str,
    number: signal.Signals,
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.05
        begin(postgresql_database, tmp_path, relay)
        process = mailer.start(
            *command.split(), cwd=tmp_path, env={"MAILER_DRAIN_SECONDS": str(DRAIN_SECONDS)}
        )
        until(lambda: counts(postgresql_database).accepted >= CONNECTIONS, "the first mails")
        with frozen(postgresql_database):
            time.sleep(0.5)
            process.send_signal(number)
            began = time.monotonic()
            out, errors = process.communicate(timeout=TIMEOUT_SECONDS)
            seconds = time.monotonic() - began
        assert seconds < DRAIN_SECONDS + GRACE_SECONDS + PATIENCE
        assert process.returncode == 75, errors
        assert "the database does not answer" in errors
        assert '{"error": {"message": "It could not end' in out if "--json" in command else True
        assert "Traceback" not in errors
        everybody_got_one_mail(mailer, postgresql_database, tmp_path, relay)


def test_a_second_signal_ends_it_at_once_while_the_database_is_frozen(
    mailer: InstalledMailer, postgresql_database: Database, tmp_path: Path
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.05
        begin(postgresql_database, tmp_path, relay)
        process = mailer.start(*SEND.split(), cwd=tmp_path, env={"MAILER_DRAIN_SECONDS": "600"})
        until(lambda: counts(postgresql_database).accepted >= CONNECTIONS, "the first mails")
        with frozen(postgresql_database):
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            assert "Stopping" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_SECONDS) == -signal.SIGTERM
        process.communicate()
        everybody_got_one_mail(mailer, postgresql_database, tmp_path, relay)


def test_a_database_that_thaws_in_time_lets_the_run_end_in_order(
    mailer: InstalledMailer, postgresql_database: Database, tmp_path: Path
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.05
        begin(postgresql_database, tmp_path, relay)
        process = mailer.start(*SEND.split(), cwd=tmp_path, env={"MAILER_DRAIN_SECONDS": "60"})
        until(lambda: counts(postgresql_database).accepted >= CONNECTIONS, "the first mails")
        with frozen(postgresql_database):
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            time.sleep(2)
            assert process.poll() is None
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
        status = counts(postgresql_database)
        assert (process.returncode, status.in_flight, status.uncertain) == (75, 0, 0), errors
        assert status.accepted == len(relay.accepted)
        everybody_got_one_mail(mailer, postgresql_database, tmp_path, relay)


def begin(database: Database, folder: Path, relay: FaultyRelay) -> None:
    """A campaign that is being sent, and the settings for it."""
    subscribe(database, PEOPLE)
    draft(database, "notes", NOTES)
    dispatch_for(database, settings_for(relay.port)).start("notes")
    url = database.url.render_as_string(hide_password=False)
    write_config(folder, relay.port, database_url=url, connections=CONNECTIONS)


def everybody_got_one_mail(
    mailer: InstalledMailer, database: Database, folder: Path, relay: FaultyRelay
) -> None:
    """The next run recovers what the one before left, and sends the rest; nobody is mailed twice, nobody lost."""
    relay.slowness = 0

    def is_sent() -> bool:
        mailer.run("run-due", cwd=folder, check=False)
        status = counts(database)
        return not (status.pending or status.in_flight)

    until(is_sent, "the rest")
    status = counts(database)
    mailed = Counter(mail.recipient for mail in relay.accepted)
    assert set(mailed.values()) == {1}
    assert status.accepted + status.uncertain == PEOPLE
    assert status.accepted <= len(mailed) <= PEOPLE
    assert status.uncertain <= 2 * CONNECTIONS
