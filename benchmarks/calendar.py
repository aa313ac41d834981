"""Doctors' calendars: finding what changed in a network, with and without reading it; events as iCalendar."""

from array import array
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import create_engine, text

from benchmarks.harness import OURS, Result, Work, measure, optional
from benchmarks.round import databases
from identsync.clinic.clock import zone_table
from identsync.clinic.source import ClinicSource
from identsync.core.columns import Columns
from identsync.core.events import MARGIN, Events
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.integrations.calendar.event import Event, Name
from identsync.integrations.calendar.wanted import Wish, homes, name_of, read
from identsync.integrations.calendar.wire import ical
from identsync.integrations.calendar.wire.ical import dump, parse

FIRST_DAY = 20_600
DAYS = 67
ZONE, OFFSET = "Europe/Moscow", 180
EACH = 400  # events of a doctor
CHANGED = 0.001
Rows = tuple["array[int]", ...]
Counts = tuple[int, int, int]


def run(*, quick: bool) -> Iterator[Result]:
    """Measure a branch and a network of 2,000 doctors (40 with ``quick``) from columns and from databases."""
    runs = 3 if quick else 7
    for doctors in (20, 40 if quick else 2000):
        for ordered in (True, False):
            yield from plan(doctors, runs, ordered=ordered)
    yield from reading(1 if quick else 100, runs)
    yield from serialise(20 if quick else 2000, runs)


# -- from ready columns ----------------------------------------------------------------------------------------------


