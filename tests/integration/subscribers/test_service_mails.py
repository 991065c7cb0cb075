"""Service mails: written when they are sent, at most once, to the one who asked."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, update

from campaigns.rendering import brand_of
from mailer import backup
from mailer.config import Settings, key_source
from mailer.database import Database
from mailer.errors import ConfigurationError, MailerError, RelayUnavailable, TemplateError
from subscribers import people, rights, service_mails, suppression
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel, SuppressionReason
from subscribers.pending_requests import PENDING_REQUEST, RequestedPerson, RequestKind, add, spend
from subscribers.people import Names
from subscribers.service_mails import SERVICE_MAIL, enqueue
from subscribers.service_mails.delivery import Result, ServiceMailDelivery
from templates.service_mail import ServiceMailKind
from tests.support.campaign import SECRET, TOPIC, settings_for, subscribe, threaded
from tests.support.faults import Fault, Point
from tests.support.relay import FaultyRelay
from tests.support.waiting import until
from tests.support.web_server import serving
from web import create_app

ANN = RequestedPerson(Names("mevrouw", "BUY PILLS", "de Wit"), "ann@example.org")
HASHER = AddressHasher([SECRET.encode()])


def ask(
    database: Database,
    kind: ServiceMailKind = ServiceMailKind.SIGN_UP,
    person: int | None = None,
    now: datetime | None = None,
) -> int:
    """A request with its service mail."""
    requested = RequestKind.NEW_ADDRESS if kind is ServiceMailKind.ADDRESS_NOTICE else RequestKind(kind.value)
    now = now or datetime.now(UTC)
    with database.write() as connection:
        number = add(
            connection,
            requested,
            "nl",
            now,
            subscriber_id=person,
            topic=TOPIC,
            stated=None if person else ANN,
        )
        enqueue(connection, kind, number, now)
    return number


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(SERVICE_MAIL)).scalar_one()


def left(database: Database) -> int:
    with database.read() as connection:
        return count(connection)


def delivery_for(database: Database, settings: Settings, results: list[Result]) -> ServiceMailDelivery:
    return ServiceMailDelivery(
        database, settings, lambda: brand_of(settings), key_source(settings), results.append
    )


@asynccontextmanager
async def sent_through(
    database: Database, relay: FaultyRelay
) -> AsyncIterator[tuple[ServiceMailDelivery, list[Result]]]:
    results: list[Result] = []
    async with relay:
        yield delivery_for(database, settings_for(relay.port), results), results


def parse(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


async def test_a_mail_goes_to_the_one_who_asked_and_the_row_goes_away(database: Database) -> None:
    ask(database)
    async with sent_through(database, FaultyRelay(pipelining=True)) as (delivery, results):
        await delivery.send_due()
    assert results == [Result.ACCEPTED]
    assert left(database) == 0


async def test_a_mail_goes_beyond_the_limits_of_its_relay_and_counts_for_them(database: Database) -> None:
    limits = {"smtp": {"limits": {"per_day": 1}}}
    ask(database)
    ask(database)
    async with FaultyRelay() as relay:
        settings = settings_for(relay.port, **limits)
        await delivery_for(database, settings, []).send_due()
        assert len(relay.accepted) == 2
    with database.read() as connection:
        now = datetime.now(UTC)
        assert settings.throttle().opens_at(connection, now) > now


async def test_a_sign_up_mail_greets_nobody_by_the_name_that_was_typed(sqlite_database: Database) -> None:
    ask(sqlite_database)
    async with FaultyRelay() as relay:
        await delivery_for(sqlite_database, settings_for(relay.port), []).send_due()
    [mail] = relay.accepted
    assert mail.recipient == "ann@example.org"
    message = parse(mail.content)
    shown = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
    assert len(shown) == 2
    assert all("PILLS" not in text and "de Wit" not in text for text in shown)
    assert all("https://example.com/confirm/" in text for text in shown)


async def test_a_service_mail_is_no_mail_to_a_list(sqlite_database: Database) -> None:
    [person] = subscribe(sqlite_database, 1)
    ask(sqlite_database, ServiceMailKind.OWN_DATA, person)
    async with FaultyRelay() as relay:
        await delivery_for(sqlite_database, settings_for(relay.port), []).send_due()
    message = parse(relay.accepted[0].content)
    assert [name for name in message if name.lower().startswith(("list-", "precedence"))] == []
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"] == "person1@example.com"
    assert "Geachte mevrouw De Vries 1," in message.get_body(("plain",)).get_content()


async def test_a_relay_that_is_away_loses_nothing(sqlite_database: Database) -> None:
    ask(sqlite_database)
    async with FaultyRelay() as relay:
        port = relay.port
    with pytest.raises(RelayUnavailable):
        await delivery_for(sqlite_database, settings_for(port), []).send_due()
    async with FaultyRelay() as relay:
        await delivery_for(sqlite_database, settings_for(relay.port), []).send_due()
    assert len(relay.accepted) == 1


@pytest.mark.parametrize("broken", [TemplateError, ConfigurationError])
async def test_a_template_or_key_that_is_broken_loses_no_mail(
    sqlite_database: Database, tmp_path: Path, broken: type[MailerError]
) -> None:
    template = tmp_path / "mail" / "service_mail.txt.j2"
    template.parent.mkdir()
    template.write_text("{{ nothing.of.this }}")
    no_key = {"domain": "example.com", "selector": "s1", "key_file": tmp_path / "missing.pem"}
    values = {"templates_dir": tmp_path} if broken is TemplateError else {"dkim": no_key}
    ask(sqlite_database)
    results: list[Result] = []
    async with FaultyRelay() as relay:
        with pytest.raises(broken):
            await delivery_for(sqlite_database, settings_for(relay.port, **values), results).send_due()
        with sqlite_database.write() as connection:
            [row] = connection.execute(select(SERVICE_MAIL)).all()
            assert row.next_attempt_at > datetime.now(UTC)
            connection.execute(update(SERVICE_MAIL).values(next_attempt_at=datetime.now(UTC)))
        await delivery_for(sqlite_database, settings_for(relay.port), results).send_due()
    assert results == [Result.DEFERRED, Result.ACCEPTED]
    assert len(relay.accepted) == 1


async def test_a_relay_that_closes_at_each_mail_gets_each_once_and_then_a_pause(
    sqlite_database: Database,
) -> None:
    ask(sqlite_database)
    ask(sqlite_database)
    async with sent_through(sqlite_database, relay := FaultyRelay([{Point.MAIL: Fault.CLOSING}] * 9)) as (
        delivery,
        results,
    ):
        await delivery.send_due()
        await delivery.send_due()
    assert results == [Result.DEFERRED] * 2
    assert sum(command.startswith(b"MAIL") for command in relay.commands) == 2


@pytest.mark.parametrize(
    ("point", "fault", "result", "remains"),
    [
        (Point.MAIL, Fault.HANG_UP, Result.DEFERRED, 1),
        (Point.MAIL, Fault.REFUSE, Result.DEFERRED, 1),
        (Point.RCPT, Fault.LATER, Result.DEFERRED, 1),
        (Point.RCPT, Fault.REFUSE, Result.FAILED, 0),
        (Point.FINAL, Fault.HANG_UP, Result.FAILED, 0),
        (Point.FINAL, Fault.LATER, Result.FAILED, 0),
    ],
)
async def test_only_a_mail_that_was_not_offered_is_tried_again(
    sqlite_database: Database, point: Point, fault: Fault, result: Result, remains: int
) -> None:
    ask(sqlite_database)
    async with sent_through(sqlite_database, FaultyRelay([{point: fault}])) as (delivery, results):
        await delivery.send_due()
    assert results == [result]
    assert left(sqlite_database) == remains


async def test_a_deferred_mail_is_due_again_after_a_minute(sqlite_database: Database) -> None:
    ask(sqlite_database)
    async with sent_through(sqlite_database, FaultyRelay([{Point.RCPT: Fault.LATER}])) as (delivery, results):
        await delivery.send_due()
        await delivery.send_due()
        assert results == [Result.DEFERRED]
        with sqlite_database.write() as connection:
            connection.execute(update(SERVICE_MAIL).values(next_attempt_at=datetime.now(UTC)))
        await delivery.send_due()
        assert results == [Result.DEFERRED, Result.ACCEPTED]


async def test_a_mail_whose_process_died_in_the_attempt_is_never_sent(sqlite_database: Database) -> None:
    ask(sqlite_database)
    with sqlite_database.write() as connection:
        connection.execute(update(SERVICE_MAIL).values(attempted_at=datetime.now(UTC), attempts=1))
    async with sent_through(sqlite_database, FaultyRelay()) as (delivery, results):
        await delivery.send_due()
    assert results == []


@pytest.mark.parametrize("over", ["spent", "erased", "expired"])
async def test_a_request_that_is_over_gets_no_mail(sqlite_database: Database, over: str) -> None:
    [person] = subscribe(sqlite_database, 1)
    asked_at = datetime.now(UTC) - timedelta(hours=2) if over == "expired" else None
    number = ask(sqlite_database, ServiceMailKind.OWN_DATA, person, asked_at)
    with sqlite_database.write() as connection:
        if over == "spent":
            spend(connection, number, datetime.now(UTC))
        elif over == "erased":
            address = normalise("person1@example.com")
            rights.erase(connection, address, hasher=HASHER, source="asked", now=datetime.now(UTC))
    async with FaultyRelay() as relay:
        await delivery_for(sqlite_database, settings_for(relay.port), []).send_due()
    assert relay.accepted == []
    assert left(sqlite_database) == 0


@pytest.mark.parametrize("reason", list(SuppressionReason))
async def test_who_complained_or_objected_gets_no_mail_that_asks_for_consent(
    sqlite_database: Database, reason: SuppressionReason
) -> None:
    ask(sqlite_database)
    with sqlite_database.write() as connection:
        now = datetime.now(UTC)
        suppression.add(connection, HASHER.newest(ANN.email), reason, now, now, channel=Channel.COMMAND)
    async with FaultyRelay() as relay:
        await delivery_for(sqlite_database, settings_for(relay.port), []).send_due()
    refused = reason in {SuppressionReason.COMPLAINED, SuppressionReason.OBJECTED}
    assert len(relay.accepted) == (0 if refused else 1)
    assert left(sqlite_database) == 0


async def test_mails_about_one_request_are_attempted_in_order(sqlite_database: Database) -> None:
    [person] = subscribe(sqlite_database, 1)
    now = datetime.now(UTC)
    moving = RequestedPerson(email="new@example.org")
    with sqlite_database.write() as connection:
        number = add(connection, RequestKind.NEW_ADDRESS, "en", now, subscriber_id=person, stated=moving)
        enqueue(connection, ServiceMailKind.ADDRESS_NOTICE, number, now + timedelta(minutes=5))
        enqueue(connection, ServiceMailKind.NEW_ADDRESS, number, now)
    async with FaultyRelay() as relay:
        delivery = delivery_for(sqlite_database, settings_for(relay.port), [])
        await delivery.send_due()
        assert relay.accepted == []
        with sqlite_database.write() as connection:
            connection.execute(update(SERVICE_MAIL).values(next_attempt_at=now))
        await delivery.send_due()
    assert [mail.recipient for mail in relay.accepted] == ["person1@example.com", "new@example.org"]
    notice, question = (parse(mail.content).get_body(("plain",)).get_content() for mail in relay.accepted)
    assert "n…@example.org" in notice
    assert "new@example.org" not in notice
    assert "Zoë" not in question


async def test_a_restored_database_sends_none_before_the_journal_was_replayed(
    sqlite_database: Database,
) -> None:
    ask(sqlite_database)
    with sqlite_database.write() as connection:
        backup.record(connection, "a test", datetime.now(UTC))
    async with sent_through(sqlite_database, FaultyRelay()) as (delivery, results):
        await delivery.send_due()
        assert results == []
        with sqlite_database.write() as connection:
            backup.mark_replayed(connection, datetime.now(UTC))
        await delivery.send_due()
    assert results == [Result.ACCEPTED]


async def test_no_row_and_no_log_line_of_a_service_mail_names_anybody(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ask(sqlite_database)
    with sqlite_database.read() as connection:
        [row] = connection.execute(select(SERVICE_MAIL)).all()
    async with sent_through(sqlite_database, FaultyRelay([{Point.RCPT: Fault.REFUSE}])) as (delivery, _):
        await delivery.send_due()
    assert "ann@" not in str(row)
    assert "was not accepted" in caplog.text
    assert "ann@" not in caplog.text


async def test_serve_sends_in_the_background(sqlite_database: Database) -> None:
    async with FaultyRelay() as relay:
        url = sqlite_database.url.render_as_string(hide_password=False)
        settings = settings_for(relay.port, database_url=url)
        async with serving(create_app(settings)):
            ask(sqlite_database)
            await relay.taken(1)
    assert left(sqlite_database) == 0


def test_run_due_and_the_worker_send_what_is_due(sqlite_database: Database) -> None:
    with threaded(FaultyRelay()) as relay:
        settings = settings_for(relay.port)
        parts = sqlite_database, settings, lambda: brand_of(settings), key_source(settings)
        ask(sqlite_database)
        assert service_mails.send_due(*parts) is None
        assert len(relay.accepted) == 1
        with service_mails.sending(*parts):
            ask(sqlite_database)
            until(lambda: not left(sqlite_database), "the worker's mail")
        assert len(relay.accepted) == 2


def test_an_erasure_takes_the_requests_of_the_same_address_along(sqlite_database: Database) -> None:
    [person] = subscribe(sqlite_database, 1)
    now = datetime.now(UTC)
    with sqlite_database.write() as connection:
        same = RequestedPerson(email="Person1@example.com")
        add(connection, RequestKind.SIGN_UP, "en", now, stated=same)
        enqueue(
            connection,
            ServiceMailKind.OWN_DATA,
            add(connection, RequestKind.OWN_DATA, "en", now, subscriber_id=person),
            now,
        )
        rights.erase(connection, normalise("person1@example.com"), hasher=HASHER, source="asked", now=now)
        assert connection.execute(select(PENDING_REQUEST)).all() == []
        assert count(connection) == 0


def test_what_is_over_is_purged_with_its_fields(sqlite_database: Database) -> None:
    ask(sqlite_database, now=datetime.now(UTC) - timedelta(days=8))
    settings = settings_for(1)
    service_mails.send_due(sqlite_database, settings, lambda: brand_of(settings), key_source(settings))
    with sqlite_database.read() as connection:
        assert connection.execute(select(PENDING_REQUEST)).all() == []
        assert people.find(connection, normalise(ANN.email)) is None
