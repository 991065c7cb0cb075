"""The types of settings: text on one line, mailboxes, secrets, durations, lists."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta

from mailer.errors import InvalidInput
from mailer.message import Mailbox

# The grammar of a topic's name. `subscribers.topic` uses it too.
TOPIC_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
A_DURATION = 'must be a duration, such as "90m", "6h" or "2d"'
A_MAILBOX = 'must be text, such as "Name <name@example.com>"'
_LONGEST = timedelta(days=36_500)  # so that a time that long ago has a date
_PLAIN_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_NOT_IN_A_HOST = re.compile(r"[\s/@\[\]?#\\]")
_LONGEST_HOST = 254  # characters, with a dot at the end
_A_NAME = "can't be a name; use a-z, 0-9, dashes and underscores, and begin with a letter or digit"

BETWEEN_COMMAS = "between commas"
"""Marks a list whose items may have spaces: in a variable only commas separate them."""

BOOLEANS = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)
"""What a variable may say for true and false."""


class Secret:
    """A secret text. It does not show when it is printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('**********')" if self._text else "Secret('')"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def duration(text: str) -> timedelta:
    """Read 45s, 90m, 6h or 2d, at most 36500d. Raises ValueError; the message shows the form, not the text."""
    found = re.fullmatch(r"\s*([1-9]\d{0,5})\s*([smhd])\s*", text)
    if not found:
        raise ValueError(A_DURATION)
    number, unit = found.groups()
    read = timedelta(**{{"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[unit]: int(number)})
    if read > _LONGEST:
        raise ValueError("must be a hundred years (36500d) at most")
    return read


def is_host(text: str) -> bool:
    """Whether a text can be the name or the address of a host (RFC 1035 section 2.3.4; IDNA)."""
    if _PLAIN_HOST.fullmatch(text):
        return len(text) <= _LONGEST_HOST
    if ":" in text:
        return _is_ipv6(text)
    try:
        encoded = text.encode("idna")
    except UnicodeError:
        return False
    return 0 < len(encoded) <= _LONGEST_HOST and not _NOT_IN_A_HOST.search(text)


def _is_ipv6(text: str) -> bool:
    import socket  # noqa: PLC0415 - hardly any host needs it

    try:
        socket.inet_pton(socket.AF_INET6, text.partition("%")[0])  # without its zone (RFC 4007 section 11)
    except (OSError, ValueError):
        return False
    return True


def check_host(text: str) -> str:
    """Raise ValueError where no host can have this name."""
    if not is_host(text):
        raise ValueError(
            'must be the name or the address of a host alone, such as "smtp.example.com" or "192.0.2.25"; '
            "its port is another setting"
        )
    return text


def url_parts(text: str) -> SplitResult | None:
    """The parts of a URL; None without a host, and for a host or a port that can't be one."""
    try:
        parts = urlsplit(text)
        port = parts.port  # raises ValueError where it is no number
    except ValueError:
        return None
    return parts if is_host(parts.hostname or "") and port != 0 else None


def convert_custom(kind: type[Any], value: object) -> object:
    """A value of a type that is not TOML's: a path or a secret. Raises ValueError."""
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError(_MUST_BE[kind])


_MUST_BE = {
    Path: "must be the path of a file, in quotes",
    Secret: "must be text, in quotes",
}


def mailbox(value: object) -> Mailbox:
    """Read ``Name <name@example.com>`` or an address. Raises ValueError."""
    if isinstance(value, Mailbox):
        return value
    if not isinstance(value, str):
        raise ValueError(A_MAILBOX)  # noqa: TRY004 - as for other wrong values
    if not re.fullmatch(_ONE_LINE, value):
        raise ValueError(_ONE_LINE_ONLY)
    try:
        return Mailbox.parse(value)
    except InvalidInput as error:
        raise ValueError(f'{error.reason}; write it as "Name <name@example.com>"') from None


def count_approvals(value: object) -> int:
    """``true`` is one approval, ``false`` none; a variable has the number or the word as text. Raises ValueError."""
    count = (BOOLEANS | {"2": 2}).get(str(value).strip().lower())
    if count is None:
        raise ValueError("must be 0, 1 or 2; false is 0, and true is 1")
    return int(count)


def check_approvers(names: tuple[str, ...]) -> tuple[str, ...]:
    """Raise ValueError where there are approvers and all have one name."""
    if names and len({" ".join(name.split()).casefold() for name in names}) < 2:
        raise ValueError('must name at least two different people, such as ["Ada", "Bram"]')
    return names


def _matching(pattern: str, reason: str) -> Meta:
    """The whole text matches `pattern`; else `reason` says why not. ``$`` alone would let a last line feed pass."""
    return Meta(pattern=rf"^(?:{pattern})$(?!\n)", extra={"reason": reason})


_ONE_LINE, _ONE_LINE_ONLY = r"[^\x00-\x1f\x7f]*", "must be one line, without control characters"

Line = Annotated[str, _matching(_ONE_LINE, _ONE_LINE_ONLY)]
MailboxLine = Annotated[Mailbox, Meta(extra_json_schema={"format": "mailbox"})]
Words = tuple[str, ...]
Names = Annotated[tuple[Line, ...], BETWEEN_COMMAS]
ApprovalCount = Annotated[int, Meta(ge=0, le=2, extra_json_schema={"format": "approvals"})]
Colour = Annotated[str, _matching("#[0-9a-fA-F]{6}", 'write the colour as "#1f5fbf"')]
Fonts = Annotated[
    str, _matching("[A-Za-z0-9 ,'_-]{1,200}", """write the fonts as "Georgia, 'Times New Roman', serif\"""")
]
Topic = Annotated[str, _matching(TOPIC_PATTERN, _A_NAME)]
ShortName = Annotated[str, _matching("[a-z0-9][a-z0-9_-]{0,39}", _A_NAME)]
Security = Literal["none", "starttls", "tls"]
