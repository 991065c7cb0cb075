"""A relay may go wrong anywhere: how each transaction ends is written in tests/fault_table.py."""

from __future__ import annotations

import asyncio
from typing import Literal, assert_never

import pytest
import uvloop

from mailer.config import RelaySettings
from mailer.message import Content
from mailer.smtp import (
    Accepted,
    ConnectionFailed,
    Deferred,
    Envelope,
    FailureScope,
    Outcome,
    Phase,
    Rejected,
    Uncertain,
)
from mailer.smtp.connection import QUIT_TIMEOUT, Connection
from tests.support.certificates import loopback_certificates
from tests.support.fault_table import Case, Mode, cases
from tests.support.loopback import opened
from tests.support.relay import FaultyRelay, HungUp, Session

AT_ONCE = 12
MESSAGE = b"From: news@example.com\r\nSubject: Release 2.4\r\n\r\n.starts with a dot\r\n" + b"line\r\n" * 50
CONTENT = Content.of(MESSAGE)
FIRST = Envelope("news+1@example.com", "anna.de.vries@example.org")
SECOND = Envelope("news+2@example.com", "bram@example.org")
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("mode", Mode)
def test_each_fault_ends_in_the_outcome_of_the_table(mode: Mode, loop: str) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        wrong = runner.run(_walk(mode))
    assert wrong == []


class HangingUp(Session):
    """Hangs up with the reply that ends the handshake."""

    async def on_ehlo(self, line: bytes) -> None:
        await super().on_ehlo(line)
        if not self.in_clear:
            await self.flush()
            raise HungUp


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_relay_that_hangs_up_right_after_the_handshake_takes_no_mail(
    security: Literal["none", "starttls", "tls"], loop: str
) -> None:
    async def offer() -> tuple[bool, Outcome]:
        async with FaultyRelay(starttls=security == "starttls", implicit_tls=security == "tls") as relay:
            relay.session_class = HangingUp
            authority = loopback_certificates().ca_file
            connection = await opened(
                RelaySettings(host="localhost", port=relay.port, security=security, ca_file=authority)
            )
            usable, outcome = connection.usable, await connection.send(FIRST, CONTENT)
            async with asyncio.timeout(QUIT_TIMEOUT / 2):
                await connection.close()
            return usable, outcome

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        usable, outcome = runner.run(offer())
    assert not usable
    assert outcome == Deferred(Phase.MAIL, FailureScope.RELAY, None, "the relay hung up")


async def _walk(mode: Mode) -> list[str]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> str | None:
        async with room, asyncio.timeout(60):
            problem = await _goes_wrong(case)
            return f"{case}: {problem}" if problem else None

    problems = await asyncio.gather(*(one(case) for case in cases(mode)))
    return [problem for problem in problems if problem]


async def _goes_wrong(case: Case) -> str | None:
    """What is wrong about how the case ended, or None."""
    async with case.relay() as relay:
        try:
            connection = await opened(case.settings(relay.port))
        except ConnectionFailed as failure:
            met = case.expected == "away" and not relay.contents
            return None if met else f"{failure} instead of {case.expected}"
        outcome = await connection.send(FIRST, CONTENT)
        problems = [
            _surprise(outcome, case.expected),
            _broken_promise(_word(outcome), relay),
            _indiscretion(outcome),
            await _aftermath(connection, relay),
        ]
        await connection.close()
        return "; ".join(filter(None, problems)) or None


def _surprise(outcome: Outcome, expected: str) -> str | None:
    return None if _word(outcome) == expected else f"{outcome} instead of {expected}"


def _broken_promise(ended: str, relay: FaultyRelay) -> str | None:
    """What counts as accepted was taken once and whole, and what may be sent again was not taken."""
    taken = [mail.content for mail in relay.accepted]
    if ended == "accepted":
        return None if taken == [MESSAGE] else f"accepted, but the relay took {len(taken)}"
    return f"{ended}, but the relay took it" if taken and ended != "uncertain" else None


def _indiscretion(outcome: Outcome) -> str | None:
    return f"names the recipient: {outcome}" if "anna" in repr(outcome) else None


async def _aftermath(connection: Connection, relay: FaultyRelay) -> str | None:
    """A connection that still counts as usable takes the next message."""
    if not connection.usable:
        return None
    outcome = await connection.send(SECOND, CONTENT)
    taken = relay.accepted[-1].recipient if relay.accepted else None
    met = _word(outcome) == "accepted" and taken == SECOND.recipient
    return None if met else f"the connection is spoiled: {outcome}"


def _word(outcome: Outcome) -> str:
    match outcome:
        case Accepted():
            return "accepted"
        case Deferred(scope=FailureScope.RELAY):
            return "relay"
        case Deferred():
            return "deferred"
        case Rejected(scope=FailureScope.SENDER):
            return "sender"
        case Rejected():
            return "rejected"
        case Uncertain():
            return "uncertain"
        case _:
            assert_never(outcome)
