"""Find problems that need a person, in all campaigns and processes. For `mailer status`, doctor and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from sqlalchemy import Connection, func, select

from campaigns import approvals, catalogue, holds, purge_clock, schedules
from campaigns.approvals import NO_APPROVAL, ApprovalRule
from campaigns.campaign import Campaign
from campaigns.deliveries import UNCERTAIN, delivery, workers
from campaigns.deliveries import campaign as campaign_table
from campaigns.reports.status import (
    CampaignStatus,
    campaign_status,
    decide_uncertain,
    next_due,
    uncertain_mails,
)
from campaigns.states import CampaignState, DeliveryState
from mailer.database import Heartbeat, ProcessKind, heartbeats

_SENDS_WHAT_IS_DUE = frozenset({ProcessKind.RUN_DUE, ProcessKind.WORKER})
# The documentation lets cron run `run-due` every five minutes.
RUN_DUE_STALE = timedelta(minutes=20)
SERVE_STALE = timedelta(minutes=2)
OVERDUE = timedelta(minutes=15)  # after the due time, a delivery or campaign counts as overdue

_OPEN = (CampaignState.SCHEDULED, CampaignState.MISSED, CampaignState.SENDING, CampaignState.PAUSED)


class ProblemSeverity(StrEnum):
    """A failure needs action. A warning needs a look."""

    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem, and the next step: a command or an instruction. `slug` names the campaign, if the problem is in one."""

    severity: ProblemSeverity
    message: str
    next_step: str
    slug: str | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The latest heartbeats, the campaigns that are open or have uncertain deliveries, and the problems, failures first."""

    heartbeats: Sequence[Heartbeat]
    campaigns: Sequence[CampaignStatus]
    problems: Sequence[Problem]


def overview(
    connection: Connection, now: datetime, zone: tzinfo = UTC, rule: ApprovalRule = NO_APPROVAL
) -> Overview:
    """The overview at `now`. Its messages name moments in `zone`; `rule` says who must approve a campaign."""
    uncertain = count_uncertain(connection)
    everything = catalogue.all_campaigns(connection)[::-1]
    listed = [one for one in everything if one.state in _OPEN or one.slug in uncertain]
    beats = heartbeats(connection)
    found = [*_held(connection), *_stopped(beats, now, zone), *_not_purged(connection, beats, now)]
    at_work = workers.any_at_work(connection, now)
    for one in listed:
        found += _of_campaign(connection, one, now, zone, at_work=at_work)
    found += _unapproved(connection, everything, rule)
    found += [_of_uncertain(slug, number) for slug, number in uncertain.items()]
    found.sort(key=lambda problem: problem.severity is not ProblemSeverity.FAILURE)
    return Overview(beats, [campaign_status(connection, one) for one in listed], found)


def count_uncertain(connection: Connection) -> dict[str, int]:
    """The number of uncertain deliveries, by slug of the campaign."""
    statement = (
        select(campaign_table.c.slug, func.count())
        .join(delivery, delivery.c.campaign_id == campaign_table.c.id)
        .where(UNCERTAIN)
        .group_by(campaign_table.c.slug)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def count_campaigns(connection: Connection) -> Mapping[CampaignState, int]:
    """The number of campaigns in each state."""
    statement = select(campaign_table.c.state, func.count()).group_by(campaign_table.c.state)
    return {row[0]: row[1] for row in connection.execute(statement)}


def count_open_deliveries(connection: Connection) -> Mapping[DeliveryState, int]:
    """The number of deliveries in each state, in campaigns that are being sent or paused. Uncertain: in all campaigns."""
    being_sent = select(campaign_table.c.id).where(
        campaign_table.c.state.in_([CampaignState.SENDING, CampaignState.PAUSED])
    )
    statement = (
        select(delivery.c.state, func.count())
        .where(delivery.c.campaign_id.in_(being_sent))
        .group_by(delivery.c.state)
    )
    counts = {row[0]: row[1] for row in connection.execute(statement)}
    return counts | {DeliveryState.UNCERTAIN: sum(count_uncertain(connection).values())}


def _held(connection: Connection) -> Iterator[Problem]:
    refusal = holds.problem(connection)
    if refusal is not None:
        steps = (refusal.hint or "").partition("Next:\n")[2]
        yield Problem(ProblemSeverity.FAILURE, refusal.message, steps)


def _stopped(beats: Sequence[Heartbeat], now: datetime, zone: tzinfo) -> Iterator[Problem]:
    """Problems of processes whose heartbeats have stopped."""
    sending = [one.at for one in beats if one.kind in _SENDS_WHAT_IS_DUE]
    if sending and now - max(sending) > RUN_DUE_STALE:
        yield Problem(
            ProblemSeverity.FAILURE,
            f"Neither run-due nor a worker has run since {_moment(max(sending), zone)}.",
            "See whether cron, the timer or the worker is running: systemctl list-timers, crontab -l",
        )
    serving = [one.at for one in beats if one.kind is ProcessKind.SERVE]
    if serving and now - max(serving) > SERVE_STALE:
        yield Problem(
            ProblemSeverity.FAILURE,
            f"mailer serve has not been at work since {_moment(max(serving), zone)}: nobody can unsubscribe.",
            "systemctl status release-mailer",
        )


def _not_purged(connection: Connection, beats: Sequence[Heartbeat], now: datetime) -> Iterator[Problem]:
    """Whether the daily purge waits for somebody to say that the clock is right."""
    if any(one.kind in _SENDS_WHAT_IS_DUE for one in beats):
        doubt = purge_clock.doubt(connection, now)
        if doubt is not None:
            step = "set the clock, or, where it is right, mailer privacy purge"
            yield Problem(ProblemSeverity.FAILURE, f"Nothing is deleted at its end. {doubt}", step)


def _of_campaign(
    connection: Connection, one: Campaign, now: datetime, zone: tzinfo, *, at_work: bool
) -> Iterator[Problem]:
    match one.state:
        case CampaignState.PAUSED:
            because = f": {one.paused_because}" if one.paused_because else ""
            severity = ProblemSeverity.FAILURE if one.paused_because else ProblemSeverity.WARNING
            yield Problem(
                severity, f"{one.slug} is paused{because}", f"mailer campaigns resume {one.slug}", one.slug
            )
        case CampaignState.MISSED:
            step = f'mailer campaigns schedule {one.slug} --at "..."'
            yield Problem(ProblemSeverity.FAILURE, f"{one.slug} missed its time.", step, one.slug)
        case CampaignState.SCHEDULED:
            due = schedules.due_at(connection, one)
            if due is not None and now - due > OVERDUE:
                message = f"{one.slug} was due at {_moment(due, zone)} and has not been started."
                yield Problem(ProblemSeverity.FAILURE, message, "mailer run-due", one.slug)
        case CampaignState.SENDING if not at_work:
            due = next_due(connection, one.id)
            if due is not None and now - due > OVERDUE:
                message = f"{one.slug} is being sent, and nobody is working on it."
                yield Problem(ProblemSeverity.FAILURE, message, "mailer run-due", one.slug)
        case _:
            return


def _unapproved(
    connection: Connection, campaigns: Sequence[Campaign], rule: ApprovalRule
) -> Iterator[Problem]:
    """Campaigns that somebody approved or scheduled, and that wait for more approvals. A draft alone waits for nobody."""
    if not rule.required:
        return
    for one in campaigns:
        if one.state not in approvals.WAITING:
            continue
        status = approvals.status(connection, one, rule)
        if status.missing and (status.given or one.state is not CampaignState.DRAFT):
            step = f"mailer campaigns preview {one.slug}, then mailer campaigns approve {one.slug} --as NAME"
            message = f"{one.slug} waits for {status.waits_for()}."
            yield Problem(ProblemSeverity.WARNING, message, step, one.slug)


def _of_uncertain(slug: str, number: int) -> Problem:
    return Problem(
        ProblemSeverity.FAILURE, f"{slug}: {uncertain_mails(number)}.", decide_uncertain(slug), slug
    )


def _moment(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"
