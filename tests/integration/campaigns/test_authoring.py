"""Help for authors: a draft by questions, schemas for editors, and completion by the shell."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from campaigns.notes import FRONT_MATTER_KEYS, cloned_from
from campaigns.spam_check import check_spam
from cli import mailer
from mailer.config import Settings
from mailer.errors import ConfigurationError, InvalidInput, MailerError, Refused
from tests.support.keyboard import Keyboard, keyboard_for

CHANGELOG = """\
# Changelog

## [2.6.0] - 2026-11-24

- C

## [2.5.0] - 2026-11-20

### Added

- A [map]

## [2.4.0] - 2026-11-01

- A

[map]: https://acme.example/map
[2.5.0]: https://github.com/acme/app/compare/v2.4.0...v2.5.0
"""


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyboard:
    keyboard = keyboard_for(1, tmp_path, monkeypatch, "# Notes\n\nHello.\n")
    Path("CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    return keyboard


def answer(*answers: str, arguments: tuple[str, ...] = ()) -> Result:
    return CliRunner().invoke(
        mailer, ["campaigns", "new", *arguments], input="".join(f"{one}\n" for one in answers)
    )


def test_questions_lead_to_notes_of_one_s_own_and_a_draft(keyboard: Keyboard) -> None:
    result = answer("", "2.5.0", "The map is here", "", "See where you are.", "", "n")
    assert result.exit_code == 0, result.output
    notes = Path("notes-2.5.0.md").read_text(encoding="utf-8")
    assert notes.startswith(
        '---\ntitle: "The map is here"\nversion: "2.5.0"\ndate: "2026-11-20"\nlocale: "en"\ntopic: "release-notes"\n'
        'preheader: "See where you are."\nrepository: "https://github.com/acme/app"\n---\n'
    )
    assert "[map]: https://acme.example/map" in notes
    assert keyboard.json("campaigns", "lint", "2.5.0")["findings"] == []


def test_an_answer_that_can_not_be_is_asked_for_again(keyboard: Keyboard) -> None:
    result = answer(
        "none.md", "CHANGELOG.md", "9.9", "2.5.0", "T", "no topic", "beta", "", "notes.md", "n.md", "n"
    )
    assert result.exit_code == 0, result.output
    assert "There is no file none.md" in result.output
    assert "no section for version 9.9" in result.output
    assert 'topic: "beta"' in Path("n.md").read_text(encoding="utf-8")
    assert Path("notes.md").read_text(encoding="utf-8") == "# Notes\n\nHello.\n"


def test_the_versions_since_the_last_mail_are_offered(keyboard: Keyboard) -> None:
    keyboard("campaigns", "create", "CHANGELOG.md", "--version", "2.4.0")
    result = answer("", "", "", "", "", "", "n")
    assert "2.6.0, 2.5.0 are new since the last mail" in result.output
    assert Path("notes-2.5.0-2.6.0.md").exists()


def test_a_dash_stands_for_no_answer_where_one_is_proposed(keyboard: Keyboard) -> None:
    result = answer("-", "The map", "", "", "n.md", "n")
    assert result.exit_code == 0, result.output
    assert "Changelog (-: write the notes yourself) [CHANGELOG.md]" in result.output
    assert "### Added" in Path("n.md").read_text(encoding="utf-8")


def test_without_a_changelog_there_are_notes_to_be_written(keyboard: Keyboard) -> None:
    Path("CHANGELOG.md").unlink()
    assert answer("", "The map", "", "", "n.md", "n").exit_code == 0
    assert "### Added" in Path("n.md").read_text(encoding="utf-8")


def test_links_and_pictures_that_no_mail_can_have_are_asked_about(keyboard: Keyboard) -> None:
    Path(".git").mkdir()
    Path(".git/config").write_text(
        '[core]\n\tbare = false\n[remote "origin"]\n\turl = https://me:token@github.com/acme/app.git\n',
        encoding="utf-8",
    )
    Path("CHANGELOG.md").write_text(
        "# Changelog\n\n## 2.4.0 - 2026-11-01\n\n- See [the guide](docs/guide.md). ![Shot](https://example.com/a.png)\n",
        encoding="utf-8",
    )
    result = answer("", "", "", "paint", "omit", "The map", "", "", "", "n")
    assert result.exit_code == 0, result.output
    assert "docs/guide.md" in result.output  # what is wrong, before the questions about it
    assert "[https://github.com/acme/app]" in result.output
    assert "It is either link or omit." in result.output
    assert 'repository: "https://github.com/acme/app"' in Path("notes-2.4.0.md").read_text(encoding="utf-8")
    found = keyboard.json("campaigns", "lint", "2.4.0")["findings"]
    assert found == []
    keyboard("campaigns", "new", "CHANGELOG.md", "--yes", "--slug", "again", code=1)


def test_without_a_database_nothing_is_asked(keyboard: Keyboard) -> None:
    Path("mailer.db").unlink()
    result = answer()
    assert isinstance(result.exception, ConfigurationError)
    assert "Changelog" not in result.output


@pytest.mark.parametrize(
    "config",
    [
        "",
        "[remote",
        '[remote "origin"]\nurl',
        '[remote "origin"]\nurl = ../app',
        '[remote "up"]\nurl = a',
        "\0",
    ],
)
def test_a_folder_that_was_cloned_from_nowhere_has_no_repository(tmp_path: Path, config: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text(config, encoding="utf-8")
    assert cloned_from(tmp_path) is None


def test_without_a_terminal_it_refuses_and_creates_nothing(keyboard: Keyboard) -> None:
    result = answer()
    assert isinstance(result.exception, Refused)
    assert result.exception.exit_code == 4
    assert sorted(path.name for path in Path().glob("*.md")) == ["CHANGELOG.md", "notes.md"]


def test_options_and_yes_stand_for_the_answers(keyboard: Keyboard) -> None:
    options = (
        "--title",
        "The map",
        "--topic",
        "beta",
        "--locale",
        "nl",
        "--output",
        "out/n.md",
        "--slug",
        "map",
    )
    made = keyboard.json("campaigns", "new", "CHANGELOG.md", "--since", "2.4.0", *options, "--yes")
    assert (made["slug"], made["title"], made["version"]) == ("map", "The map", "2.5.0 – 2.6.0")
    assert 'locale: "nl"' in Path("out/n.md").read_text(encoding="utf-8")


def test_a_file_that_is_there_is_never_replaced(keyboard: Keyboard) -> None:
    result = answer(arguments=("CHANGELOG.md", "--yes", "--output", "notes.md"))
    assert isinstance(result.exception, InvalidInput)
    assert Path("notes.md").read_text(encoding="utf-8") == "# Notes\n\nHello.\n"


def test_the_last_mail_is_that_of_the_topic_that_is_given(keyboard: Keyboard) -> None:
    keyboard("campaigns", "create", "CHANGELOG.md", "--version", "2.5.0")
    made = keyboard.json("campaigns", "create", "CHANGELOG.md", "--version", "2.4.0", "--topic", "beta")
    assert made["slug"] == "2.4.0"
    made = keyboard.json("campaigns", "new", "CHANGELOG.md", "--topic", "beta", "--yes")
    assert made["version"] == "2.5.0 – 2.6.0"


def test_a_slug_that_is_taken_leaves_no_file_behind(keyboard: Keyboard) -> None:
    keyboard("campaigns", "create", "notes.md", "--slug", "2.6.0")
    keyboard("campaigns", "new", "CHANGELOG.md", "--yes", code=1)
    assert not Path("notes-2.6.0.md").exists()
    assert keyboard.json("campaigns", "new", "CHANGELOG.md", "--yes", "--slug", "map")["slug"] == "map"


@pytest.mark.parametrize("script", ["exit 1", "echo Content analysis details:; exit 2", "exit 0"])
def test_a_spamassassin_that_fails_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "spamassassin"
    program.write_text(f"#!/bin/sh\ncat >&2\n{script}\n", encoding="ascii")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(MailerError, match="SpamAssassin failed"):
        check_spam(b"Subject: A\n\nB\n")


def test_the_schema_of_the_settings_has_each_key_and_no_secret(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_SECRET_KEYS", "s" * 40)
    printed = keyboard("schema", "settings").stdout
    assert "s" * 40 not in printed
    schema = json.loads(printed)
    assert set(schema["properties"]) == set(Settings.__struct_fields__) - {"folder", "file"}
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Mailbox"]["type"] == "string"
    assert "6h" in schema["properties"]["max_lateness"]["description"]
    assert schema["properties"]["sender"] == {"$ref": "#/$defs/Mailbox"}
    assert schema["properties"]["require_approval"]["enum"] == [False, True, 0, 1, 2]
    assert schema["properties"]["locale"]["default"] == "en"


def test_the_schema_of_the_notes_has_each_key_of_the_front_matter(keyboard: Keyboard) -> None:
    schema = json.loads(keyboard("schema", "notes").stdout)
    assert tuple(schema["properties"]) == FRONT_MATTER_KEYS
    assert schema["properties"]["action"]["required"] == ["label", "url"]


def completions(*arguments: str, begun: str = "") -> list[str]:
    complete = ShellComplete(mailer, {}, "mailer", "_MAILER_COMPLETE")
    return [item.value for item in complete.get_completions(list(arguments), begun)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("campaigns", "create", "CHANGELOG.md", "--version"),
        ("campaigns", "create", "--changelog", "CHANGELOG.md", "--since"),
        ("campaigns", "lint", "CHANGELOG.md", "--version"),
        ("campaigns", "preview", "CHANGELOG.md", "--since"),
        ("campaigns", "new", "CHANGELOG.md", "--version"),
        ("digests", "create", "monthly", "--changelog", "CHANGELOG.md", "--since"),
    ],
)
def test_the_shell_completes_the_versions_of_the_changelog(
    keyboard: Keyboard, arguments: tuple[str, ...]
) -> None:
    assert completions(*arguments) == ["2.6.0", "2.5.0", "2.4.0"]
    assert completions(*arguments, begun="2.5") == ["2.5.0"]


@pytest.mark.parametrize("command", ["lint", "preview"])
def test_the_shell_completes_slugs_and_files_where_a_command_takes_either(
    keyboard: Keyboard, command: str
) -> None:
    keyboard("campaigns", "create", "notes.md", "--slug", "noted")
    complete = ShellComplete(mailer, {}, "mailer", "_MAILER_COMPLETE")
    found = complete.get_completions(["campaigns", command], "noted")
    assert [(item.type, item.value) for item in found] == [("file", "noted"), ("plain", "noted")]


def test_the_shell_completes_topics(keyboard: Keyboard) -> None:
    keyboard.subscribe("a@example.com", topic="beta")
    assert completions("campaigns", "create", "--topic") == ["beta", "release-notes"]


def test_completion_says_nothing_where_nothing_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert completions("campaigns", "create", "CHANGELOG.md", "--version") == []
    assert isinstance(mailer, click.Group)
