"""What is forgotten of leads: settled ones of long ago, none that waits, none that its site may bring again."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, event, insert, select, update

from claimed import run_now
from identsync.clinic.source import ClinicSource
from identsync.engine.integration import Outcome
from identsync.integrations.leads import INTEGRATION, keeping
from identsync.integrations.leads.settings import LeadsSite
from identsync.store import Store
from identsync.store.tables import lead, lead_event

DAY = 86_400_000
NOW = time.time_ns() // 1_000_000
SITE = LeadsSite(url="https://site.example/ident", key="env:X")


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[ClinicSource]:
    engine = create_engine(f"sqlite:///{tmp_path / 'clinic.db'}")
    yield ClinicSource(engine)
    engine.dispose()


def forget(store: Store, clinic: ClinicSource, **sites: LeadsSite) -> Outcome:
    (task,) = [task for task in INTEGRATION.tasks(sites or {"site": SITE}, []) if task.kind == "leads/old.forget"]
    return asyncio.run(run_now(store, clinic, task))


def write(
    store: Store, key: str, state: str, days: int, settled: int | None = None, received: int | None = None
) -> None:
    at = NOW - days * DAY
    values = {"site": "site", "key": key, "external_id": key, "phone": "+79450000001", "state": state, "made_ms": at}
    values["received_ms"] = at if received is None else NOW - received * DAY
    values["state_ms"] = at if settled is None else NOW - settled * DAY
    with store.write() as connection:
        number = connection.execute(insert(lead).values(values)).inserted_primary_key[0]
        noted = {"lead_id": number, "at_ms": at, "state": state, "by": "Анна", "note": "перезвонить"}
        connection.execute(insert(lead_event).values(noted))


def left(store: Store) -> set[str]:
    with store.read() as connection:
        notes = len(connection.execute(select(lead_event.c.id)).all())
        keys = set(connection.execute(select(lead.c.key)).scalars())
    assert notes == len(keys), "what was noted goes with its lead"
    return keys


def test_settled_leads_of_long_ago_go_with_their_notes(
    store: Store, clinic: ClinicSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "PORTION", 2)
    for n, state in enumerate(("booked", "refused", "spam", "booked", "booked")):
        write(store, f"old {n}", state, 1_200)
    for state in ("new", "work"):
        write(store, state, state, 1_200)
    write(store, "young", "booked", 1_000)
    write(store, "settled lately", "refused", 1_200, settled=5)
    write(store, "came lately", "spam", 1_200, settled=1_200, received=5)
    assert forget(store, clinic).counts == {"forgotten": 5}
    assert left(store) == {"new", "work", "young", "settled lately", "came lately"}


def test_a_lead_taken_up_again_as_it_is_forgotten_stays_with_what_was_noted(store: Store, clinic: ClinicSource) -> None:
    write(store, "old", "booked", 1_200)
    write(store, "taken up", "refused", 1_200)

    def take_up(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            connection.execute(update(lead).where(lead.c.key == "taken up").values(state="work", state_ms=NOW))

    event.listen(store.engine, "before_cursor_execute", take_up)
    forget(store, clinic)
    event.remove(store.engine, "before_cursor_execute", take_up)
    assert left(store) == {"taken up"}


def test_what_a_site_may_bring_again_is_not_forgotten(store: Store, clinic: ClinicSource) -> None:
    far = LeadsSite(url="https://site.example/ident", key="env:X", first_days=1_300, remember=40)
    write(store, "old", "booked", 1_200)
    assert forget(store, clinic, site=far).counts == {"forgotten": 0}
    assert forget(store, clinic, site=SITE).counts == {"forgotten": 1}


def test_a_site_that_remembers_for_ever_keeps_all() -> None:
    ever = LeadsSite(url="https://site.example/ident", key="env:X", remember=0)
    assert "leads/old.forget" not in [task.kind for task in INTEGRATION.tasks({"a": SITE, "b": ever}, [])]
