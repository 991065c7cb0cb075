"""Remember each address of a file, in about 25 MB for a million addresses."""

from __future__ import annotations

from array import array
from typing import Literal


class AddressTable:
    """Maps addresses, known by 64 bits of their keyed hash, to numbers.

    An open-addressing table in two flat arrays: a dict would take 110 bytes for each entry, this takes 18 to
    36. Without the secret key nobody can make two addresses collide. By chance it happens in one of 37
    million imports of a million rows.
    """

    def __init__(self, typecode: Literal["I", "q"]) -> None:
        self._typecode = typecode
        self._allocate(1 << 12)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, address_hash: str) -> int | None:
        """The number of this address, or None."""
        slot = self._slot(_mark(address_hash))
        return self._values[slot] if self._marks[slot] else None

    def set(self, address_hash: str, value: int) -> None:
        """Give this address a number."""
        mark = _mark(address_hash)
        self._put(self._slot(mark), mark, value)

    def add(self, address_hash: str, value: int) -> int | None:
        """Give a new address a number; returns the number of one that has one already."""
        mark = int(address_hash[:16], 16) or 1  # as `_mark` does; calls would take half of the time
        marks, mask = self._marks, self._mask
        slot = mark & mask
        while found := marks[slot]:
            if found == mark:
                return self._values[slot]
            slot = (slot + 1) & mask
        self._put(slot, mark, value)
        return None

    def _put(self, slot: int, mark: int, value: int) -> None:
        self._count += not self._marks[slot]
        self._marks[slot] = mark
        self._values[slot] = value
        if self._count * 3 > len(self._marks) * 2:
            self._grow()

    def _slot(self, mark: int) -> int:
        marks, mask = self._marks, self._mask
        slot = mark & mask
        while marks[slot] and marks[slot] != mark:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        marks, values = self._marks, self._values
        self._allocate(len(marks) * 2)
        new_marks, new_values, mask = self._marks, self._values, self._mask
        for mark, value in zip(marks, values, strict=True):
            if mark:
                slot = mark & mask
                while new_marks[slot]:
                    slot = (slot + 1) & mask
                new_marks[slot] = mark
                new_values[slot] = value

    def _allocate(self, size: int) -> None:
        self._marks = array("Q", [0]) * size
        self._values = array(self._typecode, [0]) * size
        self._mask = size - 1


class SeenAddresses:
    """Remembers the first row of each address."""

    def __init__(self) -> None:
        self._rows = AddressTable("I")

    def first_row(self, address_hash: str, row: int) -> int | None:
        """The first row with this address; None if that is `row`."""
        return self._rows.add(address_hash, row)


def _mark(address_hash: str) -> int:
    return int(address_hash[:16], 16) or 1
