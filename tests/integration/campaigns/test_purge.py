"""mailer privacy purge, and the daily purge of run-due: people, deliveries, and what is left on disk."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from campaigns import catalogue, deliveries, notices, reports
from campaigns.deliveries import OldDeliveries, campaign, delivery
from campaigns.quick_look import is_idle
from campaigns.states import CampaignState, DeliveryState
from campaigns.tables import delivery_count, notice
from cli import mailer
from mailer import operator_log
from mailer.database import Database
from mailer.errors import MailerError, Refused
from mailer.plain_database import PlainDatabase
from mailer.retention import purge_expired
from subscribers import former_people, rights
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import ConsentKind
from subscribers.ledger import CONSENT
from subscribers.tables import SUBSCRIBER
from tests.support.campaign import SECRET, TOPIC
from tests.support.deliveries import SentCampaign
from tests.support.signed import write_key

HASHER = AddressHasher([SECRET.encode()])


def end(sent: SentCampaign) -> None:
    """The campaign is finished: one delivery was accepted, the others rejected."""
    with sent.database.write() as connection:
        rejected = update(delivery).values(state=DeliveryState.REJECTED)
        connection.execute(rejected)
        connection.execute(rejected.values(state=DeliveryState.ACCEPTED).where(delivery.c.id == 1))
        finished = update(campaign).where(campaign.c.id == sent.id)
        connection.execute(finished.values(state=CampaignState.FINISHED, finished_at=sent.now))


def test_deliveries_of_ended_campaigns_go_and_their_numbers_stay(database: Database) -> None:
    sent = SentCampaign(database, 3)
    end(sent)
    another = SentCampaign(database, 0, "another")
    with database.read() as connection:
        before = reports.campaign_status(connection, catalogue.find(connection, "notes"))
    begun: list[int] = []

    def begin(connection: object, campaign_id: int) -> None:
        assert connection is not None
        begun.append(campaign_id)

    assert purge_expired(database, [OldDeliveries(sent.now - timedelta(seconds=1))]) == {"deliveries": 0}
    for _ in range(2):
        purge_expired(database, [OldDeliveries(sent.now, begin)])
    assert begun == [sent.id]
    with database.read() as connection:
        after = reports.campaign_status(connection, catalogue.find(connection, "notes"))
        left = connection.execute(select(delivery.c.campaign_id)).scalars().all()
        numbers = connection.execute(select(delivery_count)).all()
    assert set(left) == {another.id}
    assert after == before
    assert sorted(numbers) == [(sent.id, "accepted", 1), (sent.id, "rejected", 2)]


def test_a_person_in_a_campaign_that_has_not_ended_is_in_it(database: Database) -> None:
    sent = SentCampaign(database, 1)
    busy = select(SUBSCRIBER.c.id).where(deliveries.is_in_unfinished_campaign(SUBSCRIBER.c.id))
    with database.read() as connection:
        assert connection.execute(busy).scalars().all() == sent.people
    end(sent)
    with database.read() as connection:
        assert connection.execute(busy).scalars().all() == []


def test_retired_workers_that_hold_nothing_go(sqlite_database: Database) -> None:
    sent = SentCampaign(sqlite_database, 1)
    holding, idle = sent.worker(), sent.worker()
    sent.claim(holding)
    with sqlite_database.write() as connection:
        deliveries.workers.retire(connection, idle.worker_id, sent.now)
    assert purge_expired(sqlite_database, [deliveries.old_workers(sent.now)]) == {"workers": 1}


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_database: Database) -> Database:
    """The database of a working directory with three people, of whom one left; the campaign is finished."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILER_SECRET_KEYS", SECRET)
    monkeypatch.setenv("MAILER_RETENTION__AFTER_LEAVING", "1s")
    write_key(tmp_path)
    sent = SentCampaign(sqlite_database, 3)
    end(sent)
    with sqlite_database.write() as connection:
        person = normalise("person1@example.com")
        rights.withdraw(connection, person, TOPIC, hasher=HASHER, source="a link", now=sent.now)
        earlier = update(CONSENT).where(CONSENT.c.state == ConsentKind.WITHDRAWN)
        connection.execute(earlier.values(since=sent.now - timedelta(hours=1)))
    return sqlite_database


