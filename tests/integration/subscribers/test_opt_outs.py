"""A later no counts: in imports, in files of opt-outs, and whatever the clock says."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from mailer.database import Database
from mailer.errors import ConfigurationError, NotFound, Refused
from subscribers import audience, ledger, rights, suppression
from subscribers.address import AddressHasher, normalise
from subscribers.intake import Evidence, Import, ImportReport, Refusal, as_text, csv_import, read_addresses
from subscribers.kinds import Channel, ConsentKind
from subscribers.leaver import Leaver, LeaverKind
from subscribers.people import find
from subscribers.self_service import unsubscribe
from subscribers.self_service.unsubscribe import Withdrawal
from subscribers.tables import SUBSCRIBER, SUPPRESSION
from tests.support.links import target_of

KEY = b"a secret key, 32 characters or more"
NEW_KEY = b"a newer secret key, 32 characters.."
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOPIC = "release-notes"
HEADER = "email,opted_in,opted_in_at\n"
ANN = normalise("ann@example.org")


class Office:
    """One database, its clock, and what is done to it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.hasher = AddressHasher([KEY])
        self.asked: list[tuple[int, int]] = []

    def load(
        self,
        *rows: str,
        dry_run: bool = False,
        confirm: Callable[[int, int], None] | None = None,
    ) -> ImportReport:
        job = Import(
            database=self.database,
            evidence=Evidence(TOPIC, "portal", "Yes, mail me."),
            hasher=self.hasher,
            zone=ZoneInfo("UTC"),
            clock=lambda: self.now,
            on_refusal=lambda _: None,
            on_progress=lambda _: None,
            dry_run=dry_run,
            confirm=confirm or csv_import.refuse,
        )
        with as_text(io.BytesIO((HEADER + "\n".join(rows) + "\n").encode())) as text:
            return job.run(text, "people.csv")

    def state(self, email: str = "ann@example.org") -> ConsentKind | None:
        with self.database.read() as connection:
            person = find(connection, normalise(email))
            if person is None:
                return None
            status = ledger.statuses(connection, [person.id]).get((person.id, TOPIC))
            ledger.verify(connection)
        return status.state if status else None

    def audience(self) -> int:
        with self.database.read() as connection:
            return audience.count(connection, TOPIC)

    def erase(self, email: str = "ann@example.org") -> None:
        with self.database.write() as connection:
            rights.erase(connection, normalise(email), hasher=self.hasher, source="x", now=self.now)

    def change_address(self, old: str, new: str) -> None:
        correction = rights.Correction(email=normalise(new))
        with self.database.write() as connection:
            rights.rectify(
                connection, normalise(old), correction, hasher=self.hasher, source="x", now=self.now
            )

    def suppress(self, *emails: str) -> rights.Suppressions:
        with self.database.write() as connection:
            return rights.suppress_all(
                connection,
                [normalise(email) for email in emails],
                hasher=self.hasher,
                source="old tool",
                now=self.now,
            )


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ("ann@example.org,no,2026-03-01", ConsentKind.WITHDRAWN),
        ("ann@example.org,no,2026-01-05", ConsentKind.WITHDRAWN),  # exports keep the old date
        ("ann@example.org,no,", ConsentKind.WITHDRAWN),
        ("ann@example.org,,", ConsentKind.WITHDRAWN),
        ("ANN@Example.ORG,nee,some day", ConsentKind.WITHDRAWN),
        ("ann@example.org,no,2126-01-01", ConsentKind.WITHDRAWN),
        ("ann@example.org,no,2026-01-04", ConsentKind.GRANTED),
        ("bob@example.org,no,2026-03-01", ConsentKind.GRANTED),
    ],
)
def test_a_no_withdraws_unless_it_is_dated_before_the_consent(
    office: Office, row: str, state: ConsentKind
) -> None:
    office.load("ann@example.org,yes,2026-01-05")
    report = office.load(row)
    assert office.state() is state
    withdrawn = int(state is ConsentKind.WITHDRAWN)
    assert (report.read, report.withdrawn, report.without_consent) == (1, withdrawn, 1 - withdrawn)


def test_a_withdrawal_by_a_file_is_dated_as_the_file_says_and_recorded_once(office: Office) -> None:
    office.load("ann@example.org,yes,2026-01-05")
    for _ in range(3):
        office.load("ann@example.org,no,2026-03-01")
    with office.database.read() as connection:
        events = [entry.event for entry in ledger.entries(connection)]
    assert [event.kind for event in events] == [ConsentKind.GRANTED, ConsentKind.WITHDRAWN]
    assert events[1].occurred_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert office.load("ann@example.org,yes,2026-02-01").still_withdrawn == 1
    assert office.load("ann@example.org,yes,2026-03-02").granted == 1


def test_a_still_later_no_of_somebody_who_withdrew_dates_the_withdrawal_later(office: Office) -> None:
    office.load("ann@example.org,yes,2026-01-05")
    office.load("ann@example.org,no,2026-02-01")
    assert office.load("ann@example.org,no,2026-06-01").withdrawn == 0
    assert office.load("ann@example.org,yes,2026-04-01").still_withdrawn == 1
    assert office.state() is ConsentKind.WITHDRAWN


