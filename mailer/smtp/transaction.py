"""One message's dialogue with a relay, without any I/O: which commands to send, and what the replies mean.

    CHUNKING + PIPELINING   RSET?, [MAIL RCPT BDAT content]           one round trip
    PIPELINING, announced   [content . MAIL RCPT DATA]                one; the commands are those of the next message
    PIPELINING              RSET?, [MAIL RCPT DATA] [content .]       two
    CHUNKING                RSET?, [MAIL] [RCPT] [BDAT content]       three
    neither                 RSET?, [MAIL] [RCPT] [DATA] [content .]   four

(RFC 5321, RFC 2920 PIPELINING, RFC 3030 CHUNKING, RFC 1870 SIZE.)
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from mailer.errors import InvalidInput
from mailer.message import Content
from mailer.smtp.outcome import (
    Accepted,
    Deferred,
    FailureScope,
    Outcome,
    Phase,
    Rejected,
    Uncertain,
    classify,
    read_reply,
)
from mailer.smtp.replies import RawReply

MAX_PATH_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
# These codes refuse the command, not the message (RFC 5321 section 4.2.1).
_NOT_IMPLEMENTED = (500, 502, 503, 504)
_PATH = re.compile(r"[!#-;=?A-Z\[\]-~]++@[!#-;=?A-Z\[\]-~]++")  # printable ASCII, without <>"\\ and the @
_PATHS = re.compile(rf"(?:{_PATH.pattern})?\n{_PATH.pattern}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """SMTP sender (empty for the null return path) and the one recipient.

    Raises InvalidInput, which does not repeat the address, where an address can't be written in a command: it has
    other characters than printable ASCII, a space, an angle bracket, a quote or a backslash, no @, or more than 254
    characters.
    """

    sender: str
    recipient: str

    def __post_init__(self) -> None:
        together = f"{self.sender}\n{self.recipient}"
        if len(together) > MAX_PATH_LENGTH or not _PATHS.fullmatch(together):
            if self.sender:
                _check_path("sender", self.sender)
            _check_path("recipient", self.recipient)

    @property
    def local_parts(self) -> tuple[str, ...]:
        """The parts of both addresses that are masked in a reply."""
        return self.recipient.rpartition("@")[0], self.sender.rpartition("@")[0]


def _check_path(role: str, address: str) -> None:
    if len(address) > MAX_PATH_LENGTH or not _PATH.fullmatch(address):
        raise InvalidInput(
            f"The {role}'s address can't be written in an SMTP command.",
            hint="An envelope address is plain ASCII, name@domain, without spaces, quotes or angle brackets.",
        )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The extensions in the relay's EHLO reply that we use.

    `size` is the most bytes of a message, 0 where the relay states no limit. `mailmax` is the most messages of a
    connection (RFC 9422).
    """

    pipelining: bool = False
    chunking: bool = False
    size: int | None = None
    mailmax: int | None = None


class SessionState(Enum):
    """The commands that a failed transaction requires before the next one may begin."""

    NONE = b""
    RESET = b"RSET\r\n"
    DOT_AND_RESET = b".\r\nRSET\r\n"  # DATA was accepted without a recipient (RFC 2920 section 3.1)
    ANNOUNCED = b"DATA\r\n"  # the relay waits for the content of the announced message, and for nothing else
    OUT_OF_STEP = b"QUIT\r\n"  # replies no longer match commands: close the connection


class Group(NamedTuple):
    """Commands that are written together, and the phase of each of their replies. `offers`: the content is in it."""

    data: tuple[bytes, ...]
    phases: tuple[Phase, ...]
    offers: bool = False


def _positive_class(phase: Phase) -> int:
    """The first digit of a positive reply."""
    return 3 if phase is Phase.DATA else 2


_MAIL, _RCPT, _DATA, _FINAL = (Phase.MAIL,), (Phase.RCPT,), (Phase.DATA,), (Phase.FINAL,)
_OPENING = (Phase.MAIL, Phase.RCPT, Phase.DATA)
_ALL = (Phase.MAIL, Phase.RCPT, Phase.FINAL)
_AND_NEXT = (*_FINAL, *_OPENING)
_POSITIVE: dict[tuple[Phase, ...], list[int]] = {
    phases: [_positive_class(phase) for phase in phases]
    for phases in (_MAIL, _RCPT, _DATA, _FINAL, _OPENING, _ALL, _AND_NEXT)
}


