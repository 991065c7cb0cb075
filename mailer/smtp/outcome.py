"""The outcome of one SMTP transaction, from the relay's replies: Accepted, Deferred, Rejected or Uncertain.

The difference between Deferred and Uncertain prevents that a person gets a mail twice. SMTP can't deliver exactly once:
a relay may have taken a message although its reply never arrived (RFC 1047).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from msgspec import Struct

MAX_TEXT_LENGTH = 300
MASK = "***"
NO_SUCH_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.4.4"})
# With these a relay has no room for the moment; no recipient is meant. 432 and 454 belong to logins (RFC 4954), and relays use
# them for limits of sessions and rates. The statuses are "system not accepting messages", "congestion" and "too many
# recipients" (RFC 3463): a mail of ours has one recipient, so that is a limit of the session.
_BUSY_CODES, TOO_MANY = frozenset({432, 454}), "4.5.3"
_BUSY_STATUSES = frozenset({"4.3.2", "4.4.5", TOO_MANY})
# The address is invalid or ambiguous; the mailbox is disabled, full, has a limit of its own or is a list; its host does not
# answer (RFC 3463 sections 3.2, 3.3 and 3.5).
_NAMES_RECIPIENT = NO_SUCH_ADDRESS | {"5.1.3", "5.1.4", "5.2.1", "5.2.2", "5.2.3", "5.2.4", "5.4.1"}
# A local part that is one of these is not masked: "250 ok" stays readable for ok@example.com.
_REPLY_WORDS = frozenset(
    """ok accepted queued mail message user recipient sender mailbox relay server id
    as for is not no to from""".split()  # noqa: SIM905 - read as a list of words
)
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)")


class Phase(StrEnum):
    """A phase of the dialogue. The reply to BDAT belongs to FINAL, like the reply to the final dot."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    FINAL = "final"


class FailureScope(StrEnum):
    """What the outcome concerns, and so what else it should stop."""

    RECIPIENT = "recipient"  # this delivery alone
    SENDER = "sender"  # our address, reputation or policy: the whole campaign
    RELAY = "relay"  # this relay: another relay may take the message at once
    CONNECTION = "connection"  # this connection: another one to the same relay may take it at once


class Reply(NamedTuple):
    """A relay's reply as the operator sees it: one line of limited length, in which addresses are masked.

    `enhanced` is the RFC 3463 status such as ``5.1.1``; None without one, or where its class is not the code's.
    """

    code: int
    enhanced: str | None
    text: str

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text)))


class Accepted(NamedTuple):
    """The relay has taken the message and is responsible for it; `reply` often names its queue id."""

    reply: Reply


class Deferred(Struct, frozen=True):
    """Not taken; it may be offered again (4yz). `reply` is None where the connection failed before the content."""

    phase: Phase
    scope: FailureScope
    reply: Reply | None
    reason: str


class Rejected(Struct, frozen=True):
    """Not taken; it is useless to offer it again (5yz). `reply` is None where it exceeds the relay's SIZE."""

    phase: Phase
    scope: FailureScope
    reply: Reply | None
    reason: str


class Uncertain(Struct, frozen=True):
    """The content was offered, and no valid reply came: it is unknown whether the relay has taken it."""

    phase: Phase
    reason: str


Outcome: TypeAlias = Accepted | Deferred | Rejected | Uncertain


def classify(phase: Phase, reply: Reply) -> Outcome:
    """The outcome of a transaction that `reply` ended in `phase` (RFC 5321 section 4.2.1).

    A positive reply ends a transaction only in FINAL. After a reply that is not allowed in its phase the message is
    not offered (Deferred); in FINAL it is Uncertain.
    """
    match reply.code // 100:
        case 2 if phase is Phase.FINAL:
            return Accepted(reply)
        case 4 | 5:
            counts_as_452 = phase is Phase.RCPT and reply.code == 552  # RFC 5321 section 4.5.3.1.10
            kind = Deferred if reply.code < 500 or counts_as_452 else Rejected
            return kind(phase, _scope(phase, reply), reply, str(reply))
        case _ if phase is Phase.FINAL:
            return Uncertain(phase, f"the reply to the content is invalid: {reply}")
        case _:
            reason = f"the reply to {phase.upper()} is invalid: {reply}"
            return Deferred(phase, FailureScope.RELAY, reply, reason)


