"""Statistics against a plain count; a long one is reckoned beside the page; the lines say what they can."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, update

from identsync.clinic.clock import to_ms
from identsync.errors import Unavailable
from identsync.integrations.telephony import page_statistics as stats
from identsync.integrations.telephony.call import Direction
from identsync.spans import DAY_MS
from identsync.store import Store
from identsync.store.tables import phone_call, phone_line, task_slot

from . import desk_seed as seed
from .calls import tell
from .desk import PAGE, Desk, at_desk, calls_clinic, played

__all__ = ["calls_clinic"]


@pytest.fixture
def desk(store: Store, calls_clinic: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(stats, "PATIENCE", 60.0)
    monkeypatch.setattr(stats, "SHELF", stats.Shelf())
    with at_desk(store, calls_clinic) as desk:
        yield desk


def calls(desk: Desk, many: int) -> list[Any]:
    """Write calls of the last forty days; give their rows."""
    chance = random.Random(5)
    with desk.store.write() as connection:
        for n in range(many):
            who, line = chance.choice((seed.ANNA, seed.BORIS, seed.VERA)), chance.choice(("pbx", "uis"))
            call = seed.call(
                f"c{n}",
                f"+7945{n:07d}",
                desk.now_ms - chance.randrange(40 * DAY_MS),
                waited=chance.randrange(90_000),
                talked=chance.choice((0, 60_000, 125_000)),
                who=who,
                direction=chance.choice((Direction.IN, Direction.IN, Direction.OUT)),
            )
            tell(connection, call, now=desk.now_ms, line=line, settings=seed.LINES[line], history=True)
    return desk.rows(phone_call)


@pytest.fixture
def november(dialect: str, filled: Callable[..., Any], calls_clinic: Path) -> Iterator[Desk]:
    """A desk on 20 November 2026, 14:00, after three hundred calls."""

    def play(desk: Desk) -> None:
        desk.now_ms = to_ms("UTC", 29_919_600)
        calls(desk, 300)

    with played(filled, dialect, calls_clinic, "calls of November", play) as desk:
        yield desk


@pytest.mark.parametrize("zone", ["Europe/Moscow", "America/New_York"])  # there clocks were put back this month
def test_every_number_is_what_a_plain_count_gives(november: Desk, zone: str) -> None:
    desk = november
    rows, choice = desk.rows(phone_call), stats.Choice(30, "", every=True)
    found, home = stats.reckoned(desk.context(), choice, zone), ZoneInfo(zone)
    today = datetime.fromtimestamp(desk.now_ms / 1000, UTC).astimezone(home).date()
    at = {row.id: datetime.fromtimestamp(row.start_ms / 1000, UTC).astimezone(home) for row in rows}
    rows = [row for row in rows if today - timedelta(days=29) <= at[row.id].date() <= today]
    came = [row for row in rows if row.direction == "in"]
    taken = [row for row in came if row.state == "answered"]
    waits = sorted((row.answered_ms - row.start_ms) // 1000 for row in taken)
    assert (found["total"].answered, found["total"].incoming) == (len(taken), len(came))
    assert found["total"].outgoing == len(rows) - len(came)
    assert found["median"] in (waits[len(waits) // 2], waits[(len(waits) - 1) // 2])
    for hour, tally in found["by_hour"]:
        assert tally.incoming == sum(at[row.id].hour == hour for row in came), hour
    for day_ms, rest, tally in found["by_day"]:
        day = datetime.fromtimestamp(day_ms / 1000, UTC).astimezone(home).date()
        assert (tally.missed, rest) == (
            sum(at[row.id].date() == day for row in came if row.state == "missed"),
            day.weekday() > 4,
        )
    assert len(found["by_day"]) == 30
    for name, tally in found["by_line"].items():
        assert tally.incoming == sum(row.line == name for row in came)
    for who in found["staff"]:
        own = [row for row in rows if row.extension == who.extension and row.state == "answered"]
        assert who.taken + who.called == len(own)
        assert who.talked_ms == sum(row.ended_ms - row.answered_ms for row in own)


def test_a_period_a_line_and_a_branch_can_be_asked_for(desk: Desk) -> None:
    rows = calls(desk, 80)
    shown = desk.view(tab="statistics", days="7", line="uis", all=1)["found"]
    recent = [row for row in rows if row.line == "uis"]
    assert 0 < shown["total"].incoming + shown["total"].outgoing <= len(recent)
    assert list(shown["by_line"]) == ["uis"]
    assert len(shown["by_day"]) == 7
    desk.branch = 1  # UIS serves branch 2
    assert list(desk.view(tab="statistics")["found"]["by_line"]) == ["pbx"]
    assert desk.view(tab="statistics", days="1000000", line="nonsense")["choice"].days == 30


def test_no_calls_at_all_are_said_calmly(desk: Desk) -> None:
    found = desk.view(tab="statistics")["found"]
    assert (found["total"].share, found["median"], found["staff"], found["by_line"]) == (None, None, [], {})


@given(st.lists(st.integers(0, 200), min_size=1), st.sampled_from((0.5, 0.9, 1.0)))
def test_a_quantile_is_the_least_value_that_so_many_do_not_exceed(values: list[int], share: float) -> None:
    counted = [(value, values.count(value)) for value in sorted(set(values))]
    found = stats.quantile(counted, share)
    assert found is not None
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_what_takes_long_is_reckoned_beside_the_page_which_is_drawn_again_when_it_is_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, reckoned = threading.Event(), stats.reckoned
    monkeypatch.setattr(stats, "PATIENCE", 0.0)
    monkeypatch.setattr(stats, "reckoned", lambda *given: go.wait(60) and reckoned(*given))
    version = desk.version()
    assert desk.view(tab="statistics")["found"] is None
    assert desk.view(tab="statistics", days="7")["found"] is None  # one at a time
    assert desk.version() == version
    go.set()
    job = stats.SHELF._job
    assert job is not None
    job.join(60)
    assert desk.version() != version
    assert desk.view(tab="statistics")["found"]["total"].incoming == 0


def test_a_database_that_fails_is_said_once_and_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    reckoned = stats.reckoned

    def fail(*_given: Any) -> dict[str, Any]:
        raise Unavailable("the database is away", sent=False)

    monkeypatch.setattr(stats, "reckoned", fail)
    assert desk.view(tab="statistics")["found"] is None
    with pytest.raises(Unavailable):
        desk.view(tab="statistics")
    monkeypatch.setattr(stats, "reckoned", reckoned)
    assert desk.view(tab="statistics")["found"]["total"].incoming == 0


# -- lines ------------------------------------------------------------------------------------------------------------


def states(desk: Desk) -> dict[str, tuple[str, str]]:
    return {line["name"]: line["state"] for line in desk.view(tab="lines")["lines"]}


def attend(desk: Desk, name: str, ago: int) -> None:
    values = {"kind": f"telephony/{name}", "scope": 0, "eligible_ms": desk.now_ms - ago, "stamp_ms": desk.now_ms}
    with desk.store.write() as connection:
        connection.execute(insert(task_slot).values(values))


def test_each_line_says_what_it_can_and_what_is_wrong_with_it(desk: Desk) -> None:
    assert {state for _kind, state in states(desk).values()} == {"ещё не спрашивали"}
    with desk.store.write() as connection:
        seed.lines(connection, desk.now_ms)
    lines = {line["name"]: line for line in desk.view(tab="lines")["lines"]}
    assert lines["pbx"]["able"] == {"live": False, "click": True, "history": True, "recordings": True}
    assert lines["pbx"]["state"] == ("ok", "работает")
    assert (lines["uis"]["state"][0], lines["uis"]["problem"]) == (
        "bad",
        "АТС не пускает: адрес не в списке разрешённых",
    )
    assert [tab for tab in desk.view()["tabs"] if tab[0] == "lines"] == [("lines", "Линии", 1)]


def test_a_line_that_nobody_attends_is_not_said_to_be_heard(desk: Desk) -> None:
    with desk.store.write() as connection:
        seed.lines(connection, desk.now_ms)
        connection.execute(update(phone_line).values(problem=None, listening_ms=desk.now_ms))
    assert states(desk)["uis"] == ("warn", "звонков сейчас никто не слышит")
    attend(desk, "uis", ago=-10_000)
    assert states(desk)["uis"] == ("ok", "слышим звонки")
    desk.now_ms += 3_600_000  # its client is gone
    assert states(desk)["uis"][0] == "warn"


def test_who_sits_at_which_phone_is_listed(desk: Desk) -> None:
    for user, extension in (("Анна", "101"), ("Борис", "102")):
        desk.do("seat", user, extension=extension, line="pbx")
    assert [(each["user"], each["extension"]) for each in desk.view(tab="lines")["phones"]] == [
        ("Анна", "101"),
        ("Борис", "102"),
    ]


def test_without_any_line_every_part_still_stands(desk: Desk) -> None:
    context = replace(desk.context(), settings={})
    for tab in ("missed", "history", "statistics", "lines"):
        assert PAGE.view(context, {"tab": tab})["set_up"] is False
