"""The ledger's Merkle tree in the database: its frontier in one row, full tiles, and the hashes of entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select, update

from mailer.database import Prepared, bulk
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS
from subscribers.ledger.tree import TILE_WIDTH, Frontier, Tree, split, tile_root
from subscribers.tables import CHECKPOINT, EVENT, TILE

CACHED_TILES = 64  # of 8 KB each


class Stored(NamedTuple):
    """The tree as the newest append left it, and the newest checkpoint that was signed."""

    frontier: Frontier
    signed: str | None


def read_stored(connection: Connection) -> Stored:
    """The tree in the database. Raises ValueError where its parts do not go together."""
    rows = _CHECKPOINT.rows(connection, {})
    if not rows:
        raise ValueError("there is no checkpoint")
    size, root, encoded, signed = rows[0]
    frontier = Frontier.decode(size, encoded)
    if frontier.root.hex() != root:
        raise ValueError("the frontier does not give the root")
    return Stored(frontier, signed)


def signed_checkpoint(connection: Connection) -> str | None:
    """The newest signed checkpoint (a C2SP signed note); None where the ledger is not signed, or damaged."""
    with suppress(*UNREADABLE_ROW_ERRORS):
        return read_stored(connection).signed
    return None


def store(
    connection: Connection,
    before: Frontier,
    hashes: Sequence[bytes],
    sign: Callable[[int, bytes], str | None],
) -> None:
    """Put these entries' hashes at the end of the tree, and sign its size and root. Needs the ledger's lock.

    Where `sign` gives nothing, the checkpoint that was signed before stays.
    """
    after = before.extended_by_tiles(hashes)
    _store_full_tiles(connection, before.size, hashes)
    root = after.root
    values = {
        "new_size": after.size,
        "new_root": root.hex(),
        "new_frontier": after.encode(),
        "new_signed": sign(after.size, root),
    }
    _MOVE_CHECKPOINT.run(connection, values)


_CHECKPOINT = Prepared(
    select(CHECKPOINT.c.size, CHECKPOINT.c.root, CHECKPOINT.c.frontier, CHECKPOINT.c.signed)
)
_TILE = Prepared(
    select(TILE.c.hashes).where(TILE.c.level == bindparam("level"), TILE.c.number == bindparam("number"))
)
_MOVE_CHECKPOINT = Prepared(
    update(CHECKPOINT).values(
        size=bindparam("new_size"),
        root=bindparam("new_root"),
        frontier=bindparam("new_frontier"),
        signed=func.coalesce(bindparam("new_signed", type_=CHECKPOINT.c.signed.type), CHECKPOINT.c.signed),
    )
)


def stored_tree(connection: Connection, size: int) -> Tree:
    """The tree of the first `size` entries, read from the database as it is needed."""

    @lru_cache(maxsize=CACHED_TILES)
    def tile(level: int, number: int) -> Sequence[bytes] | None:
        found = _TILE.rows(connection, {"level": level, "number": number})
        return split(found[0][0]) if found else None

    return Tree(size, tile, lambda start, end: entry_hashes(connection, start, end))


class Head(NamedTuple):
    """The ledger's size and root (hexadecimal)."""

    size: int
    root: str


def head(connection: Connection, size: int | None = None) -> Head:
    """The newest size and root; or the root when the ledger had `size` entries.

    The root is empty where it can't be told: the ledger has fewer entries, or is damaged.
    """
    if size is None:
        row = connection.execute(select(CHECKPOINT.c.size, CHECKPOINT.c.root)).first()
        return Head(row.size, row.root) if row else Head(0, "")
    entries = connection.execute(select(func.max(EVENT.c.id))).scalar_one() or 0
    if size > entries:
        return Head(size, "")
    with suppress(*UNREADABLE_ROW_ERRORS):
        return Head(size, stored_tree(connection, size).root().hex())
    return Head(size, "")


def entry_hashes(connection: Connection, start: int, end: int) -> list[bytes]:
    """The hashes of the entries from one index up to another; indices count from 0."""
    wanted = select(EVENT.c.hash).where(EVENT.c.id > start, EVENT.c.id <= end).order_by(EVENT.c.id)
    return [bytes.fromhex(one) for one in connection.execute(wanted).scalars()]


def _store_full_tiles(connection: Connection, size: int, hashes: Sequence[bytes]) -> None:
    """Store the tiles, at each level, that `hashes` after the first `size` entries fill."""
    level, added = 0, list(hashes)
    while added and (size + len(added)) // TILE_WIDTH > size // TILE_WIDTH:
        first = size // TILE_WIDTH
        earlier = _partial_tile(connection, level, first, size % TILE_WIDTH)
        whole = earlier + added
        count = len(whole) // TILE_WIDTH
        full = [b"".join(whole[n * TILE_WIDTH : (n + 1) * TILE_WIDTH]) for n in range(count)]
        rows = [(level, first + n, tile) for n, tile in enumerate(full)]
        bulk.insert(connection, TILE, ("level", "number", "hashes"), rows)
        level, size, added = level + 1, first, list(map(tile_root, full))


def _partial_tile(connection: Connection, level: int, number: int, count: int) -> list[bytes]:
    """The first `count` hashes of a tile that is not full yet."""
    start = number * TILE_WIDTH
    if level == 0:
        return entry_hashes(connection, start, start + count)
    below = (
        select(TILE.c.hashes)
        .where(TILE.c.level == level - 1, TILE.c.number >= start, TILE.c.number < start + count)
        .order_by(TILE.c.number)
    )
    return [tile_root(encoded) for encoded in connection.execute(below).scalars()]