def _scope(phase: Phase, reply: Reply) -> FailureScope:
    """Before RCPT it is not the recipient, nor where the relay has no room.

    530, 534, 535 and 538 concern the login (RFC 4954), 500, 502 and 503 the command.
    """
    code = reply.code
    if phase not in (Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.FINAL):
        return FailureScope.SENDER if code // 100 == 5 else FailureScope.RELAY
    if code in (530, 534, 535, 538):
        return FailureScope.SENDER
    is_relays = code in (421, 500, 502, 503) or _means_busy(reply)
    return FailureScope.RELAY if is_relays else FailureScope.RECIPIENT


def _means_busy(reply: Reply) -> bool:
    """Whether the relay has no room. A status decides, where there is one: "454 4.7.1 Relay access denied" (Postfix) means a
    recipient.
    """
    if reply.enhanced is None:
        return reply.code in _BUSY_CODES
    return reply.code != 421 and reply.enhanced in _BUSY_STATUSES


def says_busy(outcome: Outcome) -> bool:
    """Whether the relay takes no more of our mail for the moment: our rate or our sessions there are used up.

    Amazon SES says "454 Throttling failure", Microsoft 365 "432 4.3.2 ... sender thread limit exceeded".
    """
    match outcome:
        case Deferred(scope=FailureScope.RELAY, reply=Reply() as reply):
            return _means_busy(reply)
    return False


def may_mean_everybody(outcome: Outcome) -> bool:
    """Whether the relay refused one recipient, and its status does not say that the address or mailbox is why.

    Many relays refuse a quota, a sender or a content only so: "550 5.4.5 Daily limit exceeded", "554 Message rejected". It may
    also be the recipient's policy (5.7.x, RFC 3463 section 3.8). The outcomes for other recipients show which.
    """
    match outcome:
        case Rejected(scope=FailureScope.RECIPIENT, reply=Reply(enhanced=status)):
            return status not in _NAMES_RECIPIENT
    return False


def says_no_such_address(outcome: Outcome) -> bool:
    """Whether the relay replied, before any content, that the mailbox or domain does not exist.

    It counts as a bounce (RFC 3463 sections 3.2 and 3.5): the address must not be mailed again.
    """
    match outcome:
        case Rejected(phase=Phase.RCPT, reply=Reply(enhanced=status)):
            return status in NO_SUCH_ADDRESS
    return False


def read_reply(code: int, text: bytes, secrets: tuple[str, ...] = ()) -> Reply:
    """The Reply of a raw reply: `text` is its lines, without the code, joined by line feeds.

    Words with an @ and the `secrets` (local parts of the envelope's addresses) are masked. Control and formatting
    characters are removed. The text is cut after MAX_TEXT_LENGTH characters.
    """
    message = text.decode("utf-8", "replace")
    enhanced = None
    if (found := _ENHANCED.match(message)) and int(found[1]) == code // 100:
        enhanced = found[0]
        message = message.replace(f"\n{enhanced}", "\n")[found.end() :]
    return Reply(code, enhanced, presentable(message, secrets))


def presentable(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` from outside as one line of limited length that names nobody; see `read_reply`."""
    words = text.split()
    if "@" in text:
        words = [MASK if "@" in word else word for word in words]
    line = " ".join(words)
    if not line.isprintable():
        line = "".join(character for character in line if character.isprintable())
    folded = line.casefold()
    for secret in secrets:
        hidden = secret.casefold()
        if hidden in folded and hidden and hidden not in _REPLY_WORDS:
            whole_word = rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])"
            line = re.sub(whole_word, MASK, line, flags=re.IGNORECASE)
    return line if len(line) <= MAX_TEXT_LENGTH else line[: MAX_TEXT_LENGTH - 1] + "…"
