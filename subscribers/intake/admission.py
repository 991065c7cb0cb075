"""Record the consents of applicants, unless the person has made a later decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from sqlalchemy import Connection

from subscribers import ledger, people, suppression
from subscribers.address import AddressHasher
from subscribers.intake.applicant import Applicant
from subscribers.intake.lifted import withdrawals_of_other_topics
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import EVERY_TOPIC, ConsentStatus, NewEvent, rectification_note
from subscribers.people import Names, OnFile, Person
from subscribers.suppression import Suppressed


class Decision(Enum):
    """The effect of an applicant's consent."""

    GRANTED = auto()
    UNCHANGED = auto()
    STILL_WITHDRAWN = auto()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What people consented to: the topic, the source, and the verbatim text that was shown.

    `source` is free text. The ledger has a commitment to it.
    """

    topic: str
    source: str
    wording: str
    language: str = ""
    version: str = ""
    channel: Channel = Channel.IMPORT


class Candidate(NamedTuple):
    """An applicant, with the data on file about them and the decision."""

    applicant: Applicant
    person: Person | None
    status: ConsentStatus | None
    suppressed: Suppressed | None
    decision: Decision

    @property
    def names(self) -> Names | None:
        """The new names of the person, if they change.

        Only a later consent changes names, so that an old file does not undo a rectification. An empty name
        changes nothing.
        """
        if self.person is None or self.status is None or self.decision is not Decision.GRANTED:
            return None
        if self.applicant.consented_at <= self.status.since:
            return None
        old, new = self.person.names, self.applicant.names
        names = Names(*(later or earlier for later, earlier in zip(new, old, strict=True)))
        return names if names != old else None


def decide(
    consented_at: datetime, status: ConsentStatus | None, suppressed_since: datetime | None
) -> Decision:
    """Decide the effect of a consent given at `consented_at` on a person with `status`.

    A consent undoes a withdrawal, objection or suppression only if it was given later. A consent that is not
    later than the recorded grant changes nothing.
    """
    taken_back = status is not None and status.state in {ConsentKind.WITHDRAWN, ConsentKind.OBJECTED}
    if status and taken_back and consented_at <= status.since:
        return Decision.STILL_WITHDRAWN
    if suppressed_since is not None:
        return Decision.STILL_WITHDRAWN if consented_at <= suppressed_since else Decision.GRANTED
    granted = status is not None and status.state is ConsentKind.GRANTED
    return Decision.UNCHANGED if status and granted and consented_at <= status.since else Decision.GRANTED


def decide_all(
    connection: Connection, applicants: Sequence[Applicant], topic: str, hasher: AddressHasher
) -> list[Candidate]:
    """Find the data on file about each applicant, and decide. Writes nothing."""
    keys = [applicant.address.key for applicant in applicants]
    known = people.find_all(connection, keys)
    statuses = ledger.statuses(connection, [person.id for person in known.values()])
    suppressed = suppression.find(connection, hasher, keys)
    candidates = []
    for applicant in applicants:
        person = known.get(applicant.address.key)
        status = statuses.get((person.id, topic)) if person else None
        is_suppressed = suppressed.get(applicant.address.key)
        decision = decide(applicant.consented_at, status, is_suppressed.since if is_suppressed else None)
        candidates.append(Candidate(applicant, person, status, is_suppressed, decision))
    return candidates


def admit(
    connection: Connection,
    applicants: Sequence[Applicant],
    evidence: Evidence,
    hasher: AddressHasher,
    now: datetime,
    *,
    own_notes: Mapping[str, str] | None = None,
) -> list[Candidate]:
    """Record the consents of these people and add the new people. No person may occur twice.

    `own_notes` has the notes that differ from `evidence.source`, by address key; they are erased with their
    person. Needs a writing transaction. Returns the candidates with their decisions.
    """
    ledger.lock(connection)
    candidates = decide_all(connection, applicants, evidence.topic, hasher)
    if evidence.channel is Channel.SIGN_UP:
        candidates = [_without_names(each) if each.person else each for each in candidates]
    admitted = [candidate for candidate in candidates if candidate.decision is Decision.GRANTED]
    if admitted:
        new_people = _put_on_file(connection, admitted, now, evidence.channel)
        events = _events(connection, admitted, new_people, evidence, own_notes or {}, now=now)
        ledger.append(connection, events, now, new_people=[each.id for each in new_people.values()])
    return candidates


def _without_names(candidate: Candidate) -> Candidate:
    """The candidate with no names stated: anybody may have filled in the form, so it renames nobody on file."""
    return candidate._replace(applicant=candidate.applicant._replace(names=Names()))


def _put_on_file(
    connection: Connection, admitted: Sequence[Candidate], now: datetime, channel: Channel
) -> dict[str, OnFile]:
    """Add the new people; returns them by address key."""
    suppression.lift(
        connection,
        [hashed for each in admitted if each.suppressed for hashed in each.suppressed.hashes],
        now,
        channel=channel,
    )
    people.change_names(
        connection, {each.person.id: each.names for each in admitted if each.person and each.names}
    )
    new_people = [
        each.applicant if each.suppressed is None else each.applicant._replace(hashed=each.suppressed.hashed)
        for each in admitted
        if each.person is None
    ]
    return people.add(connection, new_people, now)


def _events(
    connection: Connection,
    admitted: Sequence[Candidate],
    new_people: Mapping[str, OnFile],
    evidence: Evidence,
    own_notes: Mapping[str, str],
    *,
    now: datetime,
) -> list[NewEvent]:
    lifted = {
        _number_of(each, new_people): (_subject_of(each, new_people), each.suppressed.since)
        for each in admitted
        if each.suppressed
    }
    wording = ledger.store_wording(
        connection,
        evidence.wording,
        now,
        topic=evidence.topic,
        language=evidence.language,
        version=evidence.version,
    )
    notes = _store_notes(connection, admitted, new_people, evidence, own_notes)
    events = withdrawals_of_other_topics(connection, lifted, evidence.topic, evidence.channel)
    for candidate in admitted:
        applicant, person = candidate.applicant, candidate.person
        if person is not None and (names := candidate.names):
            changed = person.names.changed(names)
            events.append(_rectification(connection, person.id, changed, evidence, now))
        events.append(
            NewEvent(
                _number_of(candidate, new_people),
                evidence.topic,
                ConsentKind.GRANTED,
                applicant.consented_at,
                evidence.channel,
                wording,
                notes[applicant.address.key],
                _subject_of(candidate, new_people),
            )
        )
    return events


def _number_of(candidate: Candidate, new_people: Mapping[str, OnFile]) -> int:
    return candidate.person.id if candidate.person else new_people[candidate.applicant.address.key].id


def _subject_of(candidate: Candidate, new_people: Mapping[str, OnFile]) -> str | None:
    """The commitment to a person who was just added; that to others is read when the event is appended."""
    return None if candidate.person else new_people[candidate.applicant.address.key].subject


def _rectification(
    connection: Connection, person_id: int, changed: Sequence[str], evidence: Evidence, now: datetime
) -> NewEvent:
    """The event for names that a later consent changed."""
    note = ledger.store_note(connection, rectification_note(changed, evidence.source), person_id)
    return NewEvent(person_id, EVERY_TOPIC, ConsentKind.RECTIFIED, now, evidence.channel, note=note)


def _store_notes(
    connection: Connection,
    admitted: Sequence[Candidate],
    new_people: Mapping[str, OnFile],
    evidence: Evidence,
    own_notes: Mapping[str, str],
) -> dict[str, str]:
    """The commitments to the notes, by address key. A note that belongs to one person is erased with them."""
    numbers = {each.applicant.address.key: _number_of(each, new_people) for each in admitted}
    own = {key: own_notes[key] for key in numbers if key in own_notes}
    found = dict(
        zip(own, ledger.store_notes(connection, [(own[key], numbers[key]) for key in own]), strict=True)
    )
    shared = [key for key in numbers if key not in own]
    if shared:
        only = numbers[shared[0]] if len(shared) == 1 else None
        found |= dict.fromkeys(shared, ledger.store_note(connection, evidence.source, only))
    return found
