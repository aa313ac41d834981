"""The room's own books: a row per building, what people corrected, points that were not believed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update

from identsync.core.columns import Columns
from identsync.flows import mirror_book
from identsync.flows.mirror_book import Book, Row
from identsync.integrations.geocoding.place import Precision
from identsync.language import _
from identsync.store.lists import portions
from identsync.store.tables import geo_fix, geo_place
from identsync.store.texts import fitting

STREAM = "geocoding/places"
PERSON = "person"
"""The provider of a pin."""
STREETS = 3
"""A point that is told for more streets than this is the middle of a town, not a door."""
CENTRE = _("эту точку называют для многих улиц: похоже на середину города")

place = geo_place.c


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What is written of a building beside the mirror's columns; it is the payload of the mirror's verdict."""

    provider: str
    precision: int
    latitude: int | None
    longitude: int | None
    cell: int | None
    misses: int
    patients: int
    asked_of: int
    expires_ms: int | None


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Answer).decode


class Places(mirror_book.Shelf):
    """The mirror's items as rows of ``geo_place``: a batch costs what it writes, however many buildings there are.

    ``cascade`` is the digest of the providers: what was not found to the house is asked again where it has changed.
    """

    def __init__(self, cascade: int, now_ms: int) -> None:
        super().__init__(STREAM, 0)
        self._cascade = cascade
        self._now_ms = now_ms

    def load(self, connection: Connection, _refresh_before_ms: int | None = None) -> Book:
        """Read the book; ``old`` are buildings whose answer has expired, or may be better by now."""
        book = mirror_book.weighed(connection, STREAM, 0)
        known = select(place.key, place.digest).where(place.digest.is_not(None))
        with connection.execute(known) as result:  # the driver's own rows: SQLAlchemy's cost twice as much
            book.confirmed = Columns.from_rows(cast("Iterable[Sequence[int]]", result.cursor))
        open_ = select(place.key, place.digest, place.state, place.attempts, place.retry_ms)
        # Below or above rather than unequal: so the index by state is of use, most rows being confirmed.
        rows = connection.execute(open_.where(or_(place.state < "confirmed", place.state > "confirmed")))
        book.rows = {key: Row(key, digest or 0, *rest) for key, digest, *rest in rows}
        better = and_(place.precision < Precision.NEAR, place.asked_of != self._cascade, place.provider != PERSON)
        old = connection.execute(select(place.key).where(or_(place.expires_ms <= self._now_ms, better)))
        book.old = [key for key in old.scalars() if key not in book.rows]  # by state it would be read by its index
        return book

    def save(
        self, connection: Connection, book: Book, rows: Sequence[Row], removed: Sequence[int], now_ms: int,
        before: Columns,  # noqa: ARG002  rows hold the truth here, there is nothing to merge
    ) -> Columns:  # fmt: skip
        """Write these rows alone; points that many streets share are taken back, corrections go with their building."""
        values = [_values(book, row, now_ms) for row in rows]
        _put(connection, values)
        for keys in portions(removed):
            connection.execute(delete(geo_place).where(place.key.in_(keys)))
            connection.execute(delete(geo_fix).where(geo_fix.c.key.in_(keys)))
        points = {(v["latitude"], v["longitude"]) for v in values if v.get("latitude") is not None}
        disbelieve(connection, points, now_ms)
        return book.confirmed


def _values(book: Book, row: Row, now_ms: int) -> dict[str, Any]:
    values: dict[str, Any] = {"of_key": row.key, "digest": book.confirmed.get(row.key), "state": row.state}
    values |= {"attempts": row.attempts, "retry_ms": row.retry_ms, "changed_ms": now_ms}
    if row.label is not None:
        values["address"] = fitting(row.label, 400)
    if row.answer is not None:
        values["answer"] = fitting(row.answer, 400) or None
    if row.payload is not None:
        values |= msgspec.structs.asdict(_decode(row.payload)) | {"asked_ms": now_ms}
    return values