class Verdict(NamedTuple):
    """How a transaction ended. `outcome` is None where replies are missing and the others do not decide.

    `refusal` is the outcome of the announced message, where the relay refused its recipient.
    """

    outcome: Outcome | None
    state: SessionState
    refusal: Outcome | None = None


Dialogue: TypeAlias = Generator[Group, list[RawReply], Verdict]


def transact(
    envelope: Envelope,
    content: Content,
    offered: Capabilities,
    state: SessionState,
    announce: Envelope | None = None,
) -> Dialogue:
    """The dialogue for one message: yields groups, is sent the replies to each, returns the verdict.

    `announce` is the envelope of the next message, which is sent with the content where PIPELINING is offered and
    CHUNKING is not. It has no SIZE, which is not known yet. In the state ANNOUNCED, `envelope` is what was announced.

    Send it fewer replies than a group has phases only when the connection is lost.
    """
    if offered.size and content.size > offered.size:
        reason = f"the message has {content.size} bytes and the relay takes at most {offered.size}"
        state = SessionState.OUT_OF_STEP if state is SessionState.ANNOUNCED else state
        return Verdict(Rejected(Phase.MAIL, FailureScope.SENDER, None, reason), state)
    is_begun = state is SessionState.ANNOUNCED
    if not is_begun and state is not SessionState.NONE and (refused := (yield from _reset(state))):
        return refused
    groups = (_offer(content, announce),) if is_begun else _groups(envelope, content, offered, announce)
    for group in groups:
        replies = yield group
        if len(replies) < len(group.phases) or not _all_positive(group, replies):
            if group.phases is _AND_NEXT and announce is not None:
                return _judge_both(replies, envelope, announce)
            return _judge(group, replies, envelope, bdat=offered.chunking)
    if group.phases is _AND_NEXT:
        return Verdict(Accepted(read_reply(*replies[0], envelope.local_parts)), SessionState.ANNOUNCED)
    return Verdict(Accepted(read_reply(*replies[-1], envelope.local_parts)), SessionState.NONE)


def _reset(state: SessionState) -> Generator[Group, list[RawReply], Verdict | None]:
    group = Group((state.value,), (Phase.MAIL,) * state.value.count(b"\r\n"))
    replies = yield group
    if len(replies) < len(group.phases):
        return Verdict(None, SessionState.NONE)
    last = replies[-1]
    if _positive(Phase.MAIL, last.code):
        return None
    reply = read_reply(*last)
    return Verdict(
        Deferred(Phase.MAIL, FailureScope.RELAY, reply, f"RSET was refused: {reply}"),
        SessionState.OUT_OF_STEP,
    )


def _groups(
    envelope: Envelope, content: Content, offered: Capabilities, announce: Envelope | None
) -> tuple[Group, ...]:
    size = b"" if offered.size is None else b" SIZE=%d" % content.size
    mail = b"MAIL FROM:<%b>%b\r\n" % (envelope.sender.encode("ascii"), size)
    rcpt = b"RCPT TO:<%b>\r\n" % envelope.recipient.encode("ascii")
    if offered.chunking:
        bdat = b"BDAT %d LAST\r\n" % content.size
        if offered.pipelining:
            return (Group((mail + rcpt + bdat, *content.pieces), _ALL, offers=True),)
        offer = Group((bdat, *content.pieces), _FINAL, offers=True)
        return Group((mail,), _MAIL), Group((rcpt,), _RCPT), offer
    if offered.pipelining:
        return Group((mail + rcpt + b"DATA\r\n",), _OPENING), _offer(content, announce)
    return Group((mail,), _MAIL), Group((rcpt,), _RCPT), Group((b"DATA\r\n",), _DATA), _offer(content)


