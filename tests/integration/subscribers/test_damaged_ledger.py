"""A damaged ledger or consent table keeps nobody from leaving, and keeps everything from being sent."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text

from mailer.config import Secret
from mailer.database import Database
from mailer.errors import MailerError, Refused
from subscribers import rights
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel, ConsentKind
from subscribers.self_service import unsubscribe
from subscribers.self_service.unsubscribe import Withdrawal, WithdrawalFromAll
from tests.support.api import new_token
from tests.support.api import settings_for as api_settings
from tests.support.campaign import SECRET, TOPIC, agree, dispatch_for, draft, subscribe, unwatched
from tests.support.campaign import settings_for as sending_settings
from tests.support.links import address_of, links_in, target_of
from tests.support.relay import FaultyRelay
from tests.support.tampering import tamper
from tests.support.web_server import serving
from web import create_app

pytestmark = pytest.mark.damage

DAMAGES = [
    "UPDATE consent_event SET channel = 'command' WHERE id = 4",
    "UPDATE consent_event SET channel = 'invented' WHERE id = 4",
    "UPDATE consent_event SET kind = 'invented' WHERE id = 4",
    "UPDATE consent_event SET hash = subject WHERE id = 4",
    "UPDATE consent_event SET occurred_at = 'once' WHERE id = 4",
    "UPDATE consent_event SET recorded_at = 'once'",
    "UPDATE consent_event SET kind = 'rectified' WHERE id = 2",
    "UPDATE ledger_checkpoint SET size = 3",
    "UPDATE ledger_checkpoint SET root = 'x'",
    "UPDATE ledger_checkpoint SET frontier = x'00'",
    "DELETE FROM ledger_checkpoint",
    "DROP TABLE ledger_checkpoint",
    "UPDATE subscriber SET nonce = x'00'",
    "UPDATE subscriber SET nonce = (SELECT nonce FROM subscriber WHERE id = 2) WHERE id = 1",
    "UPDATE consent_event SET subscriber_id = 99 WHERE id = 1",
    "UPDATE consent_event SET topic = 'no topic!'",
    "DELETE FROM consent_event WHERE id = 2",
    "DELETE FROM consent_event",
    "DROP TABLE consent_event",
    "UPDATE wording SET text = 'No.'",
    "DELETE FROM wording",
    "UPDATE consent SET state = 'invented'",
    "UPDATE consent SET state = 'withdrawn' WHERE subscriber_id = 1",
    "UPDATE consent SET since = 'once'",
    "DELETE FROM consent WHERE subscriber_id <> 4",
    "UPDATE consent SET topic = 'other'",
    "DROP TABLE consent",
    "DROP TABLE wording",
]

# What takes consents away, or concerns one address: the others may be mailed.
HARMLESS = {
    "UPDATE consent SET since = 'once'": {1, 2, 3, 4},
    "UPDATE consent SET since = 'infinity'": {1, 2, 3, 4},
    "DELETE FROM consent WHERE subscriber_id <> 4": {4},
    "UPDATE subscriber SET nonce = (SELECT nonce FROM subscriber WHERE id = 2) WHERE id = 1": {2, 3, 4},
}

# PostgreSQL's columns have types, so some damages of SQLite can't be made there; others can.
POSTGRESQL_DAMAGES = [
    "UPDATE consent_event SET channel = 'invented' WHERE id = 4",
    "UPDATE consent_event SET hash = subject WHERE id = 4",
    "UPDATE consent_event SET recorded_at = '-infinity'",
    "UPDATE consent_event SET subscriber_id = 99 WHERE id = 1",
    "UPDATE ledger_checkpoint SET size = -1",
    "DROP TABLE ledger_checkpoint CASCADE",
    "UPDATE subscriber SET nonce = NULL",
    "DROP TABLE consent_event CASCADE",
    "UPDATE consent SET since = 'infinity'",
    "UPDATE consent SET event_id = NULL",
    "DROP TABLE consent CASCADE",
    "DROP TABLE wording CASCADE",
]


def damage(database: Database, statement: str) -> None:
    """Run `statement` as somebody with all rights could, or a failing disk."""
    if database.is_sqlite:
        tamper(database, statement)
    else:
        _damage_postgresql(database, statement)
    database.engine.dispose()


def _damage_postgresql(database: Database, statement: str) -> None:
    checks = (
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint "
        "WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
    )
    required = (
        "SELECT format('ALTER TABLE %I ALTER %I DROP NOT NULL', table_name, column_name) "
        "FROM information_schema.columns WHERE table_schema = 'public' AND is_nullable = 'NO' "
        "AND column_name IN ('nonce', 'event_id')"
    )
    with database.engine.begin() as connection:
        # No triggers, no foreign keys.
        connection.execute(text("SET LOCAL session_replication_role = 'replica'"))
        for made in (checks, required):
            for (change,) in connection.execute(text(made)).all():
                connection.execute(text(change))
        connection.execute(text(statement))


@pytest.fixture(params=DAMAGES)
def damaged(request: pytest.FixtureRequest, sqlite_database: Database) -> Database:
    """Four people who agreed, a campaign for them, and a damaged ledger or consent table."""
    subscribe(sqlite_database, 4)
    draft(sqlite_database)
    damage(sqlite_database, request.param)
    return sqlite_database


def is_recorded(database: Database, person: int) -> bool:
    """Whether the ledger, the consent table or a suppression says that the person left."""
    statements = (
        f"SELECT 1 FROM consent_event WHERE subscriber_id = {person} AND kind = 'withdrawn'",
        f"SELECT 1 FROM consent WHERE subscriber_id = {person} AND state = 'withdrawn' AND topic = '{TOPIC}'",
        f"SELECT 1 FROM suppression JOIN subscriber USING (address_hash) WHERE subscriber.id = {person}",
    )
    found = []
    for statement in statements:
        try:
            with database.read() as connection:
                found.append(connection.execute(text(statement)).first())
        except MailerError:
            continue
    return any(found)


async def test_every_way_out_is_open(damaged: Database) -> None:
    await assert_every_way_out_is_open(damaged)


async def assert_every_way_out_is_open(damaged: Database) -> None:
    """One click, the page's button, and the command; each recorded, each as often as it is tried."""
    one_click, page, by_command, _ = ({person: address_of(damaged, person)} for person in (1, 2, 3, 4))
    settings = sending_settings(1).replace(
        database_url=Secret(damaged.url.render_as_string(hide_password=False))
    )
    links = links_in(damaged, settings.keys())
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        health = await client.get("/healthz")
        assert (health.status_code, health.text == "ok\n") == (503, False)
        for people, form in (
            (one_click, {"List-Unsubscribe": "One-Click"}),
            (page, {"action": "withdraw"}),
        ):
            [(person, hashed)] = people.items()
            path = "/u/" + links.url(person, hashed, TOPIC, "en").rpartition("/u/")[2]
            for _ in range(2):
                assert (await client.get(path)).status_code == 200
                assert (await client.post(path, data=form)).status_code == 200
            assert is_recorded(damaged, person)
    [person] = by_command
    hasher = AddressHasher([SECRET.encode()])
    for _ in range(2):
        with damaged.write() as connection:
            now = damaged.clock()()
            rights.withdraw(
                connection, normalise("person3@example.com"), TOPIC, hasher=hasher, source="by phone", now=now
            )
    assert is_recorded(damaged, person)


