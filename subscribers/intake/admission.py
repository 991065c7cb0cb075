"""Admission: people whose consent is at hand are put on file, unless they took a later decision themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from sqlalchemy import Connection

from subscribers import ledger, people, suppression
from subscribers.address import AddressHasher
from subscribers.intake.applicant import Applicant
from subscribers.ledger import ConsentStatus, NewEvent, rectified
from subscribers.models import ConsentKind
from subscribers.people import Names, Person
from subscribers.suppression import Suppressed


class Verdict(Enum):
    """What an applicant's consent does."""

    GRANTED = auto()
    UNCHANGED = auto()
    STILL_WITHDRAWN = auto()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What people agreed to: the topic, through what, and the verbatim text that was shown."""

    topic: str
    source: str
    wording: str
    language: str = ""
    version: str = ""


class Candidate(NamedTuple):
    """An applicant beside what is on file about them."""

    applicant: Applicant
    person: Person | None
    standing: ConsentStatus | None
    suppressed: Suppressed | None
    verdict: Verdict

    @property
    def names(self) -> Names | None:
        """What the person is called from now on, where that changes.

        Names follow only a consent given later than the one on file, so that an old file undoes no rectification;
        an empty name takes none away.
        """
        if self.person is None or self.standing is None or self.verdict is not Verdict.GRANTED:
            return None
        if self.applicant.consented_at <= self.standing.since:
            return None
        old, new = self.person.names, self.applicant.names
        names = Names(*(later or earlier for later, earlier in zip(new, old, strict=True)))
        return names if names != old else None


def verdict_on(
    consented_at: datetime, standing: ConsentStatus | None, suppressed_since: datetime | None
) -> Verdict:
    """What a consent given at `consented_at` does to someone who stands at `standing`.

    Only a consent given later than a withdrawal, an objection and a suppression undoes them; one that is no later
    than a grant says nothing new.
    """
    taken_back = standing is not None and standing.state in {ConsentKind.WITHDRAWN, ConsentKind.OBJECTED}
    if standing and taken_back and consented_at <= standing.since:
        return Verdict.STILL_WITHDRAWN
    if suppressed_since is not None:
        return Verdict.STILL_WITHDRAWN if consented_at <= suppressed_since else Verdict.GRANTED
    granted = standing is not None and standing.state is ConsentKind.GRANTED
    return Verdict.UNCHANGED if standing and granted and consented_at <= standing.since else Verdict.GRANTED


def consider(
    connection: Connection, applicants: Sequence[Applicant], topic: str, hasher: AddressHasher
) -> list[Candidate]:
    """Each applicant beside what is on file, with a verdict. Writes nothing."""
    keys = [applicant.address.key for applicant in applicants]
    known = people.find_all(connection, keys)
    standings = ledger.standings(connection, [person.id for person in known.values()])
    suppressed = suppression.find(connection, hasher, keys)
    candidates = []
    for applicant in applicants:
        person = known.get(applicant.address.key)
        standing = standings.get((person.id, topic)) if person else None
        barred = suppressed.get(applicant.address.key)
        verdict = verdict_on(applicant.consented_at, standing, barred.since if barred else None)
        candidates.append(Candidate(applicant, person, standing, barred, verdict))
    return candidates


def admit(
    connection: Connection,
    applicants: Sequence[Applicant],
    evidence: Evidence,
    hasher: AddressHasher,
    now: datetime,
) -> list[Candidate]:
    """Record the consents of these people, none named twice, and put on file whoever is new.

    Needs a writing transaction. Returns what was decided on each.
    """
    ledger.lock(connection)
    candidates = consider(connection, applicants, evidence.topic, hasher)
    admitted = [candidate for candidate in candidates if candidate.verdict is Verdict.GRANTED]
    if admitted:
        wording = ledger.keep_wording(
            connection, evidence.wording, now, language=evidence.language, version=evidence.version
        )
        numbers = _put_on_file(connection, admitted, now)
        events = _events(admitted, numbers, evidence, wording, now)
        ledger.append(connection, events, now, newcomers=numbers.values())
    return candidates


def _put_on_file(connection: Connection, admitted: Sequence[Candidate], now: datetime) -> dict[str, int]:
    """The numbers of those who are new, by address key."""
    suppression.lift(
        connection, [hashed for each in admitted if each.suppressed for hashed in each.suppressed.hashes]
    )
    people.rename(connection, {each.person.id: each.names for each in admitted if each.person and each.names})
    newcomers = [each.applicant for each in admitted if each.person is None]
    return people.add(connection, newcomers, now)


def _events(
    admitted: Sequence[Candidate],
    numbers: dict[str, int],
    evidence: Evidence,
    wording: str,
    now: datetime,
) -> list[NewEvent]:
    events = []
    for candidate in admitted:
        applicant = candidate.applicant
        person = candidate.person
        number = person.id if person else numbers[applicant.address.key]
        if person and (names := candidate.names):
            events.append(rectified(number, person.names.changed(names), evidence.source, now))
        events.append(
            NewEvent(
                number,
                evidence.topic,
                ConsentKind.GRANTED,
                applicant.consented_at,
                evidence.source,
                wording,
            )
        )
    return events
