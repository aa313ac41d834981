"""The console in a real Chromium, as the administrator at the desk sees it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect
from seed import add_lead, rooms, seed, tasks, town

from browser import Tab, browser, dim, serving, tab
from identsync.console.i18n import catalog
from identsync.console.moments import Moments
from identsync.console.server import Console
from identsync.store import Store, open_store, slots

pytestmark = pytest.mark.browser
__all__ = ["browser", "tab"]  # fixtures
PAGES = ["overview", "leads", "journal"]


@pytest.fixture
def file(clone: Callable[[str], str]) -> str:
    return clone("sqlite")


@pytest.fixture
def place(file: str) -> Iterator[Store]:
    store = open_store(file)
    seed(store, town(12), failing=0.3)
    yield store
    store.close()


@pytest.fixture
def console(place: Store) -> Iterator[Console]:
    poked: list[tuple[str, int]] = []

    def poke(kind: str, scope: int) -> None:
        poked.append((kind, scope))

    with serving(lambda: Console(place, town(12), rooms=rooms(), tasks=tasks(), port=0, poke=poke)) as console:
        console.poked = poked
        yield console


def test_pages_load_without_complaint_and_fit_a_small_screen(console: Console, tab: Tab) -> None:
    for slug in PAGES:
        tab.page.goto(f"{console.url}{slug}")
        expect(tab.page.locator("h1")).to_be_visible()
        expect(tab.page.locator(".link-word")).to_have_text("на связи")
        width = tab.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert width[0] <= width[1], slug


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_written_can_be_read(console: Console, tab: Tab, theme: Literal["light", "dark"]) -> None:
    tab.page.emulate_media(color_scheme=theme)
    for address in ("overview?branch=4", "leads", "journal"):
        tab.page.goto(f"{console.url}{address}")
        expect(tab.page.locator("h1")).to_be_visible()
        assert dim(tab.page) == [], address


def test_a_lead_is_on_the_page_within_two_seconds(console: Console, place: Store, tab: Tab) -> None:
    tab.page.goto(f"{console.url}leads")
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    started = time.monotonic()
    add_lead(place, 1, full_name="Новая заявка")
    expect(tab.page.get_by_text("Новая заявка")).to_be_visible(timeout=2000)
    assert time.monotonic() - started < 2.0


def test_focus_scroll_and_typed_words_survive_a_refresh(console: Console, place: Store, tab: Tab) -> None:
    for n in range(60):
        add_lead(place, n)
    tab.page.goto(f"{console.url}leads")
    tab.page.locator("#filter").fill("аяви")
    tab.page.evaluate("scrollTo(0, 600)")
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    add_lead(place, 60, full_name="Шестьдесят первая заявка")
    expect(tab.page.get_by_text("Шестьдесят первая заявка")).to_have_count(1)
    assert tab.page.locator("#filter").input_value() == "аяви"
    assert tab.page.evaluate("document.activeElement.id") == "filter"
    assert tab.page.evaluate("scrollY") == 600


def test_keys_move_open_act_and_explain(console: Console, place: Store, tab: Tab) -> None:
    tab.page.goto(f"{console.url}overview")
    row = tab.page.locator("[data-row][aria-selected=true]")
    tab.page.keyboard.press("j")
    first = row.get_attribute("id")
    tab.page.keyboard.press("j")
    assert row.get_attribute("id") != first
    tab.page.keyboard.press("k")
    assert row.get_attribute("id") == first
    tab.page.keyboard.press("r")
    expect(tab.page.locator(".notice")).to_have_text("Запустится сейчас")
    assert console.poked
    tab.page.keyboard.press("?")
    expect(tab.page.locator("#keys")).to_contain_text("следующая строка")
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("3")
    expect(tab.page).to_have_url(f"{console.url}journal")


def test_a_failed_over_branch_is_seen_named_and_explained_without_a_mouse(console: Console, tab: Tab) -> None:
    tab.page.goto(f"{console.url}overview")
    line = tab.page.locator("#branch-row-4")  # the seed's branch without an administrator
    expect(line).to_contain_text("подменяет директор РЕГ-4-1")
    expect(tab.page.locator("#cell-4")).to_have_class(re.compile("by-stand_in"))
    tab.page.locator("#map .kinds a", has_text="подменяет директор").focus()
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(".branch")).to_have_count(1)
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("Enter")  # the row's, though the focus was on the filter's link
    crew = tab.page.locator("#crew-4")
    expect(crew).to_contain_text("администратора нет на связи с")
    expect(crew.locator("tr").first).to_contain_text("ведёт с")
    expect(crew.locator("tr", has_text="РЕГ-4-0")).to_contain_text("не отзывается")
    tab.page.keyboard.press("a")
    expect(tab.page.locator(".branch")).to_have_count(13)


def test_who_leads_changes_on_the_page_as_it_changes(console: Console, place: Store, tab: Tab) -> None:
    tab.page.goto(f"{console.url}overview?branch=1")
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    limiter = place.limiter()
    limiter.seat(1, "f" * 32, 0, lease_ms=30_000, presence_ttl_ms=180_000)
    expect(tab.page.locator("#crew-1 tr", has_text="ffffff")).to_contain_text("в очереди")
    with place.read() as connection:
        [seat] = [seat for seat in slots.seats(connection) if seat.scope == 1]
    for one in seat.present:
        if one.client != "f" * 32:
            limiter.leave(one.client, [1])
    expect(tab.page.locator("#branch-row-1")).to_contain_text("сменит ffffff")
    limiter.seat(1, "f" * 32, 0, lease_ms=30_000, presence_ttl_ms=180_000)
    expect(tab.page.locator("#branch-row-1")).to_contain_text("ведёт ffffff")
    expect(tab.page.locator("#crew-1")).to_contain_text("Ведущий сменился")


def test_keys_work_in_the_russian_layout(console: Console, tab: Tab) -> None:
    tab.page.goto(f"{console.url}overview")
    tab.page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'о', code: 'KeyJ', bubbles: true}))"
    )
    expect(tab.page.locator("[data-row][aria-selected=true]")).to_have_count(1)


def test_pause_asks_first_and_stands_in_the_database(console: Console, place: Store, tab: Tab) -> None:
    tab.page.goto(f"{console.url}overview")
    tab.page.locator(".cause").first.get_by_text("Пауза").click()
    tab.page.get_by_role("button", name="Отмена").click()
    with place.read() as connection:
        assert not any(slot.paused for slot in slots.overview(connection))
    tab.page.locator(".cause").first.get_by_text("Пауза").click()
    tab.page.get_by_role("button", name="Да").click()
    expect(tab.page.locator(".notice").last).to_contain_text("На паузе")
    with place.read() as connection:
        assert any(slot.paused for slot in slots.overview(connection))


def test_language_and_theme_are_remembered(console: Console, tab: Tab) -> None:
    tab.page.goto(f"{console.url}overview")
    tab.page.locator("#language").click()
    expect(tab.page.locator("nav.menu")).to_contain_text("Overview")
    light = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    with tab.page.expect_response("**/look"):
        tab.page.locator("#theme").click()
    dark = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    tab.page.reload()
    expect(tab.page.locator("nav.menu")).to_contain_text("Overview")
    assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_the_script_and_the_server_say_times_in_the_same_words(console: Console, tab: Tab) -> None:
    tab.page.goto(f"{console.url}overview")
    ages = [0, 59_999, 60_000, 3_599_999, 3_600_000, 4_800_000, 21_600_000, 172_800_000, 900_000_000]
    moments = Moments(catalog("ru"), "Europe/Moscow")
    assert tab.page.evaluate("ages => ages.map(span)", ages) == [moments.span(age) for age in ages]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """The console in a process of its own, as a client is."""

    def __init__(self, file: str, port: int) -> None:
        self._command = [
            sys.executable,
            str(Path(__file__).with_name("seed.py")),
            file.removeprefix("sqlite:///"),
            "0",
            "0",
            str(port),
        ]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        self._process.communicate(timeout=10)


def test_the_page_survives_the_death_and_return_of_its_process(file: str, place: Store, tab: Tab) -> None:
    process = Process(file, free_port())
    try:
        tab.page.goto(f"{process.url}leads")
        expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
        process.kill()
        expect(tab.page.locator("#banner")).to_contain_text("Нет связи")
        add_lead(place, 7, full_name="Пришла без нас")
        process.start()
        expect(tab.page.get_by_text("Пришла без нас")).to_be_visible()
        expect(tab.page.locator("#banner")).to_be_hidden()
        tab.page.get_by_text("Пришла без нас").click()
        tab.page.keyboard.press("w")
        expect(tab.page.locator(".notice")).to_contain_text("В работе")  # the page knows the new process's token
    finally:
        tab.page.goto("about:blank")
        process.kill()
    tab.complaints.clear()  # the browser says that the connection was refused: that is what was tested


def test_many_tabs_share_one_stream_and_all_of_them_learn_the_news(console: Console, place: Store, tab: Tab) -> None:
    """A browser opens six connections to a server: with a stream in each tab the seventh would wait for ever."""
    tabs = [tab.page.context.new_page() for _ in range(8)]
    for page in tabs:
        page.goto(f"{console.url}leads", timeout=10_000)
        expect(page.locator("#link-state .dot.ok")).to_be_visible()
    add_lead(place, 1, full_name="Новая заявка")
    for page in tabs:
        expect(page.get_by_text("Новая заявка")).to_be_visible()
