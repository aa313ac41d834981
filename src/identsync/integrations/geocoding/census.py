"""Patients beside the places of their buildings, kept in this process while somebody looks at the map."""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, func, select

from identsync.core.census import Census, Count
from identsync.core.register import Register
from identsync.integrations.geocoding import books
from identsync.integrations.geocoding.cities import cities
from identsync.store.tables import geo_place, lead

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource, Doctor
    from identsync.engine.integration import PageContext

T = TypeVar("T")
AGE_MS = 600_000
"""How old patients may be on the map."""
RENEW_MS = 15_000
"""How often places are read again while addresses are being looked for."""
RADII = (1_000, 3_000, 5_000)
KEPT = 64
"""Counts and lists of patients kept by their filter."""


@dataclass(slots=True)
class Survey:
    """One reading: the census, the branches with their points, what the filters offer."""

    census: Census
    branches: Sequence["Branch"]
    doctors: Sequence["Doctor"]
    services: Sequence[str]
    sources: Sequence[str]
    read_ms: int
    mark: str = ""
    """Changes whenever anything on the map may have changed."""
    points: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    placed_ms: int = 0
    places: tuple[int, int] = (0, 0)
    kept: "OrderedDict[Any, Any]" = field(default_factory=OrderedDict)
    lists: "OrderedDict[Any, array[int]]" = field(default_factory=OrderedDict)

    def remembered(self, key: Any, make: Callable[[], T]) -> T:
        """Return what was made for a key since the last reading of the places, or make it."""
        if key not in self.kept:
            self.kept[key] = make()
            while len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end(key)
        value: T = self.kept[key]
        return value


_SURVEYS: "WeakKeyDictionary[Any, Survey]" = WeakKeyDictionary()


def survey(context: "PageContext") -> Survey:
    """Return the survey of this client's clinic, read anew where it is too old; for the console's thread alone."""
    found = _SURVEYS.get(context.clinic)
    if found is None or not 0 <= context.now_ms - found.read_ms < AGE_MS:
        found = _SURVEYS[context.clinic] = _read(context.clinic, context.store, context.now_ms)
    _place(found, context.store, context.now_ms)
    return found


def forget(clinic: Any) -> None:
    """Read everything anew the next time."""
    _SURVEYS.pop(clinic, None)


def _read(clinic: "ClinicSource", store: Any, now_ms: int) -> Survey:
    census = Census()
    with clinic.snapshot() as source:
        branches = source.branches()
        register = Register(cities(source, branches))

        def add(rows: Any) -> int:
            register.add([row[:4] for row in rows])
            return census.add([(row[0], row[1], *row[4:]) for row in rows])

        source.residents(add)
        doctors, services = source.staff(), source.services()
    census.settle(register.keys, register.buildings)
    with store.read() as connection:
        census.sources(connection.execute(_leads()))
        sources = connection.execute(select(lead.c.site).distinct().order_by(lead.c.site)).scalars().all()
    return Survey(census, branches, doctors, services, sources, now_ms)


def _leads() -> Any:
    known = select(lead.c.patient_id, lead.c.site).where(lead.c.patient_id.is_not(None))
    return known.order_by(lead.c.made_ms)


def _place(found: Survey, store: Any, now_ms: int) -> None:
    """Read the places where they have changed, not more often than every few seconds."""
    if found.mark and 0 <= now_ms - found.placed_ms < RENEW_MS:
        return
    with store.read() as connection:
        version = places_version(connection)
        if not found.mark or version != found.places:
            p = geo_place.c
            rows = connection.execute(select(p.key, p.precision, p.latitude, p.longitude, p.cell))
            found.census.locate(rows)
            found.points = books.branch_points(connection, [branch.id for branch in found.branches])
            found.census.rings([found.points[id_] for id_ in sorted(found.points)], RADII)
            found.kept.clear()
            found.places = version
            found.mark = f"{found.read_ms:x}-{version[0]:x}-{version[1]:x}"
    found.placed_ms = now_ms


def of_patients() -> ColumnElement[bool]:
    """Return what is true of rows of patients' buildings: a branch's key is its number below zero."""
    return geo_place.c.key > 0


def places_version(connection: Connection) -> tuple[int, int]:
    """Return what changes with every place found or forgotten."""
    row = connection.execute(select(func.max(geo_place.c.changed_ms), func.count())).one()
    return int(row[0] or 0), int(row[1])


# -- counting under filters -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to count; None or empty = all. Days since 1970-01-01, ends included; ``new_from`` says who is new."""

    first: tuple[int, int] | None = None
    born: tuple[int, int] | None = None
    sexes: int = 0
    branch: int | None = None
    doctor: int | None = None
    service: str = ""
    source: str | None = None
    new_from: int = 0


def count(context: "PageContext", found: Survey, wanted: Wanted) -> Count:
    """Count patients who fit, once for each filter."""
    return found.remembered(("count", wanted), lambda: _count(context.clinic, found, wanted))


def _count(clinic: "ClinicSource", found: Survey, wanted: Wanted) -> Count:
    among = []
    if wanted.doctor is not None:
        doctor = wanted.doctor
        among.append(_listed(found, ("doctor", doctor), lambda: clinic.patients_of(doctor)))
    if wanted.service:
        among.append(_listed(found, ("service", wanted.service), lambda: clinic.patients_for(wanted.service)))
    return found.census.count(
        first=wanted.first,
        born=wanted.born,
        sexes=wanted.sexes,
        branches=None if wanted.branch is None else [wanted.branch],
        sources=_sources(wanted),
        among=among,
        new_from=wanted.new_from,
    )


def _sources(wanted: Wanted) -> Collection[object] | None:
    if wanted.source is None:
        return None
    return [wanted.source or None]  # '' = patients of no lead


def _listed(found: Survey, key: Any, read: Callable[[], "array[int]"]) -> "array[int]":
    """Read a list of patients once: other places do not change it."""
    if key not in found.lists:
        found.lists[key] = read()
        while len(found.lists) > KEPT:
            found.lists.popitem(last=False)
    return found.lists[key]
