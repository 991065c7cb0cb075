"""Call the webhooks from a command: once, or in a thread while the command runs.

The calls are imported only where there is an endpoint, because httpx is slow to import.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailer.config import KeySource
from mailer.database import Database
from mailer.errors import MailerError
from mailer.webhooks import Reach
from subscribers.background import in_background
from subscribers.ledger import EVENT
from subscribers.webhooks.endpoints import ENDPOINT

if TYPE_CHECKING:
    from subscribers.webhooks.delivery import WebhookDelivery


def call_due(database: Database, keys: KeySource, reach: Reach) -> None:
    """Call all due endpoints with all their changes, and return."""
    if _anything_to_tell(database):
        from subscribers.webhooks.delivery import WebhookDelivery  # noqa: PLC0415 - see above

        asyncio.run(WebhookDelivery(database, keys, reach).run_once())


def calling(database: Database, keys: KeySource, reach: Reach) -> AbstractContextManager[None]:
    """Call the webhooks in a thread until the block ends."""

    def make() -> WebhookDelivery:
        from subscribers.webhooks.delivery import WebhookDelivery  # noqa: PLC0415 - see above

        return WebhookDelivery(database, keys, reach)

    return in_background("webhooks", lambda: _has_endpoints(database), make)


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
