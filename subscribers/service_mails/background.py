"""Send service mails from a command: once, or in a thread while the command runs.

The delivery is imported only where a mail waits, because mail and templates are slow to import.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from mailer.config import KeySource, Settings
from mailer.database import Database
from mailer.errors import MailerError
from subscribers.background import in_background
from subscribers.service_mails.due import look

if TYPE_CHECKING:
    from subscribers.service_mails.delivery import ServiceMailDelivery
    from templates.brand import Brand


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


def sending(
    database: Database, settings: Settings, brand: Callable[[], Brand], keys: KeySource
) -> AbstractContextManager[None]:
    """Send service mails in a thread until the block ends."""

    def make() -> ServiceMailDelivery:
        from subscribers.service_mails.delivery import ServiceMailDelivery  # noqa: PLC0415 - see above

        return ServiceMailDelivery(database, settings, brand, keys)

    return in_background("service mails", lambda: _is_any_due(database), make)


def _is_any_due(database: Database) -> bool:
    try:
        return look(database, database.clock()())
    except MailerError:
        return False