@pytest.mark.parametrize("topic", [TOPIC, "*"])
async def test_an_account_system_withdraws_from_a_damaged_database(damaged: Database, topic: str) -> None:
    await assert_an_account_system_withdraws(damaged, topic)


async def test_an_account_system_withdraws_where_no_topic_can_be_read(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 4)
    for statement in ("DROP TABLE consent", "UPDATE consent_event SET topic = 'no topic!'"):
        damage(sqlite_database, statement)
    await assert_an_account_system_withdraws(sqlite_database, "*")


async def assert_an_account_system_withdraws(damaged: Database, topic: str) -> None:
    _, secret = new_token(damaged)
    async with (
        serving(create_app(api_settings(damaged))) as address,
        httpx.AsyncClient(
            base_url=address, headers={"Authorization": f"Bearer {secret}"}, timeout=60
        ) as client,
    ):
        for _ in range(2):
            answer = await client.post(
                "/api/v1/withdrawals", json={"email": "person4@example.com", "topic": topic}
            )
            assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")
    assert is_recorded(damaged, 4)


async def test_nobody_is_mailed_whose_consent_is_in_doubt(
    damaged: Database, request: pytest.FixtureRequest
) -> None:
    await assert_only_these_are_mailed(damaged, HARMLESS.get(request.node.callspec.params["damaged"], set()))


