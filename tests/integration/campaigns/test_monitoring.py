"""/healthz is honest about a disk that is full and a file that takes no writes; /metrics has figures of the database."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import httpx
import pytest

from campaigns.models import CampaignState, DeliveryState
from campaigns.web import monitoring
from mailer.database import Database
from tests.support.campaign import dispatch_for, draft, settings_for, subscribe
from tests.support.small_disk import fill, small_disk
from tests.support.web_server import serving
from web import create_app


async def get(address: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"{address}{path}", timeout=30)


async def test_health_is_503_on_a_full_disk_and_200_again_with_room(
    sqlite_template: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path) as disk:
        path = shutil.copyfile(sqlite_template, disk / "mailer.db")
        async with serving(create_app(settings_for(25, database_url=f"sqlite:///{path}"))) as address:
            assert (await get(address, "/healthz")).status_code == 200
            filler = fill(disk)
            answer = await get(address, "/healthz")
            assert (answer.status_code, answer.text) == (503, "The disk is full. Nobody can unsubscribe.\n")
            filler.unlink()
            assert (await get(address, "/healthz")).status_code == 200


async def test_health_is_503_where_the_database_takes_no_writes(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "BEAT_SECONDS", 0.05)
    path = sqlite_database.url.database
    async with serving(create_app(settings_for(25, database_url=f"sqlite:///{path}"))) as address:
        assert (await get(address, "/healthz")).status_code == 200
        trigger = "CREATE TRIGGER t BEFORE UPDATE ON heartbeat BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
        connection = sqlite3.connect(str(path))
        connection.execute(trigger)
        connection.close()
        for _ in range(200):
            answer = await get(address, "/healthz")
            if answer.status_code == 503:
                break
            await asyncio.sleep(0.05)
        assert "takes no writes" in answer.text


async def test_metrics_have_every_series_from_the_start_and_figures_from_the_database(
    database: Database,
) -> None:
    subscribe(database, 3)
    draft(database)
    dispatch_for(database, settings_for(25)).start("notes")
    url = database.url.render_as_string(hide_password=False)
    async with serving(create_app(settings_for(25, database_url=url))) as address:
        await get(address, "/healthz")
        text = (await get(address, "/metrics")).text
    for state in DeliveryState:
        number = 3 if state is DeliveryState.PENDING else 0
        assert f'mailer_deliveries{{state="{state}"}} {number}.0' in text
    for campaign_state in CampaignState:
        assert f'mailer_campaigns{{state="{campaign_state}"}}' in text
    assert 'mailer_last_heartbeat_timestamp_seconds{kind="serve"} 1' in text
    assert 'mailer_last_heartbeat_timestamp_seconds{kind="run-due"} 0.0' in text
    assert 'mailer_problems{severity="failure"} 0.0' in text
