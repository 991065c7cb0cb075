"""Campaigns that can be mended: update, delete, approval, schedule and unschedule, proofs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailer.config import load_settings
from mailer.operator_log import login
from tests.support.keyboard import Keyboard, keyboard_for
from tests.support.relay import FaultyRelay
from tests.support.web_server import serving_in_thread
from web import create_app

NOTES = "---\ntitle: Version 2.4\n---\nA planning board.\n"
CHANGELOG = "# Changelog\n\n## [2.4.0] - 2026-11-01\n\n### Added\n\n- A planning board.\n"
AT = ("--at", "2099-06-01 09:00")


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: FaultyRelay) -> Keyboard:
    keyboard = keyboard_for(relay.port, tmp_path, monkeypatch, NOTES)
    Path("CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    keyboard.subscribe("a@example.com")
    return keyboard


def change_notes(title: str = "Version 2.5") -> None:
    Path("notes.md").write_text(NOTES.replace("Version 2.4", title), encoding="utf-8")


def content(mail: bytes) -> str:
    return mail.decode("ascii", "replace")


def test_update_reads_the_source_again(keyboard: Keyboard, relay: FaultyRelay) -> None:
    change_notes()
    keyboard("campaigns", "update", "notes")
    keyboard("campaigns", "send", "notes", "--yes")
    assert "Subject: Version 2.5" in content(relay.accepted[0].content)


def test_update_takes_the_notes_from_another_file_from_then_on(keyboard: Keyboard) -> None:
    Path("other.md").write_text(NOTES.replace("2.4", "3.0"), encoding="utf-8")
    keyboard("campaigns", "update", "notes", "--from", "other.md")
    assert "Subject:  " not in keyboard("campaigns", "lint", "notes").stderr
    assert "Version 3.0" in keyboard("campaigns", "send", "notes", code=4).stderr
    Path("other.md").write_text(NOTES.replace("2.4", "3.1"), encoding="utf-8")
    keyboard("campaigns", "update", "notes")
    assert "Version 3.1" in keyboard("campaigns", "send", "notes", code=4).stderr


def test_update_keeps_the_options_that_create_got(keyboard: Keyboard) -> None:
    created = ("--changelog", "CHANGELOG.md", "--version", "2.4.0", "--locale", "nl", "--topic", "beta")
    keyboard("campaigns", "create", *created)
    changed = CHANGELOG.replace("planning", "kanban")
    Path("CHANGELOG.md").write_text(changed, encoding="utf-8")
    keyboard("campaigns", "update", "2.4.0")
    html, _ = preview(keyboard, "2.4.0")
    assert "kanban" in html
    assert 'lang="nl"' in html


def preview(keyboard: Keyboard, slug: str = "notes") -> tuple[str, dict[str, object]]:
    values = keyboard.json("campaigns", "preview", slug, "--folder", "out", "--no-open")
    return Path(str(values["html"])).read_text(encoding="utf-8"), values


def test_an_update_that_can_not_be_read_changes_nothing(keyboard: Keyboard) -> None:
    keyboard("campaigns", "approve", "notes")
    Path("notes.md").unlink()
    keyboard("campaigns", "update", "notes", code=1)
    assert keyboard.json("campaigns", "status", "notes")["state"] == "approved"


LATER = datetime.now(UTC) + timedelta(hours=12)


@pytest.mark.parametrize(
    "prepare",
    [
        [("approve", "notes")],
        [("schedule", "notes", *AT)],
        [("approve", "notes"), ("schedule", "notes", *AT)],
    ],
)
def test_an_update_voids_approval_and_due_time(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch, prepare: list[tuple[str, ...]]
) -> None:
    for command in prepare:
        keyboard("campaigns", *command)
    keyboard("campaigns", "update", "notes")
    report = keyboard.json("campaigns", "report", "notes")
    assert (report["state"], report["approved_at"], report["content_hash"]) == ("draft", None, None)
    monkeypatch.setenv("MAILER_REQUIRE_APPROVAL", "true")
    assert "not approved" in keyboard.refuse("campaigns", "send", "notes", "--yes")


@pytest.mark.parametrize("command", [("update", "notes"), ("delete", "notes", "--yes")])
def test_a_campaign_that_has_mailed_keeps_content_and_slug(
    keyboard: Keyboard, command: tuple[str, ...]
) -> None:
    keyboard("campaigns", "send", "notes", "--yes")
    keyboard.refuse("campaigns", *command)
    keyboard("campaigns", "create", "notes.md", code=1)
    assert keyboard.json("campaigns", "status", "notes")["accepted"] == 1


@pytest.mark.parametrize(
    "prepare",
    [
        [],
        [("approve", "notes")],
        [("schedule", "notes", *AT)],
        [("cancel", "notes", "--yes")],
        [
            ("send", "notes", "--yes", "--window", f"daily {LATER:%H:00} to {LATER:%H:01} UTC"),
            ("pause", "notes"),
        ],
    ],
)
def test_delete_frees_the_slug_of_a_campaign_that_has_mailed_nobody(
    keyboard: Keyboard, relay: FaultyRelay, prepare: list[tuple[str, ...]]
) -> None:
    for command in prepare:
        keyboard("campaigns", *command)
    assert relay.accepted == []
    keyboard("campaigns", "delete", "notes", "--yes")
    keyboard("campaigns", "status", "notes", code=1)
    assert keyboard.json("campaigns", "create", "notes.md")["slug"] == "notes"


def test_delete_asks_and_without_an_answer_changes_nothing(keyboard: Keyboard) -> None:
    assert "--yes" in keyboard.refuse("campaigns", "delete", "notes")
    assert keyboard.json("campaigns", "status", "notes")["state"] == "draft"


@pytest.mark.parametrize("command", ["preview", "lint"])
@pytest.mark.parametrize("name", ["nope.md", "drafts/nope"])
def test_what_looks_like_a_file_and_is_none_is_told_as_one(
    keyboard: Keyboard, command: str, name: str
) -> None:
    message = str(keyboard("campaigns", command, name, code=1).exception)
    assert message.startswith(f"There is no file and no campaign {name!r}.")


def test_before_it_is_sent_a_relay_without_encryption_is_called_so(keyboard: Keyboard) -> None:
    assert "(unencrypted)" in str(keyboard("campaigns", "send", "notes", code=4).output)


@pytest.mark.parametrize(
    "command",
    [("preview", "notes", "--no-open"), ("lint", "notes"), ("proof", "notes", "--to", "t@example.com")],
)
def test_a_change_of_the_source_is_told(keyboard: Keyboard, command: tuple[str, ...]) -> None:
    assert keyboard.json("campaigns", *command)["source_changed"] is False
    change_notes()
    assert "mailer campaigns update notes" in keyboard("campaigns", *command).stderr
    assert keyboard.json("campaigns", *command)["source_changed"] is True
    keyboard("campaigns", "update", "notes")
    assert keyboard.json("campaigns", *command)["source_changed"] is False
    Path("notes.md").unlink()
    assert keyboard.json("campaigns", *command)["source_changed"] is True


def test_an_approval_records_the_name_and_the_login(keyboard: Keyboard) -> None:
    keyboard("campaigns", "approve", "notes", "--as", "Ada, product")
    report = keyboard.json("campaigns", "report", "notes")
    assert (report["approved_by"], report["approved_login"]) == ("Ada, product", login())
    assert "approved by: Ada, product" in keyboard("campaigns", "report", "notes").stdout


@pytest.mark.parametrize("start", [("send", "notes", "--yes"), ("schedule", "notes", *AT)])
def test_an_audience_that_grew_by_more_than_a_tenth_voids_the_approval(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch, start: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MAILER_REQUIRE_APPROVAL", "true")
    keyboard.subscribe(*(f"p{number}@example.com" for number in range(19)))  # 20 with the first
    keyboard("campaigns", "approve", "notes")
    keyboard.subscribe("q1@example.com", "q2@example.com")
    keyboard("campaigns", "schedule", "notes", *AT)  # 10 % is not more than 10 %
    keyboard("campaigns", "unschedule", "notes")
    keyboard.subscribe("q3@example.com")
    assert "from 20 to 23" in keyboard.refuse("campaigns", *start)
    keyboard("campaigns", "approve", "notes")
    keyboard("campaigns", *start)


def test_a_second_schedule_moves_the_time_and_unschedule_takes_it_back(keyboard: Keyboard) -> None:
    keyboard("campaigns", "schedule", "notes", *AT, "--tz", "UTC")
    keyboard("campaigns", "schedule", "notes", "--at", "2099-07-01 09:00", "--tz", "UTC")
    assert keyboard.json("campaigns", "status", "notes")["next_due_at"] == "2099-07-01T09:00:00+00:00"
    status = keyboard.json("campaigns", "unschedule", "notes")
    assert (status["state"], status["next_due_at"]) == ("draft", None)
    keyboard.refuse("campaigns", "unschedule", "notes")


def test_unscheduling_an_approved_campaign_keeps_its_approval(keyboard: Keyboard) -> None:
    keyboard("campaigns", "approve", "notes", "--as", "Ada")
    keyboard("campaigns", "schedule", "notes", *AT)
    assert keyboard.json("campaigns", "unschedule", "notes")["state"] == "approved"
    assert keyboard.json("campaigns", "report", "notes")["approved_by"] == "Ada"


@pytest.mark.parametrize(("locale", "mark"), [("en", "[Proof]"), ("nl", "[Proef]")])
def test_a_proof_is_marked_names_its_recipients_and_its_page_says_so(
    keyboard: Keyboard, relay: FaultyRelay, monkeypatch: pytest.MonkeyPatch, locale: str, mark: str
) -> None:
    keyboard("campaigns", "create", "notes.md", "--slug", "proofed", "--locale", locale)
    with serving_in_thread(create_app(load_settings())) as address:
        monkeypatch.setenv("MAILER_PUBLIC_URL", address)
        done = keyboard("campaigns", "proof", "proofed", "--to", "one@example.com", "--to", "two@example.com")
        assert "one@example.com" in done.stdout
        assert "two@example.com" in done.stdout
        mail = content(relay.accepted[0].content)
        assert f"Subject: {mark} Version 2.4" in mail
        page, answer = visit(unsubscribe_url(mail))
    assert {"en": "This is a proof", "nl": "Dit is een proefbericht"}[locale] in page
    assert "nothing was changed" in answer
    assert [found.recipient for found in relay.accepted] == ["one@example.com", "two@example.com"]


def unsubscribe_url(mail: str) -> str:
    return mail.partition("List-Unsubscribe: <")[2].partition(">")[0].replace("\r\n ", "")


def visit(url: str) -> tuple[str, str]:
    """The page, and the answer to a one-click request."""
    from urllib.request import Request, urlopen  # noqa: PLC0415 - only here

    with urlopen(url, timeout=60) as got:  # noqa: S310
        page = got.read().decode()
    with urlopen(Request(url, data=b"List-Unsubscribe=One-Click"), timeout=60) as posted:  # noqa: S310
        return page, posted.read().decode()


def test_an_address_that_is_none_gets_no_proof(keyboard: Keyboard, relay: FaultyRelay) -> None:
    keyboard("campaigns", "proof", "notes", "--to", "nobody", code=1)
    assert relay.accepted == []
