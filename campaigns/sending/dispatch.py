"""Sending a campaign, from the decision to the last outcome: freeze, start, run, finish."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta

from campaigns import catalogue, deliveries
from campaigns.deliveries import recovery, workers
from campaigns.lifecycle import Act
from campaigns.models import Campaign, CampaignState
from campaigns.notes import load_notes, render_notes
from campaigns.sending.compose import Composer
from campaigns.sending.pacing import Pacing
from campaigns.sending.recorder import Recorder
from campaigns.sending.sender import Sender, Tally
from campaigns.timing import ALWAYS, DueTime, Missed, SendWindow
from mailer.config import Settings
from mailer.database import Clock, Database, installation_id
from mailer.errors import InvalidInput, MailerError, Refused
from mailer.limits import Throttle
from mailer.message import Content
from mailer.smtp import Accepted, Envelope
from mailer.smtp.relays import Relays
from templates.lint import Finding, Severity, lint
from templates.notes import RenderedNotes

LOOK_AT_THE_WINDOW = 0.5  # seconds between looks

Watch = Callable[[Sender], contextlib.AbstractAsyncContextManager[None]]


class Dispatch:
    """The use cases of sending, on one database, by one set of settings and one clock."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._lease = timedelta(seconds=settings.lease_seconds)
        relays = {name: relay.limits for name, relay in settings.every_relay.items()}
        self._throttle = Throttle(relays, settings.providers, settings.zone)

    def rendered(self, slug: str) -> RenderedNotes:
        """A campaign's mail with open slots: as it was frozen, or as it would be now."""
        with self._database.read() as connection:
            record = catalogue.find(connection, slug)
            if record.frozen_at:
                return catalogue.frozen_content(connection, record)
            images = catalogue.images_of(connection, record.id or 0)
        return render_notes(load_notes(record.notes), images, self._settings)

    def findings(self, slug: str) -> tuple[Finding, ...]:
        """What lint says about a campaign's mail."""
        return lint(self.rendered(slug), image_hosts=self._settings.image_hosts)

    def composer(self, slug: str) -> Composer:
        """What puts a campaign's mails together, with its content as it is now."""
        rendered = self.rendered(slug)
        with self._database.read() as connection:
            record = catalogue.find(connection, slug)
            installation = installation_id(connection)
        return Composer(
            record.id or 0, slug, record.topic, rendered, self._settings, installation=installation
        )

    def freeze(self, slug: str) -> Campaign:
        """Render, check and freeze the content, unless that was done before.

        Raises TemplateError or InvalidInput with file and line, and Refused where lint finds an error.
        """
        with self._database.read() as connection:
            record = catalogue.find(connection, slug)
        if record.frozen_at is None:
            rendered = self.rendered(slug)
            refuse_unsendable(slug, record.topic, rendered, self._settings, self._clock())
            with self._database.write() as connection:
                catalogue.freeze(connection, record.id or 0, rendered, self._clock())
        return record

    def act(self, slug: str, act: Act) -> CampaignState:
        """Pause, resume or cancel a campaign, whoever is sending it."""
        with self._database.write() as connection:
            record = catalogue.find(connection, slug)
            return catalogue.change_state(connection, record, act, self._clock())

    def approve(self, slug: str) -> CampaignState:
        """Freeze the content and approve it."""
        self.freeze(slug)
        return self.act(slug, Act.APPROVE)

    def schedule(self, slug: str, due: DueTime, window: str | None = None) -> CampaignState:
        """Freeze the content and leave the campaign to `start_due`; `window` becomes its own send window."""
        own = self._read_window(window)
        self._check_approval(slug, Act.SCHEDULE)
        record = self.freeze(slug)
        with self._database.write() as connection:
            state = catalogue.change_state(connection, record, Act.SCHEDULE, self._clock())
            catalogue.plan(connection, record.id or 0, due)
            catalogue.set_window(connection, record.id or 0, own or record.send_window)
        return state

    def start(self, slug: str, window: str | None = None) -> Campaign:
        """Freeze the content and enrol the audience: from here on the campaign is being sent."""
        own = self._read_window(window)
        self._check_approval(slug, Act.SEND)
        self.freeze(slug)
        with self._database.write() as connection:
            record = catalogue.find(connection, slug)
            catalogue.change_state(connection, record, Act.SEND, self._clock())
            catalogue.set_window(connection, record.id or 0, own or record.send_window)
        return record

    def resolve(self, slug: str, *, resend: bool, only: Sequence[int] = ()) -> int:
        """The operator's word on the uncertain deliveries; returns how many. A finished campaign reopens.

        `only` names some of them; raises InvalidInput, with nothing changed, where one of those is not uncertain.
        """
        with self._database.write() as connection:
            record, now = catalogue.find(connection, slug), self._clock()
            resolved = deliveries.resolve(connection, record.id or 0, resend=resend, now=now, only=only)
            if missing := sorted(set(only).difference(resolved)):
                numbers = ", ".join(map(str, missing))
                raise InvalidInput(
                    f"{slug} has no uncertain delivery {numbers}",
                    where="--id",
                    hint=f"`mailer deliveries list {slug} --state uncertain` shows them. Nothing was changed.",
                )
            if resend and resolved:
                catalogue.change_state(connection, record, Act.REOPEN, now)
            return len(resolved)

    def skip(self, slug: str, only: Sequence[int]) -> int:
        """Give up on deliveries that were not made; returns how many. Where no other is left, the campaign finishes.

        Raises InvalidInput, with nothing changed, where one of them can't be given up: it is not pending or deferred.
        """
        with self._database.write() as connection:
            record, now = catalogue.find(connection, slug), self._clock()
            skipped = deliveries.skip(connection, record.id or 0, only, now)
            if missing := sorted(set(only).difference(skipped)):
                numbers = ", ".join(map(str, missing))
                raise InvalidInput(
                    f"{slug} has no pending or deferred delivery {numbers}",
                    where="--id",
                    hint=f"`mailer deliveries list {slug}` shows them all. Nothing was changed.",
                )
            if record.state is CampaignState.PAUSED and not deliveries.is_open(connection, record.id or 0):
                catalogue.change_state(connection, record, Act.RESUME, now)
            catalogue.finish_if_done(connection, record.id or 0, now)
            return len(skipped)

    async def send_proofs(self, proofs: Sequence[tuple[Envelope, Content]]) -> list[tuple[bool, str]]:
        """Send to the team's own addresses; for each, whether it was accepted, and what the relay said."""
        said = []
        async with Relays(self._settings.every_relay) as relays:
            for envelope, message in proofs:
                async with relays.connection() as connection:
                    outcome = await connection.send(envelope, message)
                if isinstance(outcome, Accepted):
                    said.append((True, f"accepted: {outcome.reply}"))
                else:
                    said.append((False, f"{type(outcome).__name__.lower()}: {outcome.reason}"))
        return said

    def retire_dead(self) -> None:
        """Take over what dead runs left behind."""
        with self._database.write() as connection:
            now = self._clock()
            if dead := workers.find_dead(connection, now):
                recovery.retire(connection, dead, now)

    def start_due(self) -> list[Missed]:
        """Start the scheduled campaigns whose time has come; returns those that are too late, once."""
        with self._database.write() as connection:
            return catalogue.start_due(connection, self._clock())

    def due(self) -> list[str]:
        """The campaigns that have something to send now; finishes those that have nothing left."""
        self.retire_dead()
        with self._database.write() as connection:
            now = self._clock()
            found = []
            for slug in catalogue.being_sent(connection):
                record = catalogue.find(connection, slug)
                if not deliveries.has_due(connection, record.id or 0, now):
                    catalogue.finish_if_done(connection, record.id or 0, now)
                elif max(self.opens_at(record), self._throttle.opens_at(connection, now)) <= self._clock():
                    found.append(slug)
            return found

    def opens_at(self, record: Campaign) -> datetime:
        """From when on mails of a campaign may go out: now, or the next opening of its send window."""
        window, now = self._window(record), self._clock()
        return window.next_open(now) if window else now

    async def run(self, slug: str, watch: Watch) -> Tally:
        """Send what is due of a campaign that is being sent; `watch` is open while mails go out.

        Outside its send window nothing is sent, and a run that meets the end of it stops in order.
        Raises nothing for what relay and database do meanwhile: the tally tells why a run ended early.
        """
        self.retire_dead()
        with self._database.write() as connection:
            record = catalogue.find(connection, slug)
            if self.opens_at(record) > self._clock():
                return Tally()
            rendered = catalogue.frozen_content(connection, record)
            now = self._clock()
            worker_id = workers.register(connection, workers.Process.current(), now, self._lease)
            installation = installation_id(connection)
        campaign_id = record.id or 0
        try:
            composer = Composer(
                campaign_id, slug, record.topic, rendered, self._settings, installation=installation
            )
            context = deliveries.ClaimContext(worker_id, campaign_id, record.topic)
            tally = await self._send(context, composer, watch, self._window(record))
        finally:
            self._leave(worker_id)
        with contextlib.suppress(MailerError), self._database.write() as connection:
            if tally.refusal:
                catalogue.pause_because(connection, campaign_id, tally.refusal)
                deliveries.take_back_rejected(connection, tally.wrongly_rejected, self._clock())
            catalogue.finish_if_done(connection, campaign_id, self._clock())
        return tally

    async def _send(
        self, context: deliveries.ClaimContext, composer: Composer, watch: Watch, window: SendWindow | None
    ) -> Tally:
        pacing = Pacing(None if self._throttle.is_open else self._throttle)
        recorder = Recorder(self._database, context, self._clock, self._lease, pacing)
        try:
            async with Relays(self._settings.every_relay) as relays:
                sender = Sender(
                    recorder, relays, composer, self._clock, lease=self._lease, retry=self._settings.retry
                )
                async with watch(sender), self._closing(window, sender):
                    return await sender.run()
        finally:
            await recorder.close()

    @contextlib.asynccontextmanager
    async def _closing(self, window: SendWindow | None, sender: Sender) -> AsyncIterator[None]:
        """Stop `sender` when the send window closes."""
        if window is None:
            yield
            return

        async def stop_at_the_end() -> None:
            while True:
                await asyncio.sleep(LOOK_AT_THE_WINDOW)
                if not window.is_open(self._clock()):
                    return sender.stop()

        watching = asyncio.create_task(stop_at_the_end())
        try:
            yield
        finally:
            watching.cancel()

    def _leave(self, worker_id: int) -> None:
        """End in good order. Where the database takes nothing, the lease passes by itself."""
        with contextlib.suppress(MailerError), self._database.write() as connection:
            recovery.release(connection, worker_id)
            recovery.retire(connection, [worker_id], self._clock())

    def _window(self, record: Campaign) -> SendWindow | None:
        """The campaign's own send window, or else the settings'."""
        settings = self._settings
        if record.send_window is not None:
            return SendWindow.parse(record.send_window, settings.zone)
        return SendWindow.parse(settings.send_window or ALWAYS, settings.zone, "send_window")

    def _read_window(self, window: str | None) -> str | None:
        """What to keep of a campaign's own window: its zone with it, so that it stays what it is."""
        return window and str(SendWindow.parse(window, self._settings.zone) or ALWAYS)

    def _check_approval(self, slug: str, act: Act) -> None:
        with self._database.read() as connection:
            record = catalogue.find(connection, slug)
        catalogue.check(record, act, approval_required=self._settings.require_approval)


def refuse_unsendable(
    slug: str, topic: str, rendered: RenderedNotes, settings: Settings, now: datetime
) -> None:
    """Raise Refused where lint finds an error, and what the composer raises where no mail comes of it."""
    refuse_errors(slug, lint(rendered, image_hosts=settings.image_hosts))
    Composer(0, slug, topic, rendered, settings, installation="").proof(now)  # its link belongs to nobody


def refuse_errors(slug: str, findings: tuple[Finding, ...]) -> None:
    """Raise Refused where lint found an error; it names them all."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        lines = "\n".join(f"  {finding.where}: {finding.message} ({finding.code})" for finding in errors)
        raise Refused(f"Campaign {slug!r} is not sent, for lint found:\n{lines}")
