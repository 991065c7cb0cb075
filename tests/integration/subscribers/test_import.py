"""Import of CSV files into real databases."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from mailer.database import Database
from mailer.errors import ConfigurationError
from subscribers import audience, ledger, rights
from subscribers.address import AddressHasher, normalise
from subscribers.intake import Evidence, Import, ImportReport, Refusal, as_text, csv_import
from subscribers.kinds import ConsentKind
from subscribers.ledger import EVENT, WORDING
from subscribers.people import find
from subscribers.tables import SUBSCRIBER

OLD, NEW = b"an old key, 32 characters or more", b"a new key, 32 characters or more."
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOPIC = "release-notes"
HEADER = "salutation,first_name,surname,email,opted_in,opted_in_at\n"
EXAMPLES = Path(__file__).parents[3] / "examples"


class Importer:
    """Imports text into one database, at a time and with keys that a test may change."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.hasher = AddressHasher([NEW])
        self.now = NOW
        self.refusals: list[Refusal] = []
        self.on_progress: Callable[[int], None] = lambda _: None

    def __call__(self, content: str | bytes, *, dry_run: bool = False) -> ImportReport:
        self.refusals.clear()
        job = Import(
            database=self.database,
            evidence=Evidence(TOPIC, "a form", "Yes, mail me."),
            hasher=self.hasher,
            zone=ZoneInfo("Europe/Amsterdam"),
            clock=lambda: self.now,
            on_refusal=self.refusals.append,
            on_progress=self.on_progress,
            dry_run=dry_run,
        )
        with as_text(io.BytesIO(content if isinstance(content, bytes) else content.encode())) as text:
            return job.run(text, "people.csv")

    def audience(self) -> int:
        with self.database.read() as connection:
            return audience.count(connection, TOPIC)

    def kinds(self) -> list[ConsentKind]:
        with self.database.read() as connection:
            return list(connection.execute(select(EVENT.c.kind).order_by(EVENT.c.id)).scalars())

    def withdraw(self, email: str, at: datetime) -> None:
        with self.database.write() as connection:
            rights.withdraw(connection, normalise(email), TOPIC, hasher=self.hasher, source="x", now=at)

    def erase(self, email: str, at: datetime) -> None:
        with self.database.write() as connection:
            rights.erase(connection, normalise(email), hasher=self.hasher, source="x", now=at)


@pytest.fixture
def importer(database: Database) -> Importer:
    return Importer(database)


def row(
    email: str = "jan@example.com", at: str = "2026-05-01 10:00", name: str = "Jan", yes: str = "yes"
) -> str:
    return f"de heer,{name},De Vries,{email},{yes},{at}\n"


def counts(report: ImportReport) -> tuple[int, int, int, int, int, int]:
    return (
        report.read,
        report.granted,
        report.without_consent,
        report.refused,
        report.unchanged,
        report.still_withdrawn,
    )


def test_a_row_with_consent_becomes_a_subscriber_with_proof(importer: Importer) -> None:
    assert counts(importer(HEADER + row())) == (1, 1, 0, 0, 0, 0)
    with importer.database.read() as connection:
        person = find(connection, normalise("JAN@example.com"))
        assert person is not None
        assert (person.email, person.names.surname) == ("jan@example.com", "De Vries")
        proof = ledger.prove(connection, person.id, TOPIC)
        ledger.verify(connection)
    assert proof.wording.text == "Yes, mail me."
    assert proof.note == "a form"
    assert proof.grant.event.occurred_at == datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
    assert proof.grant.recorded_at == NOW


def test_a_row_without_consent_leaves_nothing_in_the_database(importer: Importer) -> None:
    assert counts(importer(HEADER + row(yes="no") + row("nonsense", yes=""))) == (2, 0, 2, 0, 0, 0)
    with importer.database.read() as connection:
        for table in (SUBSCRIBER, EVENT, WORDING):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_columns_that_are_not_the_four_fields_are_named_and_dropped(importer: Importer) -> None:
    report = importer("Phone,email,opted_in,opted_in_at,LinkedIn\n06,jan@example.com,1,2026-05-01,x\n")
    assert report.dropped_columns == ("Phone", "LinkedIn")
    assert report.granted == 1


def test_bad_rows_are_refused_one_by_one_and_the_good_ones_go_in(importer: Importer) -> None:
    report = importer(
        HEADER + row() + row("JAN@Example.COM") + row() + row("x@@y.nl") + '"\n' + row("piet@example.com")
    )
    assert counts(report) == (6, 2, 0, 4, 0, 0)
    duplicate = "the same address is in row 2, perhaps spelled otherwise"
    assert [(refusal.row, refusal.column) for refusal in importer.refusals] == [
        (3, "email"),
        (4, "email"),
        (5, "email"),
        (6, ""),
    ]
    assert [refusal.reason for refusal in importer.refusals[:2]] == [duplicate, duplicate]


def test_the_same_file_again_changes_nothing(importer: Importer) -> None:
    content = HEADER + row() + row("piet@example.com")
    importer(content)
    assert counts(importer(content)) == (2, 0, 0, 0, 2, 0)
    assert importer.kinds() == [ConsentKind.GRANTED] * 2


def test_an_older_file_with_other_names_undoes_no_rectification(importer: Importer) -> None:
    importer(HEADER + row(name="Johan"))
    assert importer(HEADER + row(name="Jan", at="2026-04-01 10:00")).unchanged == 1
    with importer.database.read() as connection:
        person = find(connection, normalise("jan@example.com"))
    assert person is not None
    assert person.names.first_name == "Johan"


