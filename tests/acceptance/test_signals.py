"""SIGINT, SIGTERM and SIGHUP on commands that run long: the first ends them in order, and no mail in flight is lost.

`mailer serve` has its own in test_serve.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from campaigns.states import CampaignState
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
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay
from tests.support.waiting import TIMEOUT_SECONDS, until

CONNECTIONS = 4
PEOPLE = 2500  # more than one process claims ahead

both_signals = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])


@pytest.fixture(autouse=True)
def signals_reach_children() -> Iterator[None]:
    """A signal that this process ignores, its children would ignore too: in the background SIGINT, under `nohup` SIGHUP."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGHUP, hang_up)


def catches(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Whether the process has a handler for a signal (proc(5), SigCgt)."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def holds_open(process: subprocess.Popen[str], name: str) -> bool:
    """Whether the process has a file of that name open."""
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if link.readlink().name == name:
                return True
    return False


@contextmanager
def running(mailer: InstalledMailer, folder: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A command at work, in a process group of its own; what is left of it at the end is killed."""
    process = mailer.start(*args, cwd=folder, process_group=0)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def begin(database: Database, folder: Path, relay: FaultyRelay, *slugs: str) -> None:
    """Campaigns that are being sent, and the settings for them."""
    subscribe(database, PEOPLE)
    for slug in slugs:
        draft(database, slug, NOTES)
        dispatch_for(database, settings_for(relay.port)).start(slug)
    url = database.url.render_as_string(hide_password=False)
    write_config(folder, relay.port, database_url=url, connections=CONNECTIONS)


# Each command on both engines, and with both signals.
SEND, SEND_TWICE, RUN_DUE, WORKER = (
    "campaigns send notes --yes",
    "campaigns send notes --yes --processes 2",
    "run-due",
    "worker --every 0.2",
)
ENDS = [
    (SEND, signal.SIGINT, "sqlite"),
    (SEND, signal.SIGTERM, "postgresql"),
    (SEND_TWICE, signal.SIGINT, "postgresql"),
    (SEND_TWICE, signal.SIGTERM, "sqlite"),
    (RUN_DUE, signal.SIGINT, "sqlite"),
    (RUN_DUE, signal.SIGTERM, "postgresql"),
    (WORKER, signal.SIGINT, "postgresql"),
    (WORKER, signal.SIGTERM, "sqlite"),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: f"{end[0]}-{end[1].name}-{end[2]}")
def test_the_first_signal_lets_the_mails_in_flight_finish(
    mailer: InstalledMailer,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    end: tuple[str, signal.Signals, str],
) -> None:
    command, number, engine = end
    database: Database = request.getfixturevalue(f"{engine}_database")
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.5
        begin(database, tmp_path, relay, "notes")
        processes = 2 if command == SEND_TWICE else 1
        with running(mailer, tmp_path, *command.split()) as process:
            at_least = 1 + (processes - 1) * CONNECTIONS
            until(lambda: counts(database).in_flight >= at_least, "mails in flight")
            process.send_signal(number)
            _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
        status = counts(database)
    exit_code = 0 if command == WORKER else 75
    assert (process.returncode, status.in_flight, status.uncertain) == (exit_code, 0, 0), errors
    assert at_least <= status.accepted == len(relay.accepted) < PEOPLE
    assert status.pending == PEOPLE - status.accepted
    assert "Traceback" not in errors


def started_by(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a process has started, once they run their own program, and has not yet waited for (proc(5))."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    numbers = [int(number) for number in children.read_text(encoding="ascii").split()]
    return [one for one in numbers if b"import main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def was_sent(pid: int, number: signal.Signals) -> bool:
    """Whether a signal waits for a process that is stopped (proc(5), ShdPnd)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@both_signals
def test_a_signal_reaches_the_other_process_also_when_this_one_only_waits_for_it(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        begin(sqlite_database, tmp_path, relay, "notes")
        with running(mailer, tmp_path, *SEND_TWICE.split()) as process:
            until(lambda: len(started_by(process)) == 1, "another process")
            (other,) = started_by(process)
            os.kill(other, signal.SIGSTOP)
            try:
                until(lambda: counts(sqlite_database).state is CampaignState.FINISHED, "all mails")
                time.sleep(1)  # for what comes after the last mail
                process.send_signal(number)
                until(lambda: was_sent(other, signal.SIGTERM), "a signal for the other process")
            finally:
                os.kill(other, signal.SIGCONT)
            _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, errors


@both_signals
def test_a_terminals_ctrl_c_reaches_the_process_group_and_loses_nothing(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.5
        begin(sqlite_database, tmp_path, relay, "notes")
        with running(mailer, tmp_path, "campaigns", "send", "notes", "--yes", "--processes", "2") as process:
            until(lambda: counts(sqlite_database).in_flight > CONNECTIONS, "mails in flight")
            os.killpg(process.pid, number)
            process.communicate(timeout=TIMEOUT_SECONDS)
        status = counts(sqlite_database)
    assert (process.returncode, status.in_flight, status.uncertain) == (75, 0, 0)


@contextmanager
def whose_reader_leaves(
    mailer: InstalledMailer, database: Database, folder: Path, pipe: tuple[int, int], processes: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """A run that writes to `pipe` (reader, writer), of which nobody reads any more; in the end no mail may be lost."""
    reader, writer = pipe
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.5
        begin(database, folder, relay, "notes")
        send = ("campaigns", "send", "notes", "--yes", "--processes", str(processes))
        process = mailer.start(*send, cwd=folder, stdout=writer, stderr=writer)
        os.close(writer)
        until(lambda: counts(database).in_flight >= CONNECTIONS + processes - 1, "mails of each")
        os.close(reader)
        yield process
        process.wait(TIMEOUT_SECONDS)
        status = counts(database)
    assert (status.in_flight, status.uncertain) == (0, 0)
    assert CONNECTIONS <= status.accepted == len(relay.accepted) < PEOPLE


@pytest.mark.parametrize("processes", [1, 2])
def test_a_terminal_that_is_closed_lets_the_mails_in_flight_finish(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, processes: int
) -> None:
    with whose_reader_leaves(mailer, sqlite_database, tmp_path, pty.openpty(), processes) as process:
        process.send_signal(signal.SIGHUP)  # the kernel's
        until(lambda: counts(sqlite_database).accepted > 0, "the end of a mail")
        process.send_signal(signal.SIGHUP)  # the shell's


def test_a_ctrl_c_that_also_ends_the_reader_of_the_output_lets_the_mails_in_flight_finish(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    """As in ``mailer campaigns send notes 2>&1 | tee log``."""
    with whose_reader_leaves(mailer, sqlite_database, tmp_path, os.pipe()) as process:
        process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("command", [SEND, "run-due --json", WORKER])
def test_a_command_whose_output_nobody_reads_sends_everything(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, command: str
) -> None:
    """As in ``mailer worker | head -1``, and ``mailer worker 2>&1 | head -1``."""
    with threaded(FaultyRelay(pipelining=True)) as relay:
        begin(sqlite_database, tmp_path, relay, "first", "notes")
        reader, writer = os.pipe()
        os.close(reader)
        process = mailer.start(*command.split(), cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        slugs = ["notes"] if command.startswith(SEND) else ["first", "notes"]
        until(lambda: all(counts(sqlite_database, one).accepted == PEOPLE for one in slugs), "all mails")
        if command.startswith("worker"):
            time.sleep(1)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_worker_whose_log_is_on_a_full_disk_goes_on(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay, Path("/dev/full").open("wb") as full:
        begin(sqlite_database, tmp_path, relay, "first", "second")
        process = mailer.start(*WORKER.split(), cwd=tmp_path, stdout=full)
        until(lambda: counts(sqlite_database, "first").accepted == PEOPLE, "the first campaign")
        until(lambda: counts(sqlite_database, "second").accepted == PEOPLE, "the second campaign")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert "Traceback" not in errors


def test_a_command_that_is_to_survive_its_terminal_goes_on(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.1
        begin(sqlite_database, tmp_path, relay, "notes")
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
        try:
            process = mailer.start("campaigns", "send", "notes", "--yes", cwd=tmp_path)
        finally:
            signal.signal(signal.SIGHUP, before)
        until(lambda: len(relay.accepted) >= CONNECTIONS, "the first mails")
        process.send_signal(signal.SIGHUP)
        relay.slowness = 0
        out, _ = process.communicate(timeout=2 * TIMEOUT_SECONDS)
    assert process.returncode == 0
    assert counts(sqlite_database).accepted == PEOPLE, out


@both_signals
def test_run_due_does_not_begin_the_next_campaign_after_a_signal(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.5
        begin(sqlite_database, tmp_path, relay, "first", "second")
        with running(mailer, tmp_path, "run-due", "--json") as process:
            until(lambda: counts(sqlite_database, "first").in_flight == CONNECTIONS, "mails in flight")
            process.send_signal(number)
            out, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    reported = {status["slug"]: status for status in json.loads(out)["campaigns"]}
    assert process.returncode == 75
    assert reported["first"]["accepted"] >= CONNECTIONS
    assert (reported["second"]["pending"], reported["second"]["accepted"]) == (PEOPLE, 0)


@both_signals
def test_the_second_signal_ends_it_at_once_with_the_processes_beside_it(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 10 * TIMEOUT_SECONDS
        begin(sqlite_database, tmp_path, relay, "notes")
        with running(mailer, tmp_path, "campaigns", "send", "notes", "--yes", "--processes", "2") as process:
            until(lambda: counts(sqlite_database).in_flight == 2 * CONNECTIONS, "mails in flight")
            process.send_signal(number)
            assert process.stderr is not None
            assert "Stopping" in process.stderr.readline()
            process.send_signal(number)
            assert process.wait(TIMEOUT_SECONDS) == -number
        relay.slowness = 0
        dispatch = dispatch_for(sqlite_database, settings_for(relay.port))

        def nothing_is_in_flight() -> bool:
            dispatch.runs.retire_dead()
            return counts(sqlite_database).in_flight == 0

        until(nothing_is_in_flight, "the end of both")
        status = counts(sqlite_database)
    assert (status.uncertain, status.pending) == (2 * CONNECTIONS, PEOPLE - 2 * CONNECTIONS)
    assert Counter(mail.recipient for mail in relay.accepted).total() == 0


@both_signals
def test_a_signal_while_a_worker_waits_for_work_ends_it_at_once(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    write_config(tmp_path, 1)
    with running(mailer, tmp_path, "worker", "--every", "600") as process:
        until(lambda: catches(process, signal.SIGTERM), "the worker's handlers")
        time.sleep(1)
        process.send_signal(number)
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert (process.returncode, errors) == (0, "")


@both_signals
def test_digests_run_makes_the_whole_campaign_or_nothing(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("## [1.0.0] - 2026-01-05\n\n- One.\n", encoding="utf-8")
    write_config(tmp_path, 1)
    mailer.run(
        *("digests", "create", "monthly", "--changelog", "CHANGELOG.md", "--every", "0 9 1 * *"), cwd=tmp_path
    )
    old = changelog.read_text(encoding="utf-8")
    changelog.write_text("## [1.1.0] - 2026-02-05\n\n- Two.\n\n" + old, encoding="utf-8")
    with running(mailer, tmp_path, "digests", "run", "monthly") as process:
        with sqlite_database.write():  # so that it waits in the middle of its work
            until(lambda: holds_open(process, "mailer.db"), "the database's file")
            time.sleep(1)
            assert process.poll() is None
            process.send_signal(number)
            time.sleep(0.2)
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert "Traceback" not in errors
    assert process.returncode != 0
    assert json.loads(mailer.run("campaigns", "list", "--json", cwd=tmp_path).stdout)["campaigns"] == []
    made = json.loads(mailer.run("digests", "run", "monthly", "--json", cwd=tmp_path).stdout)
    assert made["versions"] == ["1.1.0"]
    assert counts(sqlite_database, made["slug"]).state is CampaignState.SCHEDULED
