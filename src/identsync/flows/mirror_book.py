"""The mirror's books: what the other side has, item by item, and the weights the brake goes by.

``mirror_stream.confirmed`` is the one truth of what the other side has: sorted columns of key and acknowledged digest.
A key whose last delivery may or may not have arrived stands there with the digest ``DOUBT``, written *before* the first
byte goes out; so after a crash, a lost answer or a change of mind the difference to the desired side is never missed.
``mirror_item`` is for people and for pacing: state, answer, attempts, when to try again, the room's payload.

More weights than one are kept as rows named 'stream:weight' with no columns of their own.

A person may write while a run does. Both lock what they change before they read it: items by their keys, the lowest
first, then the stream's row; and rows of several weights by their names.
"""

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update

from identsync.core.columns import Columns
from identsync.store.lists import portions
from identsync.store.tables import mirror_item, mirror_stream
from identsync.store.texts import fitting

DOUBT = -(2**63)
"""Stands for 'may have arrived': equal to no digest, so such a key always differs."""
GONE = 0
"""The digest of a row that asks for removal."""
PART = "/"
"""Begins the names of the weights of parts, which have a brake of their own."""

_of_stream = and_(mirror_stream.c.stream == bindparam("of_stream"), mirror_stream.c.scope == bindparam("of_scope"))
_of_item = and_(
    mirror_item.c.stream == bindparam("of_stream"),
    mirror_item.c.scope == bindparam("of_scope"),
    mirror_item.c.key == bindparam("of_key"),
)
_CONFIRMED = (
    select(mirror_stream.c.confirmed)
    .where(_of_stream)
    .with_for_update()
    .with_hint(mirror_stream, "WITH (UPDLOCK, HOLDLOCK)", "mssql")
)
_LOCKED_ITEMS = (
    select(mirror_item.c.key)
    .order_by(mirror_item.c.key)
    .with_for_update()
    .with_hint(mirror_item, "WITH (UPDLOCK, ROWLOCK)", "mssql")
)
_key_of_item: dict[str, Any] = {name: bindparam(f"of_{name}") for name in ("stream", "scope", "key")}


