"""The page's functions: order, states, and two people at one lead."""

import time

import pytest

from identsync.demo.site.process import SiteProcess
from identsync.errors import AskPerson
from identsync.integrations.leads.page import PAGES, STATES

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
