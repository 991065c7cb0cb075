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
from collections.abc import Sequence
from enum import Enum
from functools import cache
from typing import NamedTuple

from msgspec import Struct

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
from mailer.smtp.replies import MAX_LINE_LENGTH, RawReply

MAX_PATH_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
# These codes refuse the command, not the message (RFC 5321 section 4.2.1).
_NOT_IMPLEMENTED = (500, 502, 503, 504)
_PATH = r"[!#-;=?A-Z\[\]-~]++@[!#-;=?A-Z\[\]-~]++"  # printable ASCII, without <>"\ and the @
_ENVELOPE = re.compile(rf"(?=.{{,{MAX_PATH_LENGTH}}}\n.{{,{MAX_PATH_LENGTH}}}\Z)(?:{_PATH})?\n{_PATH}")


class Envelope(Struct, frozen=True):
    """SMTP sender (empty for the null return path) and the one recipient.

    Raises InvalidInput, which does not repeat the address, where an address can't be written in a command: it has
    other characters than printable ASCII, a space, an angle bracket, a quote or a backslash, no @, or more than 254
    characters.
    """

    sender: str
    recipient: str

    def __post_init__(self) -> None:
        if not _ENVELOPE.fullmatch(f"{self.sender}\n{self.recipient}"):
            role = "recipient" if _ENVELOPE.fullmatch(f"{self.sender}\nname@domain") else "sender"
            raise InvalidInput(
                f"The {role}'s address can't be written in an SMTP command.",
                hint="An envelope address is plain ASCII, name@domain, without spaces, quotes or angle brackets.",
            )

    @property
    def local_parts(self) -> tuple[str, ...]:
        """The parts of both addresses that are masked in a reply."""
        return self.recipient.rpartition("@")[0], self.sender.rpartition("@")[0]


class Capabilities(NamedTuple):
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


_MAIL, _RCPT, _DATA, _FINAL = (Phase.MAIL,), (Phase.RCPT,), (Phase.DATA,), (Phase.FINAL,)
_OPENING = (Phase.MAIL, Phase.RCPT, Phase.DATA)
_ALL = (Phase.MAIL, Phase.RCPT, Phase.FINAL)
_AND_NEXT = (*_FINAL, *_OPENING)
_RESETS = {
    state: Group((state.value,), _MAIL * state.value.count(b"\r\n"))
    for state in (SessionState.RESET, SessionState.DOT_AND_RESET)
}


class Verdict(NamedTuple):
    """How a transaction ended. `outcome` is None where replies are missing and the others do not decide.

    `refused` is the envelope and the outcome of the announced message, where the relay refused its recipient.
    """

    outcome: Outcome | None
    state: SessionState
    refused: tuple[Envelope, Outcome] | None = None


class Dialogue:
    """The dialogue for one message: `group` is to be sent; its replies give a verdict, or else there is a next group.

    `announce` is the envelope of the next message, which is sent with the content where PIPELINING is offered and
    CHUNKING is not. It has no SIZE, which is not known yet. In the state ANNOUNCED, `envelope` is what was announced.
    """

    __slots__ = ("_announce", "_bdat", "_envelope", "_groups", "group")

    def __init__(
        self,
        envelope: Envelope,
        content: Content,
        offered: Capabilities,
        state: SessionState,
        announce: Envelope | None = None,
    ) -> None:
        self._envelope, self._announce, self._bdat = envelope, announce, offered.chunking
        if state is SessionState.ANNOUNCED:
            self._groups = [_offer(content, announce)]
        else:
            self._groups = list(_groups(envelope, content, offered, announce))
            if state in _RESETS:
                self._groups.insert(0, _RESETS[state])
        self.group = self._groups.pop(0)

    def recognise(self, data: bytes) -> bytes | None:
        """The text of the reply to the content, where `data` is one positive line for each command of `group`.

        Empty where the group offers no content. None where the replies have to be read and judged.
        """
        found = _positive_lines(self.group.phases).fullmatch(data)
        return None if found is None else found["final"]

    def judge(self, replies: Sequence[RawReply]) -> Verdict | None:
        """The verdict on the replies to `group`; None where the next group is to be sent.

        Give fewer replies than the group has phases only when the connection is lost.
        """
        group, announce = self.group, self._announce
        if group in _RESETS.values():
            return self._judge_reset(replies)
        if group.phases is _AND_NEXT and announce is not None:
            return _judge_both(replies, self._envelope, announce)
        verdict = _judge(group.phases, replies, self._envelope, bdat=self._bdat)
        if verdict.outcome is None and len(replies) == len(group.phases):
            return self.go_on(replies[-1].text, replies[-1].code)
        return verdict

    def go_on(self, text: bytes, code: int = 250) -> Verdict | None:
        """What follows from positive replies: the next group, or the verdict. `text` and `code` reply to the content."""
        if self.group.offers:
            outcome = Accepted(read_reply(code, text, self._envelope.local_parts))
            is_announced = self.group.phases is _AND_NEXT
            return Verdict(outcome, SessionState.ANNOUNCED if is_announced else SessionState.NONE)
        self.group = self._groups.pop(0)
        return None

    def _judge_reset(self, replies: Sequence[RawReply]) -> Verdict | None:
        """Only the reply to RSET counts, which is the last."""
        if len(replies) < len(self.group.phases):
            return Verdict(None, SessionState.NONE)
        reply = read_reply(*replies[-1])
        if _positive(Phase.MAIL, reply.code):
            return self.go_on(b"")
        outcome = Deferred(Phase.MAIL, FailureScope.RELAY, reply, f"RSET was refused: {reply}")
        return Verdict(outcome, SessionState.OUT_OF_STEP)


