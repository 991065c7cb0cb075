"""Call the webhooks from a command: once, or in a thread while the command runs.

The calls are imported only where there is an endpoint, because httpx is slow to import.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select

from mailer.config import KeySource
from mailer.database import Database
from mailer.errors import MailerError
from mailer.webhooks import Reach
from subscribers.ledger import EVENT
from subscribers.webhooks.endpoints import ENDPOINT

LOOK_SECONDS = 1.0


def call_due(database: Database, keys: KeySource, reach: Reach) -> None:
    """Call all due endpoints with all their changes, and return."""
    if _anything_to_tell(database):
        from subscribers.webhooks.delivery import WebhookDelivery  # noqa: PLC0415 - see above

        asyncio.run(WebhookDelivery(database, keys, reach).run_once())


@contextmanager
def calling(database: Database, keys: KeySource, reach: Reach) -> Iterator[None]:
    """Call the webhooks in a thread until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(database, keys, reach, stop), name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _run(database: Database, keys: KeySource, reach: Reach, stop: threading.Event) -> None:
    while not _has_endpoints(database):
        if stop.wait(LOOK_SECONDS):
            return
    from subscribers.webhooks.delivery import WebhookDelivery  # noqa: PLC0415 - see above

    async def run() -> None:
        work = asyncio.create_task(WebhookDelivery(database, keys, reach).run())
        await asyncio.to_thread(stop.wait)
        work.cancel()
        await asyncio.wait([work])

    asyncio.run(run())


def _has_endpoints(database: Database) -> bool:
    try:
        with database.read() as connection:
            return connection.execute(select(ENDPOINT.c.id).limit(1)).first() is not None
    except MailerError:
        return False


def _anything_to_tell(database: Database) -> bool:
    with database.read() as connection:
        newest = select(func.coalesce(func.max(EVENT.c.id), 0)).scalar_subquery()
        found = (
            select(ENDPOINT.c.id).where(ENDPOINT.c.parked_at.is_(None), ENDPOINT.c.cursor < newest).limit(1)
        )
        return connection.execute(found).first() is not None
