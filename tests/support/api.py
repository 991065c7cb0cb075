"""The API for a test: a served application, a token, and the text that was shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx

from mailer import access
from mailer.access import Scope
from mailer.config import Settings
from mailer.database import Database
from subscribers import ledger
from tests.support.campaign import SECRET, TOPIC
from tests.support.settings import settings_of
from tests.support.web_server import serving
from web import create_app

TEXT = "I agree to mails about new releases."
WORDING = sha256(TEXT.encode()).hexdigest()
GIVEN = "2026-05-01T10:00:00Z"


def settings_for(database: Database, **values: Any) -> Settings:
    return settings_of(
        database_url=database.url.render_as_string(hide_password=False),
        public_url="https://mail.example.com",
        secret_keys=(SECRET,),
        brand={"name": "Acme"},
        **values,
    )


def new_token(database: Database, scopes: Iterable[Scope] = Scope, **options: Any) -> tuple[str, str]:
    """The id and the secret of a token."""
    with database.write() as connection:
        return access.create(
            connection,
            "portal",
            frozenset(scopes),
            requests_per_second=options.get("requests_per_second", 10_000),
            expires_at=options.get("expires_at"),
            now=datetime.now(UTC),
        )


def register_wording(database: Database, text: str = TEXT, topic: str = TOPIC) -> None:
    with database.write() as connection:
        ledger.store_wording(connection, text, datetime.now(UTC), topic=topic, language="en")


def grant(email: str = "jan@example.com", **changed: Any) -> dict[str, Any]:
    """The body of a consent."""
    return {"email": email, "topic": TOPIC, "given_at": GIVEN, "wording": WORDING} | changed


@dataclass
class Api:
    """A served API with a client that shows a token of all scopes."""

    database: Database
    client: httpx.AsyncClient

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(f"/api/v1/{path}", json=body, headers=named)

    async def changes(self, **query: Any) -> Any:
        return (await self.client.get("/api/v1/changes", params=query)).json()

    async def state(self, email: str = "jan@example.com", topic: str = TOPIC) -> str | None:
        found = (await self.post("consents/query", {"email": email})).json()
        return next((each["state"] for each in found.get("consents", ()) if each["topic"] == topic), None)


@asynccontextmanager
async def serving_api(database: Database, **values: Any) -> AsyncIterator[Api]:
    """The API, served; `values` are more settings."""
    register_wording(database)
    _, secret = new_token(database)
    async with (
        serving(create_app(settings_for(database, **values))) as address,
        httpx.AsyncClient(
            base_url=address, headers={"Authorization": f"Bearer {secret}"}, timeout=60
        ) as client,
    ):
        yield Api(database, client)
