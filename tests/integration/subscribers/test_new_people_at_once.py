"""Several requests for one new address at the same moment, through several hosts on PostgreSQL: one person."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sqlalchemy import func, select

from mailer.config import FixedKeys, KeyRing
from mailer.database import Database, installation_id
from subscribers import ledger, pending_requests
from subscribers.kinds import Channel, ConsentKind
from subscribers.pending_requests import LinkTarget, RequestedPerson, RequestKind, RequestLinks
from subscribers.people import Names
from subscribers.tables import SUBSCRIBER
from tests.support.api import TEXT, grant, new_token, register_wording, settings_for
from tests.support.campaign import SECRET, TOPIC
from tests.support.web_server import client_of
from web import create_app

EMAILS = [f"new{number}@example.com" for number in range(4)]
HOSTS = 2


def confirmation_path(database: Database, email: str) -> str:
    """The link to confirm a new sign-up of this address."""
    now = datetime.now(UTC)
    with database.write() as connection:
        wording = ledger.store_wording(connection, TEXT, now, topic=TOPIC, language="en")
        stated = RequestedPerson(Names(), email)
        kind = RequestKind.SIGN_UP
        number = pending_requests.add(
            connection, kind, "en", now, topic=TOPIC, stated=stated, wording=wording
        )
        keys = FixedKeys(KeyRing((SECRET.encode(),)))
        links = RequestLinks(keys, installation_id(connection), "https://mail.example.com")
    return urlsplit(links.url(LinkTarget(number, now, kind, "en"))).path


async def test_grants_and_confirmations_for_one_new_address_make_one_person_and_no_error(
    postgresql_database: Database,
) -> None:
    register_wording(postgresql_database)
    _, token = new_token(postgresql_database)
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncExitStack() as stack:
        hosts = [
            await stack.enter_async_context(
                client_of(create_app(settings_for(postgresql_database)), "http://127.0.0.1", headers=headers)
            )
            for _ in range(HOSTS)
        ]
        for email in EMAILS:
            paths = [confirmation_path(postgresql_database, email) for _ in hosts]
            given = [datetime.now(UTC).isoformat() for _ in range(3)]
            body = [grant(email, given_at=each) for each in given]
            answers = await asyncio.gather(
                *(host.post("/api/v1/consents", json=body[0]) for host in hosts),
                *(host.post("/api/v1/consents", json=body[1]) for host in hosts),
                *(host.post("/api/v1/consents/batch", json={"items": [body[2], grant()]}) for host in hosts),
                *(
                    host.post(path, data={"action": "confirm"})
                    for host, path in zip(hosts, paths, strict=True)
                ),
            )
            assert [answer.status_code for answer in answers] == [200] * (4 * HOSTS)
            subscribers = {answer.json()["subscriber"] for answer in answers[: 2 * HOSTS]}
            assert len(subscribers) == 1
    with postgresql_database.read() as connection:
        on_file = select(SUBSCRIBER.c.email_normalised, func.count()).group_by(SUBSCRIBER.c.email_normalised)
        assert dict(map(tuple, connection.execute(on_file))) == dict.fromkeys([*EMAILS, "jan@example.com"], 1)
        first = select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.email == EMAILS[0])
        entries = ledger.history(connection, connection.execute(first).scalar_one())
    assert {entry.event.kind for entry in entries} == {ConsentKind.GRANTED}
    assert {entry.event.channel for entry in entries} <= {Channel.API, Channel.SIGN_UP}
