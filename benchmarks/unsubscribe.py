"""How many unsubscribe POSTs a second one process takes, 100 at a time, on SQLite with synchronous=FULL.

    python benchmarks/unsubscribe.py [--requests 20000] [--at-once 100] [--json]

The server is a process of its own, as `mailer serve` runs it, on a database in the working directory: choose
a real disk, for an fsync on a RAM disk costs nothing. Each POST withdraws somebody else's consent, and the
ledger is checked afterwards. The load comes from one plain asyncio process that keeps its connections open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from sqlalchemy import func, insert, select

from mailer.database import Database
from mailer.settings import Settings
from subscribers import ledger
from subscribers.consent import NewEvent
from subscribers.models import Consent, ConsentKind, Subscriber
from subscribers.unsubscribe import Links

TOPIC = "release-notes"
KEY = "a-key-for-as-long-as-this-benchmark-runs"
FORM = b"List-Unsubscribe=One-Click"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--requests", type=int, default=20_000)
    arguments.add_argument("--at-once", type=int, default=100)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        result = measure(Path(folder), options.requests, options.at_once)
    if options.json:
        print(json.dumps(result))
    else:
        print("{rate:,.0f} POSTs/s, median {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms".format(**result))
        print("{cpu_us:.0f} µs of the server's CPU each, start included".format(**result))
        print("{link_us:.1f} µs to make a link".format(**result))


def measure(folder: Path, requests: int, at_once: int) -> dict[str, float]:
    port = free_port()
    settings = Settings(folder=folder, public_url=f"http://127.0.0.1:{port}", secret_keys=(KEY,))
    database = Database.of(settings)
    database.migrate()
    enrol(database, requests)
    links = Links(settings.keys(), settings.public_url)
    began = time.perf_counter()
    urls = [links.url(number, TOPIC, "en") for number in range(1, requests + 1)]
    link_seconds = (time.perf_counter() - began) / requests
    paths = [url.removeprefix(settings.public_url) for url in urls]
    server = serve(folder, settings, port)
    try:
        seconds, latencies = uvloop.run(post_all(port, paths, at_once))
    finally:
        server.terminate()
        server.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    with database.read() as connection:
        withdrawn = connection.execute(
            select(func.count()).select_from(Consent).where(Consent.state == ConsentKind.WITHDRAWN)
        ).scalar_one()
    assert withdrawn == requests, f"{withdrawn} of {requests} were withdrawn"
    database.close()
    percentiles = statistics.quantiles(latencies, n=100)
    return {
        "requests": requests,
        "at_once": at_once,
        "rate": requests / seconds,
        "p50_ms": percentiles[49] * 1000,
        "p99_ms": percentiles[98] * 1000,
        "link_us": link_seconds * 1e6,
        "cpu_us": (usage.ru_utime + usage.ru_stime) / requests * 1e6,
    }


def enrol(database: Database, people: int) -> None:
    now = datetime.now(UTC)
    for first in range(1, people + 1, 5000):
        numbers = range(first, min(first + 5000, people + 1))
        with database.write() as connection:
            connection.execute(insert(Subscriber), [person(number, now) for number in numbers])
            wording = ledger.keep_wording(connection, "Yes, mail me about new versions.", now)
            grants = [NewEvent(n, TOPIC, ConsentKind.GRANTED, now, "benchmark", wording) for n in numbers]
            ledger.append(connection, grants, now)


def person(number: int, now: datetime) -> dict[str, object]:
    email = f"person{number}@example.com"
    return {
        "id": number,
        "email": email,
        "address_key": email,
        "address_hash": f"{number:064x}",
        "key_id": "benchmark",
        "created_at": now,
        **dict.fromkeys(("salutation", "first_name", "surname"), ""),
    }


def serve(folder: Path, settings: Settings, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "uvicorn", "web:create_app", "--factory", "--no-access-log"]
    command += ["--port", str(port), "--log-level", "warning"]
    environment = os.environ | {
        "MAILER_SECRET_KEYS": KEY,
        "MAILER_PUBLIC_URL": settings.public_url,
        "MAILER_DATABASE_URL": f"sqlite:///{folder / 'mailer.db'}",
    }
    server = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return server
    server.kill()
    raise SystemExit("The server did not start.")


async def post_all(port: int, paths: list[str], at_once: int) -> tuple[float, list[float]]:
    """POST each path once over `at_once` connections; returns the seconds, and each request's."""
    waiting, latencies = iter(paths), []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path in waiting:
            began = time.perf_counter()
            writer.write(
                b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\n%b"
                % (path.encode(), len(FORM), FORM)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(at_once)))
    return time.perf_counter() - began, latencies


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
