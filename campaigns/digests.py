"""Recurring digests: what came into a changelog since the last one becomes a campaign, or nothing does.

Each turn of a digest is a row, its tick. The digest's own row is locked while a tick is written, so of all the
hosts that run `run-due` one makes the campaign, in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, insert, select
from sqlmodel import Session, col
from sqlmodel import select as select_model

from campaigns import catalogue, holds, schedules, transitions
from campaigns.campaign import Campaign
from campaigns.lifecycle import Act
from campaigns.models import Digest, DigestTick
from campaigns.notes import (
    Changelog,
    Frame,
    gather_notes,
    heard_lines,
    passed_over,
    read_images,
    read_text,
    render_notes,
    unheard,
)
from campaigns.sending import refuse_unsendable
from campaigns.timing import Cadence, DueTime
from mailer.config import Settings
from mailer.database import Clock, Database, table
from mailer.errors import InvalidInput, MailerError, NotFound
from mailer.message import InlineImage
from templates.language import Locale, parse_locale
from templates.notes import ReleaseNotes, RenderedNotes

digest = table(Digest)
digest_tick = table(DigestTick)

LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """What a digest is to be. `since` is the last version that people have heard of; None for all there are."""

    name: str
    changelog: Path
    cadence: Cadence
    topic: str
    locale: Locale
    base_url: str | None
    max_lateness: timedelta
    since: str | None = None


@dataclass(frozen=True, slots=True)
class DigestContent:
    """The releases that a digest takes up, the mail that tells of them, and what counts as heard of from then on."""

    versions: tuple[str, ...]
    heard: tuple[str, ...]
    notes: ReleaseNotes
    images: dict[str, InlineImage]
    rendered: RenderedNotes


@dataclass(frozen=True, slots=True)
class DigestRun:
    """What became of one turn of a digest: a campaign, or why there is none."""

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
        """Put a digest on file. What is in the changelog now, or up to `since`, counts as heard of.

        Raises InvalidInput for a name that is not valid or is taken, NotFound for an unknown `since`.
        """
        if not catalogue.SLUG.fullmatch(plan.name) or len(plan.name) > LONGEST_NAME:
            raise InvalidInput(
                f"{plan.name!r} is not a valid name", where="NAME", hint="Use a-z, 0-9, dots and dashes."
            )
        heard = heard_lines(_read(plan.changelog), plan.since)
        now = self._clock()
        with self._database.write() as connection:
            if connection.execute(select(digest.c.id).where(digest.c.name == plan.name)).first():
                raise InvalidInput(f"there is a digest {plan.name!r} already", where="NAME")
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
            _write_tick(
                connection, DigestTick(digest_id=number, due_at=now, ran_at=now, versions="\n".join(heard))
            )
            return find_digest(connection, plan.name)

    def delete(self, name: str) -> None:
        """End a digest; the campaigns that it made stay. Raises NotFound."""
        with self._database.write() as connection:
            found = find_digest(connection, name)
            connection.execute(delete(digest).where(digest.c.id == found.id))

    def resolve(self, name: str, *, resend: bool) -> bool:
        """Apply the operator's decision about a digest of a restored database; False where it was not held.

        Unless `resend`, all versions that are in the changelog now count as announced.
        """
        now = self._clock()
        with self._database.read() as connection:
            one = find_digest(connection, name)
        heard = [] if resend else heard_lines(_read(Path(one.changelog)), None)
        with self._database.write() as connection:
            if not holds.release_digest(connection, one.id or 0):
                return False
            tick = DigestTick(digest_id=one.id or 0, due_at=now, ran_at=now, versions="\n".join(heard))
            _write_tick(connection, tick)
        return True

    def run_due(self) -> list[DigestRun]:
        """Run the digests whose time has come; returns what this host did, for each is run by one only.

        A turn that fails is not tried again: its releases come with the next one. A digest for which it is too
        late is missed, in the same way.
        """
        with self._database.read() as connection:
            found = [(one, last_tick(connection, one.id or 0)) for one in all_digests(connection)]
        done_runs = []
        for one, last in found:
            now = self._clock()
            due = cadence_of(one).latest(last.due_at, now)
            if due is not None and (done := self._run_if_due(one, last, due, now)):
                done_runs.append(done)
        return done_runs

    def run(self, name: str) -> DigestRun:
        """Make a digest now, by hand. Raises what reading, rendering and checking the changelog raise."""
        with self._database.read() as connection:
            holds.refuse(connection)
            one = find_digest(connection, name)
            last = last_tick(connection, one.id or 0)
        now = self._clock()
        gathered = self._gather(one)
        if gathered is None:
            return DigestRun(name)
        return self._store(one, last, now, gathered, None) or DigestRun(name)

    def _run_if_due(self, one: Digest, last: DigestTick, due: datetime, now: datetime) -> DigestRun | None:
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
        """What is new, rendered and checked; None where nothing is."""
        with self._database.read() as connection:
            heard = versions_heard(connection, one.id or 0)
        path = Path(one.changelog)
        changelog = _read(path)
        found = unheard(changelog, heard, pre_releases=self._settings.digest_pre_releases)
        if not found:
            return None
        frame = Frame(
            parse_locale(one.locale),
            one.topic,
            self._settings.brand.name,
            one.base_url,
            self._settings.remote_images,
        )
        notes = gather_notes(changelog, found, frame)
        images = read_images(notes, path.parent, self._settings)
        rendered = render_notes(notes, images, self._settings)
        refuse_unsendable(one.name, one.topic, rendered, self._settings, self._clock())
        versions = tuple(changelog.label(release) for release in found)
        heard_now = [str(version) for release in found for version in release.versions]
        return DigestContent(versions, (*heard_now, *passed_over(changelog)), notes, images, rendered)

    def _store(
        self,
        one: Digest,
        last: DigestTick,
        due: datetime,
        gathered: DigestContent | None,
        problem: str | None,
    ) -> DigestRun | None:
        """Write the tick and its campaign, unless another host was first."""
        number, now = one.id or 0, self._clock()
        with self._database.write() as connection:
            if not _is_ours(connection, number, last):
                return None
            tick = DigestTick(digest_id=number, due_at=due, ran_at=now, versions="", skipped_because=problem)
            if gathered is None:
                _write_tick(connection, tick)
                return DigestRun(one.name, problem=problem)
            record = self._make_campaign(connection, one, due, now, gathered)
            tick.campaign_id, tick.versions = record.id, "\n".join(gathered.heard)
            _write_tick(connection, tick)
        return DigestRun(one.name, record.slug, gathered.versions, self._settings.require_approval)

    def _make_campaign(
        self, connection: Connection, one: Digest, due: datetime, now: datetime, gathered: DigestContent
    ) -> Campaign:
        """A draft that waits for approval where the settings ask for that, else a campaign that is due."""
        slug = _free_slug(connection, one, due)
        record = catalogue.create(connection, slug, gathered.notes, gathered.images, now)
        campaign_id = record.id
        if not self._settings.require_approval:
            catalogue.freeze(connection, campaign_id, gathered.rendered, now)
            transitions.change_state(connection, record, Act.SCHEDULE, now)
            wall_time = due.astimezone(ZoneInfo(one.zone)).strftime("%Y-%m-%d %H:%M")
            latest_at = max(due, now) + timedelta(seconds=one.max_lateness_seconds)
            schedules.plan(connection, campaign_id, DueTime(due, wall_time, one.zone, latest_at))
        return record


def cadence_of(one: Digest) -> Cadence:
    """When a digest comes."""
    return Cadence(one.cron, one.zone)


def all_digests(connection: Connection) -> list[Digest]:
    """All digests, by name."""
    with Session(connection, expire_on_commit=False) as session:
        return list(session.exec(select_model(Digest).order_by(col(Digest.name))))


def find_digest(connection: Connection, name: str) -> Digest:
    """The digest of that name. Raises NotFound."""
    with Session(connection, expire_on_commit=False) as session:
        found = session.exec(select_model(Digest).where(Digest.name == name)).first()
    if found is None:
        raise NotFound(f"There is no digest {name!r}.", hint="`mailer digests list` shows what there is.")
    return found


def last_tick(connection: Connection, digest_id: int) -> DigestTick:
    """The newest tick of a digest; there is always one, from when it was made."""
    with Session(connection, expire_on_commit=False) as session:
        ticks = select_model(DigestTick).where(DigestTick.digest_id == digest_id)
        return session.exec(ticks.order_by(col(DigestTick.due_at).desc()).limit(1)).one()


def versions_heard(connection: Connection, digest_id: int) -> frozenset[str]:
    """The lines for what a digest has taken up, and for what stood in the changelog before its time."""
    written = connection.execute(select(digest_tick.c.versions).where(digest_tick.c.digest_id == digest_id))
    return frozenset(line for lines in written.scalars() for line in lines.split("\n") if line)


def _read(path: Path) -> Changelog:
    return Changelog(read_text(path), path.name)


def _is_ours(connection: Connection, digest_id: int, seen: DigestTick) -> bool:
    """Whether nobody wrote a tick since `seen`; nobody else can until commit."""
    locked = select(digest.c.id).where(digest.c.id == digest_id).with_for_update()
    if connection.execute(locked).first() is None:
        return False
    return last_tick(connection, digest_id).due_at == seen.due_at


def _write_tick(connection: Connection, tick: DigestTick) -> None:
    connection.execute(insert(digest_tick).values(tick.model_dump()))


def _free_slug(connection: Connection, one: Digest, due: datetime) -> str:
    """The digest's name and day, and where it comes more often than daily, the time in UTC."""
    slug = f"{one.name}-{due.astimezone(ZoneInfo(one.zone)):%Y-%m-%d}"
    taken = connection.execute(
        select(catalogue.campaign.c.id).where(catalogue.campaign.c.slug == slug)
    ).first()
    return f"{slug}-{due:%H%M}z" if taken else slug
