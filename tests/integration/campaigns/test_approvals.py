"""Approval by two different people, of the same content."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaigns.approvals import Approver
from campaigns.sending import Dispatch
from mailer.config import load_settings
from mailer.database import Database
from mailer.errors import Refused
from mailer.operator_log import login
from tests.support.keyboard import Keyboard, keyboard_for

NOTES = "---\ntitle: Version 2.4\n---\nA planning board.\n"
AT = ("--at", "2099-06-01 09:00")
ADA, BRAM = Approver("Ada", "ada"), Approver("Bram", "bram")


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyboard:
    keyboard = keyboard_for(9, tmp_path, monkeypatch, NOTES)  # nothing is sent
    monkeypatch.setenv("MAILER_REQUIRE_APPROVAL", "2")
    keyboard.subscribe("a@example.com")
    return keyboard


def approve(*approvers: Approver) -> Dispatch:
    """Approve the campaign as these people, each with a login of their own."""
    settings = load_settings()
    database = Database("sqlite:///mailer.db", settings.folder)
    dispatch = Dispatch(database, settings, lambda: datetime.now(UTC))
    for approver in approvers:
        dispatch.approve("notes", approver)
    return dispatch


def test_one_approval_of_two_leaves_a_draft_that_is_neither_sent_nor_scheduled(keyboard: Keyboard) -> None:
    approve(ADA, ADA)
    status = keyboard.json("campaigns", "status", "notes")
    assert (status["state"], len(status["approvals"])) == ("draft", 1)  # type: ignore[arg-type]
    assert "Approved by: Ada, login ada" in keyboard.refuse("campaigns", "send", "notes", "--yes")
    assert "not approved" in keyboard.refuse("campaigns", "send", "notes")
    keyboard.refuse("campaigns", "schedule", "notes", *AT)


def test_two_people_approve_and_both_are_in_the_report(keyboard: Keyboard) -> None:
    approve(ADA, BRAM)
    report = keyboard.json("campaigns", "report", "notes")
    assert (report["state"], report["approvals_missing"]) == ("approved", 0)
    approvals = report["approvals"]
    assert isinstance(approvals, list)
    assert [(one["name"], one["login"], one["counts"]) for one in approvals] == [
        ("Bram", "bram", True),
        ("Ada", "ada", True),
    ]
    assert all(one["content_hash"] == report["content_hash"] and one["approved_at"] for one in approvals)
    shown = keyboard("campaigns", "report", "notes").stdout
    assert "approved by: Ada, login ada, at 20" in shown
    assert "approved by: Bram, login bram, at 20" in shown
    shown = keyboard("campaigns", "show", "notes").stdout
    assert "approved by: Ada, login ada; Bram, login bram" in shown
    assert f"source:      {Path('notes.md').resolve()}" in shown
    keyboard("campaigns", "schedule", "notes", *AT)


def test_one_login_counts_twice_only_if_the_settings_name_both(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "waits for the approval of 2 people" in keyboard("campaigns", "status", "notes").stdout
    keyboard("campaigns", "approve", "notes", "--as", "Ada")
    second = keyboard("campaigns", "approve", "notes", "--as", "Bram")
    assert "waits for the approval of 1 more person" in second.stdout
    assert "`approvers` in the settings has both names" in second.stdout
    assert keyboard.json("campaigns", "status", "notes")["approvals_missing"] == 1
    monkeypatch.setenv("MAILER_APPROVERS", "Ada, Cleo")
    assert keyboard.json("campaigns", "status", "notes")["approvals_awaited"] == ["Cleo"]
    monkeypatch.setenv("MAILER_APPROVERS", "ada,Bram")
    assert keyboard.json("campaigns", "status", "notes")["approvals_missing"] == 0
    keyboard("campaigns", "schedule", "notes", *AT)


def test_a_change_between_two_approvals_drops_the_first(keyboard: Keyboard) -> None:
    approve(ADA)
    Path("notes.md").write_text(NOTES.replace("2.4", "2.5"), encoding="utf-8")
    keyboard("campaigns", "update", "notes")
    approve(BRAM)
    status = keyboard.json("campaigns", "status", "notes")
    assert (status["state"], status["approvals_missing"]) == ("draft", 1)
    assert status["approved_by"] == "Bram"
    assert "Ada" not in json.dumps(status)
    approve(ADA)
    assert keyboard.json("campaigns", "status", "notes")["state"] == "approved"


def test_what_changes_while_it_is_being_approved_is_not_approved(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch = approve()
    check_content = dispatch.preparation.check_content

    def change_meanwhile(*arguments: object) -> object:
        checked = check_content(*arguments)  # type: ignore[arg-type]
        Path("notes.md").write_text(NOTES.replace("2.4", "2.5"), encoding="utf-8")
        keyboard("campaigns", "update", "notes")
        return checked

    monkeypatch.setattr(dispatch.preparation, "check_content", change_meanwhile)
    with pytest.raises(Refused, match="changed while it was being approved"):
        dispatch.approve("notes", ADA)
    report = keyboard.json("campaigns", "report", "notes")
    assert (report["content_hash"], report["approvals"]) == (None, [])


def test_a_setting_that_asks_for_more_stops_what_was_approved_by_one(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_REQUIRE_APPROVAL", "true")
    keyboard("campaigns", "approve", "notes")
    keyboard("campaigns", "schedule", "notes", *AT)
    monkeypatch.setenv("MAILER_REQUIRE_APPROVAL", "2")
    assert "1 more person" in keyboard.refuse("campaigns", "send", "notes", "--yes")
    settings = load_settings()
    late = Dispatch(
        Database("sqlite:///mailer.db", settings.folder),
        settings,
        lambda: datetime(2099, 6, 1, 10, tzinfo=UTC),
    )
    refusals: list[Refused] = []
    assert late.start_due(on_refusal=refusals.append) == []
    assert "not approved" in str(refusals[0])
    assert keyboard.json("campaigns", "status", "notes")["state"] == "scheduled"


def test_status_and_doctor_tell_who_is_missing(keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Nothing needs attention" in keyboard("status").stdout  # a draft alone waits for nobody
    approve(ADA)
    monkeypatch.setenv("MAILER_APPROVERS", "Bram,Ada")
    message = "notes waits for the approval of 1 more person (Bram)"
    assert message in keyboard("status", code=3).stdout
    assert message in keyboard("doctor", "--offline", code=1).stdout
    approve(BRAM)
    assert "waits for" not in keyboard("status").stdout


def test_the_operators_log_has_each_approval(keyboard: Keyboard) -> None:
    keyboard("campaigns", "approve", "notes", "--as", "Ada")
    keyboard("campaigns", "approve", "notes", "--as", "Bram")
    acts = keyboard.json("privacy", "log")["acts"]
    assert isinstance(acts, list)
    found = [(one["login"], one["people"]) for one in acts if one["command"] == "campaigns approve notes"]
    assert found == [(login(), 1), (login(), 1)]


def test_an_audience_that_grew_since_the_older_approval_voids_both(keyboard: Keyboard) -> None:
    approve(ADA)
    keyboard.subscribe("b@example.com")
    approve(BRAM)
    assert "from 1 to 2" in keyboard.refuse("campaigns", "schedule", "notes", *AT)
    approve(ADA)
    keyboard("campaigns", "schedule", "notes", *AT)
