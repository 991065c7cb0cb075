"""One run of one campaign: from the registration of a worker to the last outcome."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from campaigns import catalogue, deliveries, transitions
from campaigns.campaign import Campaign
from campaigns.deliveries import recovery, workers
from campaigns.holds import Continuity
from campaigns.sending.batches import Batches
from campaigns.sending.compose import Composer
from campaigns.sending.recorder import Recorder
from campaigns.sending.sender import MAX_REST_SECONDS, Sender
from campaigns.sending.tally import Tally
from campaigns.timing import ALWAYS, SendWindow
from mailer.config import Settings
from mailer.database import Clock, Database, in_thread, installation_id, record_signing_key
from mailer.errors import MailerError, Refused
from mailer.signing import SigningProcess
from mailer.smtp.relays import Relays
from subscribers.ledger import languages_of_wordings, refuse_run_if_unsafe

BEAT_SECONDS = 1.0
GARBAGE_THRESHOLD = 20_000  # objects; Python's own of 700 looks at each batch of mails three times
WINDOW_CHECK_SECONDS = 0.5  # between two looks at the send window

Watch = Callable[[Sender], contextlib.AbstractAsyncContextManager[None]]


class CampaignRuns:
    """Runs campaigns on one database, with one set of settings and one clock."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, continuity: Continuity) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._continuity = continuity
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._throttle = settings.throttle()

    async def run(self, slug: str, watch: Watch, *, after_start: bool = False) -> Tally:
        """Send the due deliveries of a campaign; `watch` is open while mails go out.

        Outside its send window nothing is sent, and a run stops in order when the window closes.
        Errors of relay and database during the run are not raised: the tally says why a run ended early.
        Raises Refused where the ledger is damaged, and where the database was restored. `after_start`: `Dispatch.start`
        has just found neither.
        """
        if not after_start:
            self._continuity.require()
            refuse_run_if_unsafe(self._database)
        self.retire_dead()
        with self._database.write() as connection:
            campaign = catalogue.find(connection, slug)
            if self.opens_at(campaign) > self._clock():
                return Tally()
            rendered = catalogue.frozen_content(connection, campaign)
            now = self._clock()
            record_signing_key(connection, self._settings.keys(), now)
            process = workers.Process.current()
            worker_id = workers.register(connection, process, campaign.id, now, self._lease)
            installation = installation_id(connection)
            wordings = languages_of_wordings(connection, campaign.topic) if rendered.translations else {}
        try:
            with SigningProcess(self._settings.dkim) as signing:
                composer = Composer(
                    campaign.id,
                    slug,
                    campaign.topic,
                    rendered,
                    self._settings,
                    installation=installation,
                    wordings=wordings,
                    external_keys=signing.keys,
                )
                context = deliveries.ClaimContext(
                    worker_id, campaign.id, campaign.topic, reads_wordings=bool(wordings)
                )
                tally = await self._send(context, composer, signing, watch, self._window(campaign))
        finally:
            self._end_worker(worker_id)
        with contextlib.suppress(MailerError), self._database.write() as connection:
            now = self._clock()
            if isinstance(tally.error, Refused):
                transitions.pause_because(connection, campaign, tally.error.message, now)
            elif tally.pause_reason and (
                tally.wrongly_rejected or deliveries.is_open(connection, campaign.id)
            ):
                transitions.pause_because(connection, campaign, tally.pause_reason, now)
                deliveries.take_back_rejected(connection, tally.wrongly_rejected, now)
            transitions.finish_if_done(connection, campaign, now)
        return tally

    def retire_dead(self) -> None:
        """Retire dead workers and recover their deliveries."""
        with self._database.write() as connection:
            _retire_dead(connection, self._clock())

    def finish(self, slug: str) -> None:
        """Retire dead workers, and finish the campaign where nothing of it is open any more."""
        with self._database.write() as connection:
            now = self._clock()
            _retire_dead(connection, now)
            transitions.finish_if_done(connection, catalogue.find(connection, slug), now)

    def opens_at(self, campaign: Campaign) -> datetime:
        """When the campaign's send window is open: now, or its next opening."""
        window, now = self._window(campaign), self._clock()
        return window.next_open(now) if window else now

    def may_send_at(self, connection: Connection, campaign: Campaign) -> datetime:
        """When the send window and the limits allow the campaign's next mail: now, or later."""
        opens_at = self.opens_at(campaign)
        if self._throttle is None:
            return opens_at
        return max(opens_at, self._throttle.opens_at(connection, self._clock()))

    async def _send(
        self,
        context: deliveries.ClaimContext,
        composer: Composer,
        signing: SigningProcess,
        watch: Watch,
        window: SendWindow | None,
    ) -> Tally:
        async def stop_when_closed() -> None:
            if window is not None and not window.is_open(self._clock()):
                sender.stop()

        recorder = Recorder(self._database, context, self._clock, self._lease, self._throttle)
        with contextlib.closing(recorder):
            async with Relays(self._settings.every_relay, longest_wait=MAX_REST_SECONDS) as relays:
                sign = signing.sign if signing.keys else None
                batches = Batches(recorder, relays, composer, retry=self._settings.retry, sign=sign)
                sender = Sender(recorder, relays, batches)
                closing = _repeated(stop_when_closed, WINDOW_CHECK_SECONDS)
                try:
                    async with watch(sender), closing, _repeated(self._beat, BEAT_SECONDS):
                        with _rarely_collected():
                            tally = await sender.run()
                        tally.error = recorder.hindsight.error() or tally.error
                        return tally
                finally:
                    await self._beat(is_last=True)

    async def _beat(self, *, is_last: bool = False) -> None:
        """Count a second of sending in the database, so that an older copy of the database is recognised."""
        with contextlib.suppress(MailerError):  # the recorder reports a database that fails
            await in_thread(partial(self._continuity.beat, is_last=is_last))

    def _end_worker(self, worker_id: int) -> None:
        """Release the claims of a worker and retire it. Where that can't be written, its lease expires by itself."""
        with contextlib.suppress(MailerError), self._database.write() as connection:
            recovery.release(connection, worker_id)
            recovery.retire(connection, [worker_id], self._clock())

    def _window(self, campaign: Campaign) -> SendWindow | None:
        """The campaign's own send window, or else the settings'."""
        settings = self._settings
        if campaign.send_window is not None:
            return SendWindow.parse(campaign.send_window, settings.zone)
        return SendWindow.parse(settings.send_window or ALWAYS, settings.zone, "send_window")


def _retire_dead(connection: Connection, now: datetime) -> None:
    if dead := workers.find_dead(connection, now):
        recovery.retire(connection, dead, now)


@contextlib.asynccontextmanager
async def _repeated(work: Callable[[], Awaitable[None]], seconds: float) -> AsyncIterator[None]:
    """Do `work` every so many seconds until the block ends. Raises its error then."""

    async def repeat() -> None:
        while True:
            await work()
            await asyncio.sleep(seconds)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


@contextlib.contextmanager
def _rarely_collected() -> Iterator[None]:
    """Let the garbage collector look for cycles rarely: mails have none, and looking takes a tenth of the time."""
    thresholds = gc.get_threshold()
    gc.set_threshold(GARBAGE_THRESHOLD, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