def _put(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
    """Update the rows that are there and insert the others; those of one executemany name the same columns."""
    known = set[int]()
    for keys in portions([v["of_key"] for v in values]):
        known.update(connection.execute(select(place.key).where(place.key.in_(keys))).scalars())
    groups: dict[tuple[bool, tuple[str, ...]], list[dict[str, Any]]] = {}
    for each in values:
        groups.setdefault((each["of_key"] in known, tuple(each)), []).append(each)
    for (there, names), some in groups.items():
        written: dict[str, Any] = {name: bindparam(name) for name in names if name != "of_key"}
        if there:
            connection.execute(update(geo_place).where(place.key == bindparam("of_key")).values(written), some)
        else:
            connection.execute(insert(geo_place).values({"key": bindparam("of_key")} | written), some)


# -- points that are not believed -------------------------------------------------------------------------------------


def disbelieve(connection: Connection, points: Iterable[tuple[int, int]], now_ms: int) -> int:
    """Take back each of these points (micro-degrees) that was told for more than STREETS streets; give the rows."""
    taken = 0
    for latitude, longitude in points:
        here = place.latitude == latitude, place.longitude == longitude, place.provider != PERSON
        addresses = connection.execute(select(place.address).where(*here)).scalars().all()
        if len({address.rpartition(",")[0] for address in addresses}) <= STREETS:
            continue
        values = {"precision": int(Precision.LOCALITY), "cell": None, "answer": CENTRE, "changed_ms": now_ms}
        lately = update(geo_place).where(*here, place.precision > Precision.LOCALITY).values(values)
        taken += connection.execute(lately).rowcount
    return taken


def erase(connection: Connection, provider: str, before_ms: int, now_ms: int) -> int:
    """Erase what a provider told before a time: its terms do not let us keep it longer. Give the number of rows."""
    values = {
        "latitude": None,
        "longitude": None,
        "cell": None,
        "precision": 0,
        "expires_ms": now_ms,
        "changed_ms": now_ms,
    }
    told = place.provider == provider, place.asked_ms <= before_ms, place.latitude.is_not(None)
    return connection.execute(update(geo_place).where(*told).values(values)).rowcount


def misses(connection: Connection, keys: Sequence[int]) -> dict[int, int]:
    """Give how often in a row each of these buildings was not found; those always found are absent."""
    found: dict[int, int] = {}
    for some in portions(keys):
        rows = select(place.key, place.misses).where(place.key.in_(some), place.misses > 0)
        found |= {row.key: row.misses for row in connection.execute(rows)}
    return found


# -- what people corrected --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fix:
    """What a person said of a building as it was typed: another address, or a pin (micro-degrees)."""

    address: str | None
    latitude: int | None
    longitude: int | None


def fixes(connection: Connection) -> dict[int, Fix]:
    """Give all corrections by building; a branch's building is its number below zero."""
    f = geo_fix.c
    rows = connection.execute(select(f.key, f.address, f.latitude, f.longitude))
    return {key: Fix(*rest) for key, *rest in rows}


def fix(connection: Connection, key: int, correction: Fix, *, by: str, now_ms: int) -> None:
    """Write down a correction in place of an earlier one; the next run asks, or takes the pin."""
    unfix(connection, key)
    values = {
        "address": correction.address and fitting(correction.address, 400),
        "latitude": correction.latitude,
        "longitude": correction.longitude,
    }
    connection.execute(insert(geo_fix).values(key=key, by=by[:100], made_ms=now_ms, **values))


def unfix(connection: Connection, key: int) -> None:
    """Forget a correction."""
    connection.execute(delete(geo_fix).where(geo_fix.c.key == key))


def branch_points(connection: Connection, branches: Collection[int]) -> Mapping[int, tuple[int, int]]:
    """Give where the branches are (latitude and longitude, micro-degrees), as far as that is known."""
    wanted = select(place.key, place.latitude, place.longitude).where(place.key.in_([-branch for branch in branches]))
    rows = connection.execute(wanted.where(place.latitude.is_not(None), place.precision >= Precision.STREET))
    return {-key: (latitude, longitude) for key, latitude, longitude in rows}