def _offer(content: Content, announce: Envelope | None = None) -> Group:
    """The content after DATA, and the envelope of the next message where that is announced."""
    if announce is None:
        return Group((*content.stuffed(), b".\r\n"), _FINAL, offers=True)
    addresses = announce.sender.encode("ascii"), announce.recipient.encode("ascii")
    following = b".\r\nMAIL FROM:<%b>\r\nRCPT TO:<%b>\r\nDATA\r\n" % addresses
    return Group((*content.stuffed(), following), _AND_NEXT, offers=True)


def _positive(phase: Phase, code: int) -> bool:
    return code // 100 == _positive_class(phase)


def _all_positive(group: Group, replies: Sequence[RawReply]) -> bool:
    return [raw.code // 100 for raw in replies] == _POSITIVE[group.phases]


def _judge(group: Group, replies: Sequence[RawReply], envelope: Envelope, *, bdat: bool) -> Verdict:
    """The verdict on replies of which some are missing or not positive.

    The first reply that is not positive decides: the later replies of its group follow from it. `bdat`: the content
    was sent with BDAT. A relay that does not know that command reads the content as more commands.
    """
    taken = [_positive(phase, raw.code) for phase, raw in zip(group.phases, replies, strict=False)]
    if all(taken):
        return Verdict(None, SessionState.NONE)
    decisive = taken.index(False)
    phase = group.phases[decisive]
    reply = read_reply(*replies[decisive], envelope.local_parts)
    unexpected = reply.code // 100 not in (4, 5)
    contradicted = taken[decisive:] == [False, True, True]
    if group.offers and phase is not Phase.FINAL and (unexpected or contradicted):
        reason = f"the content was offered and the replies do not match the commands: {reply}"
        return Verdict(Uncertain(phase, reason), SessionState.OUT_OF_STEP)
    if bdat and phase is Phase.FINAL and reply.code in _NOT_IMPLEMENTED:
        reason = f"the relay offers CHUNKING and refuses BDAT: {reply}"
        return Verdict(Deferred(phase, FailureScope.CONNECTION, reply, reason), SessionState.OUT_OF_STEP)
    return Verdict(
        classify(phase, reply), SessionState.OUT_OF_STEP if unexpected else _state_after(group, taken)
    )


def _judge_both(replies: Sequence[RawReply], envelope: Envelope, announce: Envelope) -> Verdict:
    """The verdict on the replies to a message and to the envelope of the next one.

    Only a refusal of the announced recipient counts. After any other refusal the next message is begun anew. Where DATA is
    answered in the place of MAIL or RCPT, the relay has skipped a reply: the first may be none to the content.
    """
    outcome, state, _ = _judge(Group((), _FINAL, offers=True), replies[:1], envelope, bdat=False)
    if not replies or state is SessionState.OUT_OF_STEP:
        return Verdict(outcome, state)
    if outcome is None:
        outcome = Accepted(read_reply(*replies[0], envelope.local_parts))
    opening = Group((), _OPENING)
    if len(replies) == len(_AND_NEXT) and _all_positive(opening, replies[1:]):
        return Verdict(outcome, SessionState.ANNOUNCED)
    refusal, state, _ = _judge(opening, replies[1:], announce, bdat=False)
    if any(_positive(Phase.DATA, raw.code) for raw in replies[1:3]):
        reason = "the content was offered and a reply is missing before the one to DATA"
        return Verdict(Uncertain(Phase.FINAL, reason), SessionState.OUT_OF_STEP)
    match refusal:
        case Rejected(phase=Phase.RCPT, scope=FailureScope.RECIPIENT):
            return Verdict(outcome, state, refusal)
        case Deferred(phase=Phase.RCPT, scope=FailureScope.RECIPIENT):
            return Verdict(outcome, state, refusal)
        case _:
            return Verdict(outcome, state)


def _state_after(group: Group, taken: Sequence[bool]) -> SessionState:
    """The state after a refusal. A relay may accept DATA after it refused MAIL or RCPT (RFC 2920 section 3.1)."""
    waits_for_content = len(taken) == len(group.phases) and group.phases[-1] is Phase.DATA and taken[-1]
    return SessionState.DOT_AND_RESET if waits_for_content else SessionState.RESET
