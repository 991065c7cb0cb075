"""Hand service mails to a relay, each at most once.

The attempt is committed before the mail is offered. A mail that was not offered is attempted again; every other
outcome ends it, also an unknown one. After a crash in between the mail is not sent again: the person asks anew.

A person waits for such a mail, so it does not wait for the limits of relays and providers. It counts for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from mailer.config import KeySource, Settings
from mailer.database import Clock, Database, in_thread, installation_id
from mailer.errors import InvalidInput, MailerError
from mailer.message import Content, Mailbox
from mailer.smtp import Accepted, Deferred, Envelope, FailureScope, Outcome, Phase, Rejected
from mailer.smtp.connection import Connection
from mailer.smtp.relays import Relays
from subscribers.address import AddressHasher
from subscribers.service_mails import outbox
from subscribers.service_mails.due import look
from subscribers.service_mails.letters import Due, Letters, find_due
from subscribers.service_mails.outbox import Claim
from templates.brand import Brand

if TYPE_CHECKING:
    from mailer.limits.throttle import Throttle  # only where there are limits

LOOK_SECONDS = 0.5
RELAY_AWAY_SECONDS = 15.0
FINISH_SECONDS = 10.0
_OFFERED = frozenset({Phase.CONTENT, Phase.FINAL})

log = logging.getLogger(__name__)


class Result(StrEnum):
    """The result of an attempt. A withheld mail was not offered, because its request is over."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    FAILED = "failed"
    WITHHELD = "withheld"


@dataclass(slots=True)
class ServiceMailDelivery:
    """Sends the service mails of one installation. `on_result` gets the result of each attempt."""

    database: Database
    settings: Settings
    brand: Callable[[], Brand]
    keys: KeySource
    on_result: Callable[[Result], None] = lambda _result: None
    _letters: Letters | None = None
    _clock: Clock | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _throttle: Throttle | None = field(init=False)

    def __post_init__(self) -> None:
        self._throttle = self.settings.throttle()

    async def run(self) -> None:
        """Send due mails until `finish`."""
        while not self._stopping.is_set():
            wait = LOOK_SECONDS
            try:
                await self.send_due()
            except MailerError as error:
                log.warning("Service mails wait: %s", error.message)
                wait = RELAY_AWAY_SECONDS
            except Exception as error:  # noqa: BLE001 - whatever it is, the next mails are to be sent
                log.warning("Service mails wait: %s. Its text may hold an address.", type(error).__name__)
                wait = RELAY_AWAY_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def finish(self, running: asyncio.Task[None]) -> None:
        """End the task of `run` after the mail in flight; after FINISH_SECONDS without it."""
        self._stopping.set()
        await asyncio.wait([running], timeout=FINISH_SECONDS)
        running.cancel()
        await asyncio.wait([running])

    async def send_due(self) -> None:
        """Send all due mails. Raises MailerError where the relay or the database is away, or a template or key is
        broken: the mails wait.
        """
        if not await in_thread(lambda: look(self.database, self._now())):
            return
        async with Relays(self.settings.every_relay) as relays:
            is_more = True
            while is_more:
                async with relays.connection() as connection:
                    is_more = await self._send_on(connection)

    async def _send_on(self, connection: Connection) -> bool:
        """Send on one connection; whether mails are left that need another one."""
        while connection.has_quota and not self._stopping.is_set():
            claimed, due = await in_thread(self._claim, connection.relay)
            if claimed is None:
                return False
            if due is None:
                self.on_result(Result.WITHHELD)
                continue
            try:
                envelope, content = self._letter_of(due, connection.relay)
            except InvalidInput as error:
                log.warning("A service mail (%s) can't be sent: %s", claimed.kind, error.reason)
                await in_thread(self._end, claimed)
                self.on_result(Result.FAILED)
                continue
            except MailerError:  # a template or a key of the team's: it concerns all mails, and can be mended
                await in_thread(self._put_back, claimed)
                self.on_result(Result.DEFERRED)
                raise
            outcome = await connection.send(envelope, content)
            self.on_result(await in_thread(self._settle, claimed, outcome))
        return not self._stopping.is_set()

    def _now(self) -> datetime:
        if self._clock is None:
            self._clock = self.database.clock()
        return self._clock()

    def _claim(self, relay: str) -> tuple[Claim | None, Due | None]:
        """The next mail, and what it is about; a mail without a reason is deleted."""
        now = self._now()
        hasher = AddressHasher.of(self.keys.current())
        with self.database.write() as connection:
            claimed = outbox.claim(connection, now)
            if claimed is None:
                return None, None
            due = find_due(connection, claimed, hasher, now)
            if due is None:
                outbox.remove(connection, claimed.id)
                return claimed, None
            if self._throttle is not None:
                self._throttle.count(connection, relay, Mailbox("", due.email).domain, now)
            if self._letters is None:
                installation = installation_id(connection)
                self._letters = Letters(self.settings, self.brand(), self.keys, installation)
        return claimed, due

    def _letter_of(self, due: Due, relay: str) -> tuple[Envelope, Content]:
        assert self._letters is not None  # noqa: S101 - set by the claim
        return self._letters.write(due, self._now(), relay)

    def _settle(self, claimed: Claim, outcome: Outcome) -> Result:
        if not _may_try_again(outcome):
            if not isinstance(outcome, Accepted):
                log.warning("A service mail (%s) was not accepted: %s", claimed.kind, outcome.reason)
            self._end(claimed)
            return Result.ACCEPTED if isinstance(outcome, Accepted) else Result.FAILED
        at_once = isinstance(outcome, Deferred) and outcome.scope is FailureScope.CONNECTION
        self._put_back(claimed, at_once=at_once)
        return Result.DEFERRED

    def _put_back(self, claimed: Claim, *, at_once: bool = False) -> None:
        with self.database.write() as connection:
            outbox.put_back(connection, claimed, self._now(), at_once=at_once)

    def _end(self, claimed: Claim) -> None:
        with self.database.write() as connection:
            outbox.remove(connection, claimed.id)


def _may_try_again(outcome: Outcome) -> bool:
    """Whether the content was not offered, or the relay refused the command that offers it (scope CONNECTION)."""
    match outcome:
        case Deferred(scope=FailureScope.CONNECTION):
            return True
        case Deferred(phase=phase):
            return phase not in _OFFERED
        case Rejected(phase=phase, scope=FailureScope.SENDER | FailureScope.RELAY):
            return phase not in _OFFERED  # the operator's to mend, such as a password
        case _:
            return False
