"""Consent: what an event does to a person's status, and the hash chain that makes the ledger tell-tale.

Each line's hash covers all its fields and the hash of the line before, so nothing in the ledger can be altered,
taken out, put in or moved without every later line giving it away.
"""

from __future__ import annotations

import json.encoder
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, assert_never

from mailer.errors import InvalidInput, LedgerBroken
from subscribers.models import ConsentKind
from subscribers.topic import is_topic

# The hash before the first line: there is nothing before it, and this says so.
GENESIS = sha256(b"Release Mailer, consent ledger, version 1").hexdigest()

# An event about the person rather than about one topic.
EVERY_TOPIC = "*"

# The column holds 500: there is room for the names of the fields that a correction changed.
LONGEST_SOURCE = 400

# A JSON string of a Python one; the array around is put together by hand, in a fifth of json.dumps' time.
_quoted = json.encoder.encode_basestring


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened to a consent, not yet in the ledger.

    `occurred_at` is when the person acted (aware). `source` says through what. `wording_sha256` names the verbatim
    text that was shown; a grant has one. Raises ValueError where the parts do not go together.
    """

    subscriber_id: int
    topic: str
    kind: ConsentKind
    occurred_at: datetime
    source: str
    wording_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.occurred_at.tzinfo is None:
            raise ValueError("an event happens at an aware datetime")
        about_person = self.kind is ConsentKind.RECTIFIED or self.kind is ConsentKind.ERASED
        if about_person != (self.topic == EVERY_TOPIC):
            raise ValueError(f"a {self.kind} event does not go with topic {self.topic!r}")
        if not about_person and not is_topic(self.topic):
            raise ValueError(f"{self.topic!r} is not a topic")
        if self.kind is ConsentKind.GRANTED and self.wording_sha256 is None:
            raise ValueError("consent is given to a text; the event names its wording")


class LedgerEntry(NamedTuple):
    """An event as it stands in the ledger. `recorded_at` is when it was written there."""

    id: int
    event: NewEvent
    recorded_at: datetime
    previous_hash: str
    hash: str


class Head(NamedTuple):
    """What the next entry follows: the last one's number and hash."""

    id: int
    hash: str


class ConsentStatus(NamedTuple):
    """Where a person stands on a topic: the state, since when, and the ledger line that says so."""

    state: ConsentKind
    since: datetime
    event_id: int


class BrokenLink(LedgerBroken):
    """A line of the ledger, or a state derived from it, is not what it was when it was written."""

    def __init__(self, line_id: int, problem: str) -> None:
        super().__init__(
            f"The consent ledger is broken at line {line_id}: {problem}.",
            hint="Stop sending, keep this database as it is, and compare it with a backup.",
        )
        self.line_id = line_id
        self.problem = problem


def status_after(status: ConsentStatus | None, event: NewEvent, event_id: int) -> ConsentStatus | None:
    """Where the person stands once `event`, which is line `event_id`, has happened.

    A withdrawal always counts. A grant counts only if it was given later than what stands: an old consent that
    turns up again undoes no withdrawal. A request alone takes nothing away and gives nothing.
    """
    match event.kind:
        case ConsentKind.REQUESTED:
            counts = status is None or status.state is ConsentKind.REQUESTED
            return ConsentStatus(event.kind, event.occurred_at, event_id) if counts else status
        case ConsentKind.GRANTED:
            counts = (
                status is None or status.state is ConsentKind.REQUESTED or event.occurred_at > status.since
            )
            return ConsentStatus(event.kind, event.occurred_at, event_id) if counts else status
        case ConsentKind.WITHDRAWN | ConsentKind.OBJECTED:
            return _status_after_withdrawal(status, event, event_id)
        case ConsentKind.RECTIFIED:
            return status
        case ConsentKind.ERASED:
            return None
        case _:
            assert_never(event.kind)


