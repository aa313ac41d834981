"""The page's functions: order, states, and two people at one lead."""

import time

import pytest
from sqlalchemy import insert

from identsync.console.drawing import Drawing, Visit
from identsync.demo.site.process import SiteProcess
from identsync.errors import AskPerson
from identsync.integrations.leads.page import PAGES, STATES
from identsync.store.tables import intake_reject

from .conftest import Desk


def test_states_know_who_and_when_and_a_colleague_is_not_overruled(desk: Desk, site: SiteProcess) -> None:
    site.make(1)
    desk.go()
    lead = desk.leads()[0]
    assert PAGES[0].attention is not None
    assert PAGES[0].attention(desk.context()) == 1
    before = PAGES[0].version(desk.context())
    desk.do("move", "Анна", id=lead.id, state="work", seen="new", seen_ms=0)
    assert PAGES[0].version(desk.context()) != before
    with pytest.raises(AskPerson, match="Анна"):
        desk.do("move", "Борис", id=lead.id, state="spam", seen="new", seen_ms=0)
    moved = desk.leads()[0]
    assert (moved.state, moved.state_by) == ("work", "Анна")
    assert abs(moved.answered_ms - time.time() * 1000) < 60_000
    desk.do("note", "Борис", id=lead.id, note="перезвонить")
    desk.do("move", "Борис", id=lead.id, state="booked", seen="work", seen_ms=moved.state_ms, note="на среду")
    detail = desk.view(lead=str(lead.id))["lead"]
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
    visit = Visit("ru", "auto", "Анна", "visitor", {"state": "bad", "show": "2"}, True)
    given = shown | {"now_ms": 1, "attention": {}, "menu": [], "corners": {}, "version": "", "token": ""}
    assert "show=8" in Drawing("ru", "UTC").draw("leads/leads.html", visit, PAGES[0], given)
