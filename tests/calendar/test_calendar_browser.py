"""Page "Календари" in a real Chromium, as the administrator at the desk sees it."""

import asyncio
import base64
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest
import zxingcpp
from calendar_network import NAME, Network, generated
from calendar_scene import REFUSED, UNLIKED, Scene, build, played
from playwright.sync_api import Locator, expect
from sqlalchemy import create_engine, update

from browser import Tab, browser, dim, serving, tab  # noqa: F401  fixtures
from identsync.clinic.source import ClinicSource
from identsync.console.server import Console
from identsync.integrations.calendar import INTEGRATION, books
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.store import open_store
from identsync.store.tables import calendar_link

pytestmark = pytest.mark.browser
SETTINGS = {
    "yandex": CalendarDestination(
        kind="caldav", url="https://caldav.yandex.ru", seal="env:X", title="Яндекс", show=["service", "room"], days=14
    ),
    "google": CalendarDestination(kind="google", client_id="c", client_secret="env:X", seal="env:X", days=14),
}


@pytest.fixture(scope="module")
def clinic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "clinic.db"
    build(path, days=24).dispose()
    return path


@pytest.fixture
def scene(filled: Callable[..., Any], clinic_file: Path) -> Iterator[Scene]:
    engine = create_engine(f"sqlite:///{clinic_file}")
    scene = played(filled, "sqlite", "every state, as a browser sees it", ClinicSource(engine), SETTINGS)
    yield scene
    engine.dispose()


@pytest.fixture
def console(scene: Scene) -> Iterator[Console]:
    rooms = [(INTEGRATION, scene.settings)]
    with serving(lambda: Console(scene.store, scene.clinic, rooms=rooms, port=0, zone="Europe/Moscow")) as console:
        yield console


def doctor(scene: Scene, way: str) -> int:
    return next(doctor for doctor, left in scene.ways["yandex"].items() if left == way)