@dataclass(frozen=True, slots=True)
class Row:
    """How far one item is: what was sent or is to be sent, how it ended, when it may be tried again."""

    key: int
    digest: int
    state: str
    attempts: int = 0
    retry_ms: int | None = None
    label: str | None = None
    answer: str | None = None
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight as it was last accepted, the one that waits for a person, the one a person allowed."""

    accepted: int
    asked: int | None = None
    approved: int | None = None


@dataclass(slots=True)
class Book:
    """What is written of one stream and scope; ``rows`` are the items that are not plainly confirmed."""

    stream: str
    scope: int
    confirmed: Columns = field(default_factory=Columns)
    weights: dict[str, Weight] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    old: Sequence[int] = ()  # keys confirmed so long ago that they are due for a refresh

    @property
    def at(self) -> dict[str, Any]:
        """The parameters that name this stream in every statement."""
        return {"of_stream": self.stream, "of_scope": self.scope}

    def named(self, weight: str) -> dict[str, Any]:
        """Give the parameters that name the row of a weight."""
        return self.at | ({"of_stream": f"{self.stream}:{weight}"} if weight else {})


class Shelf:
    """Where the items of a stream are kept: the mirror's own tables; a room that has a table for them overrides it.

    The weights of the brake stay in ``mirror_stream``.
    """

    def __init__(self, stream: str, scope: int) -> None:
        self.stream = stream
        self.scope = scope

    def load(self, connection: Connection, refresh_before_ms: int | None = None) -> Book:
        """Read the book; ``old`` are keys to be delivered anew: confirmed no later than ``refresh_before_ms``."""
        return load(connection, self.stream, self.scope, refresh_before_ms)

    def save(
        self, connection: Connection, book: Book, rows: Sequence[Row], removed: Sequence[int], now_ms: int,
        before: Columns,
    ) -> Columns:  # fmt: skip
        """Write rows, and ``book.confirmed`` in place of ``before``; return the columns as they are written.

        Called again with the same where nothing was heard of the transaction: it changes the database and nothing else.
        """
        return save(connection, book, rows, removed, now_ms, before)

    def saved(self) -> None:
        """Hear that the transaction of the last ``save`` stands."""


def load(connection: Connection, stream: str, scope: int, refresh_before_ms: int | None = None) -> Book:
    """Read the book; ``old`` are keys whose confirmation is not newer than ``refresh_before_ms``."""
    book = weighed(connection, stream, scope)
    book.rows = {row.key: row for row in _rows(connection, book)}
    if refresh_before_ms is not None:
        item = mirror_item.c
        old = select(item.key).where(item.stream == stream, item.scope == scope, item.state == "confirmed")
        book.old = connection.execute(old.where(item.changed_ms <= refresh_before_ms)).scalars().all()
    return book


def weighed(connection: Connection, stream: str, scope: int) -> Book:
    """Read what the mirror keeps of a stream as a whole: its weights, and the columns where they are kept here."""
    book = Book(stream, scope)
    table = mirror_stream.c
    own = and_(
        table.scope == scope, or_(table.stream == stream, table.stream.startswith(f"{stream}:", autoescape=True))
    )
    columns = (table.stream, table.confirmed, table.weight, table.asked_weight, table.approved_weight)
    for name, packed, *weight in connection.execute(select(*columns).where(own)):
        book.weights[name[len(stream) + 1 :]] = Weight(*weight)
        if name == stream and packed is not None:
            book.confirmed = Columns.unpack(packed)
    return book


def _rows(connection: Connection, book: Book) -> Iterable[Row]:
    item = mirror_item.c
    columns = (item.key, item.digest, item.state, item.attempts, item.retry_ms)
    rows = select(*columns).where(item.stream == book.stream, item.scope == book.scope, item.state != "confirmed")
    return (Row(*row) for row in connection.execute(rows))


def save(
    connection: Connection, book: Book, rows: Iterable[Row], removed: Sequence[int], now_ms: int, before: Columns
) -> Columns:
    """Write the confirmed columns together with the rows they belong to; return them as they are written.

    ``before`` is what the writer knows to stand there: what somebody has come to doubt since then stays doubted.
    """
    written = list(rows)
    known = _locked_items(connection, book, [*(row.key for row in written), *removed])
    _save_rows(connection, book, written, known, now_ms)
    if removed:
        connection.execute(delete(mirror_item).where(_of_item), [book.at | {"of_key": key} for key in removed])
    doubted = _doubted_since(_locked(connection, book.at), before)
    confirmed = updated(book.confirmed, {key: DOUBT for key in doubted if key in book.confirmed})
    _put_stream(connection, book.at, {"confirmed": confirmed.pack(), "changed_ms": now_ms})
    return confirmed


def _locked(connection: Connection, at: Mapping[str, Any]) -> Columns | None:
    """Read the columns as they are until the transaction ends; None where nothing was sent yet."""
    packed = connection.execute(_CONFIRMED, dict(at)).scalar()
    return None if packed is None else Columns.unpack(packed)


def _doubted_since(there: Columns | None, before: Columns) -> Sequence[int]:
    if there is None:
        return ()
    return [key for key in before.difference(there).changed if there.get(key) == DOUBT]


def save_weights(
    connection: Connection, book: Book, weights: Mapping[str, Weight], dropped: Iterable[str], now_ms: int
) -> None:
    """Write the weights, each in its own row; ``dropped`` are names no longer used."""
    for name, weight in sorted(weights.items()):
        values = {"weight": weight.accepted, "asked_weight": weight.asked, "approved_weight": weight.approved}
        _put_stream(connection, book.named(name), values | {"changed_ms": now_ms})
    for name in sorted(filter(None, dropped)):
        connection.execute(delete(mirror_stream).where(_of_stream), book.named(name))


def payloads(connection: Connection, book: Book, keys: Sequence[int]) -> dict[int, bytes]:
    """Return what is kept of these keys' items; those of which nothing is kept are left out."""
    item, kept = mirror_item.c, dict[int, bytes]()
    for portion in portions(keys):
        some = item.key.in_(portion)
        found = select(item.key, item.payload).where(item.stream == book.stream, item.scope == book.scope, some)
        kept |= {key: payload for key, payload in connection.execute(found) if payload is not None}
    return kept


