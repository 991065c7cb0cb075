"""What the commands say after a run that lost mails, or that died."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaigns import catalogue
from campaigns.deliveries import workers
from mailer.database import Database
from tests.support.campaign import threaded
from tests.support.faults import Fault, Point
from tests.support.keyboard import keyboard_for
from tests.support.relay import FaultyRelay

NOTES = "---\ntitle: New in Acme\nlocale: en\n---\nA planning board.\n"
GONE = {"a@example.com": b"550 5.1.1 No such user\r\n"}


def test_send_names_the_commands_that_show_what_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with threaded(FaultyRelay([{Point.FINAL: Fault.HANG_UP}], refuses=GONE)) as relay:
        keyboard = keyboard_for(relay.port, tmp_path, monkeypatch, NOTES)
        keyboard.subscribe("a@example.com", "b@example.com", "c@example.com")
        monkeypatch.setenv("MAILER_SMTP__CONNECTIONS", "1")
        said = keyboard("campaigns", "send", "notes", "--yes", code=3).stderr
    assert "mailer deliveries list notes --state rejected" in said
    assert "1 mail is uncertain: mailer deliveries list notes --state uncertain" in said
    assert "mailer deliveries resolve notes" in said


def test_send_names_no_command_where_nothing_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with threaded(FaultyRelay()) as relay:
        keyboard = keyboard_for(relay.port, tmp_path, monkeypatch, NOTES)
        keyboard.subscribe("a@example.com")
        assert "deliveries" not in keyboard("campaigns", "send", "notes", "--yes").stderr


def test_status_says_that_no_process_sends_what_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard = keyboard_for(9, tmp_path, monkeypatch, NOTES)
    keyboard.subscribe("a@example.com")
    keyboard("campaigns", "send", "notes", "--yes", code=75)
    said = keyboard("campaigns", "status", "notes").stdout
    assert "no process is sending it now" in said
    assert "Next: mailer campaigns send notes, or wait for mailer run-due" in said
    _begin_to_send(tmp_path, workers.Process.current())
    assert "no process" not in keyboard("campaigns", "status", "notes").stdout


def test_status_says_at_once_that_the_process_has_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard = keyboard_for(9, tmp_path, monkeypatch, NOTES)
    keyboard.subscribe("a@example.com")
    keyboard("campaigns", "send", "notes", "--yes", code=75)
    _begin_to_send(tmp_path, workers.Process.current()._replace(number="1:0"))
    assert "no process is sending it now" in keyboard("campaigns", "status", "notes").stdout


def test_status_says_so_of_no_campaign_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = {"a@example.com": b"450 4.2.0 Greylisted\r\n"}
    with threaded(FaultyRelay(refuses=later)) as relay:
        keyboard = keyboard_for(relay.port, tmp_path, monkeypatch, NOTES)
        keyboard.subscribe("a@example.com")
        keyboard("campaigns", "send", "notes", "--yes")
        said = keyboard("campaigns", "status", "notes").stdout
    assert "no process" not in said
    assert "next: " in said


@pytest.mark.parametrize("act", ["pause", "resume"])
def test_what_has_not_begun_is_unscheduled_and_not_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    keyboard = keyboard_for(9, tmp_path, monkeypatch, NOTES)
    keyboard.subscribe("a@example.com")
    keyboard("campaigns", "schedule", "notes", "--at", "2099-06-01 09:00")
    refused = keyboard("campaigns", act, "notes", code=4)
    assert "mailer campaigns unschedule" in (getattr(refused.exception, "hint", None) or "")


def _begin_to_send(folder: Path, process: workers.Process) -> None:
    """A worker with a valid lease holds the delivery."""
    database = Database("sqlite:///mailer.db", folder)
    now = datetime.now(UTC)
    with database.write() as connection:
        campaign_id = catalogue.find(connection, "notes").id
        number = workers.register(connection, process, campaign_id, now, timedelta(minutes=1))
        connection.exec_driver_sql("UPDATE delivery SET state = 'claimed', worker_id = ?", (number,))
    database.close()
