"""SMTP replies, read from whatever pieces the network delivers them in (RFC 5321 section 4.2)."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_LINE = 4096  # RFC 5321 says 512; relays are known to say more
MOST_LINES = 100
_CODES = {b"%d" % code: code for code in range(200, 600)}


class RawReply(NamedTuple):
    """One reply as it came: `text` is its lines, without code and line ends, joined by line feeds."""

    code: int
    text: bytes


class ReplyReader:
    """Turns bytes into replies. How the bytes are split makes no difference to what is read.

    After a line that can't be part of a reply, `fault` says why and nothing more is read: what follows could
    not be paired with its command.
    """

    __slots__ = ("_code", "_lines", "_rest", "fault")

    def __init__(self) -> None:
        self.fault: str | None = None
        self._rest = b""
        self._code = b""
        self._lines: list[bytes] = []

    @property
    def midway(self) -> bool:
        """Has a reply begun that is not complete?"""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> list[RawReply]:
        """The replies that `data` completes, in order."""
        replies: list[RawReply] = []
        if self.fault:
            return replies
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            code = _CODES.get(line[:3])
            if code and line[3:4] == b" " and not self._lines and len(line) <= LONGEST_LINE:
                replies.append(RawReply(code, line[4:].rstrip(b"\r")))  # as nearly all replies are
            elif (reply := self._read(line)) is not None:
                replies.append(reply)
            elif self.fault:
                return replies
        if len(self._rest) > LONGEST_LINE:
            self.fault = "a reply line is too long"
        return replies

    def _read(self, line: bytes) -> RawReply | None:
        code, separator, text = line[:3], line[3:4], line[4:].rstrip(b"\r")
        if len(line) > LONGEST_LINE:
            self.fault = "a reply line is too long"
        elif code not in _CODES or separator not in (b" ", b"-", b"\r", b""):
            self.fault = "a reply can't be read"
        elif self._lines and code != self._code:
            self.fault = "the lines of a reply have different codes"
        elif separator != b"-":
            if self._lines:
                text = b"\n".join((*self._lines, text))
                self._lines = []
            return RawReply(_CODES[code], text)
        elif len(self._lines) >= MOST_LINES:
            self.fault = "a reply has too many lines"
        else:
            self._code = code
            self._lines.append(text)
        return None
