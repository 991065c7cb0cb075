"""Notes as text: read a file or standard input, and leave out what no mail can hold."""

from __future__ import annotations

import sys
from pathlib import Path

from mailer.errors import InvalidInput
from mailer.files import read_file, undecodable_line

LARGEST_TEXT = 4_000_000  # bytes of a file of notes, of a changelog, or of standard input
STDIN = "-"
# Embeddings, overrides and isolates change the order in which text is displayed.
_DIRECTIONS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
# XML 1.0 (section 2.2), and so MJML, has no way to write these: form feeds and escapes of a terminal among them.
_NOT_IN_XML = [*range(9), *range(11, 13), *range(14, 32), 0xFFFE, 0xFFFF]
_LEFT_OUT = dict.fromkeys([*_DIRECTIONS, *_NOT_IN_XML])


def read_source_text(path: Path) -> str:
    """The text of a file, or of standard input for "-".

    The size is checked before opening: a device or a pipe would never end. Raises InvalidInput, which names the file,
    where it is too large, not UTF-8, or can't be read.
    """
    name = "standard input" if str(path) == STDIN else str(path)
    try:
        data = _read_stdin() if str(path) == STDIN else read_file(path, LARGEST_TEXT)
        return clean(data.decode("utf-8-sig"))
    except InvalidInput as error:
        raise InvalidInput(
            error.reason, where=error.where, hint="Give the notes as a file of their own."
        ) from None
    except UnicodeDecodeError as error:
        where = f"{name}, line {undecodable_line(error)}"
        raise InvalidInput("this is not UTF-8 text", where=where, hint="Save the file as UTF-8.") from None
    except OSError as error:
        raise InvalidInput(f"can't be read: {error.strerror}", where=name) from None


def clean(text: str) -> str:
    """The text with plain line ends, without control characters, also of its direction, and halves of characters (surrogates)."""
    plain = text.translate(_LEFT_OUT).replace("\r\n", "\n")
    return plain if plain.isascii() else plain.encode("utf-8", "replace").decode("utf-8")


def _read_stdin() -> bytes:
    data = sys.stdin.buffer.read(LARGEST_TEXT + 1)
    if len(data) > LARGEST_TEXT:
        raise InvalidInput(f"there are more than {LARGEST_TEXT:,} bytes", where="standard input")
    return data
