"""The page's functions: order, states, and two people at one lead."""

import time
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import insert, text, update

from identsync.console.drawing import Drawing, Visit
from identsync.demo.site.process import SiteProcess
from identsync.errors import AskPerson
from identsync.integrations.leads.page import PAGES, STATES
from identsync.store.tables import intake_reject, lead

from .conftest import Desk


def test_states_know_who_and_when_and_a_colleague_is_not_overruled(desk: Desk, site: SiteProcess) -> None:
    site.make(1)
    desk.go()
    first = desk.leads()[0]
    assert PAGES[0].attention is not None
    assert PAGES[0].attention(desk.context()) == 1
    before = PAGES[0].version(desk.context())
    desk.do("move", "Анна", id=first.id, state="work", seen="new", seen_ms=0)
    assert PAGES[0].version(desk.context()) != before
    with pytest.raises(AskPerson, match="Анна"):
        desk.do("move", "Борис", id=first.id, state="spam", seen="new", seen_ms=0)
    moved = desk.leads()[0]
    assert (moved.state, moved.state_by) == ("work", "Анна")
    assert abs(moved.answered_ms - time.time() * 1000) < 60_000
    desk.do("note", "Борис", id=first.id, note="перезвонить")
    desk.do("move", "Борис", id=first.id, state="booked", seen="work", seen_ms=moved.state_ms, note="на среду")
    detail = desk.view(lead=str(first.id))["lead"]
    assert [(event["state"], event["by"]) for event in detail["history"]] == [
        ("booked", "Борис"),
        ("work", "Борис"),
        ("work", "Анна"),
    ]
    assert desk.leads()[0].answered_ms == moved.answered_ms
    assert PAGES[0].attention(desk.context()) == 0


def test_who_waits_longest_stands_first_and_history_below(desk: Desk, site: SiteProcess) -> None:
    now = time.time()
    for seconds in (60, 7200, 600, 30 * 86_400):
        made = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now - seconds))
        site.make(1, "emoji", made)
    desk.go()
    waiting, work, old = desk.view()["groups"]
    assert [round((now * 1000 - row["waits_ms"]) / 60_000) for row in waiting.leads] == [120, 10, 1]
    assert (len(work.leads), len(old.leads)) == (0, 1)


@pytest.mark.parametrize("state", ["", *STATES, "bad", "nonsense"])
def test_every_tab_can_be_shown(desk: Desk, site: SiteProcess, state: str) -> None:
    site.make(1)
    desk.go()
    shown = desk.view(state=state, show="-1", lead="99999999999999999999", site="nobody")
    assert shown["lead"] is None


def test_a_site_that_fails_is_named(desk: Desk, site: SiteProcess) -> None:
    site.fault("html", times=None)
    desk.go()
    (trouble,) = desk.view()["trouble"]
    assert trouble["title"] == "Лендинг"
    assert trouble["last_error"]


def test_nobody_is_told_of_more_where_everything_is_shown(desk: Desk, site: SiteProcess) -> None:
    site.make(4)
    desk.go()
    for each in desk.leads()[:2]:
        desk.do("move", id=each.id, state="work", seen="new", seen_ms=0)
    assert desk.view(show="2")["more"] is None
    assert desk.view(show="1")["more"] == 4


def test_bad_rows_beyond_the_shown_ones_can_be_reached(desk: Desk, site: SiteProcess) -> None:
    row = {"stream": "leads/site", "raw": "{}", "problems": "[]", "received_ms": 1, "state": "open"}
    with desk.store.write() as connection:
        connection.execute(insert(intake_reject), [row | {"key": f"{n:064}"} for n in range(3)])
    shown = desk.view(state="bad", show="2")
    assert (len(shown["bad"]), shown["more"]) == (2, 8)
    assert "show=8" in drawn(shown, {"state": "bad", "show": "2"})


def test_a_visit_is_wanted_at_the_wall_clock_of_the_sites_branch(desk: Desk, site: SiteProcess) -> None:
    site.make(1)
    desk.go()
    with desk.store.write() as connection:
        connection.execute(update(lead).values(plan_start_ms=1_797_557_400_000, plan_end_ms=None))  # 18.12.2026 01:30
    with desk.clinic_engine.begin() as connection:
        connection.execute(
            text("INSERT INTO clinic_branch (branch_id, name, time_zone) VALUES (9, '', 'Asia/Vladivostok')")
        )
    here = drawn(desk.view(), {})
    assert ("хочет 18\N{NO-BREAK SPACE}дек, 04:30" in here, "по времени филиала" in here) == (True, False)
    desk.settings = {"site": replace(desk.settings["site"], branch=9)}
    for query in ({}, {"lead": str(desk.leads()[0].id)}):
        assert "18\N{NO-BREAK SPACE}дек, 11:30" in drawn(desk.view(**query), query)
        assert "по времени филиала" in drawn(desk.view(**query), query)


def drawn(shown: dict[str, Any], query: dict[str, str]) -> str:
    visit = Visit("ru", "auto", "Анна", "visitor", query, True)
    given = shown | {"now_ms": 1, "attention": {}, "menu": [], "corners": {}, "version": "", "token": ""}
    return Drawing("ru", "Europe/Moscow").draw("leads/leads.html", visit, PAGES[0], given)
