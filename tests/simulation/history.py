"""One random history of a campaign: real campaigns code, with everything around it played by a seed.

Real are the deliveries, the gate, leases and recovery, retries, the Sender with its batches,
and SQLite with all tables. Played are the hosts and their schedule, the fate of each commit, the relay, the clock,
people who leave and the operator's hand.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, update
from sqlalchemy.pool import StaticPool

from campaigns import deliveries, transitions
from campaigns.deliveries import ClaimContext, workers
from campaigns.lifecycle import Act
from campaigns.sending import Dispatch, Sender, claim_queue, recorder
from campaigns.sending.batches import Batches
from campaigns.sending.recorder import MARGIN, Recorder
from campaigns.states import CampaignState, DeliveryState
from mailer.config import Settings
from mailer.database import Database
from mailer.database.columns import table
from mailer.errors import Locked, Refused, TryAgainLater
from mailer.smtp import Accepted, Deferred, FailureScope, Outcome, Phase, Rejected, Uncertain
from mailer.smtp.outcome import Reply
from subscribers.kinds import ConsentKind
from subscribers.models import Consent
from tests.simulation.loop import PROCESS, Killed, SimulatedLoop, SimulatedProcess
from tests.simulation.postgresql import SimulatedPipeline
from tests.support.campaign import TOPIC, draft, settings_for, subscribe

CAMPAIGN = 1
PEOPLE, HOSTS, CONNECTIONS = 5, 2, 2
LEASE = 6.0  # seconds
TROUBLE = 18.0  # seconds, after which everything behaves, so that a history comes to its end
TIMEOUT_SECONDS = 2000.0
EPOCH = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETTINGS: Settings = settings_for(
    25, lease_seconds=LEASE, retry={"first_seconds": 2, "longest_seconds": 4, "give_up_seconds": 3600}
)
FINAL = frozenset(
    {
        DeliveryState.ACCEPTED,
        DeliveryState.REJECTED,
        DeliveryState.WITHHELD,
        DeliveryState.UNCERTAIN,
        DeliveryState.CANCELLED,
    }
)
consent = table(Consent)


class BrokenPromise(AssertionError):
    """A history in which a wall did not hold."""


class Fate(Enum):
    """What becomes of a transaction."""

    WELL = auto()
    AWAY = auto()
    LOST_BEFORE = auto()  # rolled back; the client hears of a broken connection
    LOST_AFTER = auto()  # committed; the client hears of a broken connection
    KILLED_BEFORE = auto()
    KILLED_AFTER = auto()


FATES = (80, 3, 4, 7, 2, 4)  # how likely each is, in percent


class Template:
    """A migrated database with a campaign that is being sent, to begin each history with."""

    def __init__(self, path: Path) -> None:
        database = Database(f"sqlite:///{path}")
        database.create()
        self.people = subscribe(database, PEOPLE)
        self.campaign = draft(database)
        with database.write() as connection:
            transitions.change_state(connection, self.campaign, Act.SEND, EPOCH)
        database.close()
        self.simulated = SimulatedDatabase(sqlite3.connect(path))


class SimulatedDatabase(Database):
    """SQLite in memory. Transactions are whole steps, as SQLite's write lock makes them; their fate is chance."""

    def __init__(self, original: sqlite3.Connection) -> None:
        super().__init__("sqlite:///simulated.db")
        self.history: History
        self._original = original
        self.raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)

    @cached_property
    def engine(self) -> Engine:
        return create_engine("sqlite://", creator=lambda: self.raw, poolclass=StaticPool)

    def close(self) -> None:
        super().close()
        self.raw.close()
        self._original.close()

    def begin(self, history: History) -> None:
        """Forget everything, for the next history."""
        self.history, self.is_sqlite = history, not history.on_postgresql
        self._original.backup(self.raw)

    @contextmanager
    def write(self, *, checked: bool = True) -> Iterator[Connection]:
        process = PROCESS.get()
        fate = self.history.fate()
        if not process.alive:
            raise Killed
        if fate is Fate.AWAY:
            raise TryAgainLater("The database is away.")
        lost = fate in {Fate.LOST_BEFORE, Fate.KILLED_BEFORE}
        with self.engine.connect() as connection, connection.begin() as transaction:
            self.raw.execute("BEGIN IMMEDIATE")
            yield connection
            if lost:
                transaction.rollback()
        if not lost:
            self.history.observe_commit()
        if fate in {Fate.KILLED_BEFORE, Fate.KILLED_AFTER}:
            self.history.note("is killed in a commit" if lost else "is killed after a commit")
            process.kill()
            raise Killed
        if fate in {Fate.LOST_BEFORE, Fate.LOST_AFTER}:
            self.history.note(f"loses the answer of a commit that was {'not made' if lost else 'made'}")
            raise TryAgainLater("The connection to the database was lost.")

    read = write

    @contextmanager
    def write_at_once(self) -> Iterator[Connection]:
        """Now and then. Mostly somebody else is writing, so that the commit takes its time, in a thread."""
        if self.history.rng.random() < 0.8:
            raise Locked("Somebody else is writing.")
        with self.write() as connection:
            yield connection


