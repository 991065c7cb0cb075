"""The Merkle tree over the ledger's entries (RFC 6962, section 2.1): hashes in, hashes out.

An append needs only the frontier: the roots of the perfect subtrees that the tree consists of, one for each bit of
its size. The other hashes are kept in full tiles of 256, as in C2SP tlog-tiles: those at level 0 hold the entries'
hashes, those at level L + 1 the roots of the tiles at level L.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
TILE_BITS = 8
TILE_WIDTH = 1 << TILE_BITS

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(b"\x00" + data).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """The hashes of many entries."""
    return [sha256(b"\x00" + data).digest() for data in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node above two others."""
    return sha256(b"\x01" + left + right).digest()


class Frontier(NamedTuple):
    """The perfect subtrees of a tree of `size` entries: their roots, that of the largest subtree first."""

    size: int
    roots: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        """The tree's root."""
        if not self.roots:
            return EMPTY_ROOT
        *others, root = self.roots
        for left in reversed(others):
            root = node_hash(left, root)
        return root

    def extended(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after these entries' hashes; some 0.7 µs for each."""
        size, roots = self.size, list(self.roots)
        for leaf in leaves:
            top, complete = leaf, size
            while complete & 1:
                top = sha256(b"\x01" + roots.pop() + top).digest()
                complete >>= 1
            roots.append(top)
            size += 1
        return Frontier(size, tuple(roots))

    def extended_by_tiles(self, leaves: Sequence[bytes]) -> Frontier:
        """The same, where the roots of the full tiles among these hashes are wanted as well (`tile_root`)."""
        start = min(-self.size % TILE_WIDTH, len(leaves))
        end = len(leaves) - (len(leaves) - start) % TILE_WIDTH
        frontier = self.extended(leaves[:start])
        if start < end:
            tiles = (b"".join(leaves[at : at + TILE_WIDTH]) for at in range(start, end, TILE_WIDTH))
            frontier = frontier.extended_by_subtrees(map(tile_root, tiles), TILE_BITS)
        return frontier.extended(leaves[end:])

    def extended_by_subtrees(self, roots: Iterable[bytes], bits: int) -> Frontier:
        """The frontier after these perfect subtrees of 2**bits entries each; the size is a multiple of that."""
        above = Frontier(self.size >> bits, self.roots).extended(roots)
        return Frontier(above.size << bits, above.roots)

    def encode(self) -> bytes:
        """The roots, one after the other."""
        return b"".join(self.roots)

    @classmethod
    def decode(cls, size: int, encoded: bytes) -> Frontier:
        """The frontier that `encode` wrote. Raises ValueError where it can't be one of a tree of `size` entries."""
        if size < 0 or len(encoded) != size.bit_count() * HASH_BYTES:
            raise ValueError("the frontier does not fit the size")
        return cls(size, split(encoded))


EMPTY = Frontier(0, ())


def split(encoded: bytes) -> tuple[bytes, ...]:
    """The hashes of a tile or a frontier."""
    return tuple(encoded[start : start + HASH_BYTES] for start in range(0, len(encoded), HASH_BYTES))


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over hashes of one level."""
    return EMPTY.extended(hashes).root


@lru_cache(maxsize=300)
def tile_root(encoded: bytes) -> bytes:
    """The root over a full tile of 8 KB; a process asks for the same ones again and again."""
    return root_of(split(encoded))


class Tree:
    """A tree of `size` entries, as far as tiles hold it.

    `tile` gives a full tile's hashes by level and index, or None where it is not stored. `leaves` gives the hashes
    of entries from one index up to another, for the end that no tile holds yet. Indices count from 0.
    """

    def __init__(
        self,
        size: int,
        tile: Callable[[int, int], Sequence[bytes] | None],
        leaves: Callable[[int, int], Sequence[bytes]],
    ) -> None:
        self.size = size
        self._tile, self._leaves = tile, leaves
        self._roots: dict[tuple[int, int], bytes] = {}  # of ranges wider than a tile

    def root(self, size: int | None = None) -> bytes:
        """The root of the tree, or of its first `size` entries."""
        size = self.size if size is None else size
        return self._range_root(0, size) if size else EMPTY_ROOT

    def inclusion_path(self, index: int) -> list[bytes]:
        """The hashes that lead from an entry to the root, lowest first (RFC 6962, section 2.1.1)."""
        if not 0 <= index < self.size:
            raise ValueError("the tree has no such entry")
        path = []
        start, end = 0, self.size
        while end - start > 1:
            middle = start + _largest_power_below(end - start)
            if index < middle:
                path.append(self._range_root(middle, end))
                end = middle
            else:
                path.append(self._range_root(start, middle))
                start = middle
        return path[::-1]

    def _range_root(self, start: int, end: int) -> bytes:
        if end - start < TILE_WIDTH:
            return self._hashed(start, end)
        root = self._roots.get((start, end))
        if root is None:
            root = self._roots[start, end] = self._hashed(start, end)
        return root

    def _hashed(self, start: int, end: int) -> bytes:
        width = end - start
        if width.bit_count() == 1:
            level = (width.bit_length() - 1) // TILE_BITS
            shift = level * TILE_BITS
            index, offset = divmod(start >> shift, TILE_WIDTH)
            if tile := self._tile(level, index):
                hashes = tile[offset : offset + (width >> shift)]
                return tile_root(b"".join(hashes)) if len(hashes) == TILE_WIDTH else root_of(hashes)
        if width < TILE_WIDTH:
            return root_of(self._leaves(start, end))
        middle = start + _largest_power_below(width)
        return node_hash(self._range_root(start, middle), self._range_root(middle, end))


def _largest_power_below(width: int) -> int:
    return 1 << ((width - 1).bit_length() - 1)


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` leads from an entry's hash to the root of a tree of `size` entries (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, reached = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            reached = node_hash(sibling, reached)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and reached == root
