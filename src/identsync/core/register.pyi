"""The addresses of all patients as buildings: one key, one text and one count each."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Self, final

from typing_extensions import Buffer

from identsync.core.address import Address
from identsync.core.columns import Columns

@final
class Register:
    """Patients in the order of their rows, and the buildings where they live.

    ``cities`` gives the default city of each branch; 0 is that of patients whose branch is none or not among them.
    Buildings are told apart by Address.key and by their text, so that no made-up collision of keys joins two: the later
    one has no building then, and is counted in ``collided``. Of texts that differ in ё alone the first stays. Views are
    copies: later rows do not change them. Not for two threads at once.
    """

    def __new__(cls, cities: Mapping[int, str]) -> Self: ...
    def add(self, rows: Iterable[Sequence[object]]) -> int:
        """Add rows (patient, branch or None, address or None, day of the last visit or None); returns how many.

        ValueError names the number of a row that is not so, never what stands in it; the rows before it stay added.
        """
    @property
    def collided(self) -> int:
        """Patients left without a building because their key was another one's."""
    @property
    def patients(self) -> memoryview:
        """The patients' ids in the order of their rows: int64."""
    @property
    def keys(self) -> memoryview:
        """The building of each patient: int64, 0 where his address names none."""
    @property
    def buildings(self) -> memoryview:
        """The keys of all buildings, sorted: int64."""
    @property
    def counts(self) -> memoryview:
        """How many patients live in each of ``buildings``: int32."""
    @property
    def newest(self) -> memoryview:
        """The latest day given for each of ``buildings``: int32, -1 where none was."""
    def __len__(self) -> int:
        """How many buildings there are."""
    def __contains__(self, key: int, /) -> bool:
        """Tell whether there is a building of this key."""
    def desired(self, salt: int) -> Columns:
        """Make (key, digest) of all buildings; ``salt`` is a signed 64-bit number.

        A digest is XXH64 of the key as eight little-endian octets, seeded with the salt: the key is the text's hash
        already.
        """
    def queue(self, keys: Buffer, span: int, seed: int) -> array[int]:
        """Put keys (int64) in the order in which they are looked for; ValueError for a span of no days.

        First those of no building here, then by the latest day in spans of so many days, newest first, within a span
        shuffled by the seed (unsigned, 64 bits).
        """
    def text(self, key: int) -> str:
        """Return the canonical text of a building; KeyError where there is none."""
    def address(self, key: int) -> Address:
        """Return the parts of a building's text (no flat, no index); KeyError where there is none."""
    def batch(self, keys: Buffer) -> bytes:
        """Write the texts of these buildings (an int64 buffer) as a JSON array in UTF-8; KeyError for one not there."""
