"""Search a database's file for texts, in a process of its own.

A process that closes a file drops all of its locks on it (POSIX), also those of SQLite's connections. Another process would
then delete the write-ahead log, and what this one writes afterwards would be lost: sqlite.org/howtocorrupt.html, section 2.2.
So a process that has a database open never opens its file by itself.
"""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mailer import own_process
from mailer.errors import MailerError

_COMMAND = "from mailer.file_search import main; main()"
_FEW = 16  # texts, that are looked for one by one
_BEFORE, _FROM = 2, 4  # octets of an address before its @ and from it on


def find_texts(path: Path, texts: Sequence[str]) -> set[str]:
    """Those of `texts` that the file contains. Raises MailerError if it can't be read or no process can be started."""
    if not texts:
        return set()
    try:
        with own_process.start(
            _COMMAND, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            answer, _ = process.communicate(json.dumps(texts).encode())
        found, problem = json.loads(answer)
    except (OSError, ValueError) as error:
        found, problem = [], f"the process that searches it failed ({type(error).__name__})"
    if problem:
        raise MailerError(f"{path} can't be searched for what was erased: {problem}.")
    return set(found)


def main() -> None:
    """Search the file that the argument names for the texts that the input lists; write what was found, and what failed."""
    needles = [text.encode() for text in json.load(sys.stdin)]
    found: set[bytes] = set()
    problem = ""
    try:
        with (
            Path(sys.argv[1]).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            found = _find(content, needles)
    except (OSError, ValueError) as error:
        problem = str(error)
    json.dump(([needle.decode() for needle in found], problem), sys.stdout)


def _find(content: mmap.mmap, needles: Sequence[bytes]) -> set[bytes]:
    if len(needles) <= _FEW:
        return {needle for needle in needles if content.find(needle) >= 0}
    return _find_many(content, needles)


def _find_many(content: mmap.mmap, needles: Sequence[bytes]) -> set[bytes]:
    """The same in one pass: addresses are recognised by what stands around their @."""
    found: set[bytes] = set()
    around: defaultdict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    for needle in needles:
        at = needle.rfind(b"@")
        if at >= _BEFORE and len(needle) - at >= _FROM:
            around[needle[at - _BEFORE : at + _FROM]].append((at, needle))
        elif content.find(needle) >= 0:
            found.add(needle)
    position = content.find(b"@")
    while position >= 0:
        for at, needle in around.get(content[max(0, position - _BEFORE) : position + _FROM], ()):
            if content[max(0, position - at) : position - at + len(needle)] == needle:
                found.add(needle)
        position = content.find(b"@", position + 1)
    return found
