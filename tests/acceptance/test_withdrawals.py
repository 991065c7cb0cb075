"""People who leave while a campaign is being sent: nobody is attempted after their withdrawal was committed.

A twentieth of the audience leaves, most of them just before their mail is sent. `MAILER_TESTS_WITHDRAWALS`
says how many; `make soak` takes 1,000.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from campaigns import catalogue, reports
from campaigns.states import CampaignState, DeliveryState
from mailer.database import Database
from subscribers.kinds import Channel
from subscribers.self_service import unsubscribe
from subscribers.self_service.unsubscribe import Withdrawal
from tests.support.campaign import (
    counts,
    dispatch_for,
    draft,
    settings_for,
    subscribe,
    threaded,
    write_config,
)
from tests.support.figures import report_figures
from tests.support.installed import InstalledMailer
from tests.support.links import target_of
from tests.support.relay import FaultyRelay

WITHDRAWALS = int(os.environ.get("MAILER_TESTS_WITHDRAWALS", "30"))
TO_EACH = 20  # deliveries for one withdrawal
FASTEST = (
    0.005  # seconds for a mail, so that a withdrawal that waits for the database does not miss the campaign
)
NEAR = range(-10, 40)  # deliveries before and after the one that is attempted
SECONDS = 120 + WITHDRAWALS // 2

FLAVOURS: dict[str, dict[str, Any]] = {
    "plain": {},
    "pipelining": {"pipelining": True},
    "chunking": {"pipelining": True, "chunking": True},
}

# Attempts as they are recorded: after the gate has read the consents, and while it still holds them.
NOTE_THE_MOMENT = """
    CREATE FUNCTION note_the_moment() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN NEW.attempted_at := clock_timestamp(); RETURN NEW; END';
    CREATE TRIGGER note_the_moment BEFORE UPDATE OF state ON delivery
        FOR EACH ROW WHEN (NEW.state = 'attempting') EXECUTE FUNCTION note_the_moment();
"""


class Leavers:
    """People who withdraw, one after the other, each as if by a click; all of them during one campaign."""

    def __init__(self, database: Database, relay: FaultyRelay, people: list[int]) -> None:
        self._database, self._relay, self._people = database, relay, people
        self._luck = random.Random()
        self.left: dict[int, datetime] = {}

    def leave_in_turn(self) -> None:
        """Keep step with the campaign: who is ahead waits for the other."""
        while len(self.left) < WITHDRAWALS:
            ahead = self._front - TO_EACH * len(self.left)
            self._relay.slowness = FASTEST * max(1.0, ahead / TO_EACH)
            if ahead > -TO_EACH:
                self._leave(self._somebody())
            else:
                time.sleep(0.001)

    @property
    def _front(self) -> int:
        """About how many deliveries are over, so that the next in line stands there."""
        return len(self._relay.accepted) + len(self.left)

    def _somebody(self) -> int:
        around = [self._front + near for near in NEAR]
        near = {self._people[place] for place in around if 0 <= place < len(self._people)} - self.left.keys()
        return self._luck.choice(sorted(near or set(self._people) - self.left.keys()))

    def _leave(self, person: int) -> None:
        with self._database.write() as connection:
            withdrawal = Withdrawal(target_of(self._database, person), Channel.ONE_CLICK)
            unsubscribe.apply_requests(connection, [withdrawal], datetime.now(UTC))
            # A gate that let this person through has committed by now, and none that has still to read their
            # consent can read it before this commits: an attempt of a later instant comes after the commit.
            self.left[person] = datetime.now(UTC)


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_nobody_is_attempted_after_their_withdrawal_was_committed(
    mailer: InstalledMailer, database: Database, tmp_path: Path, flavour: str
) -> None:
    people = subscribe(database, TO_EACH * WITHDRAWALS + len(NEAR))
    draft(database)
    if not database.is_sqlite:
        with database.write() as connection:
            connection.exec_driver_sql(NOTE_THE_MOMENT)
    with threaded(FaultyRelay(**FLAVOURS[flavour])) as relay:
        dispatch_for(database, settings_for(relay.port)).start("notes")
        leavers = Leavers(database, relay, people)
        with _sending(mailer, database, tmp_path, relay):
            leavers.leave_in_turn()
    assert_nobody_was_attempted_after_leaving(database, flavour, relay, leavers.left)


def assert_nobody_was_attempted_after_leaving(
    database: Database, flavour: str, relay: FaultyRelay, left: Mapping[int, datetime]
) -> None:
    rows = {row.subscriber_id: row for row in _deliveries(database)}
    mailed = {mail.recipient for mail in relay.accepted}
    withheld = {person for person, row in rows.items() if row.state is DeliveryState.WITHHELD}
    attempted = {person for person in left if rows[person].attempted_at is not None}
    spare = [(left[person] - rows[person].attempted_at).total_seconds() for person in attempted]
    after = sum(seconds <= 0 for seconds in spare)
    report_figures(
        f"{database.url.get_backend_name()}, {flavour}: {len(left):,} withdrawals during a send of {len(rows):,}; "
        f"{len(withheld):,} withheld, {len(attempted):,} attempted before (by {min(spare, default=0):.4f} s or more), "
        f"{after} attempted after"
    )
    assert not after
    assert withheld, "nobody left in time: the test saw nothing"
    assert withheld | attempted == left.keys()
    assert not {rows[person].email for person in withheld} & mailed
    status = counts(database)
    assert status.state is CampaignState.FINISHED
    assert status.accepted == len(mailed) == len(relay.accepted) == len(rows) - len(withheld)


@contextmanager
def _sending(mailer: InstalledMailer, database: Database, folder: Path, relay: FaultyRelay) -> Iterator[None]:
    """A process that sends the campaign, and has come to its end afterwards."""
    url = database.url.render_as_string(hide_password=False)
    write_config(folder, relay.port, database_url=url)
    with mailer.start(
        "campaigns", "send", "notes", "--yes", cwd=folder, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield
            _, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, errors


def _deliveries(database: Database) -> Iterator[Any]:
    with database.read() as connection:
        campaign = catalogue.find(connection, "notes")
        yield from reports.list_deliveries(connection, campaign.id)
