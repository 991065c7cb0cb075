"""The use cases of sending: approve, schedule, start, run, resolve, finish."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from campaigns import catalogue, deliveries, schedules, transitions
from campaigns.campaign import Campaign
from campaigns.lifecycle import Act
from campaigns.models import CampaignState
from campaigns.sending.campaign_run import CampaignRuns, Watch
from campaigns.sending.compose import Composer
from campaigns.sending.preparation import Preparation
from campaigns.sending.sender import Tally
from campaigns.timing import ALWAYS, DueTime, Missed, SendWindow
from mailer.config import Settings
from mailer.database import Clock, Database
from mailer.errors import InvalidInput
from mailer.message import Content
from mailer.smtp import Accepted, Envelope
from mailer.smtp.relays import Relays
from subscribers.ledger import LedgerHealth
from templates.lint import Finding
from templates.notes import RenderedNotes


class Dispatch:
    """The use cases of sending, on one database, with one set of settings and one clock."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._preparation = Preparation(database, settings, clock)
        self._runs = CampaignRuns(database, settings, clock)

    def rendered(self, slug: str) -> RenderedNotes:
        """A campaign's mail with open slots: as it was frozen, or as it would be now."""
        return self._preparation.rendered(slug)

    def findings(self, slug: str) -> tuple[Finding, ...]:
        """What lint finds in a campaign's mail."""
        return self._preparation.findings(slug)

    def composer(self, slug: str) -> Composer:
        """Composes a campaign's mails, with its content as it is now."""
        return self._preparation.composer(slug)

    def act(self, slug: str, act: Act) -> CampaignState:
        """Pause, resume or cancel a campaign, whichever host is sending it."""
        with self._database.write() as connection:
            campaign = catalogue.find(connection, slug)
            return transitions.change_state(connection, campaign, act, self._clock())

    def approve(self, slug: str) -> CampaignState:
        """Freeze the content and approve it."""
        self._preparation.freeze(slug)
        return self.act(slug, Act.APPROVE)

    def schedule(self, slug: str, due: DueTime, window: str | None = None) -> CampaignState:
        """Freeze the content and leave the campaign to `start_due`; `window` becomes its own send window."""
        own_window = self._parse_window(window)
        self._check_approval(slug, Act.SCHEDULE)
        campaign = self._preparation.freeze(slug)
        with self._database.write() as connection:
            state = transitions.change_state(connection, campaign, Act.SCHEDULE, self._clock())
            schedules.plan(connection, campaign.id, due)
            schedules.set_window(connection, campaign.id, own_window or campaign.send_window)
        return state

    def start(self, slug: str, window: str | None = None) -> Campaign:
        """Freeze the content and enrol the audience: from here on the campaign is being sent."""
        own_window = self._parse_window(window)
        self._check_approval(slug, Act.SEND)
        LedgerHealth.of(self._database).refuse_if_damaged(check_now=True)
        self._preparation.freeze(slug)
        with self._database.write() as connection:
            campaign = catalogue.find(connection, slug)
            transitions.change_state(connection, campaign, Act.SEND, self._clock())
            schedules.set_window(connection, campaign.id, own_window or campaign.send_window)
        return campaign

    async def run(self, slug: str, watch: Watch) -> Tally:
        """Send what is due of a campaign that is being sent. See `CampaignRuns.run`.

        Raises Refused where the ledger is damaged.
        """
        LedgerHealth.of(self._database).refuse_if_damaged()
        return await self._runs.run(slug, watch)

    def resolve(self, slug: str, *, resend: bool, only: Sequence[int] = ()) -> int:
        """Apply the operator's decision about uncertain deliveries; returns how many. A finished campaign reopens.

        `only` names some of them; raises InvalidInput, with nothing changed, where one of those is not uncertain.
        """
        with self._database.write() as connection:
            campaign, now = catalogue.find(connection, slug), self._clock()
            resolved = deliveries.resolve(connection, campaign.id, resend=resend, now=now, only=only)
            if missing := sorted(set(only).difference(resolved)):
                numbers = ", ".join(map(str, missing))
                raise InvalidInput(
                    f"{slug} has no uncertain delivery {numbers}",
                    where="--id",
                    hint=f"`mailer deliveries list {slug} --state uncertain` shows them. Nothing was changed.",
                )
            if resend and resolved:
                transitions.change_state(connection, campaign, Act.REOPEN, now)
            return len(resolved)

    def skip(self, slug: str, only: Sequence[int]) -> int:
        """Give up pending or deferred deliveries; returns how many. Where no other is left, the campaign finishes.

        Raises InvalidInput, with nothing changed, where one of them is neither pending nor deferred.
        """
        with self._database.write() as connection:
            campaign, now = catalogue.find(connection, slug), self._clock()
            skipped = deliveries.skip(connection, campaign.id, only, now)
            if missing := sorted(set(only).difference(skipped)):
                numbers = ", ".join(map(str, missing))
                raise InvalidInput(
                    f"{slug} has no pending or deferred delivery {numbers}",
                    where="--id",
                    hint=f"`mailer deliveries list {slug}` shows them all. Nothing was changed.",
                )
            if campaign.state is CampaignState.PAUSED and not deliveries.is_open(connection, campaign.id):
                transitions.change_state(connection, campaign, Act.RESUME, now)
            transitions.finish_if_done(connection, campaign, now)
            return len(skipped)

    async def send_proofs(self, proofs: Sequence[tuple[Envelope, Content]]) -> list[tuple[bool, str]]:
        """Send to the team's own addresses; for each, whether it was accepted, and the relay's reply."""
        replies = []
        async with Relays(self._settings.every_relay) as relays:
            for envelope, message in proofs:
                async with relays.connection() as connection:
                    outcome = await connection.send(envelope, message)
                if isinstance(outcome, Accepted):
                    replies.append((True, f"accepted: {outcome.reply}"))
                else:
                    replies.append((False, f"{type(outcome).__name__.lower()}: {outcome.reason}"))
        return replies

    def start_due(self) -> list[Missed]:
        """Start the scheduled campaigns that are due; returns those that are too late, once."""
        with self._database.write() as connection:
            return schedules.start_due(connection, self._clock())

    def due(self) -> list[str]:
        """The campaigns that have something to send now; finishes those that have nothing left."""
        self._runs.retire_dead()
        with self._database.write() as connection:
            now = self._clock()
            found = []
            for slug in schedules.slugs_being_sent(connection):
                campaign = catalogue.find(connection, slug)
                if not deliveries.has_due(connection, campaign.id, now):
                    transitions.finish_if_done(connection, campaign, now)
                elif self._runs.may_send_at(connection, campaign) <= self._clock():
                    found.append(slug)
            return found

    def opens_at(self, campaign: Campaign) -> datetime:
        """When mails of a campaign may go out: now, or when its send window opens next."""
        return self._runs.opens_at(campaign)

    def retire_dead(self) -> None:
        """Recover what dead workers left."""
        self._runs.retire_dead()

    def _parse_window(self, window: str | None) -> str | None:
        """A campaign's own window in full, with its zone, so that later settings do not change it."""
        return window and str(SendWindow.parse(window, self._settings.zone) or ALWAYS)

    def _check_approval(self, slug: str, act: Act) -> None:
        with self._database.read() as connection:
            campaign = catalogue.find(connection, slug)
        transitions.check(campaign, act, approval_required=self._settings.require_approval)