def test_a_later_consent_is_recorded_anew_and_brings_its_names(importer: Importer) -> None:
    importer(HEADER + row(name="Jan"))
    assert importer(HEADER + row(name="Johan", at="2026-06-01 10:00")).granted == 1
    assert importer.kinds() == [ConsentKind.GRANTED, ConsentKind.RECTIFIED, ConsentKind.GRANTED]
    with importer.database.read() as connection:
        person = find(connection, normalise("jan@example.com"))
        assert person is not None
        assert person.names.first_name == "Johan"
        entry = ledger.history(connection, person.id)[1]
        assert list(ledger.notes_of(connection, [entry]).values()) == ["a form; changed: first_name"]
        ledger.verify(connection)


def test_who_withdrew_does_not_come_back_unless_by_a_later_consent(importer: Importer) -> None:
    importer(HEADER + row(at="2026-05-01 10:00"))
    importer.withdraw("jan@example.com", datetime(2026, 6, 1, tzinfo=UTC))
    assert importer(HEADER + row(at="2026-05-01 10:00")).still_withdrawn == 1
    assert importer(HEADER + row("JAN@EXAMPLE.COM", at="2026-05-31 10:00")).still_withdrawn == 1
    assert importer.audience() == 0
    assert importer(HEADER + row(at="2026-06-02 10:00")).granted == 1
    assert importer.audience() == 1


def test_who_was_erased_does_not_come_back_unless_by_a_later_consent(importer: Importer) -> None:
    importer(HEADER + row(at="2026-05-01 10:00"))
    importer.erase("jan@example.com", datetime(2026, 6, 1, tzinfo=UTC))
    assert importer(HEADER + row("JAN@EXAMPLE.COM")).still_withdrawn == 1
    with importer.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(SUBSCRIBER)).scalar_one() == 0
    assert importer(HEADER + row(at="2026-06-02 10:00")).granted == 1
    assert importer.audience() == 1


def test_an_erasure_under_an_older_key_still_counts(importer: Importer) -> None:
    importer.hasher = AddressHasher([OLD])
    importer(HEADER + row())
    importer.erase("jan@example.com", NOW)
    importer.hasher = AddressHasher([OLD, NEW])
    assert importer(HEADER + row()).still_withdrawn == 1


def test_without_the_key_of_an_erasure_nobody_is_imported(importer: Importer) -> None:
    importer.hasher = AddressHasher([OLD])
    importer(HEADER + row())
    importer.erase("jan@example.com", NOW)
    importer.hasher = AddressHasher([NEW])
    with pytest.raises(ConfigurationError, match="former secret key"):
        importer(HEADER + row("piet@example.com"))


def test_who_withdrew_and_got_another_address_does_not_come_back_under_the_old_one(
    importer: Importer,
) -> None:
    importer(HEADER + row())
    importer.withdraw("jan@example.com", NOW)
    with importer.database.write() as connection:
        correction = rights.Correction(email=normalise("johan@example.com"))
        rights.rectify(
            connection,
            normalise("jan@example.com"),
            correction,
            hasher=importer.hasher,
            source="x",
            now=NOW,
        )
    assert importer(HEADER + row()).still_withdrawn == 1


def test_a_dry_run_tells_the_same_and_writes_nothing(importer: Importer) -> None:
    content = HEADER + row() + row("x@@y.nl")
    dry = importer(content, dry_run=True)
    assert importer.kinds() == []
    assert counts(importer(content)) == counts(dry)


def test_a_withdrawal_while_the_file_is_read_is_seen(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch reads where people stand in the transaction that grants."""
    importer(HEADER + row("last@example.com"))
    monkeypatch.setattr(csv_import, "BATCH", 1)
    readings = iter(range(9))

    def on_progress(_: int) -> None:
        if next(readings) == 1:
            importer.withdraw("last@example.com", NOW)

    importer.on_progress = on_progress
    report = importer(HEADER + row("first@example.com") + row("last@example.com", at="2026-11-01 10:00"))
    assert (report.granted, report.still_withdrawn) == (1, 1)


def test_numbers_of_erased_people_are_not_given_out_again(importer: Importer) -> None:
    importer(HEADER + row())
    with importer.database.read() as connection:
        jan = find(connection, normalise("jan@example.com"))
    importer.erase("jan@example.com", NOW)
    importer(HEADER + row("piet@example.com"))
    with importer.database.read() as connection:
        piet = find(connection, normalise("piet@example.com"))
    assert jan is not None
    assert piet is not None
    assert piet.id > jan.id


def test_the_example_people_come_in_as_told(importer: Importer) -> None:
    report = importer((EXAMPLES / "people.csv").read_bytes())
    assert counts(report) == (37, 26, 4, 7, 0, 0)
    assert report.dropped_columns == ("Telefoon", "LinkedIn")
    with importer.database.read() as connection:
        surnames = set(connection.execute(select(SUBSCRIBER.c.surname)).scalars())
        ledger.verify(connection)
    assert {"Ångström-Łuczak", "'t Hooft", "O'Brien", "De Vries", "Van den Berg", "田中"} <= surnames


def test_memory_does_not_grow_with_the_file(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the table of addresses seen: 18 to 36 bytes for each."""

    def peak(people: int) -> int:
        content = HEADER + "".join(row(f"p{number}@example{people}.com") for number in range(people))
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert Importer(sqlite_database)(content).granted == people
        return tracemalloc.get_traced_memory()[1] - before - 2 * len(content)

    monkeypatch.setattr(csv_import, "BATCH", 1000)
    tracemalloc.start()
    try:
        peak(100)
        small, large = peak(2_000), peak(8_000)
    finally:
        tracemalloc.stop()
    assert large - small < 6_000 * 60
