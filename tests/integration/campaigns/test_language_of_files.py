"""A file whose name has a language that mails do not have is never mailed as if it were in another one, and never left out silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.digest_catalogue import all_digests
from mailer.database import Database
from tests.support.keyboard import Keyboard, keyboard_for

FRENCH = "# Nouveautés\n\nTexte.\n"
REFUSED = "by its name the file is in French (fr); mails are in nl or en."


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyboard:
    found = keyboard_for(25, tmp_path, monkeypatch, "# T\n\nText.\n")
    Path("news.fr.md").write_text(FRENCH, encoding="utf-8")
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("campaigns", "create", "news.fr.md"),
        ("campaigns", "create", "notes.md", "news.fr.md", "--slug", "x"),
        ("campaigns", "update", "notes", "--from", "news.fr.md"),
        ("campaigns", "update", "notes", "--from", "notes.md", "--from", "news.fr.md"),
        ("campaigns", "lint", "news.fr.md"),
        ("campaigns", "preview", "news.fr.md", "--folder", "out", "--no-open"),
    ],
    ids=lambda arguments: " ".join(arguments[1:3]),
)
def test_it_is_refused_by_every_command_that_takes_notes(
    keyboard: Keyboard, arguments: tuple[str, ...]
) -> None:
    said = str(keyboard(*arguments, code=1).exception)
    assert said.startswith(f"news.fr.md: {REFUSED}")
    assert "give --locale en" in said
    assert not Path("out").exists()


def test_a_changelog_and_a_digest_of_it_are_refused_too(keyboard: Keyboard) -> None:
    Path("CHANGELOG.fr.md").write_text("# Changelog\n\n## 1.0.0 - 2026-11-01\n\n- Un\n", encoding="utf-8")
    every = ("digests", "create", "monthly", "--every", "0 9 1 * *", "--changelog")
    create = ("campaigns", "create", "--changelog", "CHANGELOG.fr.md")
    for arguments in ((*every, "CHANGELOG.fr.md"), create, ("campaigns", "new", "CHANGELOG.fr.md", "--yes")):
        assert REFUSED in str(keyboard(*arguments, code=1).exception)
    keyboard(*every, "CHANGELOG.fr.md", "--locale", "en")
    keyboard(*create, "--locale", "en")


def test_lint_of_several_files_names_it_and_checks_the_others(keyboard: Keyboard) -> None:
    said = keyboard("campaigns", "lint", "notes.md", "news.fr.md", code=4)
    assert "notes-refused" in said.stdout
    assert REFUSED in said.stdout


@pytest.mark.parametrize("stated", ["option", "file"])
def test_whoever_says_which_language_it_is_in_can_mail_it(keyboard: Keyboard, stated: str) -> None:
    if stated == "file":
        Path("news.fr.md").write_text(f"---\nlocale: nl\n---\n{FRENCH}", encoding="utf-8")
    option = ("--locale", "nl") if stated == "option" else ()
    assert keyboard.json("campaigns", "create", "news.fr.md", *option)["locale"] == "nl"


@pytest.mark.parametrize("name", ["v2.3.md", "release.v1.md", "notes.final.md", "news.qa.md"])
def test_a_name_that_says_no_language_is_mailed_as_before(keyboard: Keyboard, name: str) -> None:
    Path(name).write_text(FRENCH, encoding="utf-8")
    assert keyboard.json("campaigns", "create", name)["locale"] == "en"


@pytest.mark.parametrize("name", ["nieuws.nl.rst", "nieuws.nl-BE.md", "CHANGELOG.nl.txt"])
def test_a_language_of_mails_counts_with_every_ending_and_country(keyboard: Keyboard, name: str) -> None:
    body = "Nieuws\n======\n\nTekst.\n" if name.endswith("rst") else "# Nieuws\n\nTekst.\n"
    Path(name).write_text(body, encoding="utf-8")
    assert keyboard.json("campaigns", "create", name, "--slug", "x")["locale"] == "nl"


def test_a_digest_has_the_language_of_its_changelog(keyboard: Keyboard, tmp_path: Path) -> None:
    Path("CHANGELOG.nl.md").write_text("# Changelog\n\n## 1.0.0 - 2026-11-01\n\n- Een\n", encoding="utf-8")
    keyboard("digests", "create", "m", "--every", "0 9 1 * *", "--changelog", "CHANGELOG.nl.md")
    database = Database("sqlite:///mailer.db", tmp_path)
    with database.read() as connection:
        assert [one.locale for one in all_digests(connection)] == ["nl"]
    database.close()


class TestBesideAnother:
    """What lies beside the file that was named."""

    @pytest.fixture(autouse=True)
    def _files(self, keyboard: Keyboard) -> None:
        for name in ("news.md", "news.nl.md", "news.en.md"):
            Path(name).write_text("# T\n\nText.\n", encoding="utf-8")

    @pytest.mark.parametrize("command", ["create", "lint", "preview"])
    def test_it_is_told_that_it_is_left_out(self, keyboard: Keyboard, command: str) -> None:
        more = ("--folder", "out", "--no-open") if command == "preview" else ()
        said = keyboard("campaigns", command, "news.nl.md", *more)
        assert "news.fr.md is left out: mails are in nl or en, not in French (fr)." in said.stderr
        assert "left out" not in said.stdout
        assert "news.en.md is" not in said.stderr

    def test_an_update_tells_it_too(self, keyboard: Keyboard) -> None:
        said = keyboard("campaigns", "update", "notes", "--from", "news.nl.md")
        assert "news.fr.md is left out" in said.stderr

    def test_of_a_file_without_a_language_all_languages_are_left_out(self, keyboard: Keyboard) -> None:
        said = keyboard("campaigns", "create", "news.md").stderr
        assert "news.fr.md is left out: mails are in nl or en" in said
        assert "news.nl.md is left out; to mail both languages, give news.md and news.nl.md." in said

    def test_beside_one_that_is_refused_nothing_is_told(self, keyboard: Keyboard) -> None:
        assert "left out" not in keyboard("campaigns", "create", "news.fr.md", code=1).stderr

    @pytest.mark.parametrize("chosen", [("--locale", "nl"), ("news.en.md",)])
    def test_whoever_chose_the_files_is_told_nothing(
        self, keyboard: Keyboard, chosen: tuple[str, ...]
    ) -> None:
        assert "left out" not in keyboard("campaigns", "create", "news.nl.md", *chosen).stderr

    def test_lint_of_several_files_leaves_none_out(self, keyboard: Keyboard) -> None:
        assert "left out" not in keyboard("campaigns", "lint", "news.md", "news.nl.md").stderr

    def test_one_that_may_not_be_looked_at_is_not_passed_over(
        self, keyboard: Keyboard, tmp_path: Path
    ) -> None:
        for language in ("en", "fr"):
            beside = tmp_path / f"news.{language}.md"
            beside.unlink()
            beside.symlink_to("x" * 300)  # root is refused this, too
        said = keyboard("campaigns", "create", "news.nl.md", code=1)
        assert "news.fr.md is left out" in said.stderr
        assert "can't be read: File name too long" in str(said.exception)
