"""Read SMTP replies from the pieces in which the network delivers them (RFC 5321 section 4.2)."""

from __future__ import annotations

from typing import NamedTuple

MAX_LINE_LENGTH = 4096  # RFC 5321 says 512; some relays send longer lines
MAX_LINES = 100
_CODES = {b"%d" % code: code for code in range(200, 600)}


class RawReply(NamedTuple):
    """One reply as received: `text` is its lines, without code and line ends, joined by line feeds."""

    code: int
    text: bytes


class ReplyReader:
    """Turns bytes into replies. The result does not depend on how the bytes are split.

    After a line that can't be part of a reply, `fault` says why, and nothing more is read: later replies could not be
    paired with their commands.
    """

    __slots__ = ("_code", "_lines", "_rest", "fault")

    def __init__(self) -> None:
        self.fault: str | None = None
        self._rest = b""
        self._code = b""
        self._lines: list[bytes] = []

    @property
    def midway(self) -> bool:
        """Whether a reply has begun and is not complete."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> list[RawReply]:
        """The replies that `data` completes, in order."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        replies = [reply for line in lines if not self.fault and (reply := self._read(line)) is not None]
        if not self.fault and len(self._rest) > MAX_LINE_LENGTH:
            self.fault = "a reply line is too long"
        return replies

    def _read(self, line: bytes) -> RawReply | None:
        code, separator, text = line[:3], line[3:4], line[4:].rstrip(b"\r")
        if len(line) > MAX_LINE_LENGTH:
            self.fault = "a reply line is too long"
        elif code not in _CODES or separator not in (b" ", b"-", b"\r", b""):
            self.fault = "a reply can't be read"
        elif self._lines and code != self._code:
            self.fault = "the lines of a reply have different codes"
        elif separator != b"-":
            text = b"\n".join((*self._lines, text))
            self._lines = []
            return RawReply(_CODES[code], text)
        elif len(self._lines) >= MAX_LINES:
            self.fault = "a reply has too many lines"
        else:
            self._code = code
            self._lines.append(text)
        return None
