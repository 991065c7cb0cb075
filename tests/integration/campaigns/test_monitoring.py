"""/healthz is honest about a disk that is full and a file that takes no writes; /metrics has figures of the database."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from campaigns.states import CampaignState, DeliveryState
from campaigns.web import monitoring
from mailer.database import Database
from tests.support.campaign import TOPIC, dispatch_for, draft, settings_for, subscribe
from tests.support.links import address_of, links_in
from tests.support.small_disk import fill, small_disk
from tests.support.web_server import serving
from web import create_app


async def get(address: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
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


NOT_WRITABLE = [
    f"CREATE TRIGGER t{number} BEFORE {act} BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
    for number, act in enumerate(
        ("UPDATE ON heartbeat", "UPDATE ON consent", "INSERT ON consent_event", "INSERT ON suppression")
    )
]


@pytest.mark.damage
@pytest.mark.parametrize("is_asked", [False, True], ids=["nobody clicks", "somebody clicks"])
async def test_health_is_503_where_the_database_takes_no_writes_and_200_once_it_does(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, *, is_asked: bool
) -> None:
    """Within BEAT_SECONDS, or as soon as a withdrawal has failed."""
    monkeypatch.setattr(monitoring, "MIN_SECONDS_BETWEEN_BEATS", 0.05)
    monkeypatch.setattr(monitoring, "BEAT_SECONDS", 3600 if is_asked else 0.05)
    [person] = subscribe(sqlite_database, 1)
    path = sqlite_database.url.database
    settings = settings_for(25, database_url=f"sqlite:///{path}")
    link = links_in(sqlite_database, settings.keys()).url(
        person, address_of(sqlite_database, person), TOPIC, "en"
    )
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        assert (await client.get("/healthz")).status_code == 200
        change(path, *NOT_WRITABLE)
        if is_asked:
            one_click = "/u/" + link.rpartition("/u/")[2]
            failed = await client.post(one_click, content=b"List-Unsubscribe=One-Click")
            assert failed.status_code == 503
        assert "takes no writes" in await health_after(client, 503)
        change(path, *(f"DROP TRIGGER t{number}" for number in range(len(NOT_WRITABLE))))
        assert await health_after(client, 200) == "ok\n"


def change(path: str | None, *statements: str) -> None:
    with closing(sqlite3.connect(str(path))) as connection:
        for statement in statements:
            connection.execute(statement)


async def health_after(client: httpx.AsyncClient, status: int) -> str:
    """What /healthz says once its status is `status`."""
    for _ in range(200):
        answer = await client.get("/healthz")
        if answer.status_code == status:
            return answer.text
        await asyncio.sleep(0.05)
    return f"never {status}"


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
