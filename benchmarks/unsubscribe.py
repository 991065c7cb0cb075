"""How many unsubscribe requests per second one process answers, 100 at a time, on SQLite.

The server is a process of its own, as `mailer serve` runs it. Each POST withdraws somebody else's consent, and
all of them are looked up afterwards."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

from sqlalchemy import func, insert, select

from benchmarks.http_load import Load, post, request
from benchmarks.programs import HOST, free_port, profiled, serving
from mailer.config import Secret, Settings, key_source
from mailer.database import Database, installation_id
from mailer.database.columns import table
from subscribers import ledger
from subscribers.address import HashedAddress
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import NewEvent
from subscribers.models import Consent, Subscriber
from subscribers.self_service import Links

TOPIC = "release-notes"
KEY = "a-key-for-as-long-as-this-benchmark-runs"
FORM = b"List-Unsubscribe=One-Click"


def measure(folder: Path, requests: int, at_once: int, *, profile: Path | None = None) -> Load:
    """Withdraw `requests` people, `at_once` at a time; `profile` gets the profile of the server's event loop."""
    port = free_port()
    settings = Settings(folder=folder, public_url=f"http://{HOST}:{port}", secret_keys=(Secret(KEY),))
    database = Database(settings.database_url.reveal(), settings.folder)
    database.create()
    enrol(database, requests)
    with database.read() as connection:
        links = Links(key_source(settings), installation_id(connection), settings.public_url)
    urls = [links.url(number, address(number), TOPIC, "en") for number in range(1, requests + 1)]
    paths = [url.removeprefix(settings.public_url) for url in urls]
    posts = [request(path, FORM, "Content-Type: application/x-www-form-urlencoded") for path in paths]
    with server(folder, settings, port, profile) as process:
        load = post(port, process.pid, posts, at_once)
    with database.read() as connection:
        withdrawn = connection.execute(
            select(func.count()).where(table(Consent).c.state == ConsentKind.WITHDRAWN)
        ).scalar_one()
    assert withdrawn == requests, f"{withdrawn} of {requests} were withdrawn"
    database.close()
    return load


def enrol(database: Database, people: int) -> None:
    now = datetime.now(UTC)
    for first in range(1, people + 1, 5000):
        numbers = range(first, min(first + 5000, people + 1))
        with database.write() as connection:
            connection.execute(insert(Subscriber), [person(number, now) for number in numbers])
            wording = ledger.store_wording(connection, "Yes, mail me about new versions.", now, topic=TOPIC)
            grants = [NewEvent(n, TOPIC, ConsentKind.GRANTED, now, Channel.IMPORT, wording) for n in numbers]
            ledger.append(connection, grants, now)


def address(number: int) -> HashedAddress:
    return HashedAddress(f"{number:064x}", "0" * 16)


def person(number: int, now: datetime) -> dict[str, object]:
    email = f"person{number}@example.com"
    return {
        "id": number,
        "email": email,
        "email_normalised": email,
        "address_hash": address(number).hash,
        "key_id": address(number).key_id,
        "created_at": now,
        **dict.fromkeys(("salutation", "first_name", "surname"), ""),
    }


def server(
    folder: Path, settings: Settings, port: int, profile: Path | None
) -> AbstractContextManager[Popen[bytes]]:
    """The web application in its own process. SIGINT lets it write its profile."""
    command = [*profiled(profile), "-m", "uvicorn", "web:create_app", "--factory", "--no-access-log"]
    command += ["--port", str(port), "--log-level", "warning"]
    variables = {
        "MAILER_SECRET_KEYS": KEY,
        "MAILER_PUBLIC_URL": settings.public_url,
        "MAILER_DATABASE_URL": f"sqlite:///{folder / 'mailer.db'}",
    }
    return serving(
        command, port, cwd=folder, extra=variables, stop=signal.SIGINT if profile else signal.SIGTERM
    )
