"""Several processes that use every interface to one PostgreSQL database at once."""

from __future__ import annotations

import asyncio
import traceback
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import NamedTuple

from sqlalchemy import select

from mailer.config.settings import LEDGER_KEY_NAME
from mailer.database import Database, installation_id
from mailer.errors import TryAgainLater
from subscribers import audience, changes, ledger
from subscribers.address import AddressHasher, normalise
from subscribers.intake import Applicant, Evidence, admit
from subscribers.ledger import EVENT
from subscribers.people import Names
from subscribers.public_ids import PublicIds
from subscribers.tables import SUBSCRIBER
from tests.interleaving.interfaces import Interfaces
from tests.interleaving.record import (
    EVERYBODY,
    NOTE_ATTEMPTS,
    TOPICS,
    Act,
    Done,
    Entry,
    Kind,
    Record,
    Told,
    now,
    read_attempts,
)
from tests.support.api import TEXT, new_token, register_wording
from tests.support.campaign import settings_for
from tests.support.relay import FaultyRelay
from tests.support.signed import signed, write_key

PROCESSES, ACTORS = 3, 3
SLOWNESS = 0.002  # seconds that the relay takes for a mail, so that people leave between a claim and the gate
FIRST_CONSENT = datetime(2026, 5, 1, tzinfo=UTC)

BROKEN_OFF = Done(Kind.OTHER)
"""A request that was told to try again later. Of two that wait for each other PostgreSQL breaks one off."""


class Work(NamedTuple):
    """What one process does."""

    url: str
    folder: Path
    token: str
    name: str
    requests: int


def run(database: Database, folder: Path, seed: int, requests: int) -> Record:
    """Make so many random requests, in PROCESSES processes with ACTORS at once in each; what happened."""
    write_key(folder)
    token = _prepare(database)
    url = database.url.render_as_string(hide_password=False)
    each = requests // (PROCESSES * ACTORS)
    context = get_context("fork")
    queue = context.SimpleQueue()
    works = [Work(url, folder, token, f"s{seed}p{number}", each) for number in range(PROCESSES)]
    processes = [context.Process(target=_work, args=(work, queue)) for work in works]
    for process in processes:
        process.start()
    record = Record(seed)
    for _ in processes:
        name, acts, told = queue.get()
        assert not isinstance(acts, str), acts
        record.acts += acts
        record.feeds[name] = told
    for process in processes:
        process.join()
    record.ended = now()
    _read_outcome(database, record)
    return record


def _prepare(database: Database) -> str:
    """Everybody consents to every topic; returns a token for the API."""
    hasher = AddressHasher(settings_for(25).keys())
    for topic in TOPICS:
        register_wording(database, topic=topic)
    with database.write() as connection:
        connection.exec_driver_sql(NOTE_ATTEMPTS)
        for topic in TOPICS:
            found = [normalise(address) for address in EVERYBODY]
            people = [Applicant(0, Names(), who, hasher.newest(who.key), FIRST_CONSENT) for who in found]
            admit(connection, people, Evidence(topic, "accounts", TEXT), hasher, now())
    return new_token(database)[1]


def _work(work: Work, queue: object) -> None:
    """In a process of its own."""
    try:
        result: tuple[str, list[Act] | str, list[Told]] = (work.name, *asyncio.run(_use_interfaces(work)))
    except BaseException:  # noqa: BLE001 - it goes to the process that waits
        result = (work.name, traceback.format_exc(), [])
    queue.put(result)  # type: ignore[attr-defined]


async def _use_interfaces(work: Work) -> tuple[list[Act], list[Told]]:
    rng = Random(work.name)
    acts: list[Act] = []
    async with FaultyRelay(pipelining=True) as relay:
        relay.slowness = SLOWNESS
        settings = settings_for(
            relay.port,
            database_url=work.url,
            ledger_key_file=work.folder / LEDGER_KEY_NAME,
            unsubscribe_check="off",
            brand={"name": "Acme"},
            topics={topic: {"en": topic.title()} for topic in TOPICS},
            sign_up={"topics": TOPICS, "most_an_hour": 1_000_000},
        )
        database = signed(Database(work.url))
        interfaces = Interfaces(work.name, database, settings, work.token, rng)
        await asyncio.gather(
            *(_act(interfaces, f"{work.name}.{n}", work.requests, acts) for n in range(ACTORS))
        )
        await interfaces.close()
        database.close()
    return acts, interfaces.told


async def _act(interfaces: Interfaces, name: str, requests: int, acts: list[Act]) -> None:
    for _ in range(requests):
        interface, request = interfaces.choose()
        began, is_broken_off = now(), False
        try:
            done = await request()
        except TryAgainLater:
            done, is_broken_off = BROKEN_OFF, True
        except Exception as error:  # noqa: BLE001 - whatever an interface raises breaks the promise
            done = Done(Kind.OTHER, failure="".join(traceback.format_exception(error)))
        if done.failure.startswith("503 "):
            is_broken_off = True
            may_end = done.pairs if done.kind is Kind.TAKE_AWAY else ()
            done = BROKEN_OFF._replace(
                kind=Kind.OTHER if may_end else done.kind, pairs=done.pairs, may_end=may_end
            )
        kind, pairs, granted, failure, may_end = done
        ended = now()
        act = Act(name, interface, kind, tuple(pairs), began, ended, tuple(granted), failure, tuple(may_end))
        acts.append(act._replace(is_broken_off=is_broken_off))


def _read_outcome(database: Database, record: Record) -> None:
    columns = [EVENT.c[name] for name in Entry._fields]
    with database.read() as connection:
        record.entries = [Entry(*row) for row in connection.execute(select(*columns).order_by(EVENT.c.id))]
        record.attempts = read_attempts(connection)
        ids = PublicIds(installation_id(connection))
        found = changes.read(connection, 0, len(record.entries) + 1).changes
        values = [changes.values_of(each, ids) for each in found]
        record.feed = [Told(each["id"], each["kind"], each["topic"], each["channel"]) for each in values]
        for topic in TOPICS:
            mailable = select(SUBSCRIBER.c.email_normalised).where(audience.consented(topic, SUBSCRIBER.c.id))
            record.audience += [(address, topic) for address in connection.execute(mailable).scalars()]
        try:
            ledger.verify(connection)
        except ledger.BrokenEntry as broken:
            record.damage = str(broken)
