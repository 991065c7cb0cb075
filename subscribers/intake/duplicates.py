"""Which addresses a file had before, and in which row; 25 MB for a million of them."""

from __future__ import annotations

from array import array


class SeenAddresses:
    """Remembers the first row of each address by 64 bits of its keyed hash.

    An open-addressing table in two flat arrays: a dict would take 110 bytes for each entry, this takes 18 to 36.
    Who does not know the secret key can't make two addresses collide; by chance it happens in one import of a
    million rows out of 37 million.
    """

    def __init__(self) -> None:
        self._allot(1 << 12)
        self._count = 0

    def first_row(self, address_hash: str, row: int) -> int | None:
        """The row in which this address came first, or None: then `row` is it from now on."""
        mark = int(address_hash[:16], 16) or 1
        slot = self._slot(mark)
        if self._marks[slot]:
            return self._rows[slot]
        self._marks[slot] = mark
        self._rows[slot] = row
        self._count += 1
        if self._count * 3 > len(self._marks) * 2:
            self._grow()
        return None

    def _slot(self, mark: int) -> int:
        marks, mask = self._marks, self._mask
        slot = mark & mask
        while marks[slot] and marks[slot] != mark:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        marks, rows = self._marks, self._rows
        self._allot(len(marks) * 2)
        for mark, row in zip(marks, rows, strict=True):
            if mark:
                slot = self._slot(mark)
                self._marks[slot] = mark
                self._rows[slot] = row

    def _allot(self, size: int) -> None:
        self._marks = array("Q", [0]) * size
        self._rows = array("I", [0]) * size
        self._mask = size - 1
