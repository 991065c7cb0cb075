"""The documents of a breach: whose data, which, how many, and in which language they are told."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaigns import deliveries
from mailer.database import Database
from subscribers import pending_requests, people, rights
from subscribers.address import AddressHasher, normalise
from subscribers.intake import Applicant, Evidence, admission
from subscribers.kinds import Channel
from subscribers.pending_requests import RequestedPerson, RequestKind
from subscribers.people import Names
from subscribers.rights import breach
from subscribers.rights.breach import Category, ConcernedPerson, Incident, Mailed, Scope
from subscribers.rights.breach_documents import write_people
from tests.support.campaign import SECRET, TOPIC
from tests.support.deliveries import SentCampaign
from tests.support.keyboard import Keyboard, keyboard_for
from tests.support.tone import FORMAL, INFORMAL

HASHER = AddressHasher([SECRET.encode()])
DAY = timedelta(days=1)
NOBODY_LEFT = 0


def consent(database: Database, email: str, channel: Channel, language: str, at: datetime) -> None:
    evidence = Evidence(TOPIC, "form", f"Yes, in {language}.", language, "1", channel)
    address = normalise(email)
    with database.write() as connection:
        applicant = Applicant(0, Names("Ms", "Zoë", "de Vries"), address, HASHER.newest(address.key), at)
        admission.admit(connection, [applicant], evidence, HASHER, at)


def assess(
    database: Database, scope: Scope, since: datetime, until: datetime
) -> tuple[list[ConcernedPerson], int, dict[Category, int]]:
    incident = Incident(scope, since, until, until)
    with database.read() as connection:
        period = since if scope is Scope.RELAY else None
        mailed = Mailed(
            deliveries.mailed_between(since, until), deliveries.count_mails(connection, period, until)
        )
        concerned = list(breach.concerned_people(connection, incident, mailed))
        gone = breach.count_gone(connection, incident, mailed)
        return concerned, gone, breach.count_records(connection, incident, mailed, len(concerned))


def test_a_database_concerns_everybody_on_file_in_the_period_and_counts_who_was_erased_since(
    database: Database,
) -> None:
    now = datetime.now(UTC)
    for number, day in enumerate((-9, -8, -7, -1)):
        consent(database, f"person{number}@example.com", Channel.IMPORT, "nl-NL", now + day * DAY)
    for number, day in ((0, -6), (1, -3)):  # before the period, and in it
        with database.write() as connection:
            rights.erase(
                connection,
                normalise(f"person{number}@example.com"),
                hasher=HASHER,
                source="asked",
                now=now + day * DAY,
            )
    concerned, gone, records = assess(database, Scope.DATABASE, now - 4 * DAY, now - 2 * DAY)
    assert [(each.email, each.language) for each in concerned] == [("person2@example.com", "nl-NL")]
    assert gone == 1
    assert records == {
        Category.NAMES: 1,
        Category.ADDRESSES: 1,
        Category.CONSENTS: 5,  # three consents and two erasures
        Category.MAILS: 0,
        Category.OPT_OUTS: 2,
        Category.REQUESTS: 0,
    }


def test_mail_on_its_way_concerns_those_whom_it_was_offered_in_the_period(database: Database) -> None:
    sent = SentCampaign(database, people=3)
    context = sent.worker()
    first, second, _ = sent.claim(context)
    sent.attempt(context, [first], sent.now)
    sent.attempt(context, [second], sent.now + DAY)
    concerned, gone, records = assess(database, Scope.RELAY, sent.now - DAY, sent.now + DAY / 2)
    assert [each.email for each in concerned] == ["person1@example.com"]
    assert (gone, records[Category.MAIL_CONTENTS]) == (NOBODY_LEFT, 1)
    with database.write() as connection:
        rights.erase(
            connection, normalise("person1@example.com"), hasher=HASHER, source="asked", now=sent.now
        )
    concerned, gone, records = assess(database, Scope.RELAY, sent.now - DAY, sent.now + DAY / 2)
    assert (concerned, gone, records[Category.MAIL_CONTENTS]) == ([], 1, 1)


def test_the_endpoint_concerns_those_whose_consent_came_through_it_in_the_period(
    sqlite_database: Database,
) -> None:
    now = datetime.now(UTC)
    for channel, day in ((Channel.IMPORT, -2), (Channel.API, -2), (Channel.SIGN_UP, -9)):
        consent(sqlite_database, f"{channel}@example.com", channel, "en", now + day * DAY)
    concerned, _, records = assess(sqlite_database, Scope.ENDPOINT, now - 3 * DAY, now)
    assert [each.email for each in concerned] == ["api@example.com"]
    assert records[Category.CONSENTS] == 1


def test_a_sign_up_that_waits_is_concerned_and_so_is_who_asked_for_their_data(
    database: Database,
) -> None:
    now = datetime.now(UTC)
    consent(database, "on.file@example.com", Channel.IMPORT, "en", now - 9 * DAY)
    with database.write() as connection:
        person = people.find(connection, normalise("on.file@example.com"))
        assert person is not None
        for email, day in (("new@example.com", -2), ("old@example.com", -9), ("On.File@example.com", -2)):
            stated = RequestedPerson(Names("", "Jo", ""), email)
            pending_requests.add(connection, RequestKind.SIGN_UP, "nl", now + day * DAY, stated=stated)
        pending_requests.add(connection, RequestKind.OWN_DATA, "en", now - DAY, subscriber_id=person.id)
    concerned, _, records = assess(database, Scope.DATABASE, now - 3 * DAY, now)
    assert [each.email for each in concerned] == ["on.file@example.com", "new@example.com", "old@example.com"]
    assert (concerned[1].names.first_name, concerned[1].language) == ("Jo", "nl")
    assert records[Category.REQUESTS] == 4
    concerned, _, records = assess(database, Scope.ENDPOINT, now - 3 * DAY, now)
    assert [each.email for each in concerned] == ["on.file@example.com", "new@example.com"]
    assert records[Category.REQUESTS] == 3


def test_a_cell_of_the_list_of_people_is_no_formula(tmp_path: Path) -> None:
    names = Names("", "=HYPERLINK(1)", "+31")
    write_people(tmp_path, [ConcernedPerson(names, "a@example.com", "")], "nl")
    [row] = csv.DictReader((tmp_path / "people.csv").read_text(encoding="utf-8-sig").splitlines())
    assert (row["first_name"], row["surname"], row["language"]) == ("'=HYPERLINK(1)", "'+31", "nl")


class TestCommand:
    """`mailer privacy breach`"""

    @pytest.fixture
    def keyboard(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyboard:
        return keyboard_for(25, tmp_path, monkeypatch, "# Version 1\n\n- A thing.\n")

    @pytest.fixture
    def report(self, keyboard: Keyboard, tmp_path: Path) -> dict[str, object]:
        (tmp_path / "mailer.toml").write_text(
            '[privacy]\ncontact = "Robin Smit <privacy@acme.example>"\n'
            '[[privacy.controllers]]\nname = "Bakkerij Jansen"\nemail = "avg@jansen.example"\n',
            encoding="utf-8",
        )
        keyboard.subscribe("a@example.com", "b@example.com", "c@example.com")
        return keyboard.json(
            "privacy", "breach", "--since", "2026-01-01", "--noticed", "2026-05-01T10:00:00Z", "--output", "b"
        )

    def test_it_counts_people_by_language_and_names_both_periods(self, report: dict[str, object]) -> None:
        assert (report["people"], report["by_language"]) == (3, {"en": 3})
        assert report["controllers"] == ["Bakkerij Jansen"]
        assert report["tell_controllers_by"] == "2026-05-02T10:00:00+00:00"
        assert report["notify_authority_by"] == "2026-05-04T10:00:00+00:00"
        assert report["letters_sent"] is False

    def test_the_documents_name_who_is_told_what_by_when(
        self, report: dict[str, object], tmp_path: Path
    ) -> None:
        written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "b").iterdir()}
        assert set(written) == set(report["files"])  # type: ignore[call-overload]
        assert "Bakkerij Jansen <avg@jansen.example>" in written["controllers.txt"]
        assert "2 May 2026, 12:00 (CEST)" in written["controllers.txt"]
        assert "4 May 2026, 12:00 (CEST)" in written["authority.txt"]
        assert json.loads(written["facts.json"])["people"] == 3
        for letter, word in (("letter.nl.txt", "aanhef"), ("letter.en.txt", "salutation")):
            assert word in written[letter]
            assert "Robin Smit <privacy@acme.example>" in written[letter]
            assert "{greeting}," in written[letter]
        assert len(written["people.csv"].splitlines()) == 4

    @pytest.mark.parametrize(("form", "greeting"), [("formal", "Dear Ms de Vries"), ("informal", "Hi Zoë")])
    def test_the_letter_addresses_people_as_the_mails_do(
        self,
        keyboard: Keyboard,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        form: str,
        greeting: str,
    ) -> None:
        monkeypatch.setenv("MAILER_FORM_OF_ADDRESS", form)
        keyboard.subscribe("a@example.com")
        names = ("--salutation", "mevrouw", "--first-name", "Zoë", "--surname", "de Vries")
        keyboard("subscribers", "rectify", "a@example.com", *names)
        keyboard("privacy", "breach", "--since", "2026-01-01", "--output", "b")
        letter = (tmp_path / "b" / "letter.nl.txt").read_text(encoding="utf-8")
        assert bool(FORMAL.search(letter)) is (form == "formal")
        assert bool(INFORMAL.search(letter)) is (form == "informal")
        assert letter.startswith("Subject: ")
        assert greeting in (tmp_path / "b" / "people.csv").read_text(encoding="utf-8")

    def test_only_the_owner_can_read_them(self, report: dict[str, object], tmp_path: Path) -> None:
        paths = [tmp_path / "b", *(tmp_path / "b").iterdir()]
        assert {path.stat().st_mode & 0o077 for path in paths} == {0}
        assert len(paths) == 7

    def test_a_folder_that_exists_is_left_as_it_is(
        self, report: dict[str, object], keyboard: Keyboard, tmp_path: Path
    ) -> None:
        before = (tmp_path / "b" / "facts.json").read_bytes()
        keyboard("privacy", "breach", "--since", "2026-01-01", "--output", "b", code=1)
        assert (tmp_path / "b" / "facts.json").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []

    def test_a_period_that_ends_before_it_begins_is_refused(self, keyboard: Keyboard, tmp_path: Path) -> None:
        keyboard(
            "privacy", "breach", "--since", "2026-02-01", "--until", "2026-01-01", "--output", "c", code=1
        )
        assert not (tmp_path / "c").exists()
