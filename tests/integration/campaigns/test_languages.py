"""One campaign in several languages: each person gets that of the wording they agreed to."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import update

from campaigns import catalogue
from campaigns.approvals import Approver
from campaigns.file_language import files_of_other_languages
from campaigns.rendering import render_notes
from campaigns.reports.languages import count_by_language
from campaigns.sending.compose import Composer
from campaigns.source import NotesSource
from campaigns.tables import translation
from mailer.config import Settings
from mailer.database import Database
from mailer.errors import InvalidInput, Refused
from subscribers import ledger
from subscribers.address import HashedAddress
from subscribers.audience import ConsentedRecipient
from subscribers.commitments import commit_to_subject
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import NewEvent
from templates.lint import lint
from tests.support.campaign import NOTES, TOPIC, dispatch_for, draft, send, settings_for, subscribe
from tests.support.keyboard import keyboard_for
from tests.support.relay import FaultyRelay
from tests.support.settings import settings_of
from tests.support.signed import sign_as_commands_do

DUTCH = NOTES._replace(
    title="Versie 2.4.0",
    locale="nl",
    body="## Toegevoegd\n\n- Een [ding](https://example.com/ding).\n",
)
LANGUAGES = ["nl", "en", "nl-BE", "de", ""]


def agree_in(database: Database, people: list[int], languages: list[str]) -> None:
    """Let each person agree to a wording in a language of their own."""
    now = datetime.now(UTC)
    sign_as_commands_do(database)
    with database.write() as connection:
        for number, language in zip(people, languages, strict=True):
            wording = ledger.store_wording(
                connection, f"Yes ({language}).", now, topic=TOPIC, language=language
            )
            event = NewEvent(number, TOPIC, ConsentKind.GRANTED, now, Channel.PAGE, wording)
            ledger.append(connection, [event], now)


@pytest.mark.parametrize(
    ("locale", "subjects"),
    [
        ("en", ["Versie 2.4.0", "Version 2.4.0", "Versie 2.4.0", "Version 2.4.0", "Version 2.4.0"]),
        ("nl", ["Versie 2.4.0", "Version 2.4.0", "Versie 2.4.0", "Versie 2.4.0", "Versie 2.4.0"]),
    ],
)
async def test_each_person_gets_the_language_of_their_wording_else_that_of_the_settings(
    database: Database, locale: str, subjects: list[str]
) -> None:
    agree_in(database, subscribe(database, 5, topic="other"), LANGUAGES)
    draft(database, notes=NOTES._replace(translations=(DUTCH,)))
    async with FaultyRelay(pipelining=True) as relay:
        tally = await send(dispatch_for(database, settings_for(relay.port, locale=locale)))
    assert tally.error is None
    mails = {
        mail.recipient: message_from_bytes(mail.content, policy=policy.default) for mail in relay.accepted
    }
    got = [mails[f"person{number}@example.com"] for number in range(1, 6)]
    assert [mail["Subject"] for mail in got] == subjects
    for mail, subject in zip(got, subjects, strict=True):
        is_dutch = subject.startswith("Versie")
        assert mail["Content-Language"] == ("nl" if is_dutch else "en")
        text = mail.get_body(("plain",)).get_content()
        assert ("Geachte mevrouw De Vries" in text) is is_dutch
        assert ("Uitschrijven: " in text) is is_dutch
        assert ("Toegevoegd" in text) is is_dutch


async def test_the_counts_of_a_language_are_those_of_the_mails_in_it(database: Database) -> None:
    people = subscribe(database, 5, topic="other")
    agree_in(database, people, LANGUAGES)
    draft(database, notes=NOTES._replace(translations=(DUTCH,)))

    def counted(default: str = "en") -> list[tuple[str, int, int]]:
        with database.read() as connection:
            found = count_by_language(connection, catalogue.find(connection, "notes"), default)
        return [(one.locale, one.audience, one.accepted) for one in found]

    assert counted() == [("en", 3, 0), ("nl", 2, 0)]
    assert counted("nl") == [("en", 1, 0), ("nl", 4, 0)]
    async with FaultyRelay(pipelining=True) as relay:
        await send(dispatch_for(database, settings_for(relay.port)))
    sent = Counter(b"Content-Language: nl" in mail.content for mail in relay.accepted)
    assert counted() == [("en", 3, sent[False]), ("nl", 2, sent[True])]
    now = datetime.now(UTC)
    with database.write() as connection:  # what happens later does not change what was mailed
        left = NewEvent(people[0], TOPIC, ConsentKind.WITHDRAWN, now, Channel.PAGE)
        ledger.append(connection, [left], now)
    agree_in(database, people[2:3], ["en"])
    assert counted() == [("en", 3, 3), ("nl", 2, 2)]


def test_status_show_and_report_count_the_people_of_each_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard = keyboard_for(25, tmp_path, monkeypatch, "---\ntitle: T\n---\nText.\n")
    for locale in ("nl", "en"):
        Path(f"news.{locale}.md").write_text(f"---\ntitle: {locale}\n---\nText.\n", encoding="utf-8")
    keyboard("campaigns", "create", "news.nl.md")
    keyboard.subscribe("a@example.com")
    counts = [{"locale": "nl", "audience": 0, "accepted": 0}, {"locale": "en", "audience": 1, "accepted": 0}]
    for command in ("status", "show", "report"):
        assert keyboard.json("campaigns", command, "news")["languages"] == counts
        assert keyboard.json("campaigns", command, "notes")["languages"] == []
    assert "languages: nl 0 people, en 1 person" in keyboard("campaigns", "status", "news").stdout
    assert "people:      nl 0, en 1" in keyboard("campaigns", "show", "news").stdout


def test_the_question_shows_the_subject_in_each_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard = keyboard_for(25, tmp_path, monkeypatch, "---\ntitle: T\n---\nText.\n")
    Path("news.nl.md").write_text("# Nieuws\n\nTekst.\n", encoding="utf-8")
    Path("news.en.md").write_text("# News\n\nText.\n", encoding="utf-8")
    keyboard("campaigns", "create", "news.nl.md")
    keyboard.subscribe("a@example.com")
    asked = keyboard("campaigns", "send", "news", code=4).stderr
    assert "Subject nl:  Nieuws\nSubject en:  News\n" in asked
    assert "Subject:     T\n" in keyboard("campaigns", "send", "notes", code=4).stderr


def test_a_changed_translation_is_not_sent(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 1)
    draft(sqlite_database, notes=NOTES._replace(translations=(DUTCH,)))
    dispatch = dispatch_for(sqlite_database, settings_for(25))
    dispatch.approve("notes", Approver(None, None))
    assert [edition.locale for edition in dispatch.preparation.rendered("notes").editions] == ["en", "nl"]
    with sqlite_database.write() as connection:
        connection.execute(update(translation).values(subject="Another"))
    with sqlite_database.read() as connection, pytest.raises(Refused, match="not what was frozen"):
        catalogue.frozen_content(connection, catalogue.find(connection, "notes"))


def test_lint_checks_every_language(sqlite_database: Database) -> None:
    draft(
        sqlite_database,
        notes=NOTES._replace(translations=(DUTCH._replace(body="- TODO: [hier](https://example.com)"),)),
    )
    rendered, notes, images = dispatch_for(sqlite_database, settings_for(25)).preparation.content("notes")
    found = {(one.code, one.where) for one in lint(rendered, notes=notes, images=images)}
    where = DUTCH.where(0)
    assert {("placeholder", where), ("link-vague", where)} <= found


def test_a_mail_through_a_relay_with_its_own_sender_has_the_same_language() -> None:
    relays = {name: {"host": "127.0.0.1", "port": 25, "security": "none"} for name in ("first", "second")}
    relays["second"]["sender"] = "Second <second@example.com>"
    settings = settings_of(
        secret_keys="a-secret-key-that-is-long-enough-for-tests",
        sender="Acme <notes@example.com>",
        public_url="https://example.com",
        relays=relays,
    )
    rendered = render_notes(NOTES._replace(translations=(DUTCH,)), {}, settings)
    composer = Composer(5, "notes", TOPIC, rendered, settings, installation="", wordings={"w": "nl"})
    address, subject = HashedAddress("ab" * 32, "cd" * 8), commit_to_subject(b"", "zoe@example.org")
    zoe = ConsentedRecipient(7, 3, "", "Zoë", "", "zoe@example.org", address, b"", subject, "w")
    _, content = composer.through("second").compose(zoe, datetime.now(UTC))
    assert b"Subject: Versie 2.4.0" in bytes(content)
    assert b"second@example.com" in bytes(content)


class TestFiles:
    def write(self, folder: Path, name: str, locale: str, **front: str) -> Path:
        lines = [f"{key}: {value}" for key, value in front.items()]
        path = folder / name
        path.write_text(
            "\n".join(["---", f"title: Title {locale}", *lines, "---", f"Text {locale}."]), encoding="utf-8"
        )
        return path

    def test_a_file_beside_in_another_language_belongs_to_the_campaign(self, tmp_path, monkeypatch):
        keyboard = keyboard_for(25, tmp_path, monkeypatch, "---\ntitle: T\n---\nText.\n")
        for locale in ("nl", "en"):
            self.write(tmp_path, f"news.{locale}.md", locale)
        created = json.loads(keyboard("campaigns", "create", "news.nl.md", "--json").stdout)
        assert (created["slug"], created["locales"]) == ("news", ["nl", "en"])
        shown = keyboard("campaigns", "preview", "news", "--folder", "out", "--no-open", "--json").stdout
        files = json.loads(shown)["files"]
        assert [Path(file).name for file in files] == ["news.html", "news.txt", "news.nl.html", "news.nl.txt"]
        assert "Title en" in Path("out/news.txt").read_text(encoding="utf-8")
        self.write(tmp_path, "news.en.md", "changed")
        keyboard("campaigns", "update", "news")
        keyboard("campaigns", "preview", "news", "--folder", "out", "--no-open")
        assert "Title changed" in Path("out/news.txt").read_text(encoding="utf-8")

    def test_the_command_line_may_name_the_file_of_each_language(self, tmp_path, monkeypatch):
        keyboard = keyboard_for(25, tmp_path, monkeypatch, "---\ntitle: T\n---\nText.\n")
        for name in ("nieuws.md", "news.md"):
            self.write(tmp_path, name, name)
        pairs = ("--locale", "nl=nieuws.md", "--locale", "en=news.md")
        assert keyboard.json("campaigns", "create", "--slug", "both", *pairs)["locales"] == ["nl", "en"]
        keyboard("campaigns", "update", "both")
        assert keyboard.json("campaigns", "preview", "both", "--folder", "out", "--no-open")["slug"] == "both"
        assert "Title nieuws.md" in Path("out/both.nl.txt").read_text(encoding="utf-8")
        for wrong in (("--locale", "nl", "--locale", "en"), (*pairs, "notes.md"), ("--locale", "nl=none.md")):
            keyboard("campaigns", "create", "--slug", "wrong", *wrong, code=2)

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--from", "news.nl.md", "--from", "news.en.md"),
            ("--from", "news.nl.md"),  # the other lies beside it
            ("--locale", "nl=news.nl.md", "--locale", "en=news.en.md"),
        ],
    )
    def test_update_takes_a_file_for_each_language(self, tmp_path, monkeypatch, arguments):
        keyboard = keyboard_for(25, tmp_path, monkeypatch, "---\ntitle: T\n---\nText.\n")
        for locale in ("nl", "en"):
            self.write(tmp_path, f"news.{locale}.md", locale)
        keyboard("campaigns", "update", "notes", *arguments)
        shown = keyboard.json("campaigns", "show", "notes")
        assert (shown["title"], shown["locales"]) == ("Title nl", ["nl", "en"])
        self.write(tmp_path, "news.en.md", "changed")
        keyboard("campaigns", "update", "notes")
        keyboard("campaigns", "preview", "notes", "--folder", "out", "--no-open")
        assert "Title changed" in Path("out/notes.txt").read_text(encoding="utf-8")

    def test_update_from_one_file_drops_the_other_languages(self, tmp_path, monkeypatch):
        keyboard = keyboard_for(25, tmp_path, monkeypatch, "---\ntitle: T\n---\nText.\n")
        for name in ("nieuws.md", "news.md"):
            self.write(tmp_path, name, name)
        keyboard(
            "campaigns", "create", "--slug", "both", "--locale", "nl=nieuws.md", "--locale", "en=news.md"
        )
        keyboard("campaigns", "update", "both", "--from", "notes.md")
        assert keyboard.json("campaigns", "show", "both")["locales"] == ["en"]
        for wrong in (
            ("--locale", "nl"),
            ("--locale", "nl=nieuws.md", "--from", "news.md"),
            ("--version", "1"),
        ):
            keyboard("campaigns", "update", "both", *wrong, code=2)

    def test_preview_of_files_writes_every_language(self, tmp_path, monkeypatch):
        keyboard = keyboard_for(25, tmp_path, monkeypatch, "---\ntitle: T\n---\nText.\n")
        for locale in ("nl", "en"):
            self.write(tmp_path, f"news.{locale}.md", locale)
        shown = keyboard.json("campaigns", "preview", "news.nl.md", "--folder", "out", "--no-open")
        assert isinstance(shown["files"], list)
        names = [Path(str(file)).name for file in shown["files"]]
        assert names == ["news.html", "news.txt", "news.en.html", "news.en.txt"]
        assert "Title nl" in Path("out/news.txt").read_text(encoding="utf-8")
        assert "Title en" in Path("out/news.en.txt").read_text(encoding="utf-8")

    def test_a_name_without_a_language_has_no_others(self, tmp_path):
        for name in ("notes.md", "notes.nl.md", "notes.en.md", "notes.en.txt"):
            (tmp_path / name).touch()
        assert files_of_other_languages(tmp_path / "notes.md") == []
        assert files_of_other_languages(tmp_path / "notes.nl.md") == [tmp_path / "notes.en.md"]

    def test_the_notes_of_another_version_are_no_translation(self, tmp_path, monkeypatch):
        """As when notes.nl.md is that of the last release, still beside the new notes.en.md."""
        keyboard = keyboard_for(25, tmp_path, monkeypatch, "---\ntitle: T\n---\nText.\n")
        self.write(tmp_path, "news.nl.md", "nl", version="2.4.0")
        self.write(tmp_path, "news.en.md", "en", version="2.5.0")
        refused = keyboard("campaigns", "create", "news.en.md", code=1)
        assert "news.nl.md: the version is 2.4.0, but 2.5.0 in" in str(refused.exception)
        self.write(tmp_path, "news.nl.md", "nl")
        assert json.loads(keyboard("campaigns", "create", "news.en.md", "--json").stdout)["locales"] == [
            "en",
            "nl",
        ]

    @pytest.mark.parametrize(
        ("names", "front", "message"),
        [
            (("a.md", "b.md"), {}, r"b\.md: the language is en, as in a\.md"),
            (("a.nl.md", "b.nl.md"), {}, "the language is nl, as in"),
            (("a.nl.md", "b.en.md"), {"topic": "beta"}, r"b\.en\.md: the topic is 'beta'"),
        ],
    )
    def test_files_that_do_not_fit_together_are_refused(self, tmp_path, names, front, message):
        first = self.write(tmp_path, names[0], "x")
        second = self.write(tmp_path, names[1], "y", **front)
        with pytest.raises(InvalidInput, match=message):
            NotesSource(str(first), translations=(str(second),)).read(Settings())