@cache
def _positive_lines(phases: tuple[Phase, ...]) -> re.Pattern[bytes]:
    """What positive replies to a group are, one line each. Its group `final` is the text of the reply to the content."""
    text = b".{,%d}+" % (MAX_LINE_LENGTH - 4)
    reply_to = {Phase.DATA: b"3[0-9]{2} %b\n" % text, Phase.FINAL: b"250 (?P<final>%b)\n" % text}
    lines = [reply_to.get(phase, b"2[0-9]{2} %b\n" % text) for phase in phases]
    return re.compile(b"".join(lines) + (b"" if Phase.FINAL in phases else b"(?P<final>)"))


def too_large(content: Content, offered: Capabilities) -> Rejected | None:
    """The outcome of a message that exceeds what the relay takes: it is not offered."""
    if not offered.size or content.size <= offered.size:
        return None
    reason = f"the message has {content.size} bytes and the relay takes at most {offered.size}"
    return Rejected(Phase.MAIL, FailureScope.SENDER, None, reason)


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
    return code // 100 == (3 if phase is Phase.DATA else 2)


def _judge(
    phases: tuple[Phase, ...], replies: Sequence[RawReply], envelope: Envelope, *, bdat: bool = False
) -> Verdict:
    """The verdict on replies of which some may be missing. Its outcome is None where all that came are positive.

    The first reply that is not positive decides: the later replies of its group follow from it. `bdat`: the content
    was sent with BDAT. A relay that does not know that command reads the content as more commands.
    """
    taken = [_positive(phase, raw.code) for phase, raw in zip(phases, replies, strict=False)]
    waits_for_content = (Phase.DATA, True) in zip(phases, taken, strict=False)
    if all(taken):
        return Verdict(None, SessionState.ANNOUNCED if waits_for_content else SessionState.NONE)
    decisive = taken.index(False)
    phase, reply = phases[decisive], read_reply(*replies[decisive], envelope.local_parts)
    unexpected = reply.code // 100 not in (4, 5)
    contradicted = taken[decisive:] == [False, True, True]
    if phase is not Phase.FINAL and Phase.FINAL in phases and (unexpected or contradicted):
        reason = f"the content was offered and the replies do not match the commands: {reply}"
        return Verdict(Uncertain(phase, reason), SessionState.OUT_OF_STEP)
    if bdat and phase is Phase.FINAL and reply.code in _NOT_IMPLEMENTED:
        reason = f"the relay offers CHUNKING and refuses BDAT: {reply}"
        return Verdict(Deferred(phase, FailureScope.CONNECTION, reply, reason), SessionState.OUT_OF_STEP)
    state = SessionState.DOT_AND_RESET if waits_for_content else SessionState.RESET
    return Verdict(classify(phase, reply), SessionState.OUT_OF_STEP if unexpected else state)


def _judge_both(replies: Sequence[RawReply], envelope: Envelope, announce: Envelope) -> Verdict:
    """The verdict on the replies to a message and to the envelope of the next one.

    Only a refusal of the announced recipient counts. After any other refusal the next message is begun anew. Where DATA is
    answered in the place of MAIL or RCPT, the relay has skipped a reply: the first may be none to the content.
    """
    if not replies:
        return Verdict(None, SessionState.NONE)
    outcome = classify(Phase.FINAL, read_reply(*replies[0], envelope.local_parts))
    if isinstance(outcome, Uncertain):
        return Verdict(outcome, SessionState.OUT_OF_STEP)
    if any(_positive(Phase.DATA, raw.code) for raw in replies[1:3]):
        reason = "the content was offered and a reply is missing before the one to DATA"
        return Verdict(Uncertain(Phase.FINAL, reason), SessionState.OUT_OF_STEP)
    refusal, state, _ = _judge(_OPENING, replies[1:], announce)
    match refusal:
        case Rejected(Phase.RCPT, FailureScope.RECIPIENT) | Deferred(Phase.RCPT, FailureScope.RECIPIENT):
            return Verdict(outcome, state, (announce, refusal))
    return Verdict(outcome, state)
