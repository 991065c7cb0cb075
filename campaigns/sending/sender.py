"""One run: claim -> gate -> compose -> send -> record, until nothing is due."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from campaigns.sending.batches import Batches
from campaigns.sending.recorder import Batch, Recorder
from campaigns.sending.tally import Tally
from mailer.errors import MailerError
from mailer.smtp.relays import LimitsReached, Relays

MIN_REST_SECONDS, MAX_REST_SECONDS = 0.01, 900.0  # that a run waits for its limits


class Sender:
    """Sends the due deliveries of one campaign, until there are none, no relay serves, or `stop` is called."""

    def __init__(self, recorder: Recorder, relays: Relays, batches: Batches) -> None:
        self.recorder, self._relays, self._batches = recorder, relays, batches
        self.tally, self._clock = batches.tally, recorder.clock
        self._stopped = self.tally.stopped
        self._running: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Stop after the mails in flight. Offer no other mail."""
        self._stopped.set()

    def stop_at_once(self) -> None:
        """Stop without waiting for the mails in flight: those whose content was offered become uncertain."""
        self.stop()
        self.recorder.may_retry = False
        if self._running is not None:
            self._running.cancel()

    async def run(self) -> Tally:
        """Send until nothing is due. The tally has the counts, and why the run ended early."""
        renewing = asyncio.create_task(self._keep_lease())
        sending = self._running = asyncio.create_task(self._send())
        try:
            await asyncio.wait([sending])
        finally:
            renewing.cancel()
            sending.cancel()
            await asyncio.gather(renewing, sending, return_exceptions=True)
            await self._batches.finish()
        if not sending.cancelled():
            sending.result()
        return self.tally

    async def _send(self) -> None:
        try:
            while await self._batches.claim() or await self._await_held_back():
                await self._use_connections()
        except MailerError as error:
            self.tally.fail(error)

    async def _use_connections(self) -> None:
        """Use as many connections as the relays may have and there are mails, until no other mail is to be begun.

        Nobody waits then for a connection that is still being opened: a relay may greet minutes late, or never.
        """
        connections = self._relays.ceiling
        if not self._relays.several:  # of several one may never greet
            connections = self._batches.at_most(connections)
        loops = [asyncio.create_task(self._connection_loop()) for _ in range(connections)]
        tasks = [*loops, asyncio.create_task(self._stopped.wait())]
        try:
            while not all(loop.done() for loop in loops):
                unfinished = [task for task in tasks if not task.done()]
                done, _ = await asyncio.wait(unfinished, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if self._batches.is_over and not self._batches.sessions:
                    break
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection_loop(self) -> None:
        """Use one connection after another. An error stops the run, but cancels no mail in flight."""
        try:
            while not self._batches.is_over:
                if seconds := self._relays.seconds_until_available():
                    await self._rest(self._clock() + timedelta(seconds=seconds))
                    continue
                with suppress(LimitsReached):  # the next round rests, or ends the run
                    async with self._relays.connection() as connection:
                        await self._batches.use(connection)
        except MailerError as error:
            self.tally.fail(error)

    async def _await_held_back(self) -> bool:
        """Wait until the next delivery that only a limit holds back is due; whether there is one."""
        if self._stopped.is_set() or (due := await self.recorder.next_held_back()) is None:
            return False
        await self._rest(due)
        return not self._stopped.is_set()

    async def _rest(self, until: datetime) -> None:
        """Wait for the limits, unless that takes too long: then the run ends, and a later one continues."""
        seconds = (until - self._clock()).total_seconds()
        if seconds > MAX_REST_SECONDS:
            self.tally.limited_until = until
            self.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), max(seconds, MIN_REST_SECONDS))

    async def _keep_lease(self) -> None:
        """Renew the lease while all connections wait for a slow relay."""
        while True:
            await asyncio.sleep(self.recorder.lease.total_seconds() / 3)
            try:
                if (await self.recorder.commit(Batch())).halted:
                    self.stop()
            except MailerError as error:
                self.tally.fail(error)
