"""One message's dialogue with a relay, without any I/O: which commands to send, and what the replies come to.

    CHUNKING + PIPELINING   RSET?, [MAIL RCPT BDAT content]           one round trip
    PIPELINING              RSET?, [MAIL RCPT DATA] [content .]       two
    CHUNKING                RSET?, [MAIL] [RCPT] [BDAT content]       three
    neither                 RSET?, [MAIL] [RCPT] [DATA] [content .]   four

(RFC 5321, RFC 2920 PIPELINING, RFC 3030 CHUNKING, RFC 1870 SIZE.)
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from mailer.errors import InvalidInput
from mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Phase,
    Rejected,
    Scope,
    Uncertain,
    classify,
    read_reply,
)
from mailer.replies import RawReply

LONGEST_PATH = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
_DOT = re.compile(rb"\n\.")
_FORBIDDEN = frozenset('<>"\\ ')


@dataclass(frozen=True, slots=True)
class Envelope:
    """SMTP sender (empty for the null return path) and the one recipient.

    Raises InvalidInput, which does not repeat the address, where one can't stand in a command: anything but
    printable ASCII, a space, an angle bracket, a quote, a backslash, no @, or over 254 characters.
    """

    sender: str
    recipient: str

    def __post_init__(self) -> None:
        if self.sender:
            _check_path("sender", self.sender)
        _check_path("recipient", self.recipient)

    @property
    def local_parts(self) -> tuple[str, ...]:
        """What a reply must not repeat to the operator."""
        return self.recipient.rpartition("@")[0], self.sender.rpartition("@")[0]


def _check_path(role: str, address: str) -> None:
    local, _, domain = address.rpartition("@")
    plain = address.isascii() and address.isprintable() and _FORBIDDEN.isdisjoint(address)
    if not (local and domain and "@" not in local and plain and len(address) <= LONGEST_PATH):
        raise InvalidInput(
            f"The {role}'s address can't be written in an SMTP command.",
            hint="An envelope address is plain ASCII, name@domain, without spaces, quotes or angle brackets.",
        )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the relay's EHLO reply offers of what we use. `size` is 0 where it states no limit."""

    pipelining: bool = False
    chunking: bool = False
    size: int | None = None


class Debt(Enum):
    """What a transaction that failed leaves to be said before the next one may begin."""

    NONE = b""
    RESET = b"RSET\r\n"
    DOT_AND_RESET = b".\r\nRSET\r\n"  # DATA was accepted although no recipient was (RFC 2920 section 3.1)
    HOPELESS = b"QUIT\r\n"  # replies and commands no longer match: the connection has to go


class Group(NamedTuple):
    """Commands that are written in one go, and the phase that each of their replies belongs to."""

    data: tuple[bytes, ...]
    phases: tuple[Phase, ...]
    offers: bool = False


class Verdict(NamedTuple):
    """How a transaction ended. `outcome` is None where replies are missing and those that came don't decide."""

    outcome: Outcome | None
    debt: Debt


Dialogue: TypeAlias = Generator[Group, list[RawReply], Verdict]


def transact(envelope: Envelope, message: bytes, offered: Capabilities, debt: Debt) -> Dialogue:
    """The dialogue for one message: yields groups, is sent the replies to each, returns the verdict.

    It must be sent fewer replies than a group has phases only when the connection is lost. `message` is
    7-bit, in lines that end with CRLF (ValueError otherwise).
    """
    if not (message.isascii() and message.endswith(b"\r\n")):
        raise ValueError("a message is 7-bit and ends with CRLF")
    if offered.size and len(message) > offered.size:
        reason = f"the message has {len(message)} bytes and the relay takes at most {offered.size}"
        return Verdict(Rejected(Phase.MAIL, Scope.SENDER, None, reason), debt)
    if debt is not Debt.NONE and (refused := (yield from _pay(debt))):
        return refused
    for group in _groups(envelope, message, offered):
        replies = yield group
        if verdict := _judge(group, replies, envelope):
            return verdict
        if len(replies) < len(group.phases):
            break
    return Verdict(None, Debt.NONE)


