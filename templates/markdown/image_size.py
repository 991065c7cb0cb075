"""How wide an image is, from its first bytes: Outlook shows one without a width at its full size."""

from __future__ import annotations

import re
import struct

_JPEG_SIZE = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the frame headers (ITU T.81, table B.1)


def width_of(data: bytes) -> int | None:
    """The width in pixels of a PNG, GIF or JPEG; None where it can't be read."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return int.from_bytes(data[16:20])
    if re.match(rb"GIF8[79]a..", data, re.DOTALL):
        return int.from_bytes(data[6:8], "little")
    if data.startswith(b"\xff\xd8"):
        return _jpeg_width(data)
    return None


def _jpeg_width(data: bytes) -> int | None:
    """Walk from marker to marker, as far as the frame header."""
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = struct.unpack_from(">BH", data, position + 1)
        if marker in _JPEG_SIZE:
            return int.from_bytes(data[position + 7 : position + 9])
        position += 2 + length
    return None
