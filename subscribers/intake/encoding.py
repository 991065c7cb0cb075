"""Detect the encoding of a CSV file, by a byte order mark or by its bytes."""

from __future__ import annotations

import codecs
import re
from io import TextIOWrapper
from typing import BinaryIO, TextIO

from mailer.errors import InvalidInput

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_NAMES = {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "cp1252": "Windows-1252"}
_SAMPLE, _CHUNK = 4096, 1 << 20  # bytes
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def as_text(stream: BinaryIO, encoding: str | None = None) -> TextIOWrapper:
    """The text for `PeopleCsv`, in `encoding` or in the detected encoding.

    Invalid bytes are kept, so that they make one cell invalid and not the file. Raises InvalidInput for an
    unknown encoding.
    """
    found = encoding or (_detect(stream) if stream.seekable() else "utf-8-sig")
    try:
        name = codecs.lookup(found).name
        "".encode(name)  # raises for one that is not of text, such as rot13
    except (LookupError, UnicodeError):
        raise InvalidInput(
            f"{found!r} is not an encoding.",
            where="--encoding",
            hint="Common ones are utf-8, cp1252 and utf-16.",
        ) from None
    errors = "replace" if name.startswith("utf-16") else "surrogateescape"
    return TextIOWrapper(stream, encoding="utf-8-sig" if name == "utf-8" else name, errors=errors, newline="")


def first_line(text: TextIO, name: str, longest: int) -> str:
    """The first line of `text`, at most `longest` characters. Raises InvalidInput where the encoding does not fit.

    Where it fits the first line, what is invalid in later ones is kept (`as_text`).
    """
    try:
        return text.readline(longest)
    except UnicodeError:  # such as UTF-16 without its mark
        raise InvalidInput(
            "it is not text in this encoding.",
            where=f"{name}, row 1",
            hint="Name another --encoding, or save the file as CSV UTF-8.",
        ) from None


def encoding_name(text: TextIOWrapper) -> str:
    """The common name of the encoding of `text`."""
    return _NAMES.get(text.encoding, text.encoding.upper())


def _detect(stream: BinaryIO) -> str:
    sample = stream.read(_SAMPLE)
    stream.seek(0)
    marked = next((name for mark, name in _MARKS.items() if sample.startswith(mark)), None)
    if marked:
        return marked
    if sample.count(0, 1) > len(sample) // 4:  # Latin letters in UTF-16 are every other byte zero
        return "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
    return "utf-8-sig" if _is_utf_8(stream) else "cp1252"


def _is_utf_8(stream: BinaryIO) -> bool:
    """Whether the bytes are UTF-8, or contain sequences that only UTF-8 has; then other bytes are errors."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := stream.read(_CHUNK):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                return bool(_MULTIBYTE.search(chunk))
        return True
    finally:
        stream.seek(0)