def kept(connection: Connection, stream: str, scope: int) -> dict[int, bytes]:
    """Return what is kept of all items of a stream by key."""
    item = mirror_item.c
    own = select(item.key, item.payload).where(item.stream == stream, item.scope == scope)
    return {key: payload for key, payload in connection.execute(own) if payload is not None}


def confirmed(connection: Connection, stream: str, scope: int) -> Columns:
    """Return keys and digests that the other side has acknowledged, or DOUBT."""
    return load(connection, stream, scope).confirmed


def keep(connection: Connection, stream: str, scope: int, kept: Mapping[int, bytes]) -> None:
    """Put these payloads in place of the ones that are kept of the items."""
    at = {"of_stream": stream, "of_scope": scope}
    if kept:
        values = [at | {"of_key": key, "payload": payload} for key, payload in sorted(kept.items())]
        connection.execute(update(mirror_item).where(_of_item).values(payload=bindparam("payload")), values)


def doubt(connection: Connection, stream: str, scope: int, keys: Collection[int]) -> int:
    """Let the next run deliver these keys again, whatever the other side is thought to have; say how many there are."""
    return _doubt(connection, Book(stream, scope).at, keys)


def _doubt(connection: Connection, at: Mapping[str, Any], keys: Collection[int] | None) -> int:
    confirmed = _locked(connection, at) or Columns()
    known: dict[int, int | None] = {
        key: DOUBT for key in (confirmed.keys if keys is None else keys) if key in confirmed
    }
    if known:
        doubted = updated(confirmed, known).pack()
        connection.execute(update(mirror_stream).where(_of_stream).values(confirmed=doubted), dict(at))
    return len(known)


def of_part(name: str) -> str:
    """Return the name of the weight of a part of a stream."""
    return f"{PART}{name}"


def is_part(weight: str) -> bool:
    """Say whether that is the weight of a part."""
    return weight.startswith(PART)


def approve(connection: Connection, stream: str, scope: int, part: str | None = None) -> bool:
    """Allow, once, the shrinking that the brake stopped, of a part alone or of all; False where nothing waits."""
    book = weighed(connection, stream, scope)
    waiting = {name: weight.asked for name, weight in sorted(book.weights.items()) if weight.asked is not None}
    asked = {name: value for name, value in waiting.items() if part is None or name == of_part(part)}
    for name, value in asked.items():
        connection.execute(update(mirror_stream).where(_of_stream).values(approved_weight=value), book.named(name))
    return bool(asked)


def send_again(connection: Connection, stream: str, scope: int) -> None:
    """Forget what the other side is thought to have, so that the next run delivers everything.

    Needs no fence: a run that is going on keeps what is doubted meanwhile.
    """
    item = mirror_item.c
    of_stream = item.stream == stream, item.scope == scope
    waiting = _LOCKED_ITEMS.where(*of_stream, or_(item.retry_ms.is_not(None), item.attempts != 0))
    for some in portions(connection.execute(waiting).scalars().all()):
        rows = update(mirror_item).where(*of_stream, item.key.in_(some))
        connection.execute(rows.values(retry_ms=None, attempts=0))
    _doubt(connection, Book(stream, scope).at, None)