@pytest.mark.parametrize("statement", POSTGRESQL_DAMAGES)
async def test_on_postgresql_nobody_is_mailed_and_every_way_out_is_open(
    postgresql_database: Database, statement: str
) -> None:
    subscribe(postgresql_database, 4)
    draft(postgresql_database)
    damage(postgresql_database, statement)
    await assert_only_these_are_mailed(postgresql_database, HARMLESS.get(statement, set()))
    await assert_every_way_out_is_open(postgresql_database)
    await assert_an_account_system_withdraws(postgresql_database, "*")


async def assert_only_these_are_mailed(damaged: Database, allowed: set[int]) -> None:
    async with FaultyRelay() as relay:
        dispatch = dispatch_for(damaged, sending_settings(relay.port))
        refused = False
        try:
            dispatch.start("notes")
            refused = isinstance((await dispatch.runs.run("notes", unwatched)).error, Refused)
        except MailerError:
            refused = True
        assert {mail.recipient for mail in relay.accepted} <= {f"person{n}@example.com" for n in allowed}
        assert refused == (len(allowed) < 4 and allowed != {4})


async def test_a_campaign_on_its_way_goes_no_further(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 4)
    draft(sqlite_database)
    async with FaultyRelay() as relay:
        settings = sending_settings(relay.port)
        dispatch_for(sqlite_database, settings).start("notes")
        damage(sqlite_database, DAMAGES[0])
        again = Database(str(sqlite_database.url))
        with pytest.raises(Refused, match="ledger"):
            await dispatch_for(again, settings).runs.run("notes", lambda _: pytest.fail("it began"))
        again.close()
        assert relay.accepted == []


def test_a_group_of_requests_loses_none_for_the_sake_of_one(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 3)
    targets = [target_of(sqlite_database, person) for person in (1, 2, 3)]
    damage(sqlite_database, "UPDATE consent SET state = 'invented' WHERE subscriber_id = 2")
    with sqlite_database.write() as connection:
        views = unsubscribe.apply_requests(
            connection,
            [Withdrawal(target, Channel.ONE_CLICK) for target in targets],
            sqlite_database.clock()(),
        )
    assert len(views) == 3
    with sqlite_database.read() as connection:
        states = connection.execute(text("SELECT state FROM consent")).scalars().all()
    assert states == [ConsentKind.WITHDRAWN] * 3


@pytest.mark.parametrize("also", ["", "DROP TABLE consent"])
def test_who_leaves_all_leaves_every_topic_that_a_damaged_database_names(
    sqlite_database: Database, also: str
) -> None:
    subscribe(sqlite_database, 1)
    agree(sqlite_database, 1, topic="digest")
    target = target_of(sqlite_database, 1)
    damage(sqlite_database, also or "UPDATE consent SET state = 'invented'")
    with sqlite_database.write() as connection:
        now = sqlite_database.clock()()
        unsubscribe.apply_requests(connection, [WithdrawalFromAll(target, Channel.PAGE)], now)
        entries = connection.execute(text("SELECT topic FROM consent_event WHERE kind = 'withdrawn'"))
        assert set(entries.scalars()) == {TOPIC, "digest"}
