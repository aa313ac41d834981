"""The page of calls over years of them, 2,000 people waiting: its parts, the corner of every console, its pictures.

Statistics are reckoned in a thread of their own; all else is what keeps the console's one thread, and so a caller's
card, waiting. The floor of statistics is counting the calls of the same days.
"""

from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any

from benchmarks.harness import OURS, Result, measure
from benchmarks.round import databases
from identsync.spans import DAY_MS

NUMBERS, PHONES, PORTION = 300_000, 40, 5_000
WAITING, SETTLED = 2_000, 20_000  # entries of the worklist


def run(*, quick: bool) -> Iterator[Result]:
    """Measure on every database there is."""
    calls, years = (4_000, 1) if quick else (1_000_000, 3)
    with databases() as urls:
        for dialect, url in urls.items():
            yield from _measured(dialect, url, calls, years)


def _measured(dialect: str, url: str, calls: int, years: int) -> Iterator[Result]:
    from identsync.integrations.telephony import page_statistics as statistics
    from identsync.store import open_store

    store = open_store(url)
    store.migrate()
    _fill(store, calls, years * 365 * DAY_MS)
    context, days = _context(store), {"7": 7, "30": 30, "90": 90}
    for name, work in _parts(context).items():
        yield from measure("calls", f"{dialect}: {name}", {OURS: work}, items=1)
    for name, many in days.items():
        choice = statistics.Choice(many, "", every=True)
        contenders: dict[str, Callable[[], object]] = {
            OURS: lambda choice=choice: statistics.reckoned(context, choice, "Europe/Moscow"),
            "the calls counted": lambda many=many: _count(store, context.now_ms - many * DAY_MS),
        }
        yield from measure("calls", f"{dialect}: statistics of {name} days", contenders, items=1)
    store.close()


def _parts(context: Any) -> Mapping[str, Callable[[], object]]:
    from identsync.integrations.telephony import page, page_corner, page_history, page_missed

    def history(**query: str) -> Callable[[], object]:
        return lambda: page_history.view(context, query)

    def digits() -> object:
        page_history.search(context, {"q": "4321"})
        try:
            return page_history.view(context, {})
        finally:
            page_history.LOOKED_FOR.forget()

    return {
        "corner, nobody calls": lambda: page_corner.view(context, {}),
        "worklist": lambda: page_missed.view(context, {}),
        "worklist, one in detail": lambda: page_missed.view(context, {"missed": "77"}),
        "attention": lambda: page.attention(context),
        "version": lambda: page.version(context),
        "a PBX's list of all that goes on": lambda: _whole(context.store),
        "history": history(),
        "history, not reached": history(kind="unreached"),
        "history of a patient": history(patient="77"),
        "history, an employee who has none": history(ext="999"),
        "history by four digits": digits,
    }


def _whole(store: Any) -> object:
    """Write down that nothing goes on, as a polled PBX tells every two seconds."""
    from identsync.integrations.telephony import books
    from identsync.integrations.telephony.settings import Line

    origin = books.Origin("pbx", Line(kind="ident", url="http://127.0.0.1:1", password="env:X"))
    with store.read() as connection:
        books.going_on(connection, "pbx")
    with store.write() as connection:
        return books.write(connection, origin, [], store.now_ms(), whole=True)


def _context(store: Any) -> Any:
    from identsync.engine.integration import PageContext

    here = [SimpleNamespace(id=1, zone="Europe/Moscow")]
    clinic = SimpleNamespace(branches=lambda: here, patients=lambda _ids: {}, callers=lambda *_: [])
    return PageContext(store, clinic, {}, "Анна", store.now_ms(), branch=1)


def _count(store: Any, since_ms: int) -> object:
    from sqlalchemy import func, select

    from identsync.store.tables import phone_call

    asked = select(func.count(), func.sum(phone_call.c.answered_ms)).where(phone_call.c.start_ms >= since_ms)
    with store.read() as connection:
        return connection.execute(asked).one()


def _fill(store: Any, calls: int, span_ms: int) -> None:
    from identsync.store.lists import write_many
    from identsync.store.tables import phone_call, phone_event, phone_missed

    chance, now = Random(1), store.now_ms()
    for first in range(0, calls, PORTION):
        rows = [_call(chance, n, now - span_ms + n * span_ms // calls) for n in range(first, first + PORTION)]
        with store.write() as connection:
            write_many(connection, phone_call, rows)
    entries = [_entry(n, now - n * span_ms // SETTLED // (1 if n > WAITING else 10)) for n in range(SETTLED + WAITING)]
    events = [
        {"missed_id": n // 3 + 1, "at_ms": now, "what": "missed", "by": "", "note": None}
        for n in range(3 * len(entries))
    ]
    with store.write() as connection:
        write_many(connection, phone_missed, entries)
        write_many(connection, phone_event, events)
        if store.engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")


def _entry(n: int, at: int) -> dict[str, Any]:
    """Make an entry of the worklist; the first ones wait, every third of them taken by somebody."""
    number, waits, taken = f"945{n * 7 % NUMBERS:07d}", n < WAITING, n % 3 == 0
    return {
        "open_key": number if waits else f"#{n}", "phone_key": number, "phone": f"+7{number}", "e164": f"+7{number}",
        "branch_id": 0, "patient_id": n, "calls": 1 + n % 3, "first_ms": at, "last_ms": at + 60_000, "last_call": n,
        "state": ("waiting", "tried")[n % 2] if waits else ("reached", "came", "closed")[n % 3], "tries": n % 2,
        "taken_by": "Анна (REG-1)" if taken else None, "taken_ms": at if taken else None,
        "closed_ms": None if waits else at + 3_600_000, "closed_by": None if waits else "", "changed_ms": at,
    }  # fmt: skip


def _call(chance: Random, n: int, start: int) -> dict[str, Any]:
    answered, wait, extension = chance.random() < 0.8, int(chance.expovariate(1 / 15_000)), str(101 + n % PHONES)
    number = f"945{n % NUMBERS:07d}"
    ended = start + wait + (chance.randrange(5_000, 400_000) if answered else 0)
    return {
        "line": "pbx" if n % 3 else "uis", "key": f"{n:064d}", "branch_id": 0, "reason": "", "phone": f"+7{number}",
        "direction": "out" if chance.random() < 0.3 else "in", "state": "answered" if answered else "missed",
        "e164": f"+7{number}", "phone_key": number, "ours": "", "start_ms": start, "ended_ms": ended,
        "answered_ms": start + wait if answered else None, "rang": '[["101","Анна"]]', "talked": "[]",
        "extension": extension if answered else None, "employee": f"Сотрудник {extension}" if answered else None,
        "recordings": "[]", "utm": "{}", "patient_id": n % NUMBERS, "seen_ms": start, "changed_ms": start,
    }  # fmt: skip
