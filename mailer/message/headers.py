"""Header fields as they go over the wire: folded, encoded, complete lines that end in CRLF.

RFC 5322 for the fields, RFC 2047 for what is not ASCII, RFC 5891 for internationalised domains. Everything
here refuses line breaks and other control characters with `InvalidInput`, whose message never repeats the
value: it may be somebody's name.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from mailer.errors import InvalidInput

LINE_LIMIT: Final = 76
HARD_LINE_LIMIT: Final = 998  # octets without CRLF, RFC 5322, section 2.1.1

_ENCODED_WORD_LIMIT = 75
_FRAME = len("=?utf-8?q??=")
_ADDRESS_LIMIT = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_DOT_ATOM = rf"{_ATEXT}++(?:\.{_ATEXT}++)*+"
_LABEL = r"(?!-)[A-Za-z0-9-]++(?<!-)"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*+")
_ADDR_SPEC = re.compile(f"{_DOT_ATOM}@{_DOMAIN.pattern}")
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}")
_MESSAGE_ID = re.compile(f"<{_DOT_ATOM}@[A-Za-z0-9.-]++>")
_URI = re.compile(r"[a-z]+:[!#-;=?-~]+")  # printable ASCII; neither a quote nor an angle bracket
_WEB_URL = re.compile(r"https?://[!#-;=?-~]*")
_PLAIN_TEXT = re.compile(r"[!-~]+(?: [!-~]+)*")
_PLAIN_PHRASE = re.compile(rf"{_ATEXT}+(?: {_ATEXT}+)*")
_Q_AS_IS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = [chr(byte) if byte in _Q_AS_IS else f"={byte:02X}" for byte in range(256)]
_Q[ord(" ")] = "_"


def unstructured(name: str, value: str) -> bytes:
    """A field of free text, such as Subject.

    Text that a reader would not get back as it is (beyond ASCII, odd spacing, what looks like an
    encoded-word, a word too long for any line) goes as encoded-words; the rest as it stands, folded at
    spaces only.
    """
    _check_name(name)
    refuse_control_characters(name, value)
    if not value:
        raise InvalidInput(f"{name} is empty", hint=f"Give {name} a value, or leave the field out.")
    longest = max(map(len, value.split(" ")))
    if _PLAIN_TEXT.fullmatch(value) and "=?" not in value and longest < HARD_LINE_LIMIT:
        return _folded(f"{name}: {value}")
    return _folded(f"{name}: {_encoded_words(value, len(name) + 2)}")


def structured(name: str, value: str) -> bytes:
    """A field whose value has a grammar of its own: ASCII, never encoded, folded at single spaces."""
    _check_name(name)
    if not _PLAIN_TEXT.fullmatch(value) or max(map(len, value.split(" "))) >= HARD_LINE_LIMIT:
        raise InvalidInput(
            f"the value of {name} can't stand in a header",
            hint="It needs printable ASCII with single spaces, and words of less than 998 characters.",
        )
    return _folded(f"{name}: {value}")


def mailbox(name: str, display_name: str, email: str) -> bytes:
    """A field with one mailbox, ``From: Zoë <zoe@example.org>`` (RFC 5322, section 3.4).

    Raises InvalidInput for an address that can't go into a header, and for one with a local part beyond
    ASCII: that needs SMTPUTF8 all the way, which is not supported.
    """
    address = addr_spec(email)
    if not display_name:
        return f"{name}: {address}\r\n".encode()
    return _folded(f"{name}: {_phrase(name, display_name)} <{address}>")


def list_id(display_name: str, identifier: str) -> bytes:
    """List-Id (RFC 2919): at most 255 octets."""
    if not _DOMAIN.fullmatch(identifier):
        raise InvalidInput(f"List-Id {identifier!r} is not of the form id.example.org")
    phrase = f"{_phrase('List-Id', display_name)} " if display_name else ""
    line = _folded(f"List-Id: {phrase}<{identifier}>")
    if len(line) > len("List-Id: ") + 255:
        raise InvalidInput("List-Id is longer than 255 octets", hint="Shorten the name of the list.")
    return line


def list_unsubscribe(url: str, *, mailto: str | None = None) -> bytes:
    """List-Unsubscribe (RFC 2369, RFC 8058): the URL whole and unencoded, on the field's first line.

    A long URL makes a line over 78 characters, which RFC 5322 section 2.1.1 allows; readers that do not unfold
    headers find it all the same.
    """
    if not _WEB_URL.fullmatch(url):
        raise InvalidInput("the unsubscribe URL is not an http(s) URL in printable ASCII")
    if len(f"List-Unsubscribe: <{url}>") >= HARD_LINE_LIMIT:
        raise InvalidInput("the unsubscribe URL does not fit on one line of a header (998 octets)")
    line = f"List-Unsubscribe: <{url}>"
    return (f"{line},\r\n <{mailto}>\r\n" if mailto else f"{line}\r\n").encode()


def mailto(address: str) -> str:
    """The ``mailto:`` URI of a mailbox for unsubscribing."""
    uri = f"mailto:{address.removeprefix('mailto:')}"
    if not _URI.fullmatch(uri) or len(uri) > HARD_LINE_LIMIT - len(" <>"):
        raise InvalidInput("the mailbox for unsubscribing is not an ASCII address")
    return uri


def message_id(identifier: str) -> bytes:
    """Message-ID, from an identifier in angle brackets (RFC 5322, section 3.6.4)."""
    if not _MESSAGE_ID.fullmatch(identifier) or len(identifier) >= HARD_LINE_LIMIT:
        raise InvalidInput(f"Message-ID {identifier!r} is not of the form <left@right>")
    line = f"Message-ID: {identifier}"
    return (f"{line}\r\n" if len(line) <= LINE_LIMIT else f"Message-ID:\r\n {identifier}\r\n").encode()


@lru_cache(maxsize=8)
def date(at: datetime) -> bytes:
    """Date, in UTC. Raises InvalidInput for a time without a zone."""
    if at.tzinfo is None:
        raise InvalidInput("the date of a message has no zone")
    return f"Date: {format_datetime(at.astimezone(UTC))}\r\n".encode()


def addr_spec(email: str) -> str:
    """The address as it goes into headers, its domain in ASCII (IDNA, UTS 46). See `mailbox` for errors."""
    if _ADDR_SPEC.fullmatch(email) and len(email) <= _ADDRESS_LIMIT:
        return email
    local, _, domain = email.rpartition("@")
    if not local.isascii():
        raise InvalidInput(
            "an address has characters beyond ASCII before the @, which needs SMTPUTF8; that is not supported",
            hint="Ask for another address of this person.",
        )
    if not domain.isascii():
        return addr_spec(f"{local}@{ascii_domain(domain)}")
    raise InvalidInput("an address is not of the form name@example.org and can't stand in a header")


@lru_cache(maxsize=1024)
def ascii_domain(domain: str) -> str:
    """A domain in its ASCII form (RFC 5891, mapped by UTS 46); one that is ASCII is left as it is."""
    if domain.isascii():
        return domain
    import idna  # noqa: PLC0415 - slow to import, and most domains are ASCII

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InvalidInput("the domain of an address is not a domain name") from error


def refuse_control_characters(what: str, value: str) -> None:
    """Raise InvalidInput where a line break or another control character would end up in a header."""
    if value.isprintable():
        return
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in value):
        raise InvalidInput(
            f"{what} has a line break or another control character",
            hint="Header fields hold one line of text; remove it at the source.",
        )


def _check_name(name: str) -> None:
    if not _FIELD_NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is not a header field name")


def _phrase(name: str, text: str) -> str:
    """A display name in front of an address: atoms, a quoted string or encoded-words."""
    used = len(name) + len(": ")
    if text.isascii() and "=?" not in text:
        is_plain = _PLAIN_PHRASE.fullmatch(text)
        phrase = text if is_plain else _quoted_string(text)
        if used + len(phrase) <= LINE_LIMIT and (is_plain or _PLAIN_TEXT.fullmatch(text)):
            return phrase
    refuse_control_characters(f"a display name in {name}", text)
    return _encoded_words(text, used)


def _quoted_string(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _encoded_words(text: str, used: int) -> str:
    """Encoded-words of whole characters, Q or B, whichever is shorter; the first leaves room for `used`."""
    encoding, encode, chunk = "q", _q, _q(text)
    if len(chunk) > (len(text.encode()) + 2) // 3 * 4:
        encoding, encode, chunk = "b", _b, _b(text)
    room = LINE_LIMIT - used - _FRAME
    words: list[str] = []
    start, end = 0, len(text)
    while True:
        while len(chunk) > room:
            end = start + max(1, min(room, (end - start) * room // len(chunk)))
            chunk = encode(text[start:end])
        words.append(f"=?utf-8?{encoding}?{chunk}?=")
        if end == len(text):
            return " ".join(words)
        start, end, room = end, len(text), _ENCODED_WORD_LIMIT - _FRAME
        chunk = encode(text[start:])


def _q(text: str) -> str:
    return "".join([_Q[byte] for byte in text.encode()])


def _b(text: str) -> str:
    return binascii.b2a_base64(text.encode(), newline=False).decode("ascii")


def _folded(line: str) -> bytes:
    """The field, broken at single spaces; a word that is too long has a line of its own."""
    folded = ""
    while len(line) > LINE_LIMIT:
        end = line.rfind(" ", 1, LINE_LIMIT + 1)
        if end == -1:
            end = line.find(" ", LINE_LIMIT)
        if end == -1:
            break
        folded, line = f"{folded}{line[:end]}\r\n", line[end:]
    return f"{folded}{line}\r\n".encode("ascii")
