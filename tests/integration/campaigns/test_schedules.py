"""Schedules on both databases: what is due starts, what is too late is missed, and send windows hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from campaigns import catalogue
from campaigns.sending import Dispatch
from campaigns.states import CampaignState
from campaigns.timing import parse_due_time
from mailer.database import Database
from mailer.errors import InvalidInput
from tests.support.campaign import counts, draft, send, settings_for, subscribe, unwatched
from tests.support.clock import SetClock
from tests.support.relay import FaultyRelay
from tests.support.settings import settings_of

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # 10:00 in Amsterdam
OFFICE_HOURS = "weekdays 08:00 to 18:00 Europe/Amsterdam"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(MONDAY)


@pytest.fixture
def dispatch(database: Database, clock: SetClock) -> Dispatch:
    return dispatch_at(database, clock)


def dispatch_at(database: Database, clock: SetClock, port: int = 25, **values: str) -> Dispatch:
    return Dispatch(database, settings_for(port, **values), clock)


def schedule(dispatch: Dispatch, at: str, *, lateness: timedelta = timedelta(hours=6)) -> None:
    dispatch.schedule("notes", parse_due_time(at, "Europe/Amsterdam", MONDAY, lateness))


def test_a_campaign_starts_when_its_time_has_come_and_not_before(
    database: Database, dispatch: Dispatch, clock: SetClock
) -> None:
    subscribe(database, 2)
    draft(database)
    schedule(dispatch, "2026-11-24 09:00")
    assert (dispatch.start_due(), dispatch.due()) == ([], [])
    clock.now = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    assert (dispatch.start_due(), dispatch.due()) == ([], ["notes"])


def test_a_campaign_that_cron_left_for_two_days_is_missed_and_that_is_said_once(
    database: Database, dispatch: Dispatch, clock: SetClock
) -> None:
    subscribe(database, 2)
    draft(database)
    schedule(dispatch, "2026-11-24 09:00")
    clock.now = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    (missed,) = dispatch.start_due()
    assert "mailer campaigns schedule notes --at" in str(missed)
    assert (dispatch.start_due(), dispatch.due()) == ([], [])
    assert counts(database).state is CampaignState.MISSED


def test_up_to_its_lateness_a_campaign_still_starts(
    database: Database, dispatch: Dispatch, clock: SetClock
) -> None:
    subscribe(database, 2)
    draft(database)
    schedule(dispatch, "2026-11-24 09:00", lateness=timedelta(days=3))
    clock.now = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    assert (dispatch.start_due(), dispatch.due()) == ([], ["notes"])


def test_a_missed_campaign_can_have_a_new_time(
    database: Database, dispatch: Dispatch, clock: SetClock
) -> None:
    subscribe(database, 2)
    draft(database)
    schedule(dispatch, "2026-11-24 09:00")
    clock.now = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    dispatch.start_due()
    schedule(dispatch, "2026-11-26 10:00")
    assert counts(database).state is CampaignState.SCHEDULED
    clock.now = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
    assert (dispatch.start_due(), dispatch.due()) == ([], ["notes"])


async def test_outside_its_send_window_a_campaign_waits_for_the_next_opening(
    database: Database, clock: SetClock
) -> None:
    subscribe(database, 3)
    draft(database)
    clock.now = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)  # Friday evening
    async with FaultyRelay() as relay:
        dispatch = dispatch_at(database, clock, relay.port, send_window=OFFICE_HOURS)
        await send(dispatch)
        assert (relay.accepted, dispatch.due()) == ([], [])
        assert counts(database).state is CampaignState.SENDING
        clock.now = datetime(2026, 11, 30, 7, 0, tzinfo=UTC)  # Monday, 8 o'clock
        assert dispatch.due() == ["notes"]
        await dispatch.runs.run("notes", unwatched)
    assert counts(database).accepted == 3


async def test_a_run_stops_when_its_send_window_closes_and_goes_on_when_it_opens(
    database: Database, clock: SetClock
) -> None:
    subscribe(database, 300)
    draft(database)
    clock.now = datetime(2026, 11, 23, 16, 59, 50, tzinfo=UTC)  # shortly before 18:00 in Amsterdam
    async with FaultyRelay(pipelining=True) as relay:
        relay.slowness = 0.05
        dispatch = dispatch_at(database, clock, relay.port, send_window=OFFICE_HOURS)
        running = asyncio.create_task(send(dispatch))
        await relay.taken(10)
        clock.now = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
        tally = await running
        assert tally.error is None
        status = counts(database)
        assert status.accepted == len(relay.accepted) < 300
        assert status.accepted + status.pending == 300
        relay.slowness = 0
        clock.now = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
        assert dispatch.due() == ["notes"]
        await dispatch.runs.run("notes", unwatched)
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: 300}


def test_a_campaign_has_a_window_of_its_own_in_place_of_the_settings(
    database: Database, clock: SetClock
) -> None:
    subscribe(database, 1)
    draft(database)
    dispatch = dispatch_at(database, clock, send_window="weekends 08:00 to 18:00")
    dispatch.start("notes", "mon 10:00 to 11:00")
    assert dispatch.due() == ["notes"]
    with database.read() as connection:
        assert catalogue.find(connection, "notes").send_window == "mon 10:00 to 11:00 Europe/Amsterdam"
    dispatch.start("notes", "mon 11:00 to 12:00")
    assert dispatch.due() == []
    dispatch.start("notes", "always")
    assert dispatch.due() == ["notes"]


def test_a_window_that_makes_no_sense_starts_nothing(database: Database, dispatch: Dispatch) -> None:
    draft(database)
    with pytest.raises(InvalidInput, match="--window"):
        dispatch.start("notes", "sometimes")
    assert counts(database).state is CampaignState.DRAFT


@pytest.mark.parametrize(("text", "length"), [("90m", timedelta(minutes=90)), ("2d", timedelta(days=2))])
def test_the_settings_lateness_is_written_as_people_do(text: str, length: timedelta) -> None:
    assert settings_of(max_lateness=text).max_lateness == length