def rows(doctors: int) -> tuple[Rows, Rows]:
    """Make columns branch, doctor, id, kind, start, length, changed; 0.1 % of the second ones begin later."""
    count = doctors * EACH
    every = DAYS * 1440 // EACH
    columns = (
        array("q", (i // EACH // 20 + 1 for i in range(count))),
        array("q", (i // EACH + 1 for i in range(count))),
        array("q", range(1, count + 1)),
        array("q", bytes(8)) * count,
        array("q", (FIRST_DAY * 1440 + i % EACH * every // 5 * 5 for i in range(count))),
        array("q", [30]) * count,
        array("q", bytes(8)) * count,
    )
    later = tuple(array("q", column) for column in columns)
    for i in Random(7).sample(range(count), max(1, round(count * CHANGED))):
        later[4][i] += 15
    return columns, later


def plan(doctors: int, runs: int, *, ordered: bool) -> Iterator[Result]:
    """Compare what is wanted now with what was confirmed, which every contender has in the form that suits it.

    ``ordered``: rows come by doctor and number, which is what numpy has to sort them by; else as a table may give them.
    """
    old, new = rows(doctors)
    if not ordered:
        order = list(range(len(new[0])))
        Random(8).shuffle(order)
        new = tuple(array("q", (column[i] for i in order)) for column in new)
    contenders: dict[str, Work] = {OURS: _ours(doctors, old, new)}
    peers = {"numpy": _numpy, "polars": _polars}
    for name, make in peers.items():
        optional(contenders, name, lambda make=make: make(old, new))  # type: ignore[misc]
    contenders["dict"] = _dict(old, new)
    counts = {name: work() for name, work in contenders.items()}
    assert len(set(map(str, counts.values()))) == 1, counts
    optional(contenders, "floor:stream", lambda: _stream(old, new))
    how = "in order" if ordered else "in any order"
    case = f"plan of {doctors:,} doctors x {EACH} events {how}, {CHANGED:.1%} changed"
    size = sum(8 * len(column) for column in new)
    yield from measure("calendar", case, contenders, items=len(new[0]), size=size, runs=runs)


def _ours(doctors: int, old: Rows, new: Rows) -> Work:
    table = zone_table(ZONE, FIRST_DAY - MARGIN, DAYS + 2 * MARGIN)
    windows = dict.fromkeys(range(1, doctors // 20 + 2), (FIRST_DAY, DAYS, table))

    def columns(rows: Rows) -> Columns:
        events = Events(1, range(1, doctors + 1), windows)
        events.add_appointment_columns(*rows)
        return events.columns(5)

    confirmed = columns(old)

    def work() -> Counts:
        changes = confirmed.difference(columns(new))
        return len(changes.added), len(changes.changed), len(changes.removed)

    return work


def _numpy(old: Rows, new: Rows) -> Work:
    """Without hashes: the number is the key, start and length are the value; one zone, one offset."""
    import numpy as np

    def columns(rows: Rows) -> tuple[Any, Any]:
        branch, doctor, ids, kind, start, length = (np.frombuffer(column, np.int64) for column in rows[:6])
        del branch, kind
        shown = (start < (FIRST_DAY + DAYS) * 1440) & (start + length > FIRST_DAY * 1440) & (length > 0)
        keys = (doctor << 40 | ids)[shown]
        values = ((start - OFFSET) << 20 | length)[shown]
        order = np.argsort(keys, kind="stable")
        return keys[order], values[order]

    keys, values = columns(old)

    def work() -> Counts:
        new_keys, new_values = columns(new)
        at = np.searchsorted(keys, new_keys)
        at[at == len(keys)] = 0
        both = keys[at] == new_keys
        changed = int((values[at[both]] != new_values[both]).sum())
        return int((~both).sum()), changed, len(keys) - int(both.sum())

    return work


def _polars(old: Rows, new: Rows) -> Work:
    import numpy as np
    import polars as pl

    def frame(rows: Rows) -> Any:
        names = ("branch", "doctor", "id", "kind", "start", "length")
        found = pl.DataFrame({n: np.frombuffer(c, np.int64) for n, c in zip(names, rows, strict=False)})
        start, length = pl.col("start"), pl.col("length")
        shown = (start < (FIRST_DAY + DAYS) * 1440) & (start + length > FIRST_DAY * 1440) & (length > 0)
        return found.filter(shown).select("doctor", "id", start - OFFSET, "length")

    confirmed = frame(old)

    def work() -> Counts:
        both = confirmed.join(frame(new), on=["doctor", "id"], how="full", coalesce=True, suffix="_new")
        same = (pl.col("start") == pl.col("start_new")) & (pl.col("length") == pl.col("length_new"))
        found = both.filter(~same.fill_null(False))
        added, removed = found["start"].null_count(), found["start_new"].null_count()
        return added, len(found) - added - removed, removed

    return work


def _dict(old: Rows, new: Rows) -> Work:
    def table(rows: Rows) -> dict[tuple[int, int], tuple[int, int]]:
        first, after = FIRST_DAY * 1440, (FIRST_DAY + DAYS) * 1440
        return {
            (doctor, id_): (start - OFFSET, length)
            for _branch, doctor, id_, _kind, start, length, _changed in zip(*rows, strict=True)
            if start < after and start + length > first and length > 0
        }

    confirmed = table(old)

    def work() -> Counts:
        now = table(new)
        added = sum(key not in confirmed for key in now)
        changed = sum(key in now and now[key] != value for key, value in confirmed.items())
        return added, changed, len(confirmed) + added - len(now)

    return work


def _stream(old: Rows, new: Rows) -> Work:
    """Read every input once: the new columns, and two of the confirmed ones."""
    import numpy as np

    arrays = [np.frombuffer(column, np.int64) for column in (*new, *old[:2])]
    return lambda: [np.add.reduce(one) for one in arrays]


# -- with reading ----------------------------------------------------------------------------------------------------


FETCH = (
    "SELECT branch_id, doctor_id, appointment_id, kind, start_minute, length_minutes, changed_ms "
    "FROM clinic_appointment WHERE start_minute < {after} AND start_minute + length_minutes > {first}{branch}"
)


def reading(branches: int, runs: int) -> Iterator[Result]:
    """Read and compare a branch, and all branches of a network one after the other, as its clients do."""
    settings = GeneratorSettings(branches=branches, doctors=20, days=DAYS + 3, seed=1, first_day=FIRST_DAY - 8)
    with databases() as urls:
        for dialect, url in urls.items():
            engine = create_engine(url)
            generate(engine, settings)
            if dialect == "postgresql":
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text("VACUUM ANALYZE"))
            yield from _read(ClinicSource(engine), engine, dialect, [1], runs)
            yield from _read(ClinicSource(engine), engine, dialect, list(range(1, branches + 1)), max(3, runs // 2))
            engine.dispose()


def _read(source: ClinicSource, engine: Any, dialect: str, scopes: list[int], runs: int) -> Iterator[Result]:
    now_ms = FIRST_DAY * 86_400_000
    at_home: dict[int, list[int]] = {}
    for doctor, branch in homes(source.staff(), Wish()).items():
        at_home.setdefault(branch, []).append(doctor)
    count = 0

    def ours(**wish: Any) -> int:
        return sum(len(_changes(source, Wish(**wish), scope, at_home[scope], now_ms)) for scope in scopes)

    def floor() -> None:
        nonlocal count
        connection, count = engine.raw_connection(), 0
        for scope in scopes:
            cursor = connection.cursor()
            window = {"first": (FIRST_DAY - 8) * 1440, "after": (FIRST_DAY + 61) * 1440}
            cursor.execute(FETCH.format(**window, branch=f" AND branch_id = {scope}"))
            while rows := cursor.fetchmany(10_000):
                count += len(rows)
        connection.close()

    floor()
    where = "a branch" if len(scopes) == 1 else f"{len(scopes)} branches"
    case = f"reading and plan of {where}, {dialect}, {count:,} appointments"
    words: Mapping[str, Any] = {"show": ("initials", "service", "room")}
    contenders: dict[str, Work] = {OURS: ours, "identsync, with texts": lambda: ours(**words), "floor:fetch": floor}
    yield from measure("calendar", case, contenders, items=count, runs=runs)


def _changes(source: ClinicSource, wish: Wish, scope: int, doctors: list[int], now_ms: int) -> Any:
    return Columns().difference(read(source, wish, scope, bytes(32), doctors, now_ms).columns)


# -- iCalendar -------------------------------------------------------------------------------------------------------


def serialise(count: int, runs: int) -> Iterator[Result]:
    """Write events of three kinds: busy and nothing else, with initials and room, with a long comment."""
    texts = {
        "busy": ("Занято", "", ""),
        "initials, service, room": ("И. П. С. · Лечение кариеса", "", "Кабинет 4"),
        "a long comment": (
            "И. П. С. · Лечение кариеса",
            "Первый визит; просил не звонить утром, снимок при нём" * 4,
            "4",
        ),
    }
    for case, (summary, description, location) in texts.items():
        events = [
            Event(
                name_of(bytes(32), 1, 1, 0, i), (FIRST_DAY * 1440 + i * 30) * 60_000,
                (FIRST_DAY * 1440 + i * 30 + 30) * 60_000, summary, description, location,
            )
            for i in range(count)
        ]  # fmt: skip
        pairs = [(Name(event.name), event) for event in events]
        contenders: dict[str, Work] = {OURS: lambda pairs=pairs: [dump(*pair) for pair in pairs]}  # type: ignore[misc]
        optional(contenders, "icalendar", lambda pairs=pairs: _icalendar(pairs))  # type: ignore[misc]
        contenders["floor:format"] = lambda pairs=pairs: [_format(*pair) for pair in pairs]  # type: ignore[misc]
        written = contenders["icalendar"]() if "icalendar" in contenders else []
        assert all(parse(one) == event for one, event in zip(written, events, strict=False))  # type: ignore[call-overload]
        size = sum(len(dump(*pair)) for pair in pairs)
        fresh = ical._utc.cache_clear  # what a first run would have to spell anew
        yield from measure(
            "calendar", f"serialise: {case}", contenders, items=count, size=size, runs=runs, prepare=fresh
        )
        yield from _parsing([dump(*pair) for pair in pairs], case, runs)


def _icalendar(pairs: list[tuple[Name, Event]]) -> Work:
    import icalendar

    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def one(name: Name, event: Event) -> bytes:
        made, within = icalendar.Calendar(), icalendar.Event()
        made.add("version", "2.0")
        made.add("prodid", "-//identsync//calendar//RU")
        within.add("uid", str(name))
        for key, ms in (("dtstamp", event.changed_ms), ("dtstart", event.start_ms), ("dtend", event.end_ms)):
            within.add(key, epoch + timedelta(milliseconds=ms))
        for key in ("summary", "description", "location"):
            if value := getattr(event, key):
                within.add(key, value)
        within.add("transp", "TRANSPARENT" if event.free else "OPAQUE")
        made.add_component(within)
        return bytes(made.to_ical())

    return lambda: [one(*pair) for pair in pairs]


def _format(name: Name, event: Event) -> bytes:
    """Put unfinished parts into one string: what no writer in Python can do without."""
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//identsync//calendar//RU\r\nBEGIN:VEVENT\r\nUID:{name.name}\r\n"
        f"DTSTAMP:{event.changed_ms}\r\nDTSTART:{event.start_ms}\r\nDTEND:{event.end_ms}\r\nSUMMARY:{event.summary}\r\n"
        f"DESCRIPTION:{event.description}\r\nLOCATION:{event.location}\r\nTRANSP:OPAQUE\r\nEND:VEVENT\r\n"
        f"END:VCALENDAR\r\n"
    ).encode()


def _parsing(written: list[bytes], case: str, runs: int) -> Iterator[Result]:
    contenders: dict[str, Work] = {OURS: lambda: [parse(one) for one in written]}

    def library() -> Work:
        import icalendar

        return lambda: [icalendar.Calendar.from_ical(one) for one in written]

    optional(contenders, "icalendar", library)
    yield from measure(
        "calendar", f"parse: {case}", contenders, items=len(written), size=sum(map(len, written)), runs=runs
    )
