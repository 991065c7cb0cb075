"""A withdrawal has the same effects through every channel: in the ledger, at the gate, in the feed, in webhooks."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mailer.config import KeyRing
from mailer.database import Database
from subscribers import audience, ledger, rights, webhooks
from subscribers.address import AddressHasher, normalise
from subscribers.intake import AccountSync, Evidence, Import
from subscribers.kinds import Channel, ConsentKind
from tests.support.api import Api, serving_api, settings_for
from tests.support.campaign import SECRET, TOPIC, subscribe
from tests.support.links import address_of, links_in
from tests.support.receiver import TO_LOOPBACK, receiving

EMAIL, STAYS = "person1@example.com", "person2@example.com"
HASHER = AddressHasher([SECRET.encode()])
RING = KeyRing((SECRET.encode(),))

Withdraw = Callable[[Api], Awaitable[None]]


async def one_click(api: Api) -> None:
    await api.client.post(link(api), data={"List-Unsubscribe": "One-Click"})


async def page(api: Api) -> None:
    await api.client.post(link(api), data={"action": "withdraw"})


async def by_api(api: Api) -> None:
    await api.post("withdrawals", {"email": EMAIL, "topic": TOPIC})


async def by_api_on_every_topic(api: Api) -> None:
    await api.post("withdrawals", {"email": EMAIL, "topic": "*"})


async def command(api: Api) -> None:
    with api.database.write() as connection:
        now = datetime.now(UTC)
        rights.withdraw(connection, normalise(EMAIL), TOPIC, hasher=HASHER, source="by phone", now=now)


async def suppression(api: Api) -> None:
    with api.database.write() as connection:
        now = datetime.now(UTC)
        rights.suppress_all(connection, [normalise(EMAIL)], hasher=HASHER, source="list", now=now)


async def imported(api: Api) -> None:
    job_of(api.database, Channel.IMPORT).run(text_of(f"{EMAIL},no,\n"), "people.csv")


async def synced_as_no(api: Api) -> None:
    rows = text_of(f"{EMAIL},no,\n{STAYS},yes,2026-01-01\n")
    AccountSync(job_of(api.database, Channel.SYNC), datetime.now(UTC)).run(rows, "people.csv")


async def synced_as_missing(api: Api) -> None:
    rows = text_of(f"{STAYS},yes,2026-01-01\n")
    AccountSync(job_of(api.database, Channel.SYNC), datetime.now(UTC)).run(rows, "people.csv")


CHANNELS = [
    (one_click, Channel.ONE_CLICK),
    (page, Channel.PAGE),
    (by_api, Channel.API),
    (by_api_on_every_topic, Channel.API),
    (command, Channel.COMMAND),
    (suppression, Channel.COMMAND),
    (imported, Channel.IMPORT),
    (synced_as_no, Channel.SYNC),
    (synced_as_missing, Channel.SYNC),
]


@pytest.mark.parametrize(("withdraw", "channel"), CHANNELS)
async def test_a_withdrawal_has_the_same_effects_through_every_channel(
    sqlite_database: Database, withdraw: Withdraw, channel: Channel
) -> None:
    subscribe(sqlite_database, 2)
    async with serving_api(sqlite_database, webhooks=TO_LOOPBACK) as api, receiving() as receiver:
        cursor = (await api.changes())["next"]
        with sqlite_database.write() as connection:
            now = datetime.now(UTC)
            endpoint = webhooks.add(connection, receiver.url, RING, now, from_start=False)
        [receiver.secret] = webhooks.secrets_of(endpoint, RING, now)
        await withdraw(api)
        published = [
            each for each in (await api.changes(after=cursor))["changes"] if each["kind"] == "withdrawn"
        ]
        await receiver.wait_for(1)
    with sqlite_database.read() as connection:
        newest = [each for each in ledger.history(connection, 1) if each.event.topic == TOPIC][-1]
        left = audience.count(connection, TOPIC)
    assert (newest.event.kind, newest.event.channel) == (ConsentKind.WITHDRAWN, channel)  # the ledger's entry
    assert left == 1  # the gate: the other one alone
    assert [(each["email"], each["topic"], each["channel"]) for each in published] == [
        (EMAIL, TOPIC, channel.value)
    ]
    assert [each for each in receiver.changes if each["kind"] == "withdrawn"] == published  # the webhook


def link(api: Api) -> str:
    settings = settings_for(api.database)
    links = links_in(api.database, settings.keys(), settings.public_url)
    token = links.url(1, address_of(api.database, 1), TOPIC, "en").rpartition("/")[2]
    return f"/u/{token}"


def job_of(database: Database, channel: Channel) -> Import:
    return Import(
        database=database,
        evidence=Evidence(TOPIC, "accounts", "I agree.", channel=channel),
        hasher=HASHER,
        zone=ZoneInfo("Europe/Amsterdam"),
        clock=lambda: datetime.now(UTC),
        on_refusal=lambda _: None,
        on_progress=lambda _: None,
    )


def text_of(rows: str) -> io.TextIOWrapper:
    octets = f"email,opted_in,opted_in_at\n{rows}".encode()
    return io.TextIOWrapper(io.BytesIO(octets), encoding="utf-8", newline="")
