"""A database that is locked or frozen: who asks is told to come back in time, and whoever needs no database is answered."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import httpx
import pytest

from mailer.access import list_all
from mailer.database import Database
from subscribers.web import answers
from subscribers.web.api import service
from tests.support.api import new_token, serving_api, settings_for
from tests.support.campaign import TOPIC
from tests.support.frozen_postgresql import frozen
from tests.support.web_server import serving, serving_in_thread
from web import create_app

SOON = 10  # seconds, before which there is an answer; the database is locked or frozen for longer


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another program holds SQLite's write lock."""
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def test_a_sign_up_is_put_off_in_time_while_another_program_writes(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ANSWER_SECONDS", 0.5)
    app = create_app(settings_for(sqlite_database, sign_up={"topics": [TOPIC]}))
    async with serving(app) as address, httpx.AsyncClient(base_url=address, timeout=SOON) as client:
        with locked(sqlite_database):
            answer = await client.post(f"/signup/{TOPIC}", data={"email": "ann@example.org"})
        assert answer.status_code == 503
        assert (await client.post(f"/signup/{TOPIC}", data={"email": "ann@example.org"})).status_code == 200


async def test_the_first_use_of_a_token_on_a_day_waits_for_no_other_program(
    sqlite_database: Database,
) -> None:
    async with serving_api(sqlite_database) as api:
        api.client.timeout = httpx.Timeout(SOON)
        with locked(sqlite_database):
            assert (await api.client.get("/api/v1/changes")).status_code == 200
    with sqlite_database.read() as connection:
        assert [token.last_used_on is not None for token in list_all(connection)] == [True]


async def test_a_use_that_could_not_be_recorded_is_recorded_later(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE ON access_token BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    async with serving_api(sqlite_database) as api:
        assert (await api.client.get("/api/v1/changes")).status_code == 200
        with sqlite_database.write() as connection:
            connection.exec_driver_sql("DROP TRIGGER full")
        assert (await api.client.get("/api/v1/changes")).status_code == 200
    with sqlite_database.read() as connection:
        assert [token.last_used_on is not None for token in list_all(connection)] == [True]


async def test_a_text_is_put_off_in_time_while_another_program_writes(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ANSWER_SECONDS", 0.5)
    async with serving_api(sqlite_database) as api:
        api.client.timeout = httpx.Timeout(SOON)
        with locked(sqlite_database):
            answer = await api.post("wordings", {"text": "I agree.", "language": "en", "topic": "digest"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_frozen_postgresql_at_the_first_request_of_the_api_keeps_nobody_else(
    postgresql_database: Database,
) -> None:
    _, secret = new_token(postgresql_database)
    headers = {"Authorization": f"Bearer {secret}"}
    with (
        serving_in_thread(create_app(settings_for(postgresql_database))) as address,
        ThreadPoolExecutor() as pool,
    ):
        with frozen(postgresql_database):
            first = pool.submit(httpx.get, f"{address}/api/v1/changes", headers=headers, timeout=60)
            for _ in range(5):
                time.sleep(0.1)
                assert httpx.get(f"{address}/api/v1/openapi.json", timeout=SOON).status_code == 200
        assert first.result().status_code == 200


def test_a_frozen_postgresql_at_the_first_request_of_the_api_is_a_503_in_time(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ANSWER_SECONDS", 0.5)
    _, secret = new_token(postgresql_database)
    headers = {"Authorization": f"Bearer {secret}"}
    with (
        serving_in_thread(create_app(settings_for(postgresql_database))) as address,
        frozen(postgresql_database),
    ):
        answer = httpx.get(f"{address}/api/v1/changes", headers=headers, timeout=SOON)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
