"""How a campaign's mails were accepted over time, from the relay's answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from campaigns.campaign import Campaign
from campaigns.deliveries import delivery
from campaigns.states import DeliveryState

MOST_STEPS = 60
SHARES = (0.5, 0.9, 0.99, 1.0)
_STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
)


class Ended(NamedTuple):
    """Deliveries that ended at one moment."""

    at: datetime
    accepted: bool
    number: int


@dataclass(frozen=True, slots=True)
class Step:
    """The deliveries that were accepted, and those that ended otherwise, from the start until `at`."""

    at: datetime
    accepted: int
    otherwise: int


@dataclass(frozen=True, slots=True)
class Milestone:
    """When this share of the accepted mails was accepted, and how many seconds after the start."""

    share: float
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign from its start, in at most 60 steps of equal length, and its milestones."""

    started_at: datetime
    steps: tuple[Step, ...]
    milestones: tuple[Milestone, ...]


def read_progress(connection: Connection, campaign: Campaign) -> Progress | None:
    """The progress; None before the first delivery ended. Deliveries whose rows were deleted are not in it."""
    of_campaign = (delivery.c.campaign_id == campaign.id, delivery.c.completed_at.is_not(None))
    last, accepted = connection.execute(
        select(
            func.max(delivery.c.completed_at),
            func.count().filter(delivery.c.state == DeliveryState.ACCEPTED),
        ).where(*of_campaign)
    ).one()
    if last is None or campaign.started_at is None:
        return None
    ended = (
        select(delivery.c.completed_at, delivery.c.state, func.count())
        .where(*of_campaign)
        .group_by(delivery.c.completed_at, delivery.c.state)
        .order_by(delivery.c.completed_at)
    )
    with connection.execution_options(yield_per=2000).execute(ended) as rows:
        found = (Ended(at, state is DeliveryState.ACCEPTED, number) for at, state, number in rows)
        return measure(found, campaign.started_at, last, accepted)


def measure(ended: Iterable[Ended], started_at: datetime, last: datetime, accepted: int) -> Progress:
    """The progress of deliveries that ended, in the order of time, the last of them at `last`."""
    length = step_length(last - started_at)
    steps: list[Step] = [Step(started_at, 0, 0)]
    milestones: list[Milestone] = []
    good = bad = 0
    for one in ended:
        while one.at > steps[-1].at + length:
            steps.append(Step(steps[-1].at + length, good, bad))
        good, bad = (good + one.number, bad) if one.accepted else (good, bad + one.number)
        while len(milestones) < len(SHARES) and good and good >= SHARES[len(milestones)] * accepted:
            seconds = max((one.at - started_at).total_seconds(), 0)
            milestones.append(Milestone(SHARES[len(milestones)], one.at, seconds))
    steps.append(Step(max(last, started_at), good, bad))
    return Progress(started_at, tuple(steps), tuple(milestones))


def step_length(period: timedelta) -> timedelta:
    """A round length with which `period` has at most 60 steps."""
    longest = _STEPS[-1]
    return next(
        (one for one in _STEPS if one * MOST_STEPS >= period), longest * -(-period // (longest * MOST_STEPS))
    )
