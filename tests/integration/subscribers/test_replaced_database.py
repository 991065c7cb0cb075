"""A backup that is put in the place of the database while `mailer serve` runs."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from mailer.database import Database
from tests.support.api import settings_for
from tests.support.campaign import TOPIC, subscribe
from tests.support.links import address_of, links_in
from tests.support.web_server import serving
from web import create_app


async def test_who_leaves_after_a_backup_was_put_in_place_is_recorded_in_it(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    subscribe(sqlite_database, 1)
    settings = settings_for(sqlite_database)
    link = links_in(sqlite_database, settings.keys()).url(1, address_of(sqlite_database, 1), TOPIC, "en")
    path = Path(str(sqlite_database.url.database))
    backup = path.with_name("backup.db")
    sqlite_database.copy_file(backup)
    app = create_app(settings)
    async with serving(app) as address, httpx.AsyncClient(base_url=address, timeout=20) as client:
        await leave(client, link)
        backup.rename(path)
        for beside in ("-wal", "-shm"):
            path.with_name(path.name + beside).unlink(missing_ok=True)
        async with asyncio.timeout(20):
            while state_in(path) != "withdrawn":
                await asyncio.sleep(0.1)
                await leave(client, link)
    assert state_in(path) == "withdrawn"
    assert "Another file was put in the place of the database" in caplog.text


async def leave(client: httpx.AsyncClient, link: str) -> None:
    answer = await client.post("/u/" + link.rpartition("/")[2], data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200


def state_in(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        [(state,)] = connection.execute("SELECT state FROM consent").fetchall()
    return str(state)
