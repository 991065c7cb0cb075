"""Whether the file of an image is there to its end. An upload or a download that broke off leaves a part of one.

The structure is followed from the beginning, because bytes that look like the end may stand within: a photo has a
thumbnail with an end of its own. Bytes after the end are allowed; mail programs pass over them.
"""

from __future__ import annotations

import re
import zlib

_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")  # those without a segment are passed over
_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA  # ITU T.81, table B.1
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B  # GIF89a, appendix A


def is_whole(data: bytes, content_type: str) -> bool:
    """Whether a PNG, JPEG or GIF has its end, and whether the checksums of a PNG are right."""
    match content_type:
        case "image/png":
            return _is_whole_png(data)
        case "image/jpeg":
            return _is_whole_jpeg(data)
        case _:
            return _is_whole_gif(data)


def _is_whole_png(data: bytes) -> bool:
    """Go from chunk to chunk (PNG, section 5.3). The names of those that a picture needs begin with a capital."""
    position, has_pixels = 8, False
    while position + 12 <= len(data):
        content = position + 8
        end = content + int.from_bytes(data[position : position + 4])
        name, checksum = data[position + 4 : content], data[end : end + 4]
        is_needed = name[:1].isupper()
        if len(checksum) < 4 or (
            is_needed and int.from_bytes(checksum) != zlib.crc32(data[position + 4 : end])
        ):
            return False
        if name == b"IEND":
            return has_pixels
        has_pixels |= name == b"IDAT"
        position = end + 4
    return False


def _is_whole_jpeg(data: bytes) -> bool:
    """Go from segment to segment (ITU T.81, B.1.1). Within the pixels of a scan 0xFF is followed by 0, or by a restart."""
    position, has_pixels = 2, False
    while found := _JPEG_MARKER.search(data, position):
        marker, position = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            return has_pixels
        has_pixels |= marker == _START_OF_SCAN
        position += int.from_bytes(data[position : position + 2])
    return False


def _is_whole_gif(data: bytes) -> bool:
    """Go from block to block (GIF89a, sections 18 to 27). Without its trailer a whole picture is shown all the same."""
    if len(data) < 13:
        return False
    position, has_pixels = 13 + _gif_colours(data[10]), False
    while position < len(data):
        kind = data[position]
        if kind == _TRAILER:
            return has_pixels
        if kind == _IMAGE and position + 10 < len(data):
            position += 11 + _gif_colours(data[position + 9])
            has_pixels = True
        elif kind == _EXTENSION:
            position += 2
        else:
            return False
        while position < len(data) and data[position]:
            position += data[position] + 1
        position += 1
    return has_pixels and position == len(data)


def _gif_colours(flags: int) -> int:
    """The bytes of a table of colours; none without the flag for one."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
