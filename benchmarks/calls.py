"""The page of calls over three years of them: its parts, the corner that every console draws, the director's pictures.

Statistics are reckoned in a thread of their own; all else is what keeps the console's one thread, and so a caller's
card, waiting. The floor of statistics is counting the calls of the same days.
"""

from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any

from benchmarks.harness import OURS, Result, measure
from benchmarks.round import databases

DAY_MS = 86_400_000
YEARS_MS = 3 * 365 * DAY_MS
NUMBERS, PHONES, PORTION = 300_000, 40, 5_000


def run(*, quick: bool) -> Iterator[Result]:
    """Measure on every database there is."""
    calls = 10_000 if quick else 1_000_000
    with databases() as urls:
        for dialect, url in urls.items():
            yield from _measured(dialect, url, calls)


def _measured(dialect: str, url: str, calls: int) -> Iterator[Result]:
    from identsync.integrations.telephony import page_statistics as statistics
    from identsync.store import open_store

    store = open_store(url)
    store.migrate()
    _fill(store, calls)
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
        "version": lambda: page.version(context),
        "history": history(),
        "history, not reached": history(kind="unreached"),
        "history of a patient": history(patient="77"),
        "history, an employee who has none": history(ext="999"),
        "history by four digits": digits,
    }


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


def _fill(store: Any, calls: int) -> None:
    from identsync.store.lists import write_many
    from identsync.store.tables import phone_call

    chance, now = Random(1), store.now_ms()
    for first in range(0, calls, PORTION):
        rows = [_call(chance, n, now - YEARS_MS + n * YEARS_MS // calls) for n in range(first, first + PORTION)]
        with store.write() as connection:
            write_many(connection, phone_call, rows)


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
