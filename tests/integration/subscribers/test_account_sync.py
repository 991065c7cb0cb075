"""`mailer subscribers sync`: an account's full list is the truth, within the rules of consent."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mailer.database import Database
from mailer.errors import Refused
from subscribers import audience, changes, ledger
from subscribers.address import AddressHasher, normalise
from subscribers.intake import AccountSync, Evidence, Import, SyncReport
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import NewEvent
from subscribers.rights import withdraw
from tests.support.campaign import SECRET, TOPIC, subscribe

HEADER = "email,opted_in,opted_in_at\n"
HASHER = AddressHasher([SECRET.encode()])


def sync(database: Database, rows: str, *, apply: bool = True, as_of: datetime | None = None) -> SyncReport:
    evidence = Evidence(TOPIC, "accounts", "I agree.", channel=Channel.SYNC)
    job = Import(
        database=database,
        evidence=evidence,
        hasher=HASHER,
        zone=ZoneInfo("Europe/Amsterdam"),
        clock=lambda: datetime.now(UTC),
        on_refusal=lambda _: None,
        on_progress=lambda _: None,
        dry_run=not apply,
    )
    text = io.TextIOWrapper(io.BytesIO((HEADER + rows).encode()), encoding="utf-8", newline="")
    return AccountSync(job, as_of or datetime.now(UTC)).run(text, "accounts.csv")


def kept(numbers: range) -> str:
    return "".join(f"person{n}@example.com,yes,2026-05-01\n" for n in numbers)


def agreed(database: Database) -> int:
    with database.read() as connection:
        return audience.count(connection, TOPIC)


def last_changes(database: Database, after: int) -> list[tuple[str, str | None, str]]:
    with database.read() as connection:
        found = changes.read(connection, after, 100).changes
    return [(each.kind.value, each.email, each.channel.value) for each in found]


def test_the_differences_are_shown_and_nothing_is_changed_without_apply(database: Database) -> None:
    subscribe(database, 5)
    report = sync(database, kept(range(1, 4)) + "new@example.com,yes,2026-05-01\n", apply=False)
    assert (report.rows.granted, report.missing, report.applied) == (1, 2, False)
    assert agreed(database) == 5


def test_who_is_missing_is_withdrawn_and_who_is_new_comes_in(database: Database) -> None:
    subscribe(database, 3)
    report = sync(database, kept(range(1, 3)) + "new@example.com,yes,2026-05-01\n")
    assert (report.rows.granted, report.missing, report.applied) == (1, 1, True)
    assert sorted(last_changes(database, 3)) == [
        ("granted", "new@example.com", "sync"),
        ("withdrawn", "person3@example.com", "sync"),
    ]


def test_a_withdrawal_later_than_the_listed_consent_stands(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 2)
    with sqlite_database.write() as connection:
        withdraw(
            connection,
            normalise("person1@example.com"),
            TOPIC,
            hasher=HASHER,
            source="page",
            now=datetime.now(UTC),
        )
    report = sync(sqlite_database, kept(range(1, 3)))
    assert (report.rows.still_withdrawn, report.missing) == (1, 0)
    assert agreed(sqlite_database) == 1


def test_a_consent_given_after_the_list_was_made_stays(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 2)
    report = sync(sqlite_database, kept(range(1, 2)), as_of=datetime.now(UTC) - timedelta(hours=1))
    assert (report.missing, agreed(sqlite_database)) == (0, 2)


def test_who_signed_up_without_an_account_stays(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 2)
    now = datetime.now(UTC)
    with sqlite_database.write() as connection:
        wording = ledger.store_wording(connection, "Yes.", now, topic=TOPIC)
        event = NewEvent(2, TOPIC, ConsentKind.GRANTED, now, Channel.SIGN_UP, wording)
        ledger.append(connection, [event], now)
    assert sync(sqlite_database, kept(range(1, 2))).missing == 0
    assert agreed(sqlite_database) == 2


def test_a_refused_row_withdraws_nobody(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 2)
    report = sync(sqlite_database, "person1@example.com,yes,never\n" + kept(range(2, 3)))
    assert (report.rows.refused, report.missing) == (1, 0)


def test_a_list_that_would_withdraw_many_is_refused_whole(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 60)
    with pytest.raises(Refused):
        sync(sqlite_database, kept(range(1, 20)) + "new@example.com,yes,2026-05-01\n")
    assert agreed(sqlite_database) == 60


def test_a_second_sync_finds_no_difference(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 3)
    rows = kept(range(2, 4)) + "person9@example.com,yes,2026-05-01\nperson8@example.com,no,\n"
    sync(sqlite_database, rows)
    again = sync(sqlite_database, rows)
    assert (again.rows.granted, again.rows.withdrawn, again.missing) == (0, 0, 0)
