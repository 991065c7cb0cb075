"""Send service mails from a command: once, or in a thread while the command runs.

The delivery is imported only where a mail waits, because mail and templates are slow to import.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailer.config import KeySource, Settings
from mailer.database import Database
from mailer.errors import MailerError
from subscribers.service_mails.due import look

if TYPE_CHECKING:
    from templates.brand import Brand

LOOK_SECONDS = 1.0


def send_due(
    database: Database, settings: Settings, brand: Callable[[], Brand], keys: KeySource
) -> MailerError | None:
    """Send all due mails, and return. Returns why mails wait, if the relay is away."""
    if not _is_any_due(database):
        return None
    from subscribers.service_mails.delivery import ServiceMailDelivery  # noqa: PLC0415 - see above

    try:
        asyncio.run(ServiceMailDelivery(database, settings, brand, keys).send_due())
    except MailerError as error:
        return error
    return None


@contextmanager
def sending(
    database: Database, settings: Settings, brand: Callable[[], Brand], keys: KeySource
) -> Iterator[None]:
    """Send service mails in a thread until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(
        target=_run, args=(database, settings, brand, keys, stop), name="service mails", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _run(
    database: Database,
    settings: Settings,
    brand: Callable[[], Brand],
    keys: KeySource,
    stop: threading.Event,
) -> None:
    while not _is_any_due(database):
        if stop.wait(LOOK_SECONDS):
            return
    from subscribers.service_mails.delivery import ServiceMailDelivery  # noqa: PLC0415 - see above

    async def run() -> None:
        delivery = ServiceMailDelivery(database, settings, brand, keys)
        work = asyncio.create_task(delivery.run())
        await asyncio.to_thread(stop.wait)
        await delivery.finish(work)

    asyncio.run(run())


def _is_any_due(database: Database) -> bool:
    try:
        return look(database, database.clock()())
    except MailerError:
        return False
