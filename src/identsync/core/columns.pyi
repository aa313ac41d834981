"""Columns: sorted unique 64-bit keys with 64-bit digests, and what changed between two of them."""

from array import array
from collections.abc import Iterable, Sequence
from typing import final

from typing_extensions import Buffer

def digest(data: Buffer, seed: int = 0) -> int:
    """Hash bytes to a signed 64-bit number: XXH64 (the published algorithm), the same for ever on every machine.

    ``seed`` is any signed or unsigned 64-bit number. Not for secrets: whoever chooses the bytes can make collisions.
    """

@final
class Columns:
    """Sorted unique int64 keys, each with an int64 digest; never changes once made.

    ``Columns()`` is empty. Comparing with == compares both columns.
    """

    def __init__(self) -> None: ...
    @staticmethod
    def from_rows(rows: Iterable[Sequence[int]]) -> Columns:
        """Make columns from rows (key, digest), sorting where they are not sorted.

        ValueError names a key that comes twice (even with the same digest), or the number of a row that is not two
        signed 64-bit integers.
        """
    @staticmethod
    def from_buffers(keys: Buffer, digests: Buffer) -> Columns:
        """Make columns from two contiguous int64 buffers of equal size, copied and sorted where they are not sorted.

        ValueError for another layout or item type, unequal sizes, or a key that comes twice.
        """
    @property
    def keys(self) -> memoryview:
        """The keys, sorted: a read-only view of int64."""
    @property
    def digests(self) -> memoryview:
        """The digests in the order of the keys: a read-only view of int64."""
    def __len__(self) -> int:
        """How many keys there are."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __contains__(self, key: object, /) -> bool: ...
    def get(self, key: int) -> int | None:
        """Return the digest of a key, or None."""
    def difference(self, new: Columns) -> Changes:
        """Compare with newer columns: which keys were added, which changed their digest, which are gone."""
    def with_(self, keys: Buffer, digests: Buffer, removed: Buffer) -> Columns:
        """Make columns with these keys set (added or replaced) and those in ``removed`` left out.

        All three are int64 buffers in any order. A removed key that is not there is nothing; ValueError for a key that
        comes twice or stands on both sides.
        """
    def pack(self) -> bytes:
        """Return everything as bytes: versioned header, checksum, keys, digests; little-endian on every machine."""
    @staticmethod
    def unpack(data: Buffer) -> Columns:
        """Read what pack() made; ValueError for anything else, truncated or changed in a single bit."""

@final
class Changes:
    """Keys that differ between old and new columns, each list sorted; made by Columns.difference."""

    @property
    def added(self) -> array[int]:
        """Keys only in the new columns."""
    @property
    def changed(self) -> array[int]:
        """Keys in both, with different digests."""
    @property
    def removed(self) -> array[int]:
        """Keys only in the old columns."""
    def __len__(self) -> int:
        """How many keys differ in all."""
