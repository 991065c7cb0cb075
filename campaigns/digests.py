"""Recurring digests: a digest makes a campaign of the releases that are new in a changelog, if there are any.

The digest's row is locked while a tick is written. So only one of the hosts that run `run-due` makes the campaign, in
the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, insert, select

from campaigns import catalogue, holds, schedules, transitions
from campaigns.campaign import Campaign
from campaigns.digest_catalogue import (
    Digest,
    Tick,
    all_digests,
    cadence_of,
    find_digest,
    free_slug,
    is_newest_tick,
    last_tick,
    versions_heard,
    write_tick,
)
from campaigns.lifecycle import Act
from campaigns.tables import digest
from campaigns.timing import DueTime
from campaigns.timing.cron import Cadence
from mailer.config import Settings
from mailer.database import Clock, Database
from mailer.errors import InvalidInput, MailerError
from templates.language import Locale

if TYPE_CHECKING:
    from campaigns.digest_content import DigestContent

LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """A digest to create. `since` is the last version that people know; None means all versions in the changelog."""

    name: str
    changelog: Path
    cadence: Cadence
    topic: str
    locale: Locale
    base_url: str | None
    max_lateness: timedelta
    since: str | None = None


@dataclass(frozen=True, slots=True)
class DigestRun:
    """The result of one run of a digest: a campaign, or why there is none."""

    name: str
    slug: str | None = None
    versions: tuple[str, ...] = ()
    waits_for_approval: bool = False
    problem: str | None = None

    def __str__(self) -> str:
        if self.problem:
            return f"digest {self.name}: {self.problem}\nMake it by hand: mailer digests run {self.name}"
        if self.slug is None:
            return f"digest {self.name}: nothing new"
        said = f"digest {self.name}: {self.slug}, with {', '.join(self.versions)}"
        if self.waits_for_approval:
            said += (
                f"\nIt waits for approval: mailer campaigns preview {self.slug}, "
                f"then mailer campaigns approve {self.slug} and mailer campaigns send {self.slug}"
            )
        return said


class Digests:
    """The use cases of digests, on one database, by one set of settings and one clock."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database, self._settings, self._clock = database, settings, clock

    def create(self, plan: Plan) -> Digest:
        """Create a digest. The versions in the changelog now, or up to `since`, count as heard.

        Raises InvalidInput for an invalid or existing name, NotFound for an unknown `since`.
        """
        if not catalogue.SLUG.fullmatch(plan.name) or len(plan.name) > LONGEST_NAME:
            raise InvalidInput(
                f"{plan.name!r} is not a valid name", where="NAME", hint="Use a-z, 0-9, dots and dashes."
            )
        from campaigns.digest_content import read_versions  # noqa: PLC0415 - see _gather

        heard = read_versions(plan.changelog, plan.since)
        now = self._clock()
        with self._database.write() as connection:
            if connection.execute(select(digest.c.id).where(digest.c.name == plan.name)).first():
                raise InvalidInput(
                    f"there is a digest {plan.name!r} already",
                    where="NAME",
                    hint=f"Give another name, or delete that one first: mailer digests delete {plan.name}",
                )
            values = {
                "name": plan.name,
                "changelog": str(plan.changelog.resolve()),
                "cron": plan.cadence.expression,
                "zone": plan.cadence.zone,
                "topic": plan.topic,
                "locale": plan.locale,
                "base_url": plan.base_url,
                "max_lateness_seconds": plan.max_lateness.total_seconds(),
                "created_at": now,
            }
            number = connection.execute(insert(digest).values(values).returning(digest.c.id)).scalar_one()
            write_tick(connection, Tick(number, now, now, "\n".join(heard)))
            return find_digest(connection, plan.name)

    def delete(self, name: str) -> None:
        """Delete a digest. Its campaigns remain. Raises NotFound."""
        with self._database.write() as connection:
            found = find_digest(connection, name)
            connection.execute(delete(digest).where(digest.c.id == found.id))

    def resolve(self, name: str, *, resend: bool) -> bool:
        """Apply the operator's decision about a digest that a restore held; False if it was not held.

        Without `resend`, all versions in the changelog count as announced.
        """
        from campaigns.digest_content import read_versions  # noqa: PLC0415 - see _gather

        now = self._clock()
        with self._database.read() as connection:
            one = find_digest(connection, name)
        heard = [] if resend else read_versions(Path(one.changelog))
        with self._database.write() as connection:
            if not holds.release_digest(connection, one.id):
                return False
            write_tick(connection, Tick(one.id, now, now, "\n".join(heard)))
        return True

    def run_due(self) -> list[DigestRun]:
        """Run the digests that are due; returns the runs of this host. Only one host runs a digest.

        A failed run is not repeated: the next run announces its releases. The same holds for a digest that is
        more than its permitted lateness behind.
        """
        with self._database.read() as connection:
            found = [(one, last_tick(connection, one.id)) for one in all_digests(connection)]
        done_runs = []
        for one, last in found:
            now = self._clock()
            due = cadence_of(one).latest(last.due_at, now)
            if due is not None and (done := self._run_if_due(one, last, due, now)):
                done_runs.append(done)
        return done_runs

    def run(self, name: str) -> DigestRun:
        """Run a digest now. Raises the errors of reading, rendering and checking the changelog."""
        with self._database.read() as connection:
            holds.refuse(connection)
            one = find_digest(connection, name)
            last = last_tick(connection, one.id)
        now = self._clock()
        gathered = self._gather(one)
        if gathered is None:
            return DigestRun(name)
        return self._store(one, last, now, gathered, None) or DigestRun(name)

    def _run_if_due(self, one: Digest, last: Tick, due: datetime, now: datetime) -> DigestRun | None:
        problem, gathered = None, None
        if now > due + timedelta(seconds=one.max_lateness_seconds):
            when = due.astimezone(ZoneInfo(one.zone))
            problem = (
                f"missed; it was due {when:%Y-%m-%d %H:%M} {one.zone}. Its releases come with the next one."
            )
        else:
            try:
                gathered = self._gather(one)
            except MailerError as error:
                problem = f"could not be made. {error}"
        return self._store(one, last, due, gathered, problem)

    def _gather(self, one: Digest) -> DigestContent | None:
        """The new releases, rendered and checked; None if there are none."""
        from campaigns.digest_content import read_content  # noqa: PLC0415 - slow to import, and mostly no digest is due

        with self._database.read() as connection:
            heard = versions_heard(connection, one.id)
        return read_content(one, heard, self._settings, self._clock())

    def _store(
        self,
        one: Digest,
        last: Tick,
        due: datetime,
        gathered: DigestContent | None,
        problem: str | None,
    ) -> DigestRun | None:
        """Write the tick and its campaign, unless another host has written a tick since."""
        now = self._clock()
        with self._database.write() as connection:
            if not is_newest_tick(connection, one.id, last):
                return None
            if gathered is None:
                write_tick(connection, Tick(one.id, due, now, skipped_because=problem))
                return DigestRun(one.name, problem=problem)
            record = self._make_campaign(connection, one, due, now, gathered)
            write_tick(connection, Tick(one.id, due, now, "\n".join(gathered.heard), record.id, problem))
        return DigestRun(one.name, record.slug, gathered.versions, bool(self._settings.require_approval))

    def _make_campaign(
        self, connection: Connection, one: Digest, due: datetime, now: datetime, gathered: DigestContent
    ) -> Campaign:
        """Create a draft if the settings require approval; otherwise a scheduled campaign."""
        slug = free_slug(connection, one, due)
        record = catalogue.create(connection, slug, gathered.notes, gathered.images, now)
        campaign_id = record.id
        if not self._settings.require_approval:
            catalogue.freeze(connection, campaign_id, gathered.rendered, now)
            transitions.change_state(connection, record, Act.SCHEDULE, now)
            wall_time = due.astimezone(ZoneInfo(one.zone)).strftime("%Y-%m-%d %H:%M")
            latest_at = max(due, now) + timedelta(seconds=one.max_lateness_seconds)
            schedules.plan(connection, campaign_id, DueTime(due, wall_time, one.zone, latest_at))
        return record