@pytest.mark.parametrize("on_file", [True, False])
@pytest.mark.parametrize(
    ("rows", "agrees"),
    [
        (("yes,2026-02-01", "no,2026-03-01"), False),
        (("no,2026-03-01", "yes,2026-02-01"), False),
        (("no,2026-02-01", "yes,2026-03-01"), True),
        (("yes,2026-03-01", "no,2026-02-01"), True),
        (("yes,2026-03-01", "no,"), False),
        (("no,", "yes,2026-03-01"), False),
        (("yes,2026-03-01", "no,2026-03-01"), False),
        (("no,2026-03-01", "yes,2026-03-01"), False),
        (("no,2026-02-01", "yes,2026-03-01", "no,2026-04-01"), False),
    ],
)
def test_within_a_file_the_later_row_wins_and_a_no_without_a_date_always(
    office: Office, rows: tuple[str, ...], *, agrees: bool, on_file: bool
) -> None:
    if on_file:
        office.load("ann@example.org,yes,2026-01-05")
    report = office.load(*(f"ann@example.org,{row}" for row in rows))
    assert office.audience() == int(agrees)
    assert report.read == len(rows)
    counted = report.granted + report.withdrawn + report.without_consent + report.unchanged
    assert counted + report.refused + report.still_withdrawn == len(rows)


def people(count: int, answer: str, domain: str = "example.org") -> list[str]:
    return [f"p{number}@{domain},{answer}" for number in range(count)]


@pytest.mark.parametrize(
    ("on_file", "noes", "asks"), [(100, 21, True), (100, 20, False), (420, 21, False), (420, 22, True)]
)
def test_a_file_that_withdraws_many_asks_and_applies_nothing_without_an_answer(
    office: Office, on_file: int, noes: int, *, asks: bool
) -> None:
    office.load(*people(on_file, "yes,2026-01-05"))
    rows = [*people(noes, "no,2026-02-01"), "new@example.org,yes,2026-02-01"]
    if not asks:
        assert office.load(*rows).withdrawn == noes
        return
    with pytest.raises(Refused, match=f"{noes} of {on_file}"):
        office.load(*rows)
    assert office.audience() == on_file
    assert office.load(*rows, dry_run=True).withdrawn == noes
    assert office.load(*rows, confirm=lambda *numbers: office.asked.append(numbers)).withdrawn == noes
    assert office.asked == [(noes, on_file)]
    assert office.audience() == on_file - noes + 1


def test_an_opt_out_of_somebody_not_on_file_is_kept_as_a_hash_and_holds(office: Office) -> None:
    assert office.suppress("never@example.org", "ann@example.org") == (2, 0)
    assert office.load("never@example.org,yes,2023-01-05").still_withdrawn == 1
    with office.database.read() as connection:
        rows = connection.execute(select(SUPPRESSION)).all()
        assert connection.execute(select(SUBSCRIBER)).all() == []
    assert "never" not in str(rows)
    assert {row.source for row in rows} == {"old tool"}


def test_an_opt_out_of_somebody_on_file_withdraws_every_consent(office: Office) -> None:
    office.load("ann@example.org,yes,2026-01-05")
    assert office.suppress("ANN@example.org") == (1, 1)
    assert office.state() is ConsentKind.WITHDRAWN
    assert office.suppress("ann@example.org") == (0, 0)


def test_a_suppression_is_lifted_with_a_reason_that_is_kept(office: Office) -> None:
    office.suppress("never@example.org")
    never = normalise("never@example.org")
    with office.database.write() as connection:
        rights.lift(connection, never, hasher=office.hasher, source="typed wrongly", now=NOW)
    assert office.load("never@example.org,yes,2023-01-05").granted == 1
    with office.database.read() as connection:
        kept = connection.exec_driver_sql("SELECT reason, source FROM suppression_lift").all()
    assert [tuple(row) for row in kept] == [("opted_out", "typed wrongly")]
    with pytest.raises(NotFound), office.database.write() as connection:
        rights.lift(connection, never, hasher=office.hasher, source="again", now=NOW)


@pytest.mark.parametrize("back", [timedelta(days=365), timedelta(days=3650), timedelta(seconds=1)])
def test_with_the_clock_behind_at_an_erasure_no_old_file_brings_anybody_back(
    office: Office, back: timedelta
) -> None:
    office.load("ann@example.org,yes,2026-05-01", "bob@example.org,yes,2026-05-01")
    office.now = NOW - back
    office.erase("ann@example.org")
    office.change_address("bob@example.org", "rob@example.org")
    office.suppress("bob@example.org")
    office.now = NOW + timedelta(days=1)
    for date in ("2026-04-01", "2026-05-01"):
        report = office.load(f"ann@example.org,yes,{date}", f"bob@example.org,yes,{date}")
        assert (report.granted, report.still_withdrawn) == (0, 2)
    assert office.audience() == 1
    assert office.state("rob@example.org") is ConsentKind.GRANTED


