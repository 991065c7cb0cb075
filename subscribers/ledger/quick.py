"""Verify a ledger by its end and a sample, in a time that hardly grows with it."""

from __future__ import annotations

import random

from sqlalchemy import Connection

from subscribers.ledger.events import BrokenEntry, check_entry
from subscribers.ledger.ledger import check_end
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS, entry
from subscribers.ledger.tiles import read_stored, stored_tree
from subscribers.ledger.tree import is_included
from subscribers.ledger.verification import Verified, check_all_signed

SAMPLE = 256  # entries


def verify_quickly(connection: Connection) -> Verified:
    """Compare the ledger's end, its signature and the tree, and the way of SAMPLE random entries to the root.

    It finds what was added, cut off or rolled back, and an altered entry by chance only. Raises BrokenEntry.
    """
    check_end(connection)
    signed = check_all_signed(connection)
    frontier = read_stored(connection).frontier
    tree, root = stored_tree(connection, frontier.size), frontier.root
    numbers = random.SystemRandom().sample(range(1, frontier.size + 1), min(SAMPLE, frontier.size))
    for number in sorted(numbers):
        found = entry(connection, number)
        if found is None:
            raise BrokenEntry(number, "it is missing")
        check_entry(found)
        try:
            path = tree.inclusion_path(number - 1)
        except UNREADABLE_ROW_ERRORS:
            path = []
        if not is_included(bytes.fromhex(found.hash), number - 1, frontier.size, path, root):
            raise BrokenEntry(number, "the tree does not lead from it to the root")
    return Verified(frontier.size, root.hex(), signed, len(numbers))
