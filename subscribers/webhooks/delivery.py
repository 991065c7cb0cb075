"""Make the calls: claim an endpoint, send at most 100 changes, move its cursor, until there are no more changes.

A claim is a lease, so of all processes one calls an endpoint at a time, and its changes arrive in order. The
cursor moves after the receiver answers 2xx; after a crash in between the same changes are sent again.
All calls of a claim use one connection, and one transaction for each moves the cursor and prolongs the lease.
Endpoints are called independently, so a slow endpoint does not delay others.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, func, not_, or_, select, update

from mailer.config import KeySource
from mailer.database import Clock, Database, in_thread, installation_id
from mailer.errors import MailerError
from mailer.webhooks import Reach, parse_destination, signed_headers
from mailer.webhooks.caller import Answer, Caller
from subscribers import changes
from subscribers.changes import Changes
from subscribers.ledger import EVENT
from subscribers.public_ids import PublicIds
from subscribers.webhooks.backoff import LONGEST_WAIT, after_failure
from subscribers.webhooks.endpoints import ENDPOINT, Endpoint, find, secrets_of

MOST_CHANGES = 100
LEASE = timedelta(seconds=30)
LOOK_SECONDS = 0.25

log = logging.getLogger(__name__)


class Result(StrEnum):
    """The result of a call. A parked endpoint is not called until an operator resumes it."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class _Claimed:
    """An endpoint that this process calls, its pending changes, and the lease."""

    endpoint: Endpoint
    pending: Changes
    lease: str


@dataclass(slots=True)
class WebhookDelivery:
    """Calls the endpoints of one installation. `on_call` gets the result of each call."""

    database: Database
    keys: KeySource
    reach: Reach
    on_call: Callable[[Result], None] = lambda _result: None
    _calling: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _public_ids: PublicIds | None = None
    _clock: Clock | None = None

    async def run(self) -> None:
        """Call due endpoints until cancelled. A call in flight is then abandoned, and repeated by the next
        process.
        """
        try:
            while True:
                try:
                    await self._start_due()
                except MailerError as error:
                    log.warning("Webhooks wait: %s", error)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            calling = list(self._calling.values())
            for task in calling:
                task.cancel()
            await asyncio.gather(*calling, return_exceptions=True)

    async def finish(self, running: asyncio.Task[None]) -> None:
        """End the task of `run`."""
        running.cancel()
        await asyncio.wait([running])

    async def run_once(self) -> None:
        """Call all due endpoints with all their changes, and return; for cron."""
        await self._start_due()
        await asyncio.gather(*self._calling.values())

    def _now(self) -> datetime:
        if self._clock is None:
            self._clock = self.database.clock()
        return self._clock()

    async def _start_due(self) -> None:
        self._calling = {name: task for name, task in self._calling.items() if not task.done()}
        for endpoint_id in await in_thread(self._due):
            if endpoint_id not in self._calling:
                self._calling[endpoint_id] = asyncio.create_task(self._tell_all(endpoint_id))

    def _due(self) -> list[str]:
        with self.database.read() as connection:
            newest = select(func.coalesce(func.max(EVENT.c.id), 0)).scalar_subquery()
            due = _is_due(self._now())
            return list(
                connection.execute(select(ENDPOINT.c.id).where(*due, ENDPOINT.c.cursor < newest)).scalars()
            )

    async def _tell_all(self, endpoint_id: str) -> None:
        """Make calls until there are no more changes, or until one fails."""
        try:
            claimed = await in_thread(self._claim, endpoint_id)
            if claimed is None:
                return
            async with Caller(self.reach) as caller:
                while claimed is not None:
                    answer = await self._call(claimed, caller)
                    result, claimed = await in_thread(self._settle, claimed, answer)
                    self.on_call(result)
        except MailerError as error:
            log.warning("Webhook %s waits: %s", endpoint_id, error)

    def _claim(self, endpoint_id: str) -> _Claimed | None:
        lease, now = secrets.token_hex(16), self._now()
        with self.database.write() as connection:
            taken = (
                update(ENDPOINT)
                .where(ENDPOINT.c.id == endpoint_id, *_is_due(now))
                .values(lease=lease, lease_until=now + LEASE)
            )
            if not connection.execute(taken).rowcount:
                return None
            endpoint = find(connection, endpoint_id)
            if self._public_ids is None:
                self._public_ids = PublicIds(installation_id(connection))
        return self._with_changes(endpoint, lease)

    def _with_changes(self, endpoint: Endpoint, lease: str) -> _Claimed | None:
        """The claim with the next changes; None, and the claim ends, if there are none."""
        with self.database.read() as connection:
            newest = changes.newest_number(connection)
            # After a restored backup the cursor may lie beyond the end; the feed goes on from there.
            pending = changes.read(connection, min(endpoint.cursor, newest), MOST_CHANGES)
        if pending.changes:
            return _Claimed(endpoint, pending, lease)
        with self.database.write() as connection:  # the entries contain no change of a consent
            _end_claim(connection, lease, {"cursor": pending.next})
        return None

    async def _call(self, claimed: _Claimed, caller: Caller) -> Answer:
        endpoint, now = claimed.endpoint, self._now()
        assert self._public_ids is not None  # noqa: S101 - set by the claim
        values = [changes.values_of(each, self._public_ids) for each in claimed.pending.changes]
        first, last = claimed.pending.changes[0].number, claimed.pending.changes[-1].number
        # The same changes have the same id, so that a receiver recognises a call that comes again.
        name = sha256(f"{endpoint.id}.{first}.{last}".encode()).hexdigest()[:32]
        return await call(
            endpoint,
            f"msg_{name}",
            {"type": "consent.changes", "timestamp": now.isoformat(), "data": {"changes": values}},
            keys=self.keys,
            caller=caller,
            now=now,
        )

    def _settle(self, claimed: _Claimed, answer: Answer) -> tuple[Result, _Claimed | None]:
        """Store the result of a call; returns it, and the claim with the next changes, if there are more."""
        if not answer.is_accepted:
            return self._settle_failure(claimed, answer), None
        now = self._now()
        values = {
            "last_answer": answer.detail,
            "cursor": claimed.pending.next,
            "failures": 0,
            "failing_since": None,
            "next_attempt_at": now,
        }
        with self.database.write() as connection:
            if not claimed.pending.more:
                _end_claim(connection, claimed.lease, values)
                return Result.ACCEPTED, None
            if not _update_claim(connection, claimed.lease, {**values, "lease_until": now + LEASE}):
                return Result.ACCEPTED, None
            endpoint = find(connection, claimed.endpoint.id)
        return Result.ACCEPTED, self._with_changes(endpoint, claimed.lease)

    def _settle_failure(self, claimed: _Claimed, answer: Answer) -> Result:
        endpoint, now = claimed.endpoint, self._now()
        failed = after_failure(endpoint.failures, endpoint.failing_since, now, gone=answer.is_gone)
        values = {
            "last_answer": answer.detail[:200],
            "failures": failed.failures,
            "failing_since": failed.failing_since,
            "next_attempt_at": failed.next_attempt_at,
            "parked_at": now if failed.is_parked else None,
        }
        with self.database.write() as connection:
            _end_claim(connection, claimed.lease, values)
        if not failed.is_parked:
            return Result.FAILED
        log.warning(
            "Webhook %s is parked: %s. Nothing is lost; `mailer webhooks resume %s` goes on.",
            endpoint.id,
            answer.detail,
            endpoint.id,
        )
        return Result.PARKED


