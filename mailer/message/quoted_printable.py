"""Quoted-printable that survives relays and signatures (RFC 2045, section 6.7).

What comes out is its own relaxed canonical form (RFC 6376, section 3.4.4): no tab, no run of spaces, no
space at the end of a line. So a signature over it is a hash of the very bytes that are sent. No line starts
with a dot (nothing to stuff on the way, RFC 5321, section 4.5.2) or with ``From `` (nothing for an old
mailbox to change).
"""

from __future__ import annotations

import re
from typing import Final

LINE_LIMIT: Final = 76
SOFT_BREAK: Final = b"=\r\n"

_CONTENT = LINE_LIMIT - 1  # the last column belongs to the "=" of a soft break
_UNSAFE = re.compile(r"(?<= ) | \Z|[^ -<>-~]+")
_HARMLESS = re.compile(r"(?!\.|From )[!-<>-~]++(?: [!-<>-~]++)*+")
_FRAGILE_STARTS = (b".", b"From ")


def encode(text: str) -> bytes:
    """One line of text as quoted-printable, with soft breaks where it is long.

    It may follow a line break, hard or soft, and be followed by one, so encoded pieces join with
    `SOFT_BREAK`. Line breaks inside `text` are escaped. Raises UnicodeEncodeError for lone surrogates.
    """
    if not _HARMLESS.fullmatch(text):
        text = _UNSAFE.sub(_escaped, text)
    return wrapped(text.encode())


def _escaped(match: re.Match[str]) -> str:
    return f"={match[0].encode().hex('=').upper()}"


def is_harmless(text: str) -> bool:
    """Whether `text` stays as it is, but for soft breaks."""
    return _HARMLESS.fullmatch(text) is not None


def wrapped_link(url: str) -> bytes:
    """A URL in harmless characters, without a space, with soft breaks where it is long."""
    if _CONTENT < len(url) <= 2 * _CONTENT and url[_CONTENT] != ".":  # as most of our links are
        return f"{url[:_CONTENT]}=\r\n{url[_CONTENT:]}".encode()
    return wrapped(url.encode())


def wrapped(quoted: bytes) -> bytes:
    """Text that is quoted-printable already, or harmless, with soft breaks where it is long."""
    lines: list[bytes] = []
    start = 0
    while True:
        lead = b""
        if quoted.startswith(_FRAGILE_STARTS, start):
            lead = b"=%02X" % quoted[start]
            start += 1
        end = start + _CONTENT - len(lead)
        if end >= len(quoted):
            lines.append(lead + quoted[start:])
            return SOFT_BREAK.join(lines)
        escape = quoted.rfind(b"=", end - 2, end)
        if escape != -1:
            end = escape
        lines.append(lead + quoted[start:end])
        start = end
