"""/healthz and /metrics: whether the database takes writes and the ledger is intact, and what there is to do.

Requests only read. What they report of writing comes from the heartbeat that the application itself writes.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sqlmodel import select
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from campaigns.reports.overview import ProblemSeverity, count_campaigns, count_open_deliveries, overview
from campaigns.states import CampaignState, DeliveryState
from mailer.database import Clock, Database, ProcessKind, QuietCheckpoint, beat
from mailer.database.sqlite_file import MIN_FREE_BYTES
from mailer.errors import MailerError
from mailer.observability import CONTENT_TYPE, Metric, Metrics
from subscribers.ledger import LedgerHealth
from subscribers.models import Consent

HEALTH_SECONDS = 5.0
BEAT_SECONDS = 10.0
MIN_SECONDS_BETWEEN_BEATS = 1.0
CHECKPOINT_LOOK_SECONDS = 0.3
FIGURES_SECONDS = 15.0  # for which figures from the database are shown again

DELIVERIES = "mailer_deliveries"
CAMPAIGNS = "mailer_campaigns"
LAST_BEAT = "mailer_last_heartbeat_timestamp_seconds"
PROBLEMS = "mailer_problems"
FIGURES = {
    DELIVERIES: Metric(
        "Deliveries of campaigns that are being sent or paused, by state; uncertain ones of all campaigns.",
        {"state": tuple(DeliveryState)},
    ),
    CAMPAIGNS: Metric("Campaigns by state.", {"state": tuple(CampaignState)}),
    LAST_BEAT: Metric(
        "When each kind of process was last at work, in seconds since 1970; 0 for never.",
        {"kind": tuple(ProcessKind)},
    ),
    PROBLEMS: Metric(
        "What `mailer status` says needs attention, by severity.", {"severity": tuple(ProblemSeverity)}
    ),
}

log = logging.getLogger("mailer.web")


class Monitoring:
    """The routes for monitoring, and the tasks that keep what they report up to date."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database, self._metrics = database, metrics
        self._verifying: asyncio.Task[MailerError | None] | None = None
        self._ledger_problem: str | None = None
        self._write_problem: str | None = None
        self._has_beaten, self._closing = asyncio.Event(), asyncio.Event()
        self._doubted = asyncio.Event()
        self._gathered_at = -FIGURES_SECONDS
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def routes(self) -> list[Route]:
        """/healthz and /metrics."""
        return [
            Route("/healthz", self._health, name="health"),
            Route("/metrics", self._show_metrics, name="metrics"),
        ]

    def start(self) -> None:
        """Begin the tasks; needs a running event loop."""
        self._tasks = [asyncio.create_task(self._beat_on())]
        if self._database.is_sqlite:
            self._tasks.append(asyncio.create_task(self._look_at_file()))

    def doubt(self) -> None:
        """A request failed: find out within a second whether the database takes writes."""
        self._doubted.set()

    async def close(self) -> None:
        """End the tasks, and wait for what they have begun."""
        self._closing.set()
        self._doubted.set()
        await asyncio.gather(*self._tasks)
        if self._verifying is not None:
            await asyncio.wait([self._verifying])

    @cached_property
    def _clock(self) -> Clock:
        return self._database.clock()

    async def _beat_on(self) -> None:
        while not self._closing.is_set():
            self._doubted.clear()
            self._write_problem = await asyncio.to_thread(self._beat)
            self._has_beaten.set()
            await self._rest(MIN_SECONDS_BETWEEN_BEATS)
            if self._write_problem is None and not self._closing.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._doubted.wait(), BEAT_SECONDS - MIN_SECONDS_BETWEEN_BEATS)

    def _beat(self) -> str | None:
        """Write a sign of life; why that is not possible, or None."""
        try:
            with self._database.write() as connection:
                beat(connection, ProcessKind.SERVE, self._clock())
        except MailerError as error:
            log.warning("The database takes no writes: %s", error.message)
            return "The database takes no writes."
        return None

    async def _look_at_file(self) -> None:
        """Let SQLite's file be complete, without its log, within a second after the last request was committed.

        A file that is put in its place, such as a backup, is opened as soon.
        """
        path = Path(self._database.url.database or "")
        checkpoint, opened = QuietCheckpoint(path), _file_in(path)
        while not self._closing.is_set():
            await self._rest(CHECKPOINT_LOOK_SECONDS)
            found = _file_in(path)
            if found not in {None, opened}:
                # Who leaves would otherwise be recorded in a file that has no name any more.
                log.warning("Another file was put in the place of the database: it is used from now on.")
                await self._database.aclose()
                checkpoint, opened = QuietCheckpoint(path), found
            await asyncio.to_thread(checkpoint.look)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _health(self, _request: Request) -> Response:
        try:
            async with asyncio.timeout(HEALTH_SECONDS), self._database.session() as session:
                await session.exec(select(Consent.subscriber_id).limit(1))
        except (MailerError, TimeoutError) as error:
            log.warning("The database does not answer: %s", error)
            return PlainTextResponse("The database does not answer.\n", 503)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_beaten.wait(), HEALTH_SECONDS)
        if problem := self._write_problem or find_full_disk(self._database):
            return PlainTextResponse(f"{problem} Nobody can unsubscribe.\n", 503)
        if problem := await self._find_ledger_problem():
            return PlainTextResponse(f"{problem} Withdrawals are still taken; nothing is sent.\n", 503)
        return PlainTextResponse("ok\n")

    async def _find_ledger_problem(self) -> str | None:
        """What the last verification of the ledger found; a new one runs in the background, where it is due."""
        task = self._verifying
        if task is None or task.done():
            health = LedgerHealth.of(self._database)
            task = self._verifying = asyncio.create_task(asyncio.to_thread(health.problem))
        done, _ = await asyncio.wait([task], timeout=HEALTH_SECONDS)
        if done:
            problem = task.result()
            self._ledger_problem = problem.message if problem else None
        return self._ledger_problem

    async def _show_metrics(self, _request: Request) -> Response:
        if time.monotonic() - self._gathered_at >= FIGURES_SECONDS:
            self._gathered_at = time.monotonic()
            with suppress(MailerError):  # /healthz tells; the counters are shown all the same
                await asyncio.to_thread(self._gather)
        return Response(self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    def _gather(self) -> None:
        now = datetime.now(UTC)
        with self._database.read() as connection:
            found = overview(connection, now)
            deliveries = count_open_deliveries(connection)
            campaigns = count_campaigns(connection)
        for state in DeliveryState:
            self._metrics.set(DELIVERIES, deliveries.get(state, 0), state=state)
        for campaign_state in CampaignState:
            self._metrics.set(CAMPAIGNS, campaigns.get(campaign_state, 0), state=campaign_state)
        for kind in ProcessKind:
            last = max((one.at.timestamp() for one in found.heartbeats if one.kind is kind), default=0)
            self._metrics.set(LAST_BEAT, last, kind=kind)
        for severity in ProblemSeverity:
            number = sum(problem.severity is severity for problem in found.problems)
            self._metrics.set(PROBLEMS, number, severity=severity)


def find_full_disk(database: Database) -> str | None:
    """Whether the disk of a SQLite file is full; an update in place may still succeed then, an unsubscribe does not."""
    if not database.is_sqlite:
        return None
    try:
        free = shutil.disk_usage(Path(database.url.database or "").absolute().parent).free
    except OSError:
        return None
    return "The disk is full." if free < MIN_FREE_BYTES else None


def _file_in(path: Path) -> tuple[int, int] | None:
    """What tells the file at `path` from another one; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
