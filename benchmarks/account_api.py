"""How many consents one process records per second through the API, a request each, on SQLite.

Each POST has an Idempotency-Key and is about somebody new. The server is a process of its own, as in `unsubscribe`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from benchmarks.http_load import Load, post, request
from benchmarks.programs import HOST, free_port
from benchmarks.unsubscribe import KEY, TOPIC, server
from mailer.access import Scope, create
from mailer.config import Settings
from mailer.database import Database
from subscribers import ledger

WORDING = "Yes, mail me about new versions."
NO_LIMIT = 1_000_000  # requests a second of the token


def measure(folder: Path, requests: int, at_once: int, *, profile: Path | None = None) -> Load:
    """Record the consents of `requests` people, `at_once` at a time; `profile` gets the server's profile."""
    port = free_port()
    settings = Settings(folder=folder, public_url=f"http://{HOST}:{port}", secret_keys=(SecretStr(KEY),))
    database = Database(settings.database_url.get_secret_value(), settings.folder)
    database.create()
    now = datetime.now(UTC)
    with database.write() as connection:
        _, token = create(
            connection,
            "benchmark",
            [Scope.CONSENTS_WRITE],
            requests_per_second=NO_LIMIT,
            expires_at=None,
            now=now,
        )
        ledger.store_wording(connection, WORDING, now, topic=TOPIC, language="en", version="1")
    posts = [consent(number, token, now) for number in range(1, requests + 1)]
    with server(folder, settings, port, profile) as process:
        load = post(port, process.pid, posts, at_once)
    with database.read() as connection:
        assert ledger.head(connection).size == requests
    database.close()
    return load


def consent(number: int, token: str, now: datetime) -> bytes:
    """The request that records one person's consent."""
    values = {
        "email": f"person{number}@example.com",
        "first_name": "Zoë",
        "surname": "de Vries",
        "topic": TOPIC,
        "given_at": now.isoformat(),
        "wording": ledger.text_hash(WORDING),
        "note": "sign-up page",
    }
    return request(
        "/api/v1/consents",
        json.dumps(values).encode(),
        "Content-Type: application/json",
        f"Authorization: Bearer {token}",
        f"Idempotency-Key: {number}",
    )
