"""A network for the console's eyes: branches, slots, seats, runs of every outcome, leads.

``python tests/console/seed.py FILE BRANCHES FAILING PORT`` serves the console on FILE, made where it is missing.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from identsync.console.server import Console
from identsync.engine.integration import Integration, Task
from identsync.store import Store, open_store
from identsync.store.migrations import NEWEST
from identsync.store.tables import client, lead, presence, run_log, task_slot

CITIES = [
    ("Калининград", "Europe/Kaliningrad"),
    ("Москва", "Europe/Moscow"),
    ("Самара", "Europe/Samara"),
    ("Екатеринбург", "Asia/Yekaterinburg"),
    ("Омск", "Asia/Omsk"),
    ("Новосибирск", "Asia/Novosibirsk"),
    ("Иркутск", "Asia/Irkutsk"),
    ("Владивосток", "Asia/Vladivostok"),
]
STREETS = ["на Ленина", "на Садовой", "Центральная", "у вокзала", "на Мира", "Южная", "на Гагарина", "Заречная"]
NETWORK = {
    "timetable/prodoctorov": "Расписание: prodoctorov",
    "timetable/zoon": "Расписание: zoon",
    "leads/site": "Заявки: site",
    "leads/landing": "Заявки: landing",
}
BRANCH = {
    "egisz/n3health": "ЕГИСЗ: n3health",
    "messaging/sms": "Сообщения: sms",
    "calendar/doctors": "Календарь: doctors",
}
KINDS = NETWORK | BRANCH
MINUTE = 60_000


@dataclass(frozen=True)
class Branch:
    id: int
    name: str
    zone: str


@dataclass
class Town:
    """Stands for the clinic: the console asks it for branches, the inbox for patients and doctors."""

    known: list[Branch] = field(default_factory=list)

    def branches(self) -> list[Branch]:
        return self.known

    def staff(self) -> list[Any]:
        return []

    def patients_by_phone(self, _keys: Any) -> dict[str, tuple[int, ...]]:
        return {}

    def patient_name(self, _patient: int) -> str | None:
        return None


def town(branches: int) -> Town:
    return Town(
        [
            Branch(n, f"{CITIES[n % 8][0]}, {STREETS[(n // 8 + n) % 8]}", CITIES[n % 8][1])
            for n in range(1, branches + 1)
        ]
    )


async def nothing(_run: Any) -> Any:
    raise AssertionError("the console's tests run no task")


def tasks() -> list[Task]:
    return [Task(kind, 0, 5 * MINUTE, 30_000, 60_000, nothing, title) for kind, title in KINDS.items()]


def rooms() -> list[tuple[Integration, Any]]:
    """Every room there is, with settings as the installer would write them."""
    from identsync.integrations.leads import INTEGRATION as LEADS
    from identsync.integrations.leads.settings import LeadsSite

    sites = {name: LeadsSite(url="https://site.example", key="env:KEY") for name in ("site", "landing")}
    return [(LEADS, sites)]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def seed(store: Store, town: Town, *, failing: float = 0.02, seed: int = 7) -> None:
    """Fill the tables: every branch has its slots, a seat and clients; a share of the slots has trouble."""
    rng, now = random.Random(seed), now_ms()
    rows: dict[str, list[dict[str, Any]]] = {"slot": [], "run": [], "seen": [], "client": []}
    for scope in [0, *(branch.id for branch in town.known)]:
        clients = sorted(rng.randbytes(16).hex() for _ in range(rng.randint(1, 4)))
        add_crew(rows, scope, clients, now)
        for kind in BRANCH if scope else NETWORK:
            add_task(rows, kind, scope, clients[0], now, rng, failing)
    with store.write() as connection:
        connection.execute(insert(task_slot), rows["slot"])
        connection.execute(insert(presence), rows["seen"])
        connection.execute(insert(run_log), rows["run"])
        connection.execute(insert(client), rows["client"])


def add_crew(rows: dict[str, list[dict[str, Any]]], scope: int, clients: list[str], now: int) -> None:
    """Seat and clients of a scope: led by an administrator, but for a few."""
    director_leads, gone = scope % 11 == 4, scope % 13 == 6
    moved = now - 2 * MINUTE if scope % 17 == 5 else now - 3 * 60 * MINUTE
    seat = slot("seat", scope, now + 25_000, 40 + scope % 7, clients[0], moved, stamp_ms=now - 5_000)
    if gone:
        seat |= {"eligible_ms": now - 40 * MINUTE, "stamp_ms": now - 40 * MINUTE - 30_000}
    rows["slot"].append(seat)
    for i, who in enumerate(clients):
        role = int(i > 1 or director_leads)
        rows["seen"].append(
            {"scope": scope, "client": who, "role": role, "seen_ms": now - (40 * MINUTE if gone else 5_000)}
        )
        about = {"computer": f"РЕГ-{scope}-{i + 1}", "started_ms": now - 3 * 60 * MINUTE, "revision": NEWEST}
        rows["client"].append({"client": who, **about})
    if director_leads:
        silent = {"scope": scope, "client": f"{scope:032x}", "role": 0, "seen_ms": now - 9 * MINUTE}
        rows["seen"].append(silent)
        rows["client"].append(
            {
                "client": silent["client"],
                "computer": f"РЕГ-{scope}-0",
                "started_ms": now - 60 * MINUTE,
                "revision": NEWEST,
            }
        )


def stay(store: Store) -> None:
    """Keep the seeded clients alive, as their seats' renewals would."""
    now = now_ms()
    held = (task_slot.c.kind == "seat") & (task_slot.c.eligible_ms > now)
    with store.write() as connection:
        connection.execute(update(presence).where(presence.c.seen_ms > now - MINUTE).values(seen_ms=now))
        connection.execute(update(task_slot).where(held).values(eligible_ms=now + 30_000, stamp_ms=now))


