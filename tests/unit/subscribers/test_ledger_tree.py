"""The Merkle tree of the ledger, against RFC 6962's vectors and an implementation of somebody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from subscribers.ledger.tree import (
    EMPTY,
    TILE_WIDTH,
    Frontier,
    Tree,
    is_included,
    leaf_hash,
    root_of,
)

# The test vectors of RFC 6962's reference implementation: entries, and the root after each.
VECTORS = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
]
entries = st.lists(st.binary(max_size=8), max_size=70)


def tree_of(leaves: list[bytes], tiles: dict[tuple[int, int], list[bytes]] | None = None) -> Tree:
    """A tree over these hashes; with full tiles where they are given."""
    held = tiles or {}
    return Tree(len(leaves), lambda level, index: held.get((level, index)), lambda a, b: leaves[a:b])


def tiles_of(leaves: list[bytes]) -> dict[tuple[int, int], list[bytes]]:
    tiles: dict[tuple[int, int], list[bytes]] = {}
    level, hashes = 0, leaves
    while len(hashes) >= TILE_WIDTH:
        full = len(hashes) // TILE_WIDTH
        tiles |= {(level, n): hashes[n * TILE_WIDTH : (n + 1) * TILE_WIDTH] for n in range(full)}
        level, hashes = level + 1, [root_of(tiles[level, n]) for n in range(full)]
    return tiles


LARGE = [leaf_hash(number.to_bytes(4)) for number in range(66_100)]
LARGE_TILES = tiles_of(LARGE)


def test_the_root_of_no_entries_is_the_hash_of_nothing() -> None:
    assert EMPTY.root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_rfc_6962(size: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry, _ in VECTORS[:size]]
    assert EMPTY.extended(leaves).root.hex() == VECTORS[size - 1][1]
    assert tree_of(leaves).root().hex() == VECTORS[size - 1][1]


@given(entries)
def test_another_implementation_has_the_same_root_and_paths(data: list[bytes]) -> None:
    theirs = InmemoryTree(algorithm="sha256")
    for entry in data:
        theirs.append_entry(entry)
    leaves = [leaf_hash(entry) for entry in data]
    assert theirs.get_root() == EMPTY.extended(leaves).root
    for index in range(len(data)):
        proof = theirs.prove_inclusion(index + 1, len(data)).serialize()
        assert [bytes.fromhex(one) for one in proof["path"]][1:] == tree_of(leaves).inclusion_path(index)


@given(entries, st.data())
def test_a_frontier_extended_in_two_steps_is_that_of_one(data: list[bytes], draw: st.DataObject) -> None:
    leaves = [leaf_hash(entry) for entry in data]
    at = draw.draw(st.integers(0, len(leaves)))
    first = EMPTY.extended(leaves[:at])
    stored = Frontier.decode(first.size, first.encode())
    assert stored.extended(leaves[at:]) == EMPTY.extended(leaves)
    assert tree_of(leaves).root(at) == first.root


@pytest.mark.parametrize("before", [0, 1, 255, 256, 300, 511])
@pytest.mark.parametrize("added", [0, 1, 212, 255, 256, 257, 512, 1100])
def test_a_frontier_extended_by_tiles_is_that_extended_by_entries(before: int, added: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(before + added)]
    first = EMPTY.extended(leaves[:before])
    assert first.extended_by_tiles(leaves[before:]) == first.extended(leaves[before:])


@given(before=st.integers(0, 20), added=st.integers(0, 20), bits=st.integers(0, 5))
def test_a_frontier_extended_by_subtrees_is_that_extended_by_entries(
    before: int, added: int, bits: int
) -> None:
    width = 1 << bits
    leaves = [leaf_hash(b"%d" % number) for number in range((before + added) * width)]
    first = EMPTY.extended(leaves[: before * width])
    roots = [root_of(leaves[at : at + width]) for at in range(before * width, len(leaves), width)]
    assert first.extended_by_subtrees(roots, bits) == EMPTY.extended(leaves)


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
def test_no_altered_proof_is_accepted(data: list[bytes], draw: st.DataObject) -> None:
    leaves = [leaf_hash(entry) for entry in data]
    index = draw.draw(st.integers(0, len(leaves) - 1))
    tree, root = tree_of(leaves), EMPTY.extended(leaves).root
    path = tree.inclusion_path(index)
    assert is_included(leaves[index], index, len(leaves), path, root)
    altered = draw.draw(st.integers(0, len(path)))
    flipped = [bytes([one[0] ^ 1]) + one[1:] if n == altered else one for n, one in enumerate(path)]
    assert altered == len(path) or not is_included(leaves[index], index, len(leaves), flipped, root)
    assert not is_included(leaf_hash(b"another entry"), index, len(leaves), path, root)
    assert not is_included(leaves[index], index, len(leaves), [*path, root], root)
    assert not path or not is_included(leaves[index], index, len(leaves), path[:-1], root)
    assert not is_included(leaves[index], len(leaves), len(leaves), path, root)


@pytest.mark.parametrize(("size", "encoded"), [(0, b"x" * 32), (1, b""), (3, b"x" * 32), (-1, b"x" * 32)])
def test_a_frontier_that_does_not_fit_its_size_is_refused(size: int, encoded: bytes) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Frontier.decode(size, encoded)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 600, 65_535, 65_536, 66_100])
def test_a_tree_reads_full_tiles_of_256_and_single_hashes_only_after_the_last_one(size: int) -> None:
    leaves = LARGE[:size]
    tiles = {key: tile for key, tile in LARGE_TILES.items() if (key[1] + 1) * 256 ** (key[0] + 1) <= size}

    def single_hashes(start: int, end: int) -> list[bytes]:
        assert size - size % 256 <= start < end <= size, "a full tile has these"
        return leaves[start:end]

    reads = []

    def tile(level: int, index: int) -> list[bytes] | None:
        reads.append((level, index))
        return tiles.get((level, index))

    tree = Tree(size, tile, single_hashes)
    assert tree.root() == EMPTY.extended(leaves).root
    for index in {0, size // 2, size - 257, size - 1}.intersection(range(size)):
        reads.clear()
        path = tree.inclusion_path(index)
        assert is_included(leaves[index], index, size, path, tree.root()) is True
        assert size < 65_536 or len(reads) <= 64, "the tile at level 1 has these"


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_there_is_no_path_to_an_entry_outside_the_tree(index: int) -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(3)]
    with pytest.raises(ValueError, match="no such entry"):
        tree_of(leaves).inclusion_path(index)
    assert is_included(leaves[0], index, 3, tree_of(leaves).inclusion_path(0), root_of(leaves)) is False


def test_no_root_is_included_as_an_entry_of_its_own_tree() -> None:
    root = root_of([leaf_hash(b"0"), leaf_hash(b"1")])
    assert is_included(root, 0, 2, [], root) is False
    assert is_included(root, 0, 1, [], root) is True


def test_a_path_that_is_too_long_is_refused() -> None:
    leaves = [leaf_hash(b"0"), leaf_hash(b"1")]
    path = tree_of(leaves).inclusion_path(0)
    higher = root_of([root_of(leaves), leaves[0]])
    assert is_included(leaves[0], 0, 2, [*path, leaves[0]], higher) is False
