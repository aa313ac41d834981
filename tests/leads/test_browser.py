"""Page "Заявки" in a real Chromium: a lead is there at once, is answered by keys, in the light and in the dark."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import expect

from browser import Tab, browser, dim, serving, tab  # noqa: F401  fixtures
from identsync.console.server import Console
from identsync.demo.site.process import SiteProcess
from identsync.integrations.leads import INTEGRATION

from .conftest import Desk

pytestmark = pytest.mark.browser


@pytest.fixture
def console(desk: Desk) -> Iterator[Any]:
    with serving(
        lambda: Console(
            desk.store, desk.clinic, rooms=[(INTEGRATION, desk.settings)], port=0, zone="Europe/Moscow", user="Анна"
        )
    ) as console:
        yield console


def take_in(desk: Desk) -> None:
    """Run the room's task in a thread of its own: this one has the browser's loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(desk.go).result(30)


def test_the_page_and_its_tabs_load_without_complaint_in_both_themes_and_languages(
    desk: Desk,
    site: SiteProcess,
    console: Any,
    tab: Tab,  # noqa: F811
) -> None:
    site.make(3)
    site.ask("POST", "rows", [{"Id": None, "ClientPhone": "x"}])
    take_in(desk)
    papers = set()
    for theme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=theme)
        for state in ("", "?state=new", "?state=bad", f"?lead={desk.leads()[0].id}"):
            tab.page.goto(f"{console.url}leads{state}")
            expect(tab.page.locator("h1")).to_have_text("Заявки")
            expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (theme, state)
            assert dim(tab.page) == [], (theme, state)
        papers.add(tab.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(papers) == 2
    tab.page.goto(f"{console.url}leads?state=bad&lang=en")
    expect(tab.page.locator("#leads")).to_contain_text("the required field Id is missing")
    assert "нет обязательного поля" not in tab.page.locator("#leads").inner_text()


def test_a_lead_is_on_the_page_within_two_seconds_of_its_arrival(
    desk: Desk,
    site: SiteProcess,
    console: Any,
    tab: Tab,  # noqa: F811
) -> None:
    tab.page.goto(f"{console.url}leads")
    expect(tab.page.get_by_text("Все ответы даны")).to_be_visible()
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    site.make(1)
    take_in(desk)
    arrived = time.monotonic()
    expect(tab.page.locator(f"#lead-{desk.leads()[0].id}")).to_be_visible(timeout=2000)
    assert time.monotonic() - arrived < 2.0
    expect(tab.page).to_have_title("(1) Заявки · identsync")


def test_keys_take_a_lead_and_say_how_it_ended(
    desk: Desk,
    site: SiteProcess,
    console: Any,
    tab: Tab,  # noqa: F811
) -> None:
    site.make(2)
    take_in(desk)
    tab.page.goto(f"{console.url}leads")
    tab.page.keyboard.press("j")
    row = tab.page.locator("[data-row][aria-selected=true]")
    number = int((row.get_attribute("id") or "").removeprefix("lead-"))
    tab.page.keyboard.press("w")
    expect(tab.page.locator(".notice").last).to_have_text("Заявка отмечена: В работе")
    expect(tab.page.locator(f"#lead-{number} .chip").first).to_have_text("В работе")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(f"#pane-{number}")).to_be_visible()
    tab.page.keyboard.press("b")
    expect(tab.page.locator(f"#pane-{number} .chip").first).to_have_text("Записан")
    moved = next(lead for lead in desk.leads() if lead.id == number)
    assert (moved.state, moved.state_by) == ("booked", "Анна")


def test_beside_an_open_lead_the_selected_rows_buttons_hide_no_text_and_are_the_ones_that_keys_press(
    desk: Desk,
    site: SiteProcess,
    console: Any,
    tab: Tab,  # noqa: F811
) -> None:
    site.make(3)
    take_in(desk)
    opened, other = (lead.id for lead in sorted(desk.leads(), key=lambda lead: lead.made_ms)[:2])
    tab.page.goto(f"{console.url}leads?lead={opened}")
    row = tab.page.locator(f"#lead-{other}")
    tab.page.keyboard.press("j")
    while row.get_attribute("aria-selected") != "true":
        tab.page.keyboard.press("j")
    buttons = row.locator(".row-actions")
    expect(buttons).to_be_visible()
    top = (buttons.bounding_box() or {})["y"]
    for text in row.locator("td:last-child .clip").all():
        box = text.bounding_box() or {"y": 0, "height": 0}
        assert box["y"] + box["height"] <= top
    tab.page.keyboard.press("s")
    expect(tab.page.locator(".notice").last).to_have_text("Заявка отмечена: Спам")
    assert {lead.id: lead.state for lead in desk.leads()}[opened] == "new"
    assert {lead.id: lead.state for lead in desk.leads()}[other] == "spam"


def test_a_site_that_does_not_answer_is_named_in_words_not_by_an_exception(
    desk: Desk,
    site: SiteProcess,
    console: Any,
    tab: Tab,  # noqa: F811
) -> None:
    site.fault("fail", status=503, times=None)
    take_in(desk)
    tab.page.goto(f"{console.url}leads")
    trouble = tab.page.locator("#trouble-1")
    expect(trouble).to_contain_text("Лендинг: заявок с этого сайта сейчас нет")
    expect(trouble).to_contain_text("Другая сторона не отвечает")
    assert "Unavailable" not in trouble.inner_text()
