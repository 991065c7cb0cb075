"""The commands of campaigns, as someone at the keyboard has them; sending has tests of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from campaigns.rendering import brand_of
from campaigns.sending import Dispatch
from cli import mailer
from mailer.config import Settings, load_settings
from mailer.database import Database
from templates.page import Page, Pages
from tests.support.keyboard import Keyboard
from tests.support.pictures import png

NOTES = """\
---
title: "Kadeplan 2.4"
locale: nl
---
Alle steigers op een scherm.
"""
AFTERWARDS = datetime(2099, 6, 1, 10, 0, tzinfo=UTC)
CHANGELOG = "# Changelog\n\n## [2.4.0] - 2026-11-01\n\n### Added\n\n- A planning board.\n"


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyboard:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILER_SECRET_KEYS", "k" * 32)
    monkeypatch.setenv("MAILER_SENDER", "Acme <notes@example.com>")
    monkeypatch.setenv("MAILER_UNSUBSCRIBE_CHECK", "off")
    (tmp_path / "notes.md").write_text(NOTES, encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    database = Database("sqlite:///mailer.db", tmp_path)
    database.create()
    database.close()
    return Keyboard()


def test_what_is_asked_for_wins_over_the_front_matter(keyboard: Keyboard) -> None:
    asked = ("--locale", "en", "--topic", "beta")
    created = keyboard.json("campaigns", "create", "notes.md", *asked)
    assert (created["locale"], created["topic"], created["slug"]) == ("en", "beta", "notes")


def test_without_a_wish_the_front_matter_wins_over_the_settings(keyboard: Keyboard) -> None:
    created = keyboard.json("campaigns", "create", "notes.md")
    assert (created["locale"], created["topic"]) == ("nl", "release-notes")


@pytest.mark.parametrize(
    "arguments",
    [
        ("notes.md", "--title", "Other"),
        ("notes.md", "--version", "2.4.0"),
        ("notes.md", "--changelog", "CHANGELOG.md", "--version", "2.4.0"),
        (),
    ],
)
def test_options_that_would_be_ignored_are_wrong_usage(
    keyboard: Keyboard, arguments: tuple[str, ...]
) -> None:
    keyboard("campaigns", "create", *arguments, code=2)


@pytest.mark.parametrize("options", [(), ("--resend", "--assume-sent"), ("--assume-sent", "--resend")])
@pytest.mark.parametrize("command", [("deliveries", "resolve", "notes"), ("digests", "resolve", "monthly")])
def test_one_decision_has_to_be_named_and_not_both(
    keyboard: Keyboard, command: tuple[str, ...], options: tuple[str, ...]
) -> None:
    assert "Say either --resend or --assume-sent." in keyboard(*command, *options, code=2).stderr


def test_a_topic_that_is_none_is_refused(keyboard: Keyboard) -> None:
    said = str(keyboard("campaigns", "create", "notes.md", "--topic", "two words", code=1).exception)
    assert "topic" in said


def test_a_draft_says_at_once_that_nobody_agreed_to_its_topic_and_others_are_on_file(
    keyboard: Keyboard,
) -> None:
    assert "agreed" not in keyboard("campaigns", "create", "notes.md", "--slug", "first").stdout
    Path("people.csv").write_text("email,opted_in,opted_in_at\njan@example.com,yes,2026-06-01\n", "utf-8")
    keyboard("subscribers", "import", "people.csv", "--source", "form", "--wording", "notes.md")
    said = keyboard("campaigns", "create", "notes.md", "--slug", "second", "--topic", "relase-notes").stdout
    assert "Nobody agreed to 'relase-notes'. Topics on file: release-notes." in said
    created = keyboard.json("campaigns", "create", "notes.md", "--slug", "third")
    assert (created["topic"], created["people"]) == ("release-notes", 1)


def test_a_draft_says_at_once_that_lint_has_findings(keyboard: Keyboard) -> None:
    assert keyboard.json("campaigns", "create", "notes.md")["findings"] == 0
    Path("hasty.md").write_text("# Hasty\n\nTODO\n", encoding="utf-8")
    assert keyboard("campaigns", "create", "hasty.md").stdout.endswith("mailer campaigns lint hasty\n")


def test_lint_finds_the_preheader_of_frozen_content_too(keyboard: Keyboard) -> None:
    keyboard("campaigns", "create", "--changelog", "CHANGELOG.md", "--version", "2.4.0")
    assert keyboard.json("campaigns", "lint", "2.4.0")["findings"] == []
    keyboard("campaigns", "approve", "2.4.0")
    assert keyboard.json("campaigns", "lint", "2.4.0")["findings"] == []


def test_the_status_of_a_scheduled_campaign_says_when_it_begins(keyboard: Keyboard) -> None:
    keyboard.subscribe("a@example.com")
    keyboard("campaigns", "create", "notes.md")
    keyboard("campaigns", "schedule", "notes", "--at", "2099-06-01 09:00", "--tz", "Europe/Lisbon")
    assert keyboard.json("campaigns", "status", "notes")["next_due_at"] == "2099-06-01T08:00:00+00:00"
    assert keyboard("campaigns", "status", "notes").stdout.endswith("next: 2099-06-01 10:00 CEST\n")
    keyboard("campaigns", "cancel", "notes", "--yes")
    assert keyboard.json("campaigns", "status", "notes")["next_due_at"] is None


def test_the_list_shows_title_language_and_date_with_its_zone(keyboard: Keyboard) -> None:
    keyboard("campaigns", "create", "notes.md")
    (listed,) = json.loads(keyboard("campaigns", "list", "--json").stdout)["campaigns"]
    title, locale = listed["title"], listed["locale"]
    header, row = keyboard("campaigns", "list").stdout.splitlines()
    assert header.split() == ["campaign", "state", "language", "date", "deliveries", "title"]
    assert row.split()[:3] == ["notes", "draft", locale]
    assert row.split()[5] in {"CET", "CEST"}
    assert row.endswith(title)


def test_list_and_overview_say_when_a_scheduled_campaign_begins(keyboard: Keyboard) -> None:
    keyboard.subscribe("a@example.com")
    keyboard("campaigns", "create", "notes.md")
    keyboard("campaigns", "schedule", "notes", "--at", "2099-06-01 09:00", "--tz", "Europe/Lisbon")
    assert keyboard("campaigns", "list").stdout.splitlines()[1].split()[3:6] == [
        "2099-06-01",
        "10:00",
        "CEST",
    ]
    assert "notes: scheduled for 2099-06-01 10:00 CEST, 0 accepted, of 1\n" in keyboard("status").stdout
    keyboard("campaigns", "unschedule", "notes")
    assert "2099" not in keyboard("campaigns", "list").stdout + keyboard("status").stdout


def test_a_new_digest_names_its_first_time_in_the_zone_of_the_settings(keyboard: Keyboard) -> None:
    Path("CHANGELOG.md").write_text("# Changelog\n\n## [1.0.0] - 2026-01-01\n\n- a\n", encoding="utf-8")
    created = keyboard(
        "digests", "create", "monthly", "--changelog", "CHANGELOG.md", "--every", "0 9 1 * *"
    ).stdout
    assert created.split()[-2:] in (["09:00", "CET"], ["09:00", "CEST"])
    assert " ".join(created.split()[-3:]) in keyboard("digests", "list").stdout


def test_no_answer_to_the_question_sends_nothing_and_ends_its_line(keyboard: Keyboard) -> None:
    keyboard("campaigns", "create", "notes.md")
    asked = keyboard("campaigns", "send", "notes", code=4)
    assert asked.stderr.endswith("Send notes now? [y/N]: \n")
    assert "--yes" in (asked.exception.hint or "")


def test_a_delivery_is_one_whole_line_where_no_terminal_is(keyboard: Keyboard) -> None:
    local, domain = "a" * 60, "b" * 50 + ".example.com"
    people = Path("people.csv")
    people.write_text(f"email,opted_in,opted_in_at\n{local}@{domain},yes,2026-06-01\n", encoding="utf-8")
    keyboard("subscribers", "import", "people.csv", "--source", "form", "--wording", "notes.md")
    keyboard("campaigns", "create", "notes.md")
    keyboard("campaigns", "schedule", "notes", "--at", "2099-06-01 09:00")
    Dispatch(Database("sqlite:///mailer.db", Path.cwd()), Settings(), lambda: AFTERWARDS).start_due()
    _, row, _, number = keyboard("deliveries", "list", "notes").stdout.splitlines()
    assert f"{local}@{domain}  pending" in row
    assert number == "1 delivery"
    assert keyboard("deliveries", "list", "notes", "--state", "uncertain").stdout.endswith("\n0 deliveries\n")


def test_a_report_tells_times_in_the_settings_zone(keyboard: Keyboard) -> None:
    keyboard("campaigns", "create", "notes.md")
    assert "CE" in keyboard("campaigns", "report", "notes").stdout.partition("created: ")[2]


def test_the_shell_completes_slugs(
    keyboard: Keyboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = ShellComplete(mailer, {}, "mailer", "_MAILER_COMPLETE")
    keyboard("campaigns", "create", "notes.md", "--slug", "spring")
    keyboard("campaigns", "create", "notes.md", "--slug", "summer")
    for command in ("send", "approve", "lint", "status"):
        found = shell.get_completions(["campaigns", command], "sp")
        assert [one.value for one in found if one.type == "plain"] == ["spring"]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert shell.get_completions(["campaigns", "send"], "") == []


def test_what_to_do_next_is_named_after_an_approval(keyboard: Keyboard) -> None:
    keyboard("campaigns", "create", "notes.md")
    said = keyboard("campaigns", "approve", "notes").stdout
    assert "Next: mailer campaigns send notes, or: mailer campaigns schedule notes --at" in said
    assert "next_step" not in keyboard.json("campaigns", "approve", "notes")


@pytest.mark.parametrize(
    "arguments",
    [
        ("campaigns", "create", "plan.md"),
        ("campaigns", "lint", "plan.md"),
        ("campaigns", "preview", "plan.md", "--folder", "out", "--no-open"),
        ("campaigns", "update", "notes", "--from", "plan.md"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_a_picture_that_is_cut_off_is_refused_with_its_line(
    keyboard: Keyboard, arguments: tuple[str, ...]
) -> None:
    keyboard("campaigns", "create", "notes.md")
    Path("plan.md").write_text("# Plan\n\nLook:\n\n![The plan](plan.png)\n", encoding="utf-8")
    Path("plan.png").write_bytes(png(600, 600)[:-20])
    said = str(keyboard(*arguments, code=1).exception)
    assert said.startswith("plan.md, line 5: the image ")
    assert "plan.png is cut off or damaged" in said
    Path("plan.png").write_bytes(png(600, 600) + b"and more")
    keyboard(*arguments)


def test_a_logo_that_is_cut_off_is_not_mailed_and_keeps_nobody_from_the_pages(
    keyboard: Keyboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logo.png").write_bytes(png(60)[:-20])
    monkeypatch.setenv("MAILER_BRAND__LOGO", str(tmp_path / "logo.png"))
    said = str(keyboard("campaigns", "create", "notes.md", code=1).exception)
    assert said.startswith("[brand] logo: ")
    settings = load_settings()
    assert Pages(brand_of(settings)).render(Page.ASK, "en")
