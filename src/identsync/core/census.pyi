"""Patients and the places of their buildings, counted by H3 cell, ring and building under filters."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Self, final

from typing_extensions import Buffer

COARSEST: Final[int]
"""7: the coarsest resolution of H3 that :meth:`Count.cells` knows, hexagons of 5 km²."""
FINEST: Final[int]
"""9: the finest, that of ``geo_place.cell``, hexagons of 0.1 km²."""

@final
class Census:
    """Patients, the buildings they live in, where those are, and the points round which rings are drawn.

    Filled in this order: ``add`` (all rows), ``settle``, ``sources``, ``locate``, ``rings``; the last three any time
    again. Days count from 1970-01-01, coordinates are micro-degrees, money kopecks. Counting lets other threads run,
    filling does not; the two never at once.
    """

    def __new__(cls) -> Self: ...
    def __len__(self) -> int: ...
    @property
    def buildings(self) -> int:
        """How many buildings there are."""

    @property
    def paid(self) -> int:
        """Of how many patients it is known what they paid."""

    def add(self, rows: Iterable[Sequence[int | None]]) -> int:
        """Take rows (patient, branch, born, sex, first visit, revenue) in ascending order of patients; give how many.

        Anything but the patient may be None. ValueError for another order, TypeError for what is not an integer.
        """

    def settle(self, keys: Buffer, buildings: Buffer) -> None:
        """Tell the building of each patient, in the order of the rows, and all buildings, sorted (int64 both).

        A key that is none of ``buildings`` means: without an address. ValueError where lengths or order are wrong.
        """

    def sources(self, rows: Iterable[tuple[int, object]]) -> int:
        """Take (patient, source of his lead); the first one counts. Give how many patients got one."""

    def locate(self, rows: Iterable[Sequence[int | None]]) -> int:
        """Forget all places and take rows (building, precision 0..5, latitude, longitude, cell of resolution 9).

        Forgets the rings, too. Gives how many rows were of buildings that are here.
        """

    def rings(self, points: Sequence[tuple[int, int]], radii: Sequence[float]) -> None:
        """Tell the points (latitude, longitude) and the radii in metres, one to eight, ascending."""

    def streets(self, rows: Iterable[Sequence[int]]) -> None:
        """Take (building, number of its street, from 0); ``locate`` forgets them."""

    def count(
        self,
        *,
        first: tuple[int, int] | None = None,
        born: tuple[int, int] | None = None,
        sexes: int = 0,
        branches: Collection[int] | None = None,
        sources: Collection[object] | None = None,
        among: Sequence[Buffer] = (),
        new_from: int | None = None,
    ) -> Count:
        """Count the patients who fit all that is given.

        ``first`` and ``born`` are days, both ends count; who has none does not fit. ``sexes`` has bit 1 for men, 2 for
        women, 0 = all. ``branches``: 0 = of no branch; ``sources``: None = of no lead. ``among``: lists of patients
        (int64), each of which he must be on. New is who came first on day ``new_from`` or later.
        """

@final
class Count:
    """What one filter finds, building by building; cells, rings and points are summed from it when asked for."""

    @property
    def people(self) -> int:
        """All who fit, wherever they live."""

    @property
    def new(self) -> int:
        """Those of them who are new."""

    @property
    def revenue(self) -> int:
        """What all of them paid, in kopecks."""

    @property
    def by_precision(self) -> tuple[int, ...]:
        """Patients by the precision of their building's place: 0 (not found) to 5 (the house)."""

    @property
    def waiting(self) -> int:
        """Patients of whose building nobody has told anything yet."""

    @property
    def without(self) -> int:
        """Patients without an address that names a building."""

    def cells(self, resolution: int, rough: bool = True) -> list[tuple[int, int, int, int, int, int, int]]:
        """Give (cell, people, new, revenue, people known to the street only, latitude, longitude of a house) by cell.

        ``rough`` False leaves out those known to the street only. ValueError for a resolution that is not 7, 8 or 9.
        """

    def rings(self) -> list[tuple[int, ...]]:
        """Give for each point how many live within each radius, the inner ones included."""

    def streets(self) -> list[tuple[int, int]]:
        """Give (number of the street, people) of the streets where somebody lives."""

    def points(self, south: int, west: int, north: int, east: int, most: int) -> list[tuple[int, int, int, int]]:
        """Give (latitude, longitude, people, new) of houses in that box, ``most`` at most; no streets, no towns."""
