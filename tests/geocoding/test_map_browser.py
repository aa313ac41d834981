"""Page "Карта" in a real Chromium: drawn without internet, driven by keys, the same in light, dark and English."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import create_engine, select

from browser import DRAWING, Tab, dim, open_browser, serving
from identsync.clinic.source import ClinicSource
from identsync.console.server import Console
from identsync.engine.integration import Role
from identsync.integrations.geocoding import INTEGRATION, books
from identsync.integrations.geocoding.settings import Provider
from identsync.store import Store
from identsync.store.tables import geo_place

from . import map_seed as seed

pytestmark = pytest.mark.browser
CYRILLIC = set("абвгдежзийклмнопрстуфхцчшщъыьэюя")
OPTIONS = SimpleNamespace(map_points=["director"], map_tiles="", map_file="")


class House:
    """A town of 2 x 1,500 patients and a console over it."""

    def __init__(self, store: Store, console: Any) -> None:
        self.store, self.console = store, console

    def at(self, query: str = "") -> str:
        return f"{self.console.url}map{query}"


@pytest.fixture(scope="module")
def browser() -> Browser:
    """A browser that draws with WebGL, in software."""
    return open_browser(DRAWING)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """A fresh tab; whatever it asks of another computer fails the test. Half as many dots: software draws them."""
    size: Any = {"viewport": {"width": 1366, "height": 768}, "device_scale_factor": 0.5}
    context = browser.new_context(**size, color_scheme="light", locale="ru-RU")
    tab, abroad = Tab(context.new_page()), list[str]()
    tab.page.on("request", lambda request: abroad.append(request.url) if "127.0.0.1" not in request.url else None)
    yield tab
    context.close()
    assert tab.complaints == []
    assert [url for url in abroad if not url.startswith(("data:", "blob:"))] == []


@pytest.fixture(scope="module")
def clinic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "clinic.db"
    engine = create_engine(f"sqlite:///{path}")
    seed.clinic(engine, patients=1_500)
    engine.dispose()
    return path


@pytest.fixture
def house(filled: Callable[..., Any], clinic_file: Path) -> Iterator[House]:
    yield from _house(filled, clinic_file, Role.DIRECTOR)


@pytest.fixture
def house_of_an_administrator(filled: Callable[..., Any], clinic_file: Path) -> Iterator[House]:
    yield from _house(filled, clinic_file, Role.ADMINISTRATOR)


def _house(filled: Callable[..., Any], clinic_file: Path, role: Role) -> Iterator[House]:
    engine = create_engine(f"sqlite:///{clinic_file}")
    store, _now_ms = filled("sqlite", "a town of 3,000", lambda store: seed.found(store, engine))
    clinic = ClinicSource(engine)
    rooms = [(INTEGRATION, {"nominatim": Provider(url="http://127.0.0.1:1")})]
    with serving(
        lambda: Console(
            store, clinic, rooms=rooms, port=0, zone="Europe/Moscow", user="Анна", role=role, options=OPTIONS
        )
    ) as console:
        yield House(store, console)
    engine.dispose()


def drawn(page: Page) -> None:
    """Wait until the map has drawn everything it was given."""
    expect(page.locator("#geo-map[data-idle]:not([data-idle=''])")).to_be_visible()


def cells(page: Page) -> list[dict[str, Any]]:
    """Return what the map draws as hexagons now."""
    found = page.evaluate("cityMap.queryRenderedFeatures({layers: ['cell']}).map((f) => f.properties)")
    return list({each["at"]: each for each in found}.values())


def russian(page: Page) -> list[str]:
    """Return the Russian words of a page but those that people wrote."""
    words = "(e) => [...e.querySelectorAll('button:not(.geo-to), th, .chip, label, legend, h1, h2, h3, .stat, .tabs a, p')].map((e) => e.childNodes.length && !e.querySelector('select') ? e.innerText : '').join(' ')"  # noqa: E501
    said = page.locator("main").evaluate(words).lower()
    return [word for word in said.split() if set(word) & CYRILLIC]


def test_the_map_is_drawn_from_own_data_in_both_themes_and_languages(house: House, tab: Tab) -> None:
    papers = set()
    for theme, language in (("light", "ru"), ("dark", "en")):
        tab.page.emulate_media(color_scheme=theme)
        tab.page.goto(house.at(f"?lang={language}"))
        drawn(tab.page)
        assert len({each["colour"] for each in cells(tab.page)}) > 2
        expect(tab.page.locator("#geo-legend li")).to_have_count(len(tab.page.locator("#geo-legend li").all()))
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert dim(tab.page) == [], theme
        assert language == "ru" or russian(tab.page) == []
        papers.add(tab.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--map-6')"))
    assert len(papers) == 2


@pytest.mark.parametrize("part", ["?tab=progress", "?tab=worklist", "?period=year&versus=before"])
def test_english_has_no_russian_but_what_people_wrote(house: House, tab: Tab, part: str) -> None:
    tab.page.goto(house.at(f"{part}&lang=en"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    assert russian(tab.page) == []
    assert dim(tab.page) == []


def test_by_key_cells_are_walked_and_read_out_and_a_filter_is_chosen_and_taken_back(house: House, tab: Tab) -> None:
    tab.page.goto(house.at())
    drawn(tab.page)
    tab.page.keyboard.press("l")
    rows = tab.page.locator("#geo-list-rows tr")
    expect(rows.first).to_be_visible()
    numbers = [int("".join(filter(str.isdigit, each))) for each in rows.locator("td.num").all_text_contents()]
    assert numbers == sorted(numbers, reverse=True)
    assert min(numbers) >= 5
    expect(tab.page.locator("#geo-list-what")).to_have_text("Пациенты")
    tab.page.locator("#geo-list summary").focus()
    tab.page.keyboard.press("Tab")
    expect(rows.first.locator("button")).to_be_focused()
    expect(rows.first.locator("button")).to_have_text(re.compile(r".+, \d+(,\d)? км$"))
    expect(tab.page.locator("#geo-card b")).to_have_text(re.compile(rf"^{numbers[0]}\D"))
    assert dim(tab.page) == []
    before = tab.page.locator("#geo-sums .stat b").first.text_content()
    tab.page.keyboard.press("x")
    expect(tab.page.locator("#geo-sex")).to_be_focused()
    tab.page.locator("#geo-sex").select_option("f")
    expect(tab.page.locator("#geo-sums .stat b").first).not_to_have_text(before or "")
    assert "sex=f" in tab.page.url
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("0")
    expect(tab.page.locator("#geo-sums .stat b").first).to_have_text(before or "")
    expect(tab.page.locator("#geo-sex")).to_have_value("")
    assert "sex" not in tab.page.url


def test_a_hexagon_pointed_at_says_its_numbers_and_another_measure_has_another_legend(house: House, tab: Tab) -> None:
    tab.page.goto(house.at())
    drawn(tab.page)
    box = tab.page.locator("#geo-map").bounding_box()
    assert box
    tab.page.mouse.move(box["x"] + box["width"] / 2 + 20, box["y"] + box["height"] / 2 - 25)
    expect(tab.page.locator("#geo-card")).to_contain_text("пациент")
    expect(tab.page.locator("#geo-card")).to_contain_text("от всех выбранных")
    tab.page.mouse.move(box["x"] + 5, box["y"] + 100)
    expect(tab.page.locator("#geo-card")).to_be_hidden()
    expect(tab.page.locator("#geo-legend b")).to_have_text("Пациенты")
    tab.page.locator("label", has=tab.page.locator("#metric-revenue")).click()
    expect(tab.page.locator("#geo-legend b")).to_have_text("Выручка, ₽")
    tab.page.locator("#geo-period").select_option("year")
    tab.page.locator("#geo-versus").select_option("before")
    expect(tab.page.locator("#geo-legend b")).to_have_text("Стало больше или меньше")
    expect(tab.page.locator("#geo-sums")).to_contain_text("было")


def test_an_administrator_sees_hexagons_only(house_of_an_administrator: House, tab: Tab) -> None:
    tab.page.goto(house_of_an_administrator.at())
    drawn(tab.page)
    tab.page.locator("#street-1 button").click()
    expect(tab.page.locator("#geo-map[data-idle^='14']")).to_be_visible()
    assert tab.page.evaluate("cityMap.queryRenderedFeatures({layers: ['house']}).length") == 0
    assert len(cells(tab.page)) > 0


def test_the_picture_and_the_table_are_saved_and_houses_seen_from_near_by_a_director(
    house: House, tab: Tab, tmp_path: Path
) -> None:
    tab.page.goto(house.at())
    drawn(tab.page)
    with tab.page.expect_download() as saved:
        tab.page.keyboard.press("g")
    saved.value.save_as(tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "map.png").stat().st_size > 20_000
    with tab.page.expect_download() as saved:
        tab.page.locator("#geo-csv").click()
    saved.value.save_as(tmp_path / "map.csv")
    assert (tmp_path / "map.csv").read_text(encoding="utf-8-sig").startswith("h3;latitude;longitude;people")
    expect(tab.page.locator("#geo-legend")).to_contain_text("Отдельные дома видны, если приблизить")
    tab.page.locator("#street-1 button").click()
    expect(tab.page.locator("#geo-map[data-idle^='14']")).to_be_visible()
    assert tab.page.evaluate("cityMap.queryRenderedFeatures({layers: ['house']}).length") > 0


def test_the_map_stays_where_it_is_when_the_page_is_drawn_again(house: House, tab: Tab) -> None:
    tab.page.goto(house.at())
    drawn(tab.page)
    tab.page.evaluate("cityMap.jumpTo({zoom: 12.7})")
    drawn(tab.page)
    before = tab.page.evaluate("cityMap.getCenter().lng + cityMap.getZoom()")
    with house.store.write() as connection:
        books.fix(connection, 5, books.Fix("улица Мира, 1", None, None), by="x", now_ms=house.store.now_ms())
    version = tab.page.locator("main").get_attribute("data-version") or ""
    expect(tab.page.locator("main")).not_to_have_attribute("data-version", version)
    assert tab.page.evaluate("cityMap.getCenter().lng + cityMap.getZoom()") == before
    expect(tab.page.locator("#geo-map canvas")).to_have_count(1)


def test_an_address_is_pinned_by_a_click_on_the_map(house: House, tab: Tab) -> None:
    tab.page.goto(house.at("?tab=worklist"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.locator("#filter").fill("улица")
    tab.page.locator("#filter").blur()
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("Enter")
    drawn(tab.page)
    tab.page.locator("#geo-map").click(position={"x": 120, "y": 140})
    typed = tab.page.locator("#geo-point")
    expect(typed).not_to_have_value("")
    latitude = float(typed.input_value().split(",")[0])
    tab.page.locator("#pin-save").click()
    expect(tab.page.locator(".notice").last).to_contain_text("Точка записана")
    with house.store.read() as connection:
        found = list(books.fixes(connection).values())
    assert [each.latitude for each in found] == [round(latitude * 1e6)]


def test_an_address_is_corrected_and_leaves_the_list(house: House, tab: Tab) -> None:
    with house.store.read() as connection:
        lost = connection.execute(select(geo_place.c.key).where(geo_place.c.precision < 3)).scalars().all()
    tab.page.goto(house.at("?tab=worklist"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.locator("#filter").fill("улица")
    tab.page.locator("#filter").blur()
    tab.page.keyboard.press("j")
    row = tab.page.locator("tr[aria-selected=true]").get_attribute("id") or ""
    assert int(row.removeprefix("place-")) in lost
    tab.page.keyboard.press("Enter")
    drawn(tab.page)
    tab.page.keyboard.press("e")
    field = tab.page.locator("input[name=address]")
    expect(field).to_be_focused()
    field.fill("вокзал")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(".notice.bad").last).to_contain_text("нужны улица и дом")
    assert ["409" in each for each in tab.complaints] == [True]  # Chromium says so of every refusal
    tab.complaints.clear()
    field.fill("Садовая 12")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(".notice:not(.bad)").last).to_contain_text("Записано")
    expect(tab.page.locator(f"#{row}")).to_have_count(0)


def test_a_street_of_one_house_takes_no_other_street_off_the_map(house: House, tab: Tab) -> None:
    def with_one_more(route: Route) -> None:
        told = route.fetch().json()
        told["streets"].append(["улица Одинокая", 1, [told["streets"][0][2][0][:2]]])
        route.fulfill(json=told)

    tab.page.route("**/map/streets?*", with_one_more)
    tab.page.goto(house.at())
    drawn(tab.page)
    names = "cityMap.queryRenderedFeatures({layers: ['street']}).map((f) => f.properties.name)"
    assert len(set(tab.page.evaluate(names))) > 2
    assert tab.page.evaluate("cityMap.queryRenderedFeatures({layers: ['street-name']}).length") > 2
