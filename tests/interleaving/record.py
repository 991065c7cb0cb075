"""What happened while several processes used every interface: acts, attempts, and what the feed said."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from random import Random
from typing import NamedTuple

from sqlalchemy import Connection

from tests.support.campaign import TOPIC

Pair = tuple[str, str]
"""An address and a topic."""


TOPICS = (TOPIC, "security")
ACCOUNTS = [f"account{number}@example.com" for number in range(8)]
VISITORS = [f"visitor{number}@example.com" for number in range(4)]
"""Only they sign up without an account: a list that lacks them takes nothing away from them."""
EVERYBODY = [*ACCOUNTS, *VISITORS]
FOR_EVER = datetime.max.replace(tzinfo=UTC)


class Kind(StrEnum):
    """What an act may do to its pairs."""

    GRANT = "grant"
    TAKE_AWAY = "take away"  # once it is answered, no consent from before it counts
    OTHER = "other"


class Done(NamedTuple):
    """What a request was about, and what its answer said. It may also have ended other consents."""

    kind: Kind
    pairs: Sequence[Pair] = ()
    granted: Sequence[Pair] = ()
    failure: str = ""
    may_end: Sequence[Pair] = ()


LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
"""Everybody consented later, or left: a consent of this date counts for nobody."""


def given_at(rng: Random) -> tuple[Kind, datetime]:
    """When a consent was given: mostly now. An old one that turns up again gives nothing."""
    return (Kind.GRANT, now()) if rng.random() < 0.8 else (Kind.OTHER, LONG_AGO)


class Act(NamedTuple):
    """A request through an interface, from before it was made until it was answered.

    `granted` are the pairs that the answer calls granted. `failure` is what was wrong with the answer. `may_end` are
    pairs of which nothing tells whether the request ended them. `is_broken_off`: PostgreSQL broke the request off.
    """

    actor: str
    interface: str
    kind: Kind
    pairs: tuple[Pair, ...]
    began: datetime
    answered: datetime
    granted: tuple[Pair, ...] = ()
    failure: str = ""
    may_end: tuple[Pair, ...] = ()
    is_broken_off: bool = False

    def __str__(self) -> str:
        what = ", ".join(f"{address} {topic}" for address, topic in self.pairs)
        result = (
            f" FAILED: {self.failure}"
            if self.failure
            else f" granted {len(self.granted)}"
            if self.granted
            else ""
        )
        return f"{self.began:%T.%f} to {self.answered:%T.%f} {self.actor:4} {self.interface} ({self.kind}): {what}{result}"


class Attempt(NamedTuple):
    """A mail that the gate let through, at the last instant at which the gate held the consent."""

    at: datetime
    address: str
    topic: str
    subscriber_id: int
    entry_id: int

    def __str__(self) -> str:
        return f"{self.at:%T.%f} ATTEMPT {self.address} {self.topic}, subscriber {self.subscriber_id}, entry {self.entry_id}"


class Entry(NamedTuple):
    """An entry of the ledger."""

    id: int
    subscriber_id: int | None
    topic: str
    kind: str
    channel: str
    recorded_at: datetime

    def __str__(self) -> str:
        return f"{self.recorded_at:%T.%f} entry {self.id}: {self.kind} {self.topic} of {self.subscriber_id} by {self.channel}"


class Told(NamedTuple):
    """A change, as a reader of the feed was told of it."""

    id: str
    kind: str
    topic: str
    channel: str


@dataclass(slots=True)
class Record:
    """All that happened in a run.

    `feeds` has the changes that each reader was told of, in order, `feed` all of them in the end. `audience` are
    those whom campaigns would reach in the end. `damage` is what is wrong with the ledger.
    """

    seed: int
    acts: list[Act] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    feeds: dict[str, list[Told]] = field(default_factory=dict)
    feed: list[Told] = field(default_factory=list)
    audience: list[Pair] = field(default_factory=list)
    ended: datetime = FOR_EVER
    damage: str = ""

    def history(self, address: str) -> list[str]:
        """Everything that concerned an address, in order."""
        subscribers = {each.subscriber_id for each in self.attempts if each.address == address}
        lines = [
            (act.began, str(act))
            for act in self.acts
            if any(address == each for each, _ in act.pairs + act.may_end)
        ]
        lines += [(each.at, str(each)) for each in self.attempts if each.address == address]
        lines += [(each.recorded_at, str(each)) for each in self.entries if each.subscriber_id in subscribers]
        return [line for _, line in sorted(lines)]


NOTE_ATTEMPTS = """
    DROP TABLE IF EXISTS noted_attempt;
    CREATE TABLE noted_attempt (id bigserial PRIMARY KEY, at timestamptz, campaign_id bigint, subscriber_id bigint, address text,
        entry_id bigint);
    CREATE OR REPLACE FUNCTION note_attempt() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
        INSERT INTO noted_attempt (campaign_id, subscriber_id, address, entry_id)
            SELECT NEW.campaign_id, NEW.subscriber_id, email_normalised, NEW.ledger_entry FROM subscriber
            WHERE id = NEW.subscriber_id;
        RETURN NEW; END';
    CREATE OR REPLACE TRIGGER note_attempt BEFORE UPDATE OF state ON delivery
        FOR EACH ROW WHEN (NEW.state = 'attempting') EXECUTE FUNCTION note_attempt();
    CREATE OR REPLACE FUNCTION date_attempt() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
        UPDATE noted_attempt SET at = clock_timestamp() WHERE id = NEW.id; RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER date_attempt AFTER INSERT ON noted_attempt DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION date_attempt();
"""
"""Note attempts where no erasure forgets them. They are dated when the gate's transaction commits: it holds the consents
until then.
"""


def read_attempts(connection: Connection) -> list[Attempt]:
    """The attempts that NOTE_ATTEMPTS noted."""
    rows = connection.exec_driver_sql(
        "SELECT at, address, topic, subscriber_id, entry_id FROM noted_attempt"
        " JOIN campaign ON campaign.id = campaign_id ORDER BY at"
    )
    return [Attempt(*row) for row in rows]


def now() -> datetime:
    """This machine's clock, which PostgreSQL has too."""
    return datetime.fromtimestamp(time.time(), UTC)
