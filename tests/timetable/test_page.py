"""Page "Расписание" in a real Chromium: a day as strips, what a site has, the brake and its button."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from browser import Tab, browser, serving, tab  # noqa: F401  fixtures
from identsync.console.server import Console
from identsync.demo.site.process import SiteProcess
from identsync.errors import SuspiciousChange
from identsync.integrations.timetable import INTEGRATION

from .conftest import Network, destination

pytestmark = pytest.mark.browser


@pytest.fixture
def console(network: Network, site: SiteProcess) -> Iterator[Any]:
    sites = {"prodoc": destination(site, title="ПроДокторов"), "zoon": destination(site, branches=[2])}
    with serving(
        lambda: Console(network.store, network.clinic, rooms=[(INTEGRATION, sites)], port=0, zone="Europe/Moscow")
    ) as console:
        console.sites = sites
        yield console


def test_a_day_a_doctor_and_a_branch(console: Any, network: Network, tab: Tab):  # noqa: F811
    page = tab.page
    page.goto(console.url + "timetable")
    expect(page.locator("#tt-strips tbody tr")).to_have_count(4)
    expect(page.locator("#site-prodoc")).to_contain_text("Ещё не отправлялось")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling at 1366"
    page.keyboard.press("s")
    expect(page.locator("#tt-head")).to_contain_text(network.clinic.branches()[1].name)
    page.keyboard.press("d")
    page.wait_for_url("**date=**")
    expect(page.locator("#tt-head")).not_to_contain_text("сегодня")  # tomorrow is drawn, not only asked for
    page.keyboard.press("t")
    expect(page.locator("#tt-head")).to_contain_text("сегодня")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#tt-strips tbody tr")).to_have_count(14)
    page.keyboard.press("q")
    expect(page.locator("#tt-strips tbody tr")).to_have_count(4)


def test_what_the_site_has_and_what_changed_since(console: Any, network: Network, tab: Tab):  # noqa: F811
    network.go(console.sites["prodoc"], "prodoc")
    page = tab.page
    page.goto(console.url + "timetable?branch=1")
    row = page.locator("#site-prodoc")
    expect(row).to_contain_text("Принято")
    expect(row).to_contain_text("ничего")
    expect(page.locator("#site-zoon")).to_contain_text("Другие филиалы")
    network.sql("DELETE FROM clinic_appointment WHERE branch_id = 1")
    page.reload()
    expect(row).to_contain_text("ячеек")
    assert page.locator(".strip rect.changed").count() == 0
    page.keyboard.press("v")
    expect(page.locator("#tt-strips h2")).to_have_text("Что показывает ПроДокторов")
    page.keyboard.press("d")
    expect(page.locator(".strip rect.changed").first).to_be_visible()
    expect(page.locator(".strip rect.busy").first).to_be_visible()


def test_the_brake_and_its_button(console: Any, network: Network, site: SiteProcess, tab: Tab):  # noqa: F811
    to = console.sites["prodoc"]
    network.go(to, "prodoc")
    network.sql("DELETE FROM clinic_shift WHERE branch_id <> 1")
    with pytest.raises(SuspiciousChange):
        network.go(to, "prodoc")
    before = len(site.ask("GET", "posted"))
    page = tab.page
    page.goto(console.url + "timetable")
    card = page.locator("#brake-prodoc")
    expect(card).to_contain_text("отправка остановлена")
    expect(card).to_contain_text("Рабочего времени: было")
    expect(page.locator(".menu a[data-slug=timetable] .count")).to_have_text("1")
    card.get_by_role("button", name="Разрешить отправку").click()
    page.get_by_role("button", name="Да").click()
    expect(card).to_contain_text("Разрешено")
    network.go(to, "prodoc")
    assert len(site.ask("GET", "posted")) == before + 1
    page.reload()
    expect(card).to_have_count(0)


def test_everything_again(console: Any, network: Network, site: SiteProcess, tab: Tab):  # noqa: F811
    to = console.sites["prodoc"]
    network.go(to, "prodoc")
    before = len(site.ask("GET", "posted"))
    page = tab.page
    page.goto(console.url + "timetable")
    page.locator("#site-prodoc").get_by_role("button", name="Отправить заново").click()
    expect(page.locator(".notice")).to_contain_text("отправится заново")
    network.go(to, "prodoc")
    assert len(site.ask("GET", "posted")) == before + 1