class PlayedRelay:
    """Relay and composer in one."""

    ceiling, several = CONNECTIONS, False

    def __init__(self, history: History, worker_id: int) -> None:
        self._history, self._worker_id = history, worker_id

    def connection(self) -> PlayedConnection:
        return PlayedConnection(self._history, self._worker_id)

    def seconds_until_available(self) -> float:
        return 0.0

    def through(self, _relay: str) -> PlayedRelay:
        return self

    def compose(self, recipient: Any, _now: datetime, _announced: Any) -> tuple[Any, bytes]:
        return PlayedEnvelope(recipient.email, recipient.subscriber_id), b""

    def envelope(self, _delivery_id: int, email: str) -> PlayedEnvelope:
        return PlayedEnvelope(email)


@dataclass(frozen=True)
class PlayedEnvelope:
    recipient: str
    subscriber_id: int = field(default=0, compare=False)


class PlayedConnection:
    """What the relay takes is decided when content is offered. It is of no use after a connection's fault."""

    relay = "played"
    can_announce = True
    socket_to_read_first = None

    def __init__(self, history: History, worker_id: int) -> None:
        self._history, self._worker_id, self.has_quota = history, worker_id, True
        self.announced: PlayedEnvelope | None = None
        self.refused: tuple[PlayedEnvelope, Outcome] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.has_quota = False

    def offer(
        self,
        person: Any,
        _message: bytes,
        done: Callable[[Outcome], None],
        may_offer: Callable[[], bool],
        announce: PlayedEnvelope | None,
    ) -> None:
        if self.announced not in {None, person}:
            self.drop_announced()
        asyncio.get_running_loop().create_task(self._play(person, done, may_offer, announce))

    def drop_announced(self) -> None:
        if self.announced is not None:
            self._history.note("closes a connection without the content that was announced")
            self.has_quota, self.announced = False, None

    async def _play(
        self,
        person: Any,
        done: Callable[[Outcome], None],
        may_offer: Callable[[], bool],
        announce: PlayedEnvelope | None,
    ) -> None:
        outcome = await self._outcome(person, may_offer)
        if announce is not None and self.has_quota and isinstance(outcome, Accepted):
            self._take_announced(announce)
        done(outcome)

    def _take_announced(self, announce: PlayedEnvelope) -> None:
        trouble = self._history.rng.random() if self._history.in_trouble else 1.0
        if trouble < 0.1:
            later = Deferred(Phase.RCPT, FailureScope.RECIPIENT, Reply(450, "4.2.0", "later"), "450 later")
            self.refused = announce, later
            self._history.note("refuses what is announced")
        elif trouble > 0.2:
            self.announced = announce
            self._history.note("has the next envelope")

    async def _outcome(self, person: Any, may_offer: Callable[[], bool]) -> Outcome:
        history, rng = self._history, self._history.rng
        was_announced, self.announced, self.refused = self.announced is not None, None, None
        if not was_announced:
            await asyncio.sleep(rng.expovariate(1.0))
        trouble = rng.random() if history.in_trouble else 1.0
        if not self.has_quota or trouble < 0.15 or not may_offer():
            self.has_quota = False
            return Deferred(Phase.MAIL, FailureScope.RELAY, None, "hung up")
        if trouble < 0.2:
            return Deferred(Phase.RCPT, FailureScope.RECIPIENT, Reply(450, "4.2.0", "later"), "450 later")
        if trouble < 0.23:
            return Rejected(Phase.RCPT, FailureScope.RECIPIENT, Reply(550, "5.1.1", "unknown"), "550 unknown")
        if trouble < 0.24:
            return Rejected(Phase.MAIL, FailureScope.SENDER, Reply(550, "5.7.1", "policy"), "550 policy")
        taken = trouble > 0.3
        history.offered(person.subscriber_id, self._worker_id, taken=taken)
        await asyncio.sleep(rng.expovariate(1.0))
        if trouble < 0.35:
            self.has_quota = False
            return Uncertain(Phase.FINAL, "hung up after the content")
        return Accepted(Reply(250, "2.0.0", "ok"))