def _status_after_withdrawal(status: ConsentStatus | None, event: NewEvent, event_id: int) -> ConsentStatus:
    if status is None:
        return ConsentStatus(event.kind, event.occurred_at, event_id)
    # An objection is not weakened into a withdrawal; and nothing is taken back before it was given, also where
    # the clocks of two hosts differ.
    objected = status.state is ConsentKind.OBJECTED
    state = ConsentKind.OBJECTED if objected else event.kind
    return ConsentStatus(state, max(event.occurred_at, status.since), event_id)


def rectification(subscriber_id: int, changed: Iterable[str], source: str, now: datetime) -> NewEvent:
    """The event of a correction: it names the fields that changed, never what they hold."""
    told = f"{source}; changed: {', '.join(changed)}"
    return NewEvent(subscriber_id, EVERY_TOPIC, ConsentKind.RECTIFIED, now, told)


def parse_source(raw: str) -> str:
    """A source as it goes into the ledger: one line that says through what a consent was given or taken back.

    Raises InvalidInput if it is empty, long or not one line.
    """
    source = raw.strip()
    if not source or len(source) > LONGEST_SOURCE or not source.isprintable():
        raise InvalidInput(
            f"The source is to be one line of at most {LONGEST_SOURCE} characters.",
            hint='Say where the consent comes from, such as "sign-up form on example.com, spring 2026".',
        )
    return source


def hash_of(previous_hash: str, line_id: int, event: NewEvent, recorded_at: datetime) -> str:
    """The SHA-256 (hex) of a line: of the UTF-8 bytes of a JSON array of its fields in this order.

    JSON without spaces keeps the fields apart whatever they contain; instants are UTC with microseconds.
    """
    wording = "null" if event.wording_sha256 is None else _quoted(event.wording_sha256)
    told = (
        f"[{_quoted(previous_hash)},{line_id},{event.subscriber_id},{_quoted(event.topic)},"
        f'{_quoted(event.kind)},"{_instant(event.occurred_at)}",'
        f'"{_instant(recorded_at)}",{_quoted(event.source)},{wording}]'
    )
    return sha256(told.encode()).hexdigest()


def link(previous: LedgerEntry | Head | None, event: NewEvent, recorded_at: datetime) -> LedgerEntry:
    """The line that follows `previous` (None: the first one)."""
    line_id, previous_hash = (previous.id + 1, previous.hash) if previous else (1, GENESIS)
    return LedgerEntry(
        line_id, event, recorded_at, previous_hash, hash_of(previous_hash, line_id, event, recorded_at)
    )


def check_link(previous: LedgerEntry | None, line: LedgerEntry) -> None:
    """Raises BrokenLink if `line` does not follow `previous` (None: if it can't be the first)."""
    expected_id, expected_hash = (previous.id + 1, previous.hash) if previous else (1, GENESIS)
    if line.id > expected_id:
        raise BrokenLink(expected_id, f"it is missing; line {line.id} comes instead")
    if line.id < expected_id:
        raise BrokenLink(line.id, f"line {expected_id} was expected there")
    if line.previous_hash != expected_hash:
        raise BrokenLink(line.id, "it does not follow the line before it")
    check_entry(line)


def check_entry(line: LedgerEntry) -> None:
    """Raises BrokenLink if the fields of `line` are not those that its hash was taken of."""
    try:
        intact = line.hash == hash_of(line.previous_hash, line.id, line.event, line.recorded_at)
    except (TypeError, ValueError):  # SQLite takes bytes for a text, PostgreSQL an instant without bounds
        intact = False
    if not intact:
        raise BrokenLink(line.id, "it was altered; its fields do not match its hash")


def check_chain(lines: Iterable[LedgerEntry]) -> Iterator[LedgerEntry]:
    """Walk a whole ledger from its first line. Raises BrokenLink at the first line that does not fit."""
    previous = None
    for line in lines:
        check_link(previous, line)
        yield line
        previous = line


# Events that are recorded together are recorded at the same moment.
@lru_cache(maxsize=1000)
def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