def test_without_the_key_of_an_erasure_nobody_is_put_on_file_by_any_way(office: Office) -> None:
    office.load("ann@example.org,yes,2026-05-01", "bob@example.org,yes,2026-05-01")
    office.erase("ann@example.org")
    office.hasher = AddressHasher([NEW_KEY])
    with pytest.raises(ConfigurationError, match="former secret key"):
        office.change_address("bob@example.org", "ann@example.org")
    with pytest.raises(ConfigurationError, match="former secret key"):
        office.load("carl@example.org,yes,2026-05-01")
    with pytest.raises(ConfigurationError, match="former secret key"), office.database.read() as connection:
        suppression.find(connection, office.hasher, ["carl@example.org"])
    with office.database.write() as connection:
        assert rights.withdraw(
            connection, normalise("bob@example.org"), TOPIC, hasher=office.hasher, source="x", now=NOW
        )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a@example.org\nb@example.org\n", ["a@example.org", "b@example.org"]),
        ("Name;E-mail\nAnn;a@example.org\n;b@example.org\n", ["a@example.org", "b@example.org"]),
        ("\ufeffemail\n\na@example.org\nnonsense\n", ["a@example.org", 4]),
        ('"email","left at"\n"a@example.org","2020"\n', ["a@example.org"]),
    ],
)
def test_a_list_of_addresses_is_read_with_or_without_a_header(content: str, expected: list[object]) -> None:
    with as_text(io.BytesIO(content.encode())) as text:
        found = list(read_addresses(text, "left.csv"))
    assert [one.row if isinstance(one, Refusal) else one.key for one in found] == expected


def by_file(office: Office) -> None:
    office.load("ann@example.org,no,2026-06-01")


def by_file_without_a_date(office: Office) -> None:
    office.load("ann@example.org,no,")


def by_list(office: Office) -> None:
    assert office.suppress("ann@example.org") == (0, 0)


def by_replay(office: Office) -> None:
    hashed = office.hasher.newest("ann@example.org")
    left = Leaver(*hashed, "*", LeaverKind.WITHDRAWN, datetime(2026, 6, 1, tzinfo=UTC))
    with office.database.write() as connection:
        assert rights.replay(connection, [left], hasher=office.hasher, now=NOW).suppressed == 0


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("says_no", [by_file, by_file_without_a_date, by_list, by_replay])
def test_somebody_erased_who_says_no_again_is_not_brought_back_by_a_yes_from_between(
    office: Office, says_no: Callable[[Office], None], *, rotated: bool
) -> None:
    office.load("ann@example.org,yes,2025-01-01")
    office.now = datetime(2026, 1, 1, tzinfo=UTC)
    office.erase()
    office.now = NOW
    if rotated and says_no is not by_replay:  # the journal knows the hash of before alone
        office.hasher = AddressHasher([KEY, NEW_KEY])
    says_no(office)
    assert office.load("ann@example.org,yes,2026-03-01").still_withdrawn == 1
    office.now = NOW + timedelta(days=2)
    assert office.load("ann@example.org,yes,2026-11-23").granted == 1


def test_a_no_dated_before_the_suppression_and_a_dry_run_date_nothing(office: Office) -> None:
    office.suppress("ann@example.org")
    office.load("ann@example.org,no,2026-06-01")
    office.now = NOW + timedelta(days=30)
    office.load("ann@example.org,no,", dry_run=True)
    with office.database.read() as connection:
        assert connection.execute(select(SUPPRESSION.c.since)).scalar_one() == NOW


def test_a_no_of_somebody_who_is_neither_on_file_nor_suppressed_keeps_nothing(office: Office) -> None:
    office.suppress("ann@example.org")
    office.load("never@example.org,no,2026-06-01")
    with office.database.read() as connection:
        assert len(connection.execute(select(SUPPRESSION)).all()) == 1


def by_command(office: Office) -> None:
    with office.database.write() as connection:
        rights.withdraw(connection, ANN, TOPIC, hasher=office.hasher, source="phone", now=office.now)


def by_one_click(office: Office) -> None:
    click = Withdrawal(target_of(office.database, 1), Channel.ONE_CLICK)
    with office.database.write() as connection:
        unsubscribe.apply_requests(connection, [click], office.now)


@pytest.mark.parametrize("says_no", [by_command, by_one_click])
def test_somebody_who_says_no_again_is_not_brought_back_by_a_yes_from_between(
    office: Office, says_no: Callable[[Office], None]
) -> None:
    """A repeat within a day is that of a provider that tries again; it is not recorded."""
    office.load("ann@example.org,yes,2026-01-05")
    for day in (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)):
        for repeat in range(3):
            office.now = day + timedelta(minutes=repeat)
            says_no(office)
    office.now = NOW
    assert office.load("ann@example.org,yes,2026-04-01").still_withdrawn == 1
    with office.database.read() as connection:
        kinds = [entry.event.kind for entry in ledger.entries(connection)]
    assert kinds == [ConsentKind.GRANTED, ConsentKind.WITHDRAWN, ConsentKind.WITHDRAWN]
