"""The page ЕГИСЗ over ten thousand cases, six of ten not ready: read and drawn as a browser gets it, SQLite.

"Cold": what its lines are gathered of is read anew, as it is when one of those cases has changed since.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine, create_engine, insert, text

from benchmarks.harness import OURS, Result, Work, measure
from identsync.clinic.source import ClinicSource
from identsync.console.drawing import Drawing, Visit
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.engine.integration import PageContext
from identsync.integrations.egisz import page_lacks
from identsync.integrations.egisz.kept import complaints_text, missing_text
from identsync.integrations.egisz.page import PAGES
from identsync.integrations.egisz.rules_table import Missing
from identsync.integrations.egisz.settings import Organisation
from identsync.spans import DAY_MS
from identsync.store import Store, open_store
from identsync.store.tables import egisz_item

PAGE = PAGES[0]
RULES = ("doctor.snils", "doctor.position", "case.diagnosis", "case.conclusion", "service.code", "patient.snils")
STATES = ("missing",) * 12 + ("taken",) * 5 + ("rejected", "warned", "later")


def run(count: int, settings: Organisation, *, runs: int) -> Iterator[Result]:
    """Measure the list as it is opened, what is missing, what N3 took, one case in detail."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        engine, store = create_engine(f"sqlite:///{folder}/clinic.db"), open_store(f"sqlite:///{folder}/store.db")
        stack.callback(engine.dispose)
        stack.callback(store.close)
        store.migrate()
        now = store.now_ms()
        generate(
            engine, GeneratorSettings(branches=2, doctors=20, days=2, patients=count // 2, first_day=now // DAY_MS)
        )
        _fill(engine, store, count)
        context = PageContext(store, ClinicSource(engine), {"clinic": settings}, "Анна", now)
        drawing = Drawing("ru", "Europe/Moscow")

        def drawn(**query: str) -> str:
            visit = Visit("ru", "auto", "Анна", "x", query, fragment=True)
            given = {"now_ms": now, "attention": {}, "menu": [], "token": "", "version": "", "corners": ()}
            return drawing.draw(PAGE.template, visit, PAGE, given | PAGE.view(context, query))

        def cold() -> str:
            page_lacks._known.clear()
            return drawn(state="missing")

        contenders: Mapping[str, Work] = {
            OURS: lambda: drawn(state="missing"),
            "cold": cold,
            "as opened": drawn,
            "taken": lambda: drawn(state="taken"),
            "one in detail": lambda: drawn(state="missing", item="1"),
        }
        yield from measure("cases", f"{count:,} cases on the page", contenders, items=count, runs=runs)


def _fill(engine: Engine, store: Store, count: int) -> None:
    with engine.connect() as connection:
        patients = connection.execute(text("SELECT patient_id FROM clinic_patient")).scalars().all()
        doctors = connection.execute(text("SELECT doctor_id FROM clinic_staff")).scalars().all()
    rng, now = random.Random(3), store.now_ms()
    rows = [_row(number, rng, patients, doctors, now) for number in range(1, count + 1)]
    with store.write() as connection:
        connection.execute(insert(egisz_item), rows)


def _row(number: int, rng: random.Random, patients: Any, doctors: Any, now: int) -> dict[str, Any]:
    state, doctor = rng.choice(STATES), rng.choice(doctors)
    rules = rng.sample(RULES, rng.randint(1, 4)) if state == "missing" else []
    who = {True: str(doctor), False: f"0d9f2c1e-{number:08d}"}
    lines = [Missing(rule, who[rule.startswith("doctor")]) for rule in rules]
    taken = now if state in ("taken", "warned") else None
    return {
        "organisation": "clinic", "what": "case", "key": number, "own_id": f"0d9f2c1e-{number:08d}", "branch_id": 1,
        "doctor_id": doctor, "patient_id": rng.choice(patients), "at_ms": now - rng.randrange(60 * DAY_MS),
        "state": state, "wanted": None if lines else 7, "sent": 7 if taken else None, "taken_ms": taken,
        "missing": missing_text(lines), "complaints": complaints_text(()), "changed_ms": now, "attempts": 0,
        "number": f"10.26.{number}" if taken and number % 3 == 0 else None,
    }  # fmt: skip
