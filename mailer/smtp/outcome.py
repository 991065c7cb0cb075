"""What became of one SMTP transaction, as the relay's replies tell it.

    Accepted     the relay has taken the message and answers for it
    Deferred     not taken; the same message may be offered again later (4yz, or nothing was offered)
    Rejected     not taken, and offering it again will not help (5yz)
    Uncertain    the content was offered and no reply came: taken or not, nobody can tell

The line between Deferred and Uncertain is what keeps anybody from getting a mail twice. RFC 5321 has no
exactly-once: a relay may have taken a message although its reply never arrived (RFC 1047).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

LONGEST_TEXT = 300
MASK = "***"
NO_SUCH_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.4.4"})
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)")


class Phase(StrEnum):
    """Where in the dialogue something happened. BDAT's reply is FINAL's: both answer for the content."""

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


class Scope(StrEnum):
    """Whom the outcome is about, and so what else it should stop."""

    RECIPIENT = "recipient"  # this delivery alone
    SENDER = "sender"  # our address, our standing or our policy: the whole campaign
    RELAY = "relay"  # this relay or this connection; another one may take the message at once
    CONNECTION = "connection"  # this connection alone: another one to the same relay may take it at once


class Reply(NamedTuple):
    """A relay's reply, fit for the operator's eyes: one line, bounded, with every address masked.

    `enhanced` is the RFC 3463 status such as ``5.1.1``, where the relay gave one of the code's own class.
    """

    code: int
    enhanced: str | None
    text: str

    def __str__(self) -> str:
        return " ".join([part for part in (str(self.code), self.enhanced, self.text) if part])


class Accepted(NamedTuple):
    """The relay has the message; `reply` often names its queue id."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not taken; may be offered again. `reply` is None where the connection failed before the content."""

    phase: Phase
    scope: Scope
    reply: Reply | None
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not taken, for good. `reply` is None where we knew beforehand (over the relay's SIZE)."""

    phase: Phase
    scope: Scope
    reply: Reply | None
    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The content was offered and nothing that can be trusted came back."""

    phase: Phase
    reason: str


Outcome: TypeAlias = Accepted | Deferred | Rejected | Uncertain


def classify(phase: Phase, reply: Reply) -> Outcome:
    """The outcome of a transaction that `reply` ended in `phase` (RFC 5321 section 4.2.1).

    A positive reply ends a transaction only in FINAL. A reply that has no business in its phase leaves
    the message unoffered (Deferred) or, in FINAL, in doubt (Uncertain).
    """
    match reply.code // 100:
        case 2 if phase is Phase.FINAL:
            return Accepted(reply)
        case 4:
            return Deferred(phase, _scope_of_delay(phase, reply.code), reply, str(reply))
        case 5 if phase is Phase.RCPT and reply.code == 552:
            return Deferred(phase, Scope.RECIPIENT, reply, str(reply))
        case 5:
            return Rejected(phase, _scope_of_refusal(phase, reply), reply, str(reply))
        case _ if phase is Phase.FINAL:
            return Uncertain(phase, f"the reply to the content makes no sense: {reply}")
        case _:
            return Deferred(
                phase, Scope.RELAY, reply, f"the reply to {phase.upper()} makes no sense: {reply}"
            )


def _scope_of_delay(phase: Phase, code: int) -> Scope:
    closing = code == 421
    named_nobody = phase not in (Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.FINAL)
    return Scope.RELAY if closing or named_nobody else Scope.RECIPIENT


def _scope_of_refusal(phase: Phase, reply: Reply) -> Scope:
    """530, 534, 535 and 538 are authentication (RFC 4954); 500, 502 and 503 speak of the command (RFC 5321)."""
    named_nobody = phase not in (Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.FINAL)
    if named_nobody or reply.code in (530, 534, 535, 538):
        return Scope.SENDER
    return Scope.RELAY if reply.code in (500, 502, 503) else Scope.RECIPIENT


def is_policy_refusal(outcome: Outcome) -> bool:
    """Whether one recipient was refused for a reason of policy (5.7.x, RFC 3463 section 3.8).

    It may be that recipient's policy, or the relay's towards us: which one, other recipients show.
    """
    match outcome:
        case Rejected(scope=Scope.RECIPIENT, reply=Reply(enhanced=str(status))):
            return status.startswith("5.7.")
        case _:
            return False


def says_no_such_address(outcome: Outcome) -> bool:
    """Whether the relay said, before any content, that there is no such mailbox or domain to deliver to.

    It counts as a bounce does (RFC 3463 sections 3.2 and 3.5): the address is not to be mailed again.
    """
    match outcome:
        case Rejected(phase=Phase.RCPT, reply=Reply(enhanced=status)):
            return status in NO_SUCH_ADDRESS
        case _:
            return False


_REPLY_WORDS = frozenset(
    [
        "ok",
        "accepted",
        "queued",
        "mail",
        "message",
        "user",
        "recipient",
        "sender",
        "mailbox",
        "relay",
        "server",
        "id",
        "as",
        "for",
        "is",
        "not",
        "no",
        "to",
        "from",
    ]
)


def read_reply(code: int, text: bytes, secrets: tuple[str, ...] = ()) -> Reply:
    """Make a raw reply presentable: `text` is its lines, without the code, joined by line feeds.

    Words with an @ and the `secrets` (local parts of the envelope's addresses) are masked, control and
    formatting characters are dropped, and the rest is cut at LONGEST_TEXT characters.
    """
    said = text.decode("utf-8", "replace")
    enhanced = None
    if (found := _ENHANCED.match(said)) and int(found[1]) == code // 100:
        enhanced = found[0]
        said = "\n".join([line.removeprefix(enhanced) for line in said.split("\n")])
    return Reply(code, enhanced, presentable(said, secrets))


def presentable(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` from outside as one bounded line that names nobody; see `read_reply`."""
    words = text.split()
    if "@" in text:
        words = [MASK if "@" in word else word for word in words]
    line = " ".join(words)
    if not line.isprintable():
        line = "".join(character for character in line if character.isprintable())
    folded = line.casefold()
    for secret in secrets:
        # A word that replies are made of names nobody: "250 ok" stays readable for ok@example.com.
        if secret and secret.casefold() in folded and secret.casefold() not in _REPLY_WORDS:
            whole_word = rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])"
            line = re.sub(whole_word, MASK, line, flags=re.IGNORECASE)
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