def _pay(debt: Debt) -> Generator[Group, list[RawReply], Verdict | None]:
    group = Group((debt.value,), (Phase.MAIL,) * debt.value.count(b"\r\n"))
    replies = yield group
    if len(replies) < len(group.phases):
        return Verdict(None, Debt.NONE)
    reset = replies[-1]
    if _positive(Phase.MAIL, reset.code):
        return None
    reply = read_reply(*reset)
    return Verdict(Deferred(Phase.MAIL, Scope.RELAY, reply, f"RSET was refused: {reply}"), Debt.HOPELESS)


def _groups(envelope: Envelope, message: bytes, offered: Capabilities) -> Iterator[Group]:
    size = b"" if offered.size is None else b" SIZE=%d" % len(message)
    mail = b"MAIL FROM:<%b>%b\r\n" % (envelope.sender.encode("ascii"), size)
    rcpt = b"RCPT TO:<%b>\r\n" % envelope.recipient.encode("ascii")
    if offered.chunking:
        bdat = b"BDAT %d LAST\r\n" % len(message)
        if offered.pipelining:
            yield Group((mail + rcpt + bdat, message), (Phase.MAIL, Phase.RCPT, Phase.FINAL), offers=True)
            return
        yield Group((mail,), (Phase.MAIL,))
        yield Group((rcpt,), (Phase.RCPT,))
        yield Group((bdat, message), (Phase.FINAL,), offers=True)
        return
    if offered.pipelining:
        yield Group((mail + rcpt + b"DATA\r\n",), (Phase.MAIL, Phase.RCPT, Phase.DATA))
    else:
        yield Group((mail,), (Phase.MAIL,))
        yield Group((rcpt,), (Phase.RCPT,))
        yield Group((b"DATA\r\n",), (Phase.DATA,))
    yield Group((stuff_dots(message), b".\r\n"), (Phase.FINAL,), offers=True)


def stuff_dots(message: bytes) -> bytes:
    """Double each dot that opens a line (RFC 5321 section 4.5.2)."""
    if _DOT.search(message):  # twice as fast as `in`, which is what most messages cost
        message = message.replace(b"\n.", b"\n..")
    return b"." + message if message.startswith(b".") else message


def _positive(phase: Phase, code: int) -> bool:
    return code // 100 == (3 if phase is Phase.DATA else 2)


def _judge(group: Group, replies: Sequence[RawReply], envelope: Envelope) -> Verdict | None:
    """The verdict that `replies` allow; None where there is more to say, or where the decisive one is missing.

    The first reply that is not positive decides, for whatever follows it in its group follows from it.
    """
    taken = [_positive(phase, raw.code) for phase, raw in zip(group.phases, replies, strict=False)]
    if all(taken):
        if not group.offers or len(taken) < len(group.phases):
            return None
        return Verdict(Accepted(read_reply(*replies[-1], envelope.local_parts)), Debt.NONE)
    decisive = taken.index(False)
    phase = group.phases[decisive]
    reply = read_reply(*replies[decisive], envelope.local_parts)
    senseless = reply.code // 100 not in (4, 5)
    contradicted = taken[decisive:] == [False, True, True]
    if group.offers and phase is not Phase.FINAL and (senseless or contradicted):
        reason = f"the content was offered and the replies do not match the commands: {reply}"
        return Verdict(Uncertain(phase, reason), Debt.HOPELESS)
    return Verdict(classify(phase, reply), Debt.HOPELESS if senseless else _debt(group, taken))


def _debt(group: Group, taken: Sequence[bool]) -> Debt:
    """RFC 2920 section 3.1: a relay may accept DATA in a group in which it refused MAIL or RCPT."""
    waits_for_content = len(taken) == len(group.phases) and group.phases[-1] is Phase.DATA and taken[-1]
    return Debt.DOT_AND_RESET if waits_for_content else Debt.RESET
