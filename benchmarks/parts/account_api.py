"""How many consents one process records per second through the API, on SQLite: a request each, and in batches.

Each consent is about somebody new. The server is a process of its own, as in `unsubscribe`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.http_load import Load, post, request
from benchmarks.programs import HOST, free_port
from benchmarks.report import Goal, Row, Section
from benchmarks.unsubscribe import KEY, TOPIC, server
from mailer.access import Scope, create
from mailer.config import Secret, Settings
from mailer.database import Database
from subscribers import ledger

WORDING = "Yes, mail me about new versions."
NO_LIMIT = 1_000_000  # requests a second of the token
BATCH = 1000


def consents(bench: Bench) -> Section:
    """Consents through the API, one request each, and in batches."""
    section = Section("Consents through the API")
    people = bench.sizes.posts // 4  # many more than the first few, which wait for what a process does once
    rows: list[tuple[object, ...]] = []

    def measured(name: str, people: int, *, at_once: int, batch: int) -> list[Load]:
        loads = []
        for number in range(bench.sizes.rounds):
            folder = bench.folder / f"account-api-{at_once}-{batch}-{number}"
            folder.mkdir()
            loads.append(measure(folder, people, at_once=at_once, batch=batch))
        for each in loads:
            figures = f"{each.median_ms:.1f}", f"{each.p99_ms:.1f}", f"{each.cpu_us / batch:.0f}"
            rows.append((name, f"{each.rate * batch:,.0f}", *figures))
        return loads

    measured("one at a time", people, at_once=1, batch=1)
    single = measured("20 at a time", people, at_once=20, batch=1)
    batched = measured(f"batches of {BATCH:,}, one at a time", people * 4, at_once=1, batch=BATCH)
    rates, tails = [each.rate for each in single], [each.p99_ms for each in single]
    what = "consents by API, 20 at a time, one process, SQLite"
    items = [each.rate * BATCH for each in batched]
    section.rows += [
        Row(what, Goal(500, "/s"), median(rates), rates),
        Row(f"{what}: p99", Goal(100, "ms", at_most=True), median(tails), tails),
        Row("consents by API in batches, one process, SQLite", Goal(2000, "/s"), median(items), items),
    ]
    heads = ("POSTs", "consents/s", "median of a POST, ms", "p99, ms", "CPU of the server a consent, µs")
    section.table(heads, rows)
    return section


def measure(folder: Path, people: int, *, at_once: int, batch: int, profile: Path | None = None) -> Load:
    """Record the consents of `people`, `batch` to a POST, `at_once` POSTs at a time; `profile` gets the server's profile."""
    port = free_port()
    settings = Settings(folder=folder, public_url=f"http://{HOST}:{port}", secret_keys=(Secret(KEY),))
    database = Database(settings.database_url.reveal(), settings.folder)
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
    posts = [_request(number, batch, token, now) for number in range(0, people, batch)]
    with server(folder, settings, port, profile) as process:
        load = post(port, process.pid, posts, at_once)
    with database.read() as connection:
        assert ledger.head(connection).size == people
    database.close()
    return load


def _request(first: int, batch: int, token: str, now: datetime) -> bytes:
    """The request that records the consents of `batch` people. A single consent has an Idempotency-Key."""
    grants = [grant(f"person{number}@example.com", now) for number in range(first, first + batch)]
    path, body = "/api/v1/consents", json.dumps(grants[0])
    if batch > 1:
        path, body = f"{path}/batch", json.dumps({"items": grants})
    headers = ["Content-Type: application/json", f"Authorization: Bearer {token}"]
    if batch == 1:
        headers.append(f"Idempotency-Key: {first}")
    return request(path, body.encode(), *headers)


def grant(email: str, now: datetime) -> dict[str, Any]:
    """The API's object for the consent of one person."""
    return {
        "email": email,
        "first_name": "Zoë",
        "surname": "de Vries",
        "topic": TOPIC,
        "given_at": now.isoformat(),
        "wording": ledger.text_hash(WORDING),
        "note": "sign-up page",
    }