class History:
    """What happens to one campaign, as `seed` has it. `log` tells it; BrokenPromise is raised where it went wrong."""

    def __init__(self, template: Template, seed: int, *, on_postgresql: bool = False) -> None:
        self.seed, self.rng, self.on_postgresql = seed, random.Random(seed), on_postgresql
        self.database, self.people = template.simulated, template.people
        self.campaign = template.campaign
        self.loop = SimulatedLoop(self.rng)
        self.log: list[str] = []
        # By subscriber: the mails that the relay took; how many there may be, one more each time it is resent.
        self.copies: Counter[int] = Counter()
        self.allowed: Counter[int] = Counter(self.people)
        self.assumed: set[int] = set()
        self.left: set[int] = set()
        self._hosts: list[SimulatedProcess] = []
        self._attempts: set[tuple[int, int]] = set()
        self._over = False
        self.broken: str | None = None

    @property
    def in_trouble(self) -> bool:
        return self.loop.time() < TROUBLE

    def run(self) -> None:
        """Play it to its end, and check the promise on the way and after."""
        self.database.begin(self)
        before = random.getstate()
        random.seed(self.seed)
        pipeline, recorder._pipeline = recorder._pipeline, SimulatedPipeline
        # 5 are enough to announce.
        pages = claim_queue.FEWEST, claim_queue.MOST
        claim_queue.FEWEST = claim_queue.MOST = 2 + self.seed % 2 * 3
        try:
            for number in range(HOSTS):
                self._start_host(number)
            self.loop.spawn(SimulatedProcess("world"), self._world())
            self.loop.run(
                until=lambda: bool(self._over or self.broken or self.loop.failures), limit=TIMEOUT_SECONDS
            )
        except TimeoutError as error:
            self.promise(False, f"{error}; the states are {self._states()}")
        finally:
            claim_queue.FEWEST, claim_queue.MOST = pages
            recorder._pipeline = pipeline
            random.setstate(before)
        if not self.broken:
            self.promise(not self.loop.failures, f"a task failed: {self.loop.failures}")
            self._check_the_end()
        if self.broken:
            raise BrokenPromise(f"seed {self.seed}: {self.broken}")

    def promise(self, holds: bool, otherwise: str) -> None:
        if not holds and self.broken is None:
            self.broken = otherwise

    def note(self, what: str) -> None:
        self.log.append(f"{self.loop.time():8.2f}  {PROCESS.get().name:8} {what}")

    def fate(self) -> Fate:
        if not self.in_trouble or PROCESS.get().name == "world":
            return Fate.WELL
        return self.rng.choices(tuple(Fate), FATES)[0]

    # -- hosts ---------------------------------------------------------------------------------------------------

    def _start_host(self, number: int) -> None:
        process = SimulatedProcess(f"host {number}", lag=self.rng.uniform(0, LEASE * MARGIN))
        self.loop.spawn(process, self._host())
        self._hosts = [one for one in self._hosts if one.alive] + [process]

    async def _host(self) -> None:
        """`mailer worker`: look what is due, send it, look again."""
        process = PROCESS.get()
        dispatch = Dispatch(self.database, SETTINGS, lambda: self._clock(process))
        while not self._over:
            try:
                await self._look(dispatch, process)
            except TryAgainLater:
                self.note("finds the database away")
            await asyncio.sleep(self.rng.uniform(2, 7))

    async def _look(self, dispatch: Dispatch, process: SimulatedProcess) -> None:
        dispatch.runs.retire_dead()
        lease = timedelta(seconds=LEASE)
        with self.database.write() as connection:
            clock = dispatch._clock
            if not deliveries.is_being_sent(connection, CAMPAIGN):
                return
            if not deliveries.has_due(connection, CAMPAIGN, clock()):
                transitions.finish_if_done(connection, self.campaign, clock())
                return
            elsewhere = workers.Process(process.name, "1:1")
            number = workers.register(connection, elsewhere, CAMPAIGN, clock(), lease)
        self.note(f"begins as worker {number}")
        committing = Recorder(
            self.database, ClaimContext(number, CAMPAIGN, TOPIC, reads_wordings=False), clock, lease
        )
        relay: Any = PlayedRelay(self, number)
        run = Sender(committing, relay, Batches(committing, relay, relay, retry=SETTINGS.retry))
        try:
            tally = await run.run()
        finally:
            if process.alive:
                committing.close()
                dispatch.runs._end_worker(number)
        self.note(f"ends as worker {number}: {dict(tally.states)}")
        if tally.pause_reason:
            with self.database.write() as connection:
                transitions.pause_because(connection, self.campaign, tally.pause_reason, clock())

    def _clock(self, process: SimulatedProcess) -> datetime:
        return EPOCH + timedelta(seconds=self.loop.time() - process.lag)

    # -- people, the operator and fate -----------------------------------------------------------------------------

    async def _world(self) -> None:
        doings = (
            self._leave,
            self._freeze,
            self._kill,
            self._pause,
            self._resume,
            self._resolve,
            self._cancel,
        )
        while self.in_trouble:
            await asyncio.sleep(self.rng.expovariate(0.4))
            self.rng.choices(doings, (4, 4, 3, 2, 3, 2, 0.1))[0]()
        while not self._is_over():
            self._resume()
            await asyncio.sleep(5)
        self._over = True

    def _leave(self) -> None:
        person = self.rng.choice(self.people)
        kind = self.rng.choice((ConsentKind.WITHDRAWN, ConsentKind.OBJECTED))
        with self.database.write() as connection:
            connection.execute(
                update(consent).where(consent.c.subscriber_id == person).values(state=kind.value)
            )
        self.left.add(person)
        self.note(f"subscriber {person} has {kind}")

    def _freeze(self) -> None:
        host = self.rng.choice(self._hosts)
        host.thaws_at = self.loop.time() + self.rng.uniform(0.5, 3 * LEASE)
        self.note(f"freezes {host.name} until {host.thaws_at:.2f}")

    def _kill(self) -> None:
        host = self.rng.choice(self._hosts)
        host.kill()
        self.note(f"kills {host.name}")

    def _pause(self) -> None:
        self._act(Act.PAUSE)

    def _resume(self) -> None:
        self._act(Act.RESUME)
        for number in range(HOSTS):
            if not any(host.alive and host.name == f"host {number}" for host in self._hosts):
                self._start_host(number)

    def _cancel(self) -> None:
        self._act(Act.CANCEL)

    def _act(self, act: Act) -> None:
        with self.database.write() as connection, suppress(Refused):
            state = transitions.change_state(connection, self.campaign, act, self._clock(PROCESS.get()))
            self.note(f"the operator: {act}; {state}")

    def _resolve(self) -> None:
        resend = self.rng.random() < 0.6
        rows = self.database.raw.execute("SELECT subscriber_id FROM delivery WHERE state = 'uncertain'")
        uncertain = [person for (person,) in rows]
        if not uncertain:
            return
        dispatch = Dispatch(self.database, SETTINGS, lambda: self._clock(PROCESS.get()))
        try:
            dispatch.resolve("notes", resend=resend)
        except Refused:
            return
        self.allowed.update(uncertain if resend else [])
        self.assumed.update([] if resend else uncertain)
        self.note(f"the operator resolves {uncertain}: {'resend' if resend else 'assume sent'}")

    def _is_over(self) -> bool:
        campaign = self.database.raw.execute("SELECT state FROM campaign").fetchone()[0]
        at_work = self.database.raw.execute(
            "SELECT count(*) FROM worker WHERE retired_at IS NULL"
        ).fetchone()[0]
        return not at_work and campaign in {CampaignState.FINISHED, CampaignState.CANCELLED}

    # -- the promise ---------------------------------------------------------------------------------------------

    def observe_commit(self) -> None:
        """After each commit: who is being attempted, and may they be?"""
        in_the_air: Counter[int] = Counter()
        rows = self.database.raw.execute(
            "SELECT id, attempts, worker_id, subscriber_id FROM delivery WHERE state = 'attempting'"
        )
        for number, attempts, worker, person in rows:
            in_the_air[worker] += 1
            if (number, attempts) not in self._attempts:
                self._attempts.add((number, attempts))
                self.note(f"attempts subscriber {person} as worker {worker}, attempt {attempts}")
                self.promise(person not in self.left, f"subscriber {person} is attempted after withdrawing")
        most = max(in_the_air.values(), default=0)
        self.promise(most <= CONNECTIONS, f"a worker has {most} uncertain with {CONNECTIONS} connections")

    def offered(self, person: int, worker: int, *, taken: bool) -> None:
        """Content is offered, and the relay takes it or does not."""
        self.note(f"offers subscriber {person} as worker {worker}; {'taken' if taken else 'not taken'}")
        retired = self.database.raw.execute(
            "SELECT retired_at FROM worker WHERE id = ?", (worker,)
        ).fetchone()[0]
        self.promise(not retired, f"worker {worker} offers content after it was retired")
        attempted = self.database.raw.execute(
            "SELECT state = 'attempting' AND worker_id = ? FROM delivery WHERE subscriber_id = ?",
            (worker, person),
        ).fetchone()[0]
        self.promise(attempted, f"worker {worker} offers content of an attempt that is not recorded")
        self.copies[person] += taken
        enough = self.copies[person] <= self.allowed[person]
        self.promise(enough, f"subscriber {person} has got {self.copies[person]} mails")

    def _check_the_end(self) -> None:
        for person, state in self._states().items():
            known = state in {DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN}
            has_it = self.copies[person] > 0
            promise = self.promise
            promise(state in FINAL, f"subscriber {person} is lost: {state}")
            promise(
                state != DeliveryState.ACCEPTED or has_it or person in self.assumed,
                f"subscriber {person} counts as accepted without a mail",
            )
            promise(
                known or not has_it or self.allowed[person] > 1,
                f"subscriber {person} has a mail and is {state}",
            )
            promise(
                state != DeliveryState.WITHHELD or person in self.left,
                f"subscriber {person} is withheld without having withdrawn",
            )

    def _states(self) -> dict[int, str]:
        return dict(self.database.raw.execute("SELECT subscriber_id, state FROM delivery").fetchall())