def slot(
    kind: str, scope: int, eligible: int, fence: int, holder: str | None, started: int, **more: Any
) -> dict[str, Any]:
    base = {
        "kind": kind,
        "scope": scope,
        "eligible_ms": eligible,
        "fence": fence,
        "holder": holder,
        "started_ms": started,
        "finished_ms": None,
        "attempt": 0,
        "last_ok_ms": started,
        "last_error": None,
        "paused": 0,
        "stamp_ms": started,
    }
    return base | more


NOTES = {
    "ask": "Refused: 403 Forbidden",
    "failed": "KeyError",
    "later": "Unavailable: 503 Service Unavailable",
    "partial": "2 заявки не разобраны: они в списке непонятых",
    "late": "",
}


def add_task(
    rows: dict[str, list[dict[str, Any]]],
    kind: str,
    scope: int,
    client: str,
    now: int,
    rng: random.Random,
    failing: float,
) -> None:
    runs = 3
    outcome = "ok"
    if rng.random() < failing:
        outcome = rng.choice(["ask", "failed", "later", "partial", "late"])
    for n in range(runs, 0, -1):
        ended = outcome if n == 1 else "ok"
        started = now - n * 5 * MINUTE + rng.randrange(4 * MINUTE)
        took = rng.randrange(80, 9000)
        counts = (
            {"confirmed": rng.randrange(1, 40)}
            if not kind.startswith("leads")
            else {"received": rng.randrange(9), "new": rng.randrange(3)}
        )
        rows["run"].append(
            {
                "kind": kind,
                "scope": scope,
                "fence": 11 - n,
                "holder": client,
                "role": 0,
                "due_ms": started - 300,
                "started_ms": started,
                "finished_ms": started + took,
                "outcome": ended,
                "counts": json.dumps(counts),
                "note": NOTES.get(ended) or None,
            }
        )
    ok_ms = started if outcome in ("ok", "partial") else started - 5 * MINUTE
    more = {
        "attempt": 0 if outcome == "ok" else 2,
        "last_ok_ms": ok_ms,
        "last_error": NOTES.get(outcome),
        "finished_ms": started + took,
    }
    rows["slot"].append(slot(kind, scope, started + 5 * MINUTE + 20_000, 10, None, started, **more))


def add_lead(store: Store, n: int, *, ago_ms: int = 0, **more: Any) -> None:
    """Insert one new lead, as the intake would."""
    now = now_ms()
    row = {
        "site": "site",
        "key": f"{n:064x}",
        "external_id": f"L-{n}",
        "made_ms": now - ago_ms,
        "received_ms": now - ago_ms + 900,
        "phone": "8 (912) 345-67-89",
        "phone_e164": "+79123456789",
        "full_name": f"Заявитель {n}",
        "form": "Запись на приём",
    }
    with store.write() as connection:
        connection.execute(insert(lead), [row | more])


async def main(path: str, branches: int, failing: float, port: int) -> None:
    fresh = not Path(path).exists()  # noqa: ASYNC240  a script
    store, place = open_store(f"sqlite:///{path}"), town(branches)
    store.migrate()
    if fresh:
        seed(store, place, failing=failing)
        for n in range(23):
            add_lead(store, n, ago_ms=n * n * 20_000, comment="Болит зуб, хочу сегодня вечером" if n % 3 else None)
    console = Console(store, place, rooms=rooms(), tasks=tasks(), port=port)
    await console.start()
    print(console.url, flush=True)
    while True:
        await asyncio.sleep(5)
        stay(store)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
