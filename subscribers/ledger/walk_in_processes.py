"""Hash a large ledger anew on several processors: other processes take a part each, and this one the last.

It says only whether the ledger gives the tree that is expected. What is wrong, and where, the walk in one process says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection

from mailer import own_process
from mailer.database import Database
from mailer.errors import NoProcess
from subscribers.ledger.events import BrokenEntry
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS
from subscribers.ledger.tiles import read_stored
from subscribers.ledger.tree import EMPTY, HASH_BYTES, Frontier, root_of, split
from subscribers.ledger.walk import BATCH, BATCH_BITS, check_wordings, hashes_of_entries

ENTRIES_A_PROCESS = 150_000  # at least: a process starts in the time of 50,000
MAX_PROCESSES = 4  # each has a connection to the database
_COMMAND = "from subscribers.ledger.walk_in_processes import main; main()"


def gives_checkpoint(connection: Connection, database: Database, processes: int | None = None) -> bool:
    """Whether the ledger is large, and its entries, hashed anew by several processes, give the checkpoint's tree.

    `processes` is how many: by default as many as there are processors, where each has enough to do. False also where
    one of them failed, or can't be started.
    """
    try:
        expected = read_stored(connection).frontier
        if processes is None:
            processes = min(len(os.sched_getaffinity(0)), MAX_PROCESSES, expected.size // ENTRIES_A_PROCESS)
        return processes > 1 and _walked(connection, database, expected.size, processes) == expected
    except (OSError, NoProcess, BrokenEntry, *UNREADABLE_ROW_ERRORS):
        return False


def _walked(connection: Connection, database: Database, size: int, processes: int) -> Frontier:
    """The tree of all entries, of which each process takes as many batches, and this one the rest."""
    each = size // processes // BATCH * BATCH
    starts = range(0, each * (processes - 1), each)
    full, rest = [], []
    with ExitStack() as stack:
        others = [stack.enter_context(_walking(database, start, start + each)) for start in starts]
        for hashes in hashes_of_entries(connection, check_wordings(connection), passed=len(starts) * each):
            if len(hashes) == BATCH:
                full.append(root_of(hashes))
            else:
                rest = hashes
        before = [root for other in others for root in _roots(other, each // BATCH)]
    return EMPTY.extended_by_subtrees([*before, *full], BATCH_BITS).extended(rest)


@contextmanager
def _walking(database: Database, start: int, end: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that hashes the entries after the first `start` up to number `end`."""
    url = database.url.render_as_string(hide_password=False)
    with own_process.start(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            process.stdin.write(json.dumps((url, start, end)).encode())
            process.stdin.close()
            process.stdin = None  # `communicate` is to write nothing
            yield process
        finally:
            process.kill()


def _roots(process: subprocess.Popen[bytes], number: int) -> tuple[bytes, ...]:
    """The root of each batch that the process has walked. Raises OSError where it failed."""
    found, _ = process.communicate()
    if process.returncode or len(found) != number * HASH_BYTES:
        raise ChildProcessError("a process that walks a part of the ledger failed")
    return split(found)


def main() -> None:
    """Write the root of each batch of the part that the input names."""
    url, start, end = json.load(sys.stdin)
    with Database(url).read() as connection:
        for hashes in hashes_of_entries(connection, check_wordings(connection), start, end):
            sys.stdout.buffer.write(root_of(hashes))
