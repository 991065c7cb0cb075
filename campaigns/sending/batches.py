"""Batches: one transaction for all connections that are ready, and then the next mail on each of them.

A connection is ready when it has no mail in flight. A batch takes all that are ready: one transaction records the
outcomes of their last mails and passes the gate for their next ones; then all of those are composed, and each is offered
once it is signed. So each connection has at most one mail in flight, which is what a crash can leave uncertain, and one
fsync serves many mails. The relay's replies drive a connection: no task waits for a mail.

The envelope of the mail after the next may be announced to the relay with the content of the next. Its own content
follows only after a later batch has passed the gate for it; if that withholds it, the connection is closed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeAlias, assert_never

from campaigns.deliveries import Attempt, Halted, Settlement, Withheld, settlement_for
from campaigns.sending.claim_queue import Claim, ClaimQueue
from campaigns.sending.compose import UNCOMMITTED, Composer
from campaigns.sending.gathering import Gathering
from campaigns.sending.pacing import PacedAnswer
from campaigns.sending.recorder import Batch, Committed, Recorder
from campaigns.sending.session import Session
from campaigns.sending.tally import Tally
from campaigns.states import DeliveryReason, DeliveryState
from mailer.config import RetrySettings
from mailer.errors import InvalidInput, MailerError, Refused
from mailer.limits import ProviderFull, RelayFull
from mailer.message import Content
from mailer.smtp import Deferred, Envelope, FailureScope, Outcome, Phase
from mailer.smtp.connection import Connection, anything_to_read
from mailer.smtp.relays import Relays

Sign = Callable[[Sequence[Content], Callable[[int, Content], None]], Awaitable[None]]
Mail: TypeAlias = tuple[Session, Envelope, Content]
Ended: TypeAlias = tuple[Attempt, Outcome, bool]  # and whether the relay said it when the mail was announced

MAX_HELD = 1.0  # seconds that a relay waits for announced content while the database is busy


class Batches:
    """The batches of one run. `tally` has the outcomes; `sign` signs composed mails, None where they stay unsigned."""

    def __init__(
        self,
        recorder: Recorder,
        relays: Relays,
        composer: Composer,
        *,
        retry: RetrySettings,
        sign: Sign | None = None,
    ) -> None:
        self._recorder, self._relays, self._composer = recorder, relays, composer
        self.tally = Tally()
        self._stopped, self._clock = self.tally.stopped, recorder.clock
        self._retry, self._sign = retry, sign
        self._claims = ClaimQueue()
        self.sessions: set[Session] = set()  # the connections in use
        self._ended: list[Ended] = []  # mails of connections that are ready: the next batch settles them
        self._outcomes: list[Settlement] = []  # of mails that were not offered: it records these too
        self._gathering = Gathering(self._run_batch, commits_aside=recorder.commits_aside)
        # Else a limit or another relay may send an announced mail another way.
        self._may_announce = not recorder.is_paced and not relays.several
        self._is_slow = False

    @property
    def is_over(self) -> bool:
        """Whether no other mail is to be begun."""
        return self._stopped.is_set() or (self._claims.exhausted and not self._claims)

    async def claim(self) -> bool:
        """Claim ahead; whether there are any claims. Raises the database's error."""
        self._claims.exhausted = False
        if not self._stopped.is_set():
            await self._commit(Batch(claim=self._claims.number_to_claim(self._clock())))
        return not self.is_over

    def at_most(self, connections: int) -> int:
        """How many of these connections can be of use: not more than there are mails, where these are known."""
        return min(connections, len(self._claims)) if self._claims.exhausted else connections

    async def use(self, connection: Connection) -> None:
        """Send on a connection for as long as there is mail and it may be used.

        Cancelling it closes the connection; what is known of its mail by then is recorded.
        """
        session = Session(connection, asyncio.get_running_loop().create_future())
        self.sessions.add(session)
        self._mark_ready(session)
        try:
            await session.ended
        except asyncio.CancelledError:
            connection.abort()
            if session.timer is not None:
                session.timer.cancel()
                self._do_not_offer(session, "it waited for its rate")
            raise
        finally:
            self.sessions.discard(session)

    async def finish(self) -> None:
        """Record what is known of the mails of all connections that were given back."""
        await self._gathering.finish()

    def _mark_ready(self, session: Session) -> None:
        if self._is_slow:
            session.connection.drop_announced()
        self._gathering.add(session)

    async def _run_batch(self, sessions: Sequence[Session]) -> None:
        try:
            await self._send_batch(sessions)
        except MailerError as error:
            self.tally.fail(error)
            for session in sessions:
                session.end()
        except Exception as error:  # noqa: BLE001 - it goes to the run, which waits for the connections
            self._stopped.set()
            for session in sessions:
                session.end(error)

    async def _send_batch(self, sessions: Sequence[Session]) -> None:
        now = self._clock()
        outcomes = self._take_outcomes(now)
        claims = [(session, self._next_claim(session)) for session in sessions]
        wanted = [(session, claim) for session, claim in claims if claim is not None]
        relays = {claim.delivery_id: session.connection.relay for session, claim in wanted}
        if self._may_announce:
            for session, _ in wanted:
                session.choose_announced(self._claims, self._composer, now)
        more = 0 if self._stopped.is_set() else self._claims.number_to_claim(now)
        committed = await self._commit(Batch(outcomes, relays, more))
        for session, claim in claims:
            if claim is None and session.connection.has_quota and not self.is_over:
                self._mark_ready(session)
            elif claim is None:
                session.end()
        # Compose all mails first, then offer them: the code stays in the processor's caches.
        now = self._clock()
        answers = committed.answers
        mails = [
            mail
            for session, claim in wanted
            if (mail := self._prepare(session, claim, answers.get(claim.delivery_id, Halted()), now))
        ]
        self._gathering.in_flight += len(mails)
        if self._sign is None:
            # A relay that hung up meanwhile is offered nothing. Where nothing waits to be read, the event loop is not let run:
            # it could run the next batch before these mails are offered.
            if anything_to_read([session.connection for session, _, _ in mails]):
                await asyncio.sleep(0)  # the loop runs what was to run next
                await asyncio.sleep(0)  # and reads
            for mail in mails:
                self._schedule(*mail)
        else:
            await self._schedule_signed(mails, self._sign)

    def _next_claim(self, session: Session) -> Claim | None:
        """The next claim of a connection: the one that was announced on it, or any."""
        claim, session.next_claim = session.next_claim, None
        if (claim or self._claims) and not self._stopped.is_set() and session.connection.has_quota:
            return claim or self._claims.take()
        if claim is not None:
            self._claims.give_back(claim)
        session.connection.drop_announced()
        return None

    async def _commit(self, batch: Batch) -> Committed:
        if not (batch.outcomes or batch.relays or batch.claim):
            return Committed()
        timer = asyncio.get_running_loop().call_later(MAX_HELD, self._note_slow_commit)
        try:
            with self._gathering.committing():
                committed = await self._recorder.commit(batch)
            if batch.claim:
                self._claims.add(committed.claimed, self._clock())
            return committed
        finally:
            timer.cancel()
            self._is_slow = False

    def _note_slow_commit(self) -> None:
        """A commit takes long: close the connections whose relay waits for announced content, until it has ended."""
        self._is_slow = True
        for session in self.sessions:
            session.connection.drop_announced()

    def _prepare(self, session: Session, claim: Claim, answer: PacedAnswer, now: datetime) -> Mail | None:
        """Compose the mail of a claimed delivery, if the gate's answer allows it."""
        match answer:
            case Attempt():
                session.attempt, refused = answer, session.connection.refused
                if refused is not None and refused[0].recipient == answer.recipient.email:
                    self._ended.append((answer, refused[1], True))
                elif (mail := self._compose(session, answer, now)) is not None:
                    return mail
            case Withheld():
                self._claims.withheld += session.connection.announced is not None
                self.tally.states[DeliveryState.WITHHELD] += 1
            case Halted():
                self._stopped.set()
            case RelayFull(until):
                self._claims.give_back(claim)
                self._relays.suspend(session.connection.relay, (until - now).total_seconds())
                session.end()
                return None
            case ProviderFull():
                pass
            case _:
                assert_never(answer)
        session.connection.drop_announced()
        self._mark_ready(session)
        return None

    def _compose(self, session: Session, attempt: Attempt, now: datetime) -> Mail | None:
        """Compose the mail of an attempt. If it can't be offered, the next batch records why."""
        recipient, connection = attempt.recipient, session.connection
        try:
            composer = self._composer.through(connection.relay)
            return session, *composer.compose(recipient, now, connection.announced)
        except InvalidInput as error:
            state, reason, why = DeliveryState.REJECTED, DeliveryReason.COMPOSE, error.reason
        except Refused as error:
            state, reason, why = DeliveryState.WITHHELD, None, UNCOMMITTED
            self.tally.fail(error)
        number = recipient.delivery_id
        self._outcomes.append(Settlement(number, attempt.attempts, state, reason=reason, diagnostic=why))
        self.tally.states[state] += 1
        return None

    async def _schedule_signed(self, mails: Sequence[Mail], sign: Sign) -> None:
        """Offer each mail once it is signed. If that fails, those that are not signed yet are not offered."""
        unsigned = set(range(len(mails)))

        def offer(position: int, content: Content) -> None:
            unsigned.discard(position)
            session, envelope, _ = mails[position]
            self._schedule(session, envelope, content)

        with self._gathering.signing():
            try:
                await sign([content for _, _, content in mails], offer)
            except MailerError as error:
                self.tally.fail(error)
                for position in unsigned:
                    self._do_not_offer(mails[position][0], "not signed")

    def _schedule(self, session: Session, envelope: Envelope, content: Content) -> None:
        """Offer a mail, as soon as its rate allows; at once where its connection is closed and refuses it."""
        attempt = session.attempt
        if attempt is not None and attempt.not_before is not None and session in self.sessions:
            seconds = max(0.0, (attempt.not_before - self._clock()).total_seconds())
            loop = asyncio.get_running_loop()
            session.timer = loop.call_later(seconds, self._offer, session, envelope, content)
        else:
            self._offer(session, envelope, content)

    def _offer(self, session: Session, envelope: Envelope, content: Content) -> None:
        """Offer a mail, unless another run may have recovered its delivery.

        So a process that was frozen past its lease, or cut off from the database, offers nothing.
        """
        session.timer = None
        done = partial(self._conclude, session)
        session.connection.offer(envelope, content, done, self._recorder.is_valid, session.announce)

    def _do_not_offer(self, session: Session, reason: str) -> None:
        """Conclude a mail that passed the gate: a later batch may try it again."""
        self._conclude(session, Deferred(Phase.MAIL, FailureScope.CONNECTION, None, reason))

    def _conclude(self, session: Session, outcome: Outcome) -> None:
        """The mail in flight has an outcome."""
        assert session.attempt is not None  # noqa: S101 - the gate let it through
        self._gathering.in_flight -= 1
        self._ended.append((session.attempt, outcome, False))
        self._mark_ready(session)

    def _take_outcomes(self, now: datetime) -> list[Settlement]:
        """What to record about the mails that have ended; counts them."""
        outcomes, self._outcomes = self._outcomes, []
        ended, self._ended = self._ended, []
        for attempt, outcome, was_announced in ended:
            settlement = settlement_for(
                attempt.recipient.delivery_id,
                outcome,
                attempts=attempt.attempts,
                first_attempted_at=attempt.first_attempted_at,
                now=now,
                policy=self._retry,
                jitter=random.random(),  # noqa: S311 - spreads retries, keeps no secret
                has_other_relay=self._relays.several,
                was_announced=was_announced,
            )
            self.tally.count(outcome, settlement, self._relays.ceiling)
            outcomes.append(settlement)
        return outcomes
