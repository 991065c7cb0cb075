"""Apply the requests of account systems: many in one transaction, in the order of their arrival."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, assert_never

from sqlalchemy import Connection

from mailer.database import is_broken_off, savepoint
from mailer.errors import Refused
from subscribers import former_people, ledger, people, rights, suppression
from subscribers.account import idempotency, wordings
from subscribers.account.overview import find_person, not_on_file
from subscribers.account.requests import (
    Erase,
    Grant,
    Outcome,
    Rectify,
    Request,
    SubmittedRequest,
    Who,
    Withdraw,
    problem,
)
from subscribers.account.runs import runs_of
from subscribers.account.withdrawal import withdraw_topics
from subscribers.address import AddressHasher, EmailAddress
from subscribers.intake import Applicant, Candidate, Decision, Evidence, admit
from subscribers.kinds import AGREED, Channel
from subscribers.ledger import DAMAGE_ERRORS, ConsentStatus
from subscribers.people import Person
from subscribers.public_ids import PublicIds

log = logging.getLogger(__name__)

_PURGE_EVERY = timedelta(minutes=10)

UNAVAILABLE = problem(
    503, "unavailable", "The consent ledger or the database can't take this now. Try again later."
)
REUSED_KEY = problem(
    422, "idempotency-key-reused", "The Idempotency-Key was used within a day for another request."
)


class _Done(NamedTuple):
    """The outcome of a request, and the id of the subscriber that it concerned."""

    outcome: Outcome
    subscriber_id: int | None


@dataclass(slots=True)
class AccountRequests:
    """Applies requests. `hasher` hashes addresses, `public_ids` makes the opaque ids in the answers."""

    hasher: AddressHasher
    public_ids: PublicIds
    _purge_at: datetime | None = None

    def apply(
        self, connection: Connection, submissions: Sequence[SubmittedRequest], now: datetime
    ) -> list[Outcome]:
        """Apply `submissions` in their order. Needs a writing transaction.

        A damaged ledger refuses a request with 503, except withdrawals and erasures.
        """
        try:
            with savepoint(connection):
                return self._apply(connection, submissions, now)
        except DAMAGE_ERRORS as error:
            if is_broken_off(error):
                raise  # nothing is damaged; the whole transaction is done again
            if len(submissions) > 1:
                return [self.apply(connection, [each], now)[0] for each in submissions]
            log.warning("A request is refused with 503: %s.", ledger.what_failed(error))
            return [UNAVAILABLE]

    def _apply(
        self, connection: Connection, submissions: Sequence[SubmittedRequest], now: datetime
    ) -> list[Outcome]:
        self._lock(connection)
        self._purge(connection, now)
        fingerprints = [each.fingerprint for each in submissions if each.fingerprint is not None]
        answered = idempotency.find(connection, fingerprints, now)
        done: dict[int, _Done] = {}
        first_of: dict[str, int] = {}
        again: dict[int, int] = {}
        fresh = []
        for index, submission in enumerate(submissions):
            fingerprint = submission.fingerprint
            if fingerprint is not None and (before := answered.get(fingerprint.key_hash)) is not None:
                outcome = Outcome(before.status, before.values) if before.is_of(fingerprint) else REUSED_KEY
                done[index] = _Done(outcome, None)
            elif fingerprint is not None and fingerprint.key_hash in first_of:
                again[index] = first_of[fingerprint.key_hash]
            else:
                if fingerprint is not None:
                    first_of[fingerprint.key_hash] = index
                fresh.append(index)
        for run in runs_of(submissions, fresh):
            requests = [submissions[index].request for index in run]
            done |= zip(run, self._apply_run(connection, requests, now), strict=True)
        self._remember(connection, submissions, {index: done[index] for index in fresh}, now)
        for index, first in again.items():
            same = submissions[index].fingerprint == submissions[first].fingerprint
            done[index] = _Done(done[first].outcome if same else REUSED_KEY, None)
        return [done[index].outcome for index in range(len(submissions))]

    @staticmethod
    def _lock(connection: Connection) -> None:
        """Wait for the ledger, so that requests are applied in their order. One that is gone prevents no withdrawal."""
        with ledger.despite_damage(connection):
            ledger.lock(connection)

    def _purge(self, connection: Connection, now: datetime) -> None:
        if self._purge_at is None or now >= self._purge_at:
            idempotency.forget_old(connection, now)
            self._purge_at = now + _PURGE_EVERY

    @staticmethod
    def _remember(
        connection: Connection, submissions: Sequence[SubmittedRequest], done: dict[int, _Done], now: datetime
    ) -> None:
        answers = [
            (fingerprint, each.outcome.status, each.outcome.values, each.subscriber_id)
            for index, each in done.items()
            if (fingerprint := submissions[index].fingerprint) is not None and not each.outcome.is_problem
        ]
        idempotency.remember(connection, answers, now)

    def _apply_run(
        self, connection: Connection, requests: Sequence[Request], now: datetime
    ) -> Sequence[_Done]:
        grants = [each for each in requests if isinstance(each, Grant)]
        if grants:
            return self._grant(connection, grants, now)
        [request] = requests
        match request:
            case Withdraw():
                return [self._withdraw(connection, request, now)]
            case Rectify():
                return [self._rectify(connection, request, now)]
            case Erase():
                return [self._erase(connection, request, now)]
            case Grant():
                raise AssertionError("handled above")
            case _:
                assert_never(request)

    def _grant(self, connection: Connection, grants: Sequence[Grant], now: datetime) -> list[_Done]:
        """Record consents to one text on one topic, of different people."""
        first = grants[0]
        wording = wordings.find(connection, first.wording, first.topic)
        if wording is None:
            detail = "No text with this SHA-256 is registered for the topic. Register it first."
            return [_Done(problem(422, "unknown-wording", detail, field="wording"), None)] * len(grants)
        evidence = Evidence(
            first.topic, first.source, wording.text, wording.language, wording.version, Channel.API
        )
        applicants = [
            Applicant(0, each.names, each.address, self.hasher.newest(each.address.key), each.given_at)
            for each in grants
        ]
        own_notes = {each.address.key: each.source for each in grants}
        candidates = admit(connection, applicants, evidence, self.hasher, now, own_notes=own_notes)
        known = people.find_all(connection, [each.address.key for each in grants])
        statuses = ledger.statuses(connection, [person.id for person in known.values()])
        return [
            self._granted(candidate, known.get(candidate.applicant.address.key), statuses, first.topic)
            for candidate in candidates
        ]

    def _granted(
        self, candidate: Candidate, person: Person | None, statuses: ledger.Statuses, topic: str
    ) -> _Done:
        status = statuses.get((person.id, topic)) if person else None
        suppressed = candidate.suppressed
        if candidate.decision is Decision.STILL_WITHDRAWN and suppressed is not None:
            values = self._values(person, topic, "suppressed", suppressed.since, status)
            return _Done(Outcome(200, values), person.id if person else None)
        return self._stands(person, topic, status)

    def _stands(self, person: Person | None, topic: str, status: ConsentStatus | None) -> _Done:
        state, since = (status.state.value, status.since) if status else ("none", None)
        values = self._values(person, topic, state, since, status)
        return _Done(Outcome(200, values), person.id if person else None)

    def _values(
        self,
        person: Person | None,
        topic: str,
        state: str,
        since: datetime | None,
        status: ConsentStatus | None,
    ) -> dict[str, Any]:
        return {
            "subscriber": self.public_ids.of_subscriber(person.id) if person else None,
            "topic": topic,
            "state": state,
            "since": since.isoformat() if since else None,
            "entry": status.event_id if status else None,
        }

    def _withdraw(self, connection: Connection, request: Withdraw, now: datetime) -> _Done:
        person = find_person(connection, request.who)
        if person is None:
            self._date_suppression(connection, request.who, request.at or now, now)
            return _Done(not_on_file(request.who), None)
        topics = withdraw_topics(connection, person, request, self.hasher, now)
        return self._left(connection, person, request, topics, now)

    def _left(
        self,
        connection: Connection,
        person: Person,
        request: Withdraw,
        topics: Collection[str],
        now: datetime,
    ) -> _Done:
        """What stands of `topics` after a withdrawal. Where that can't be read, the withdrawal stands."""
        statuses = None
        with ledger.despite_damage(connection):
            statuses = ledger.statuses(connection, [person.id])
        if statuses is None:
            values = self._values(person, request.topic, "withdrawn", request.at or now, None)
            return _Done(Outcome(200, values), person.id)
        newest = [status for (_, topic), status in statuses.items() if topic in topics]
        newest.sort(key=lambda status: (status.state in AGREED, status.event_id))
        return self._stands(person, request.topic, newest[-1] if newest else None)

    def _rectify(self, connection: Connection, request: Rectify, now: datetime) -> _Done:
        person = find_person(connection, request.who)
        if person is None:
            return _Done(not_on_file(request.who), None)
        try:
            changed = rights.rectify(
                connection,
                person.address,
                request.correction,
                hasher=self.hasher,
                source=request.source,
                now=now,
                channel=Channel.API,
            )
        except Refused as error:
            return _Done(problem(409, "address-taken", error.message, field="new_email"), person.id)
        values = {"subscriber": self.public_ids.of_subscriber(person.id), "changed": changed}
        former = (person.email, person.email_normalised) if changed else None
        return _Done(Outcome(200, values, former), person.id)

    def _erase(self, connection: Connection, request: Erase, now: datetime) -> _Done:
        person = find_person(connection, request.who) or self._find_former(connection, request.who)
        if person is None:
            self._date_suppression(connection, request.who, now, now)
            return _Done(not_on_file(request.who), None)
        address, source = person.address, request.source
        held = rights.erase(
            connection, address, hasher=self.hasher, source=source, now=now, channel=Channel.API
        )
        if held:
            holds = [{"ground": hold.ground, "until": hold.until.isoformat()} for hold in held]
            subscriber = self.public_ids.of_subscriber(person.id)
            return _Done(Outcome(202, {"subscriber": subscriber, "holds": holds}), person.id)
        idempotency.forget_subscriber(connection, person.id)
        return _Done(Outcome(204, {}, (person.email, person.email_normalised)), None)

    def _find_former(self, connection: Connection, who: Who) -> Person | None:
        """Somebody who left, of whom there still is what proves their consent."""
        if not isinstance(who, EmailAddress):
            return None
        return next(iter(former_people.find(connection, who, self.hasher)), None)

    def _date_suppression(self, connection: Connection, who: Who, at: datetime, now: datetime) -> None:
        """Somebody who is not on file says no again: no older consent may bring them back."""
        if isinstance(who, EmailAddress):
            suppression.date_later(connection, self.hasher, {who.key: at}, now, channel=Channel.API)
