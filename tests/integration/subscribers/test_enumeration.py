"""Nothing that a stranger can ask tells whether an address is on file, unknown or suppressed.

The bytes of the answers are the same. `MAILER_TESTS_ENUMERATION` says how many addresses of each kind are asked
about; from 1,000 on, as in `make soak`, their times must not tell them apart either.
"""

from __future__ import annotations

import os
import random
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from itertools import combinations

import httpx
import pytest

from mailer.access import Scope
from mailer.config import Settings
from mailer.database import Database
from subscribers import suppression
from subscribers.address import AddressHasher
from subscribers.kinds import Channel, SuppressionReason
from subscribers.suppression import NewSuppression
from tests.support.api import grant, new_token, register_wording
from tests.support.campaign import SECRET, TOPIC, settings_for, subscribe
from tests.support.figures import report_figures
from tests.support.relay import FaultyRelay
from tests.support.web_server import serving
from web import create_app

EACH = int(os.environ.get("MAILER_TESTS_ENUMERATION", "10"))
ENOUGH = 1000  # of each kind: by chance alone the AUC is then within 0.46 and 0.54
NOT_TOLD_APART = 0.45, 0.55
HASHER = AddressHasher([SECRET.encode()])
WARM_UP = 50
KINDS = ("known", "unknown", "suppressed")

Ask = Callable[[httpx.AsyncClient, str, str], Awaitable[httpx.Response]]


async def sign_up(client: httpx.AsyncClient, email: str, network: str) -> httpx.Response:
    headers = {"X-Forwarded-For": network}
    return await client.post(f"/signup/{TOPIC}", data={"email": email}, headers=headers)


async def api_without_token(client: httpx.AsyncClient, email: str, _network: str) -> httpx.Response:
    return await client.post("/api/v1/consents/query", json={"email": email})


async def api_without_scope(client: httpx.AsyncClient, email: str, _network: str) -> httpx.Response:
    return await client.post(
        "/api/v1/consents", json=grant(email), headers={"Authorization": client.headers["X-Token"]}
    )


@pytest.mark.timeout(600 + EACH)
@pytest.mark.parametrize("ask", [sign_up, api_without_token, api_without_scope])
async def test_the_answers_for_known_unknown_and_suppressed_addresses_are_the_same(
    sqlite_database: Database, ask: Ask
) -> None:
    addresses = prepare(sqlite_database)
    _, token = new_token(sqlite_database, [Scope.CHANGES_READ])
    register_wording(sqlite_database)
    answers: set[tuple[int, bytes, tuple[tuple[str, str], ...]]] = set()
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    async with (
        FaultyRelay() as relay,
        serving(create_app(settings_of(sqlite_database, relay.port))) as url,
        httpx.AsyncClient(base_url=url, timeout=60, headers={"X-Token": f"Bearer {token}"}) as client,
    ):
        for number, (kind, email) in enumerate(addresses):
            network = f"10.{number // 256 % 256}.{number % 256}.1"
            began = time.perf_counter()
            answer = await ask(client, email, network)
            taken = time.perf_counter() - began
            headers = tuple(sorted((name, value) for name, value in answer.headers.items() if name != "date"))
            answers.add((answer.status_code, answer.content, headers))
            if number >= WARM_UP:
                seconds[kind].append(taken)
    assert len(answers) == 1
    for one, other in combinations(KINDS, 2):
        found = area_under_curve(seconds[one], seconds[other])
        report_figures(f"{ask.__name__}, {EACH:,} each: AUC {found:.3f} between {one} and {other}")
        if EACH >= ENOUGH:
            assert NOT_TOLD_APART[0] <= found <= NOT_TOLD_APART[1]


def prepare(database: Database) -> list[tuple[str, str]]:
    """EACH addresses of each kind, in random order."""
    subscribe(database, EACH)
    known = [f"person{number}@example.com" for number in range(1, EACH + 1)]
    unknown = [f"person{number}@example.net" for number in range(1, EACH + 1)]
    suppressed = [f"person{number}@example.org" for number in range(1, EACH + 1)]
    now, reasons = datetime.now(UTC), list(SuppressionReason)
    rows = [
        NewSuppression(HASHER.newest(email), reasons[number % len(reasons)], now)
        for number, email in enumerate(suppressed)
    ]
    with database.write() as connection:
        suppression.add_all(connection, rows, now, channel=Channel.COMMAND)
    of_kind = zip(KINDS, (known, unknown, suppressed), strict=True)
    addresses = [(kind, email) for kind, emails in of_kind for email in emails]
    random.Random(0).shuffle(addresses)
    return addresses


def settings_of(database: Database, port: int) -> Settings:
    return settings_for(
        port,
        database_url=database.url.render_as_string(hide_password=False),
        brand={"name": "Acme"},
        topics={TOPIC: {"en": "New versions"}},
        sign_up={"topics": (TOPIC,), "most_an_hour": 1_000_000},
    )


def area_under_curve(one: Sequence[float], other: Sequence[float]) -> float:
    """How likely it is that a value of `other` is the greater: 0.5 where nothing tells the two apart."""
    ranked = sorted(one)
    wins = sum(bisect_left(ranked, each) + bisect_right(ranked, each) for each in other)
    return wins / (2 * len(one) * len(other)) if one and other else 0.5


@pytest.mark.parametrize(
    ("one", "other", "found"), [([1, 2], [3, 4], 1), ([1, 3], [2, 2], 0.5), ([2], [1], 0)]
)
def test_times_that_differ_are_told_apart(one: list[float], other: list[float], found: float) -> None:
    assert area_under_curve(one, other) == found
