"""The use cases of campaigns: approve, schedule, update, delete, start, run, resolve, finish."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from campaigns import approvals, catalogue, deliveries, holds, schedules, transitions
from campaigns.approvals import ApprovalRule, ApprovalStatus, Approver
from campaigns.campaign import Campaign
from campaigns.lifecycle import Act
from campaigns.sending.campaign_run import CampaignRuns
from campaigns.sending.preflight import Preflight
from campaigns.states import CampaignState
from campaigns.stored_content import content_hash
from campaigns.timing import ALWAYS, DueTime, Missed, SendWindow
from mailer.config import Settings
from mailer.database import Clock, Database
from mailer.errors import InvalidInput, Refused
from subscribers.ledger import refuse_freezing_if_unsafe
from templates.notes import RenderedNotes

if TYPE_CHECKING:
    from campaigns.sending.preparation import Preparation
    from campaigns.source import NotesSource


class Dispatch:
    """The use cases of sending, on one database, with one set of settings and one clock.

    `runs` sends what has been started, `preparation` makes the content, and `continuity` refuses a restored database.
    Where `preflight` refuses a campaign, it is not scheduled, started or continued, and does not change.
    """

    def __init__(
        self, database: Database, settings: Settings, clock: Clock, preflight: Preflight | None = None
    ) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._preflight = preflight
        self.continuity = holds.Continuity(database, settings, clock)
        self.runs = CampaignRuns(database, settings, clock, self.continuity)
        self._rule = ApprovalRule.of(settings)

    @cached_property
    def preparation(self) -> Preparation:
        """The content of the campaigns."""
        from campaigns.sending.preparation import Preparation  # noqa: PLC0415 - slow to import, and mostly nothing is due

        return Preparation(self._database, self._settings, self._clock)

    def act(self, slug: str, act: Act) -> CampaignState:
        """Pause, resume or cancel a campaign. It may be sent by any host."""
        with self._database.write() as connection:
            campaign = catalogue.find(connection, slug)
            return transitions.change_state(connection, campaign, act, self._clock())

    def approve(self, slug: str, approver: Approver) -> ApprovalStatus:
        """Freeze the content and approve it. Raises Refused where it changed in the meantime."""
        campaign = self._find(slug)
        rendered = self._checked_content(campaign)
        approved = content_hash(rendered) if rendered is not None else campaign.content_hash
        with self._database.write() as connection:
            self._freeze(connection, campaign, rendered)
            return transitions.approve(
                connection, campaign, approver, self._rule, self._clock(), content_hash=approved
            )

    def schedule(self, slug: str, due: DueTime, window: str | None = None) -> CampaignState:
        """Freeze the content and set the due time. `window` overrides the settings."""
        return self._begin(slug, Act.SCHEDULE, window, due)

    def unschedule(self, slug: str) -> CampaignState:
        """Remove the due time. The campaign becomes a draft again, or approved if it was approved."""
        with self._database.write() as connection:
            campaign = catalogue.find(connection, slug)
            state = transitions.change_state(connection, campaign, Act.UNSCHEDULE, self._clock())
            schedules.forget(connection, campaign.id)
        return state

    def update(self, slug: str, source: NotesSource | None = None) -> CampaignState:
        """Read the notes again, from `source` or their former source. The campaign becomes a draft.

        Approval and due time are removed. Raises Refused if a mail was attempted or the source is unknown.
        """
        campaign = self._find(slug)
        transitions.check(campaign, Act.UPDATE)
        source = source or self.preparation.source_of(campaign)
        notes, images = self.preparation.read(source)
        with self._database.write() as connection:
            state = transitions.change_state(connection, campaign, Act.UPDATE, self._clock())
            schedules.forget(connection, campaign.id)
            catalogue.replace_notes(connection, campaign.id, notes, images, source)
        return state

    def delete(self, slug: str) -> None:
        """Delete a campaign without attempted mails. Its slug can be used again. Raises Refused."""
        with self._database.write() as connection:
            campaign = catalogue.find(connection, slug)
            transitions.change_state(connection, campaign, Act.DELETE, self._clock())
            catalogue.remove(connection, campaign.id)

    def start(self, slug: str, window: str | None = None) -> None:
        """Freeze the content, enrol the audience, and begin sending; or continue a campaign. See `schedule`."""
        self.continuity.require()
        refuse_freezing_if_unsafe(self._database)
        self._begin(slug, Act.SEND, window)

    def resolve(self, slug: str, *, resend: bool, only: Sequence[int] = ()) -> int:
        """Apply the decision about uncertain deliveries; returns how many. A finished campaign reopens.

        `only` names some of them. Raises InvalidInput, with nothing changed, where one of these is not uncertain.
        """
        with self._database.write() as connection:
            campaign, now = catalogue.find(connection, slug), self._clock()
            if holds.is_held(connection, campaign.id):
                if only:
                    raise InvalidInput(
                        f"{slug} is of a restored database, so all of it is decided at once",
                        where="--id",
                        hint="Leave --id out. Nothing was changed.",
                    )
                return transitions.decide_restored(connection, campaign, now, resend=resend)
            resolved = deliveries.resolve(connection, campaign.id, resend=resend, now=now, only=only)
            _refuse_unknown(slug, only, resolved, "uncertain", " --state uncertain")
            if resend and resolved:
                transitions.change_state(connection, campaign, Act.REOPEN, now)
            return len(resolved)

    def skip(self, slug: str, only: Sequence[int]) -> int:
        """Give up open deliveries; returns how many. A campaign without others finishes.

        Raises InvalidInput, with nothing changed, where one of them is neither pending nor deferred.
        """
        with self._database.write() as connection:
            campaign, now = catalogue.find(connection, slug), self._clock()
            skipped = deliveries.skip(connection, campaign.id, only, now)
            _refuse_unknown(slug, only, skipped, "pending or deferred")
            if campaign.state is CampaignState.PAUSED and not deliveries.is_open(connection, campaign.id):
                transitions.change_state(connection, campaign, Act.RESUME, now)
            transitions.finish_if_done(connection, campaign, now)
            return len(skipped)

    def start_due(self, on_refusal: Callable[[Refused], None] = lambda _: None) -> list[Missed]:
        """Start the scheduled campaigns that are due; returns those that are too late, each only once.

        A campaign that is refused stays scheduled, and `on_refusal` gets the reason. Raises Refused after a restore.
        """
        self.continuity.require()
        missed = []
        with self._database.read() as connection:
            slugs = schedules.slugs_due(connection, self._clock())
        for slug in slugs:
            try:
                refuse_freezing_if_unsafe(self._database)
                with self._database.read() as connection:
                    campaign = catalogue.find(connection, slug)
                    is_too_late = schedules.is_too_late(connection, campaign.id, self._clock())
                    if not is_too_late:
                        self._require_approval(connection, slug)
                if self._preflight is not None and not is_too_late:
                    self._preflight.check(campaign)
            except Refused as error:
                on_refusal(Refused(f"{slug} is not started. {error.message}", hint=error.hint))
                continue
            with self._database.write() as connection:
                if late := schedules.start_if_due(connection, slug, self._clock()):
                    missed.append(late)
        return missed

    def due(self) -> list[str]:
        """The campaigns with due deliveries. Finishes the campaigns without open deliveries."""
        self.runs.retire_dead()
        with self._database.write() as connection:
            now = self._clock()
            found = []
            for slug in schedules.slugs_being_sent(connection):
                campaign = catalogue.find(connection, slug)
                if not deliveries.has_due(connection, campaign.id, now):
                    transitions.finish_if_done(connection, campaign, now)
                elif self.runs.may_send_at(connection, campaign) <= self._clock():
                    found.append(slug)
            return found

    def _begin(self, slug: str, act: Act, window: str | None, due: DueTime | None = None) -> CampaignState:
        """Check all that `act` requires, freeze the content, and do `act`."""
        # With its zone, so that later changes of the settings do not change it.
        own_window = window and str(SendWindow.parse(window, self._settings.zone) or ALWAYS)
        campaign = self._find(slug)
        transitions.check(campaign, act)
        with self._database.read() as connection:
            self._require_approval(connection, slug)
        rendered = self._checked_content(campaign)
        if self._preflight is not None:
            self._preflight.check(campaign)
        with self._database.write() as connection:
            self._require_approval(connection, slug)
            state = transitions.change_state(connection, campaign, act, self._clock())
            self._freeze(connection, campaign, rendered)
            if due is not None:
                schedules.plan(connection, campaign.id, due)
            schedules.set_window(connection, campaign.id, own_window or campaign.send_window)
        return state

    def _find(self, slug: str) -> Campaign:
        with self._database.read() as connection:
            return catalogue.find(connection, slug)

    def _require_approval(self, connection: Connection, slug: str) -> None:
        """Raise Refused where the campaign waits for somebody's approval."""
        if self._rule.required:
            approvals.status(connection, catalogue.find(connection, slug), self._rule).refuse_if_missing(slug)

    def _checked_content(self, campaign: Campaign) -> RenderedNotes | None:
        """The content to freeze; None where it is frozen already."""
        return None if campaign.frozen_at else self.preparation.check_content(campaign)

    def _freeze(self, connection: Connection, campaign: Campaign, rendered: RenderedNotes | None) -> None:
        if rendered is not None:
            catalogue.freeze(connection, campaign.id, rendered, self._clock())


def _refuse_unknown(
    slug: str, selected: Iterable[int], found: Iterable[int], kind: str, listing: str = ""
) -> None:
    """Raise InvalidInput for selected deliveries that are not of this kind; `listing` are the options that list it."""
    if missing := sorted(set(selected).difference(found)):
        raise InvalidInput(
            f"{slug} has no {kind} delivery {', '.join(map(str, missing))}",
            where="--id",
            hint=f"`mailer deliveries list {slug}{listing}` shows them. Nothing was changed.",
        )