def run(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(mailer, [*arguments, "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    values: dict[str, object] = json.loads(result.stdout)
    return values


def test_a_dry_run_says_what_a_purge_deletes_and_the_file_then_holds_nothing_of_it(
    left: Database, tmp_path: Path
) -> None:
    other = Database(str(left.url))
    with other.read() as connection:  # another process has the file open
        connection.execute(select(SUBSCRIBER.c.id)).all()
    dry = run("privacy", "purge", "--dry-run")
    assert (
        b"person1@example.com"
        in (tmp_path / "mailer.db").read_bytes() + (tmp_path / "mailer.db-wal").read_bytes()
    )
    done = run("privacy", "purge")
    assert done["purged"] == dry["purged"]
    assert done["purged"]["people_who_left"] == 1
    assert done["left"] == []
    for file in tmp_path.glob("mailer.db*"):
        assert b"person1@" not in file.read_bytes()
        assert b"de Vries 1" not in file.read_bytes()
    assert b"person2@" in (tmp_path / "mailer.db").read_bytes()
    other.close()


def test_the_command_proves_the_consent_of_who_left_and_was_deleted(left: Database, tmp_path: Path) -> None:
    run("privacy", "purge")
    proof = run("consent", "prove", "Person1@example.com", "--bundle", "proof.zip")
    assert (proof["state"], proof["wording"]) == ("withdrawn", "Yes, mail me the release notes.")
    with ZipFile(tmp_path / "proof.zip") as bundle:
        assert json.loads(bundle.read("proof.json"))["address"] == "person1@example.com"
    erased = run("subscribers", "erase", "person1@example.com", "--yes")
    assert erased["erased"]
    with left.read() as connection:
        assert former_people.find(connection, normalise("person1@example.com"), HASHER) == []


def test_a_purge_that_fails_keeps_no_report_of_what_was_sent(
    left: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert left.is_sqlite

    def fail(*_: object) -> None:
        raise MailerError("The disk is full.")

    monkeypatch.setattr("campaigns.commands.due.purge_daily", fail)
    result = CliRunner().invoke(mailer, ["run-due", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["campaigns"] == []
    assert "not deleted: The disk is full." in result.stderr


def test_run_due_purges_once_a_day(left: Database) -> None:
    for _ in range(2):
        run("run-due")
    with left.read() as connection:
        acts = list(operator_log.read(connection))
    assert [(act.command, act.people) for act in acts] == [("privacy purge", 1)]


def test_run_due_purges_again_the_next_day(left: Database) -> None:
    run("run-due")
    with left.write() as connection:
        [first] = list(operator_log.read(connection))
        connection.execute(update(operator_log.ACT).values(at=first.at - timedelta(hours=23)))
        connection.execute(update(notice).values(printed_at=first.at - timedelta(hours=23)))
    run("run-due")
    with left.read() as connection:
        assert len(list(operator_log.read(connection))) == 2


def purges(database: Database) -> list[datetime]:
    with database.read() as connection:
        return [act.at for act in operator_log.read(connection) if act.command == "privacy purge"]


def people_on_file(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(select(SUBSCRIBER.c.id)).all())


def far_ahead(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let the clock of the commands be so many days ahead."""

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(days=days)

    monkeypatch.setattr(Database, "clock", lambda _: now)
    monkeypatch.setattr(PlainDatabase, "now", lambda _: now())


@pytest.mark.parametrize("years", [12, 73])
def test_a_clock_that_jumped_years_ahead_deletes_nothing_by_itself(
    left: Database, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    monkeypatch.setenv("MAILER_RETENTION__AFTER_LEAVING", "30d")
    run("run-due")
    assert (len(purges(left)), people_on_file(left)) == (1, 3)
    far_ahead(monkeypatch, 365.25 * years)
    result = CliRunner().invoke(mailer, ["run-due"])
    assert "nothing is deleted at its end" in result.stderr.lower()
    assert "mailer privacy purge" in result.stderr
    assert (len(purges(left)), people_on_file(left)) == (1, 3)
    status = CliRunner().invoke(mailer, ["status"])
    assert status.exit_code == 1
    assert "Nothing is deleted at its end" in status.output
    refused = CliRunner().invoke(mailer, ["privacy", "purge"])
    assert isinstance(refused.exception, Refused)
    assert (len(purges(left)), people_on_file(left)) == (1, 3)
    confirmed = CliRunner().invoke(mailer, ["privacy", "purge", "--yes"])
    assert confirmed.exit_code == 0
    assert people_on_file(left) == 2


def test_before_the_first_purge_the_clock_is_compared_with_the_ledger(
    left: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    far_ahead(monkeypatch, 4000)
    CliRunner().invoke(mailer, ["run-due"])
    assert (purges(left), people_on_file(left)) == ([], 3)


def test_a_daily_purge_goes_on_for_years_without_any_event(
    left: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for month in range(14):
        far_ahead(monkeypatch, 44 * month)
        assert CliRunner().invoke(mailer, ["privacy", "purge"]).exit_code == 0, month
    assert len(purges(left)) >= 9  # those older than thirteen months are gone


def test_after_a_clock_that_was_ahead_is_set_right_the_purge_goes_on(
    left: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as ahead:
        far_ahead(ahead, 40)
        run("run-due")
        assert len(purges(left)) == 1
    run("run-due")
    assert len(purges(left)) == 2
    for _ in range(2):
        run("run-due")
    assert len(purges(left)) == 2


def test_a_clock_that_was_ahead_keeps_cron_from_nothing_once_it_is_set_right(
    left: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = f"sqlite:///{left.url.database}"
    run("run-due")
    assert is_idle(url, tmp_path)
    with left.write() as connection:
        connection.execute(update(notice).values(printed_at=datetime.now(UTC) + timedelta(days=400)))
    assert not is_idle(url, tmp_path)
    now = datetime.now(UTC)
    with left.write() as connection:
        assert notices.select_new(connection, ["a warning"], now + timedelta(days=400)) == ["a warning"]
        assert notices.select_new(connection, ["a warning"], now) == ["a warning"]
        assert notices.select_new(connection, ["a warning"], now) == []
