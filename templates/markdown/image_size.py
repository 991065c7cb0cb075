"""Reads the width of an image from its first bytes. Outlook shows an image without a width at full size."""

from __future__ import annotations

import re
import struct

_JPEG_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU T.81, table B.1


def read_image_width(data: bytes) -> int | None:
    """The width of a PNG, GIF or JPEG in pixels; None if it can't be read."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return int.from_bytes(data[16:20])
    if re.match(rb"GIF8[79]a..", data, re.DOTALL):
        return int.from_bytes(data[6:8], "little")
    if data.startswith(b"\xff\xd8"):
        return _jpeg_width(data)
    return None


def _jpeg_width(data: bytes) -> int | None:
    """Read segment after segment until the frame header, which holds the width."""
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = struct.unpack_from(">BH", data, position + 1)
        if marker in _JPEG_FRAME_HEADERS:
            return int.from_bytes(data[position + 7 : position + 9])
        position += 2 + length
    return None
