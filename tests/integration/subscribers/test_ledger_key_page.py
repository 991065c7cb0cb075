"""The ledger's public key is served where whoever checks a proof looks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from mailer.config import ledger_key, load_settings
from tests.support.campaign import write_config
from tests.support.signed import LEDGER_KEY
from tests.support.web_server import client_of
from web import create_app

PATH = "/.well-known/consent-log-key"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    write_config(tmp_path, 25)
    async with client_of(
        create_app(load_settings(tmp_path / "mailer.toml")), "https://example.com"
    ) as client:
        yield client


async def test_the_key_is_served_without_a_cookie(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH)
    assert answer.status_code == 200
    assert answer.text == f"{LEDGER_KEY.vkey}\n"
    assert "set-cookie" not in answer.headers
    assert (await client.post(PATH)).status_code == 405


async def test_after_a_rotation_the_former_key_names_the_next(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    fresh = ledger_key.rotate(tmp_path / "mailer.ledger.key")
    served, former, note = (await client.get(PATH)).text.split("\n\n", 1)[0], *_former(await client.get(PATH))
    assert served == fresh.vkey
    assert former == LEDGER_KEY.vkey
    assert ledger_key.open_note(note, former) == f"{ledger_key.ROTATION}\n{fresh.vkey}\n"


def _former(answer: httpx.Response) -> tuple[str, str]:
    vkey, _, note = answer.text.split("\n\n", 1)[1].partition("\n")
    return vkey, note


async def test_without_a_key_there_is_none_to_serve(client: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "mailer.ledger.key").unlink()
    assert (await client.get(PATH)).status_code == 404