def fits(tab: Tab) -> bool:  # noqa: F811
    return bool(tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def ready(tab: Tab) -> None:  # noqa: F811
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()


@pytest.mark.parametrize(("theme", "lang"), [("light", "ru"), ("dark", "en")])
def test_every_view_loads_fits_and_can_be_read(
    console: Console,
    scene: Scene,
    tab: Tab,  # noqa: F811
    theme: Literal["light", "dark"],
    lang: str,
):
    tab.page.emulate_media(color_scheme=theme)
    ways = ("refused", "updating", "filling", "rejected", "absent", "off")
    views = ["", *(f"&doctor={doctor(scene, way)}" for way in ways), f"&doctor={doctor(scene, 'ok')}&sheet=1"]
    for address in [*views, "&to=google", f"&to=google&doctor={doctor(scene, 'ok')}"]:
        tab.page.goto(f"{console.url}calendar?lang={lang}{address}")
        expect(tab.page.locator("h1")).to_be_visible()
        assert fits(tab), address
        assert dim(tab.page) == [], address
        if lang == "en":
            said = tab.page.evaluate(
                "[...document.querySelectorAll('main button, main th, main dt, main .chip, main .tabs a, main .word')]"
                ".map(e => e.textContent.trim())"
            )
            assert [text for text in said if re.search("[а-яё]", text)] == [], address


def test_each_doctor_stands_there_with_his_state(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    tab.page.goto(f"{console.url}calendar")
    words = {
        "refused": ("Отказано", REFUSED), "rejected": ("Принято не всё", "ближайшее"), "absent": ("Не подключён", "—"),
        "updating": ("Обновляется", "ближайшее"), "filling": ("Заполняется", "готово до"), "paused": ("На паузе", "дн"),
        "edited": ("В порядке", "исправлено 4"), "stubborn": ("В порядке", "упрямых 1"), "making": ("Создаётся", "—"),
    }  # fmt: skip
    for way, (state, more) in words.items():
        row = tab.page.locator(f"#doctor-{doctor(scene, way)}")
        expect(row).to_contain_text(state)
        expect(row).to_contain_text(more)
    expect(tab.page.locator(".menu a[data-slug=calendar] .count")).to_have_text("1")
    expect(tab.page.locator("#cal-facts")).to_contain_text("Первое заполнение")


def test_a_doctor_is_found_opened_and_left_by_keyboard(console: Console, tab: Tab):  # noqa: F811
    page = tab.page
    page.goto(f"{console.url}calendar")
    page.keyboard.press("j")
    page.keyboard.press("j")
    name = page.locator("[data-row][aria-selected=true] a").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(name)
    today = page.locator("#cal-date").input_value()
    page.keyboard.press("d")
    expect(page.locator("#cal-date")).not_to_have_value(today)
    page.keyboard.press("t")
    expect(page.locator("#cal-date")).to_have_value(today)
    page.keyboard.press("s")
    expect(page.locator("h1")).not_to_have_text(name)
    page.keyboard.press("w")
    expect(page.locator("h1")).to_have_text(name)
    page.keyboard.press("l")
    expect(page.locator("#cal-sheet h2")).to_have_text(name)
    page.keyboard.press("q")
    expect(page.locator("#cal-phone")).to_be_visible()
    page.keyboard.press("q")
    expect(page.locator("#cal-lines")).to_be_visible()
    page.keyboard.press("f")
    page.keyboard.type(name[:5])
    expect(page.locator("#cal-lines [data-row]:visible")).to_have_count(1)


def test_the_branch_is_chosen_and_its_group_forgotten(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    page = tab.page
    page.goto(f"{console.url}calendar?show=ask")
    expect(page.locator("#cal-lines [data-row]")).to_have_count(2)
    page.keyboard.press("s")
    expect(page.locator("#cal-branch option:checked")).to_have_text(scene.clinic.branches()[1].name)
    expect(page.locator("#cal-lines [data-row]")).to_have_count(15)


def test_the_day_is_drawn_with_what_differs(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    page = tab.page
    page.goto(f"{console.url}calendar?doctor={doctor(scene, 'rejected')}")
    expect(page.locator("#cal-standing")).to_contain_text(UNLIKED)
    page.goto(f"{console.url}calendar?doctor={doctor(scene, 'updating')}")
    for _day in range(7):
        if page.locator(".slip.change").count():
            break
        before = page.locator("#cal-date").input_value()
        page.keyboard.press("d")
        expect(page.locator("#cal-date")).not_to_have_value(before)
    expect(page.locator(".slip.change").first).to_contain_text("пока стоит в")
    edges = page.evaluate(
        "[...document.querySelectorAll('.slip .face')].map(e => e.getBoundingClientRect()).map(r => [r.left, r.right])"
    )
    column = page.locator("#cal-phone").bounding_box()
    assert column is not None
    assert all(column["x"] < left < right < column["x"] + column["width"] for left, right in edges)


# -- orders ------------------------------------------------------------------------------------------------------------


def test_pausing_asks_first_and_is_undone(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    page = tab.page
    page.goto(f"{console.url}calendar?doctor={doctor(scene, 'ok')}")
    standing = page.locator("#cal-standing")
    page.keyboard.press("p")
    page.get_by_role("button", name="Отмена").click()
    expect(standing).to_contain_text("В порядке")
    page.keyboard.press("p")
    page.get_by_role("button", name="Да").click()
    expect(standing).to_contain_text("На паузе")
    page.keyboard.press("p")
    expect(standing).to_contain_text("В порядке")
    expect(page.locator(".notice").last).to_contain_text("Продолжено")


def test_a_refused_calendar_is_connected_again(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    page = tab.page
    page.goto(f"{console.url}calendar?doctor={doctor(scene, 'refused')}")
    expect(page.locator("#cal-standing")).to_contain_text("Что делать")
    page.keyboard.press("r")
    expect(page.locator("#cal-standing")).to_contain_text("Обновляется")
    expect(page.locator(".menu a[data-slug=calendar] .count")).to_be_hidden()


def test_the_brake_is_released(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    scene.brake("yandex")
    page = tab.page
    page.goto(f"{console.url}calendar")
    card = page.locator("#cal-brake")
    expect(card).to_contain_text(re.compile("было 6\\s000, стало 900"))
    card.get_by_role("button", name="Разрешить отправку").click()
    page.get_by_role("button", name="Да").click()
    expect(card).to_contain_text("Разрешено")


def test_one_doctors_brake_is_released_on_his_own_page(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    who = doctor(scene, "updating")
    scene.brake_alone("yandex", who)
    page = tab.page
    page.goto(f"{console.url}calendar")
    expect(page.locator(f"#doctor-{who}")).to_contain_text("Ждёт решения")
    page.goto(f"{console.url}calendar?doctor={who}")
    card = page.locator("#cal-brake")
    expect(card).to_contain_text("было 40, стало 3")
    card.get_by_role("button", name="Разрешить удаление").click()
    page.get_by_role("button", name="Да", exact=True).click()
    expect(card).to_contain_text("Разрешено")


def test_what_happens_elsewhere_comes_by_itself(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    page = tab.page
    page.goto(f"{console.url}calendar")
    ready(tab)
    row = page.locator(f"#doctor-{doctor(scene, 'ok')}")
    expect(row).to_contain_text("В порядке")
    with scene.store.write() as connection:
        refused = update(calendar_link).where(calendar_link.c.doctor_id == doctor(scene, "ok"))
        connection.execute(refused.values(state="refused", problem=REFUSED, changed_ms=scene.now_ms + 1))
    expect(row).to_contain_text("Отказано")
    expect(page.locator(".menu a[data-slug=calendar] .count")).to_have_text("2")


# -- what a doctor is given --------------------------------------------------------------------------------------------


def decoded(place: Locator) -> str:
    """Read a code from a picture of the screen, as a telephone would, by a library that does not write them."""
    scanner = place.page.context.new_page()  # a blank page has no policy that forbids a picture from memory
    grey, width, height = scanner.evaluate(
        """async (png) => {
          const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
          const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
          canvas.drawImage(picture, 0, 0);
          const { data } = canvas.getImageData(0, 0, picture.width, picture.height);
          return [[...data].filter((_v, at) => at % 4 === 1), picture.width, picture.height];
        }""",
        base64.b64encode(place.screenshot()).decode(),
    )
    scanner.close()
    (found,) = zxingcpp.read_barcodes(memoryview(bytes(grey)).cast("B", shape=[height, width]))
    return str(found.text)


@pytest.fixture
def feeds(clone: Callable[[str], str], tmp_path: Path) -> Iterator[Network]:
    (tmp_path / "out").mkdir()
    generated(tmp_path / "clinic.db", time.time_ns() // 86_400_000_000_000)
    store, engine = open_store(clone("sqlite")), create_engine(f"sqlite:///{tmp_path / 'clinic.db'}")
    to = CalendarDestination(
        kind="feed", folder=str(tmp_path / "out"), public_url="https://clinic.example/ical", days=9, back_days=1
    )
    yield Network(store, ClinicSource(engine), engine, to)
    store.close()
    engine.dispose()


def go(network: Network) -> Any:
    with ThreadPoolExecutor(1) as apart:  # playwright's loop runs in this thread
        return apart.submit(lambda: asyncio.run(network.go())).result()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_feed_is_handed_over_by_codes_and_gets_a_new_link(
    feeds: Network,
    tab: Tab,  # noqa: F811
    theme: Literal["light", "dark"],
):
    go(feeds)
    link = min(feeds.links().values(), key=lambda link: link.doctor)
    page = tab.page
    page.emulate_media(color_scheme=theme)
    rooms = [(INTEGRATION, {NAME: feeds.destination})]
    with serving(lambda: Console(feeds.store, feeds.clinic, rooms=rooms, port=0, zone="Europe/Moscow")) as console:
        page.goto(f"{console.url}calendar?doctor={link.doctor}")
        iphone = page.locator("#cal-handout .qr[data-code=iPhone]")
        assert decoded(iphone) == f"webcal://clinic.example/ical/{link.address}.ics"
        expect(page.locator("#cal-handout code")).to_have_text(f"https://clinic.example/ical/{link.address}.ics")
        expect(page.locator("#cal-handout")).to_contain_text("8–24 часа")
        page.get_by_role("button", name="Новая ссылка").click()
        page.get_by_role("button", name="Да").click()
        expect(page.locator("#cal-handout code")).not_to_contain_text(link.address)
        fresh = feeds.links()[link.doctor].address
        assert decoded(iphone) == f"webcal://clinic.example/ical/{fresh}.ics"
        assert link.address not in page.content(), "a link that was given up is not shown"
        page.keyboard.press("l")
        expect(page.locator("#cal-sheet")).to_be_visible()
        assert decoded(page.locator("#cal-sheet .qr[data-code=iPhone]")).endswith(f"{fresh}.ics")


def test_the_sheet_is_all_that_is_printed(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    page = tab.page
    page.goto(f"{console.url}calendar?doctor={doctor(scene, 'ok')}&sheet=1")
    page.emulate_media(media="print", color_scheme="dark")
    for selector in (".top", "#cal-head"):
        expect(page.locator(selector)).to_be_hidden()
    sheet = page.locator("#cal-sheet")
    expect(sheet).to_contain_text(f"doctor{doctor(scene, 'ok')}@yandex.ru")
    assert sheet.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pages = page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")
    assert pages == 1, "a sheet is one sheet"


def test_no_secret_and_no_patient_is_on_the_page(console: Console, scene: Scene, tab: Tab):  # noqa: F811
    with scene.clinic._engine.connect() as connection:
        surnames = {row[0] for row in connection.exec_driver_sql("SELECT DISTINCT surname FROM clinic_patient")}
    doctors = {line.split()[0] for line in (one.name for one in scene.clinic.staff())}
    with scene.store.read() as connection:
        key = books.find_key(connection)
    assert key is not None
    for address in ("", f"?doctor={doctor(scene, 'ok')}", f"?to=google&doctor={doctor(scene, 'ok')}"):
        tab.page.goto(f"{console.url}calendar{address}")
        content = tab.page.content()
        said = set(re.findall(r"[А-ЯЁ][а-яё]+", tab.page.locator("main").inner_text()))
        assert not said & (surnames - doctors)
        assert "sealed" not in content
        assert key.hex() not in content