def inherit(connection: Connection, stream: str, scope: int, heir: int, now_ms: int) -> None:
    """Let the scope ``heir`` answer for all that a scope has on the other side; it is doubted, its brake forgotten."""
    item, old, new = mirror_item.c, weighed(connection, stream, scope), weighed(connection, stream, heir)
    known = select(item.key).where(item.stream == stream, item.scope == heir)
    of_old = item.stream == stream, item.scope == scope
    for both in portions(list(connection.execute(known).scalars())):
        connection.execute(delete(mirror_item).where(*of_old, item.key.in_(both)))
    moved = list(connection.execute(select(item.key).where(*of_old)).scalars())
    connection.execute(update(mirror_item).where(*of_old).values(scope=heir, retry_ms=None, attempts=0))
    doubted = updated(
        new.confirmed, dict.fromkeys([*moved, *(set(old.confirmed.keys) - set(new.confirmed.keys))], DOUBT)
    )
    _put_stream(connection, new.at, {"confirmed": doubted.pack(), "changed_ms": now_ms})
    for name in {"", *old.weights}:
        connection.execute(delete(mirror_stream).where(_of_stream), old.named(name))


@dataclass(frozen=True, slots=True)
class Brakes:
    """What the brake stopped: (weight, last accepted, now) of each; whether a person has allowed all of it.

    ``parts`` stand still by themselves, each by its name.
    """

    asked: tuple[tuple[str, int, int], ...]
    allowed: bool
    parts: Mapping[str, Weight] = field(default_factory=dict)


def brakes(connection: Connection, stream: str, scope: int) -> Brakes:
    """Tell what waits for a person."""
    weights = weighed(connection, stream, scope).weights
    stopped = {name: weight for name, weight in weights.items() if weight.asked is not None}
    waiting = {name: weight for name, weight in stopped.items() if not is_part(name)}
    parts = {name.removeprefix(PART): weight for name, weight in stopped.items() if is_part(name)}
    asked = tuple((name, weight.accepted, weight.asked or 0) for name, weight in sorted(waiting.items()))
    return Brakes(asked, bool(asked) and all(weight.approved is not None for weight in waiting.values()), parts)


def updated(columns: Columns, changes: Mapping[int, int | None]) -> Columns:
    """Return the columns with these digests set, and those keys left out whose new digest is None."""
    keys = [key for key, digest in changes.items() if digest is not None]
    digests = [digest for digest in changes.values() if digest is not None]
    removed = [key for key, digest in changes.items() if digest is None]
    return columns.with_(array("q", keys), array("q", digests), array("q", removed))


def _save_rows(connection: Connection, book: Book, rows: list[Row], known: Collection[int], now_ms: int) -> None:
    for group in (True, False):
        values = [_values(book, row, now_ms) for row in rows if (row.key in known) is group]
        # Rows of one executemany must name the same columns: what a row does not say (None) keeps its old value.
        for names in {tuple(value) for value in values}:
            same = [value for value in values if tuple(value) == names]
            written: dict[str, Any] = {name: bindparam(name) for name in names if not name.startswith("of_")}
            if group:
                connection.execute(update(mirror_item).where(_of_item).values(written), same)
            else:
                connection.execute(insert(mirror_item).values(_key_of_item | written), same)


def _values(book: Book, row: Row, now_ms: int) -> dict[str, Any]:
    values = book.at | {"of_key": row.key, "digest": row.digest, "state": row.state, "attempts": row.attempts}
    values |= {"retry_ms": row.retry_ms, "changed_ms": now_ms}
    if row.label is not None:
        values["label"] = fitting(row.label, 200)
    if row.answer is not None:
        values["answer"] = fitting(row.answer, 400)
    if row.payload is not None:
        values["payload"] = row.payload
    return values


def _locked_items(connection: Connection, book: Book, keys: Sequence[int]) -> set[int]:
    """Lock the items that are there until the transaction ends; give their keys."""
    item, known = mirror_item.c, set[int]()
    for some in portions(sorted(keys)):
        found = _LOCKED_ITEMS.where(item.stream == book.stream, item.scope == book.scope, item.key.in_(some))
        known.update(connection.execute(found).scalars())
    return known


def _put_stream(connection: Connection, at: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    # Only the holder of the fence writes here, so "update, else insert" needs no more care than this.
    if connection.execute(update(mirror_stream).where(_of_stream).values(values), dict(at)).rowcount == 0:
        connection.execute(insert(mirror_stream).values(stream=at["of_stream"], scope=at["of_scope"], **values))
