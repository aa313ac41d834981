"""Two things that the overview got wrong: tasks of no settings any more, and a client that cannot write."""

from collections.abc import Callable, Iterator

import pytest
from seed import Town, now_ms, rooms, slot, town
from sqlalchemy import insert

from identsync.console.overview import Overview
from identsync.console.states import LEFT, NOBODY, STUCK
from identsync.engine.integration import Page, PageContext
from identsync.errors import Unavailable
from identsync.store import Store, open_store
from identsync.store.tables import task_slot

HOUR = 3_600_000
OVERDUE = {"leads/site": HOUR, "leads/old": HOUR, "leads/older": 48 * HOUR, "journal": HOUR}


class Silent(Town):
    """A clinic whose database does not answer: nobody can tell which branches there are."""

    def branches(self) -> list[object]:  # type: ignore[override]
        raise OSError


@pytest.fixture
def place(clone: Callable[[str], str]) -> Iterator[Store]:
    store = open_store(clone("sqlite"))
    now = now_ms()
    with store.write() as connection:
        rows = [slot(kind, 0, now - ago, 3, None, now - ago) for kind, ago in OVERDUE.items()]
        connection.execute(insert(task_slot), rows)
    yield store
    store.close()


def page() -> Page:
    return Overview([], lambda *_: None, (), rooms()).page()


def states(store: Store, clinic: Town) -> dict[str, object]:
    shown = page().view(PageContext(store, clinic, None, "Ира", now_ms()), {})
    return {row.slot.kind: row.state for group in shown["groups"] for row in group.rows}


def test_only_what_the_settings_name_wants_somebody_to_run_it(place: Store) -> None:
    assert states(place, town(2)) == {"leads/site": NOBODY, "leads/old": LEFT, "journal": NOBODY}
    count = page().attention
    assert count is not None
    assert count(PageContext(place, town(2), None, "Ира", now_ms())) == 2


def test_where_the_clinic_is_silent_every_task_counts(place: Store) -> None:
    assert set(states(place, Silent()).values()) == {NOBODY}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unavailable("база движка: нет места", hint="освободите место"), "база движка: нет места"),
        (KeyError("Анна"), ""),
    ],
)
def test_a_client_that_cannot_write_does_not_say_that_all_is_well(place: Store, error: Exception, told: str) -> None:
    drawn = Overview([], lambda *_: None, (), rooms(), lambda: error).page()
    shown = drawn.view(PageContext(place, town(2), None, "Ира", now_ms()), {})["stuck"]
    assert (shown.title, shown.text) == (STUCK, told)
    assert shown.todo