async def call(
    endpoint: Endpoint,
    message_id: str,
    values: dict[str, Any],
    *,
    keys: KeySource,
    caller: Caller,
    now: datetime,
) -> Answer:
    """Make one signed call. It fails if the settings do not allow the endpoint, or if its key is missing."""
    try:
        destination = parse_destination(endpoint.url, caller.reach)
        signing = secrets_of(endpoint, keys.current(), now)
    except MailerError as error:
        return Answer(None, error.message)
    body = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    headers = signed_headers(signing, message_id, now, body)
    return await caller.post(destination, body.encode(), headers)


def _is_due(now: datetime) -> tuple[Any, ...]:
    """The conditions. A time that lies further ahead than any that is set comes from a clock that was ahead, and counts as over."""
    waits = _lies_ahead(ENDPOINT.c.next_attempt_at, now, LONGEST_WAIT)
    is_claimed = _lies_ahead(ENDPOINT.c.lease_until, now, LEASE)
    return (
        ENDPOINT.c.parked_at.is_(None),
        not_(waits),
        or_(ENDPOINT.c.lease_until.is_(None), not_(is_claimed)),
    )


def _lies_ahead(column: Column[datetime], now: datetime, longest: timedelta) -> ColumnElement[bool]:
    # Twice, for the clocks of two hosts differ a little.
    return and_(column > now, column <= now + 2 * longest)


def _update_claim(connection: Connection, lease: str, values: Mapping[str, Any]) -> bool:
    """Change a claimed endpoint. Returns False, and changes nothing, if another process has the claim, or if a replay
    has ended it.
    """
    claimed = update(ENDPOINT).where(ENDPOINT.c.lease == lease)
    return connection.execute(claimed.values(values)).rowcount > 0


def _end_claim(connection: Connection, lease: str, values: Mapping[str, Any]) -> None:
    _update_claim(connection, lease, {**values, "lease": None, "lease_until": None})
