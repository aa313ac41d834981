"""A corner in a real Chromium: there at once, out of the way of what is typed, gone by Escape or by itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from corner_room import Room, place, room
from playwright.sync_api import expect
from seed import town

from browser import Tab, browser, serving, tab
from identsync.console.server import Console
from identsync.store import Store, pulse

pytestmark = pytest.mark.browser
__all__ = ["browser", "place", "room", "tab"]  # fixtures


@pytest.fixture
def console(place: Store, room: Room) -> Iterator[Any]:
    with serving(
        lambda: Console(place, town(1), rooms=room.rooms(), port=0, zone="Europe/Moscow", user="Ира")
    ) as console:
        yield console


def tell(place: Store, room: Room, news: str) -> None:
    room.news = news
    with place.write() as connection:
        pulse.ring(connection, "news")


def test_news_come_by_themselves_and_leave_the_focus_alone(console: Any, place: Store, room: Room, tab: Tab) -> None:
    tab.page.goto(f"{console.url}room")
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.locator("#low").focus()
    tell(place, room, "Звонок")
    expect(tab.page.locator("#card h2")).to_have_text("Звонок")
    assert tab.page.evaluate("document.activeElement.id") == "low"
    tab.page.locator("#typed").fill("полслова")
    tell(place, room, "Говорят")
    expect(tab.page.locator("#card h2")).to_have_text("Говорят")
    assert tab.page.locator("#typed").input_value() == "полслова"
    assert tab.page.evaluate("document.activeElement.id") == "typed"


def test_escape_closes_the_corner_first_and_its_keys_work(console: Any, place: Store, room: Room, tab: Tab) -> None:
    room.news = "Звонок"
    tab.page.goto(f"{console.url}overview")
    expect(tab.page.locator("#card")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(tab.page.locator("#card")).to_have_count(0)
    tell(place, room, "Ещё один")
    expect(tab.page.locator("#card")).to_be_visible()
    tab.page.keyboard.press("z")
    expect(tab.page.locator(".notice").last).to_have_text("Скрыто")
    expect(tab.page.locator("#card")).to_have_count(0)


def test_a_field_in_which_a_person_types_is_never_covered(console: Any, room: Room, tab: Tab) -> None:
    room.news = "Звонок"
    tab.page.goto(f"{console.url}room")
    covered = (
        "() => overlap(document.querySelector('#low').getBoundingClientRect(), $('#corners').getBoundingClientRect())"
    )
    place_field = (
        "(css) => { const rule = new CSSStyleSheet(); rule.replaceSync(css); document.adoptedStyleSheets = [rule]; }"
    )
    for css, where in (
        ("#low { position: fixed; right: 30px; bottom: 60px; }", "left"),
        ("#low { position: fixed; left: 0; bottom: 90px; width: 1300px; }", "low"),
        ("#low { position: fixed; left: 20px; top: 80px; }", ""),
    ):
        tab.page.evaluate(place_field, css)
        tab.page.locator("#low").focus()
        expect(tab.page.locator("#corners")).to_have_class(f"corners no-print {where}".strip())
        assert not tab.page.evaluate(covered), where
        tab.page.locator("#low").blur()


def test_what_is_over_goes_away_by_itself_but_not_from_under_a_persons_fingers(
    console: Any, place: Store, room: Room, tab: Tab
) -> None:
    room.news, room.until = "Звонок", 1
    tab.page.goto(f"{console.url}room")
    expect(tab.page.locator("#card")).to_have_count(0)
    room.until = place.now_ms() + 3_600_000
    tell(place, room, "Ещё один")
    tab.page.locator("#typed").focus()
    room.until = 1
    tell(place, room, "Закончился")
    expect(tab.page.locator("#card h2")).to_have_text("Закончился")
    tab.page.evaluate("renewTimes()")
    expect(tab.page.locator("#card")).to_be_visible()
    tab.page.locator("#typed").blur()
    expect(tab.page.locator("#card")).to_have_count(0)
