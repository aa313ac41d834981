"""Calls in a real Chromium: who calls is there at once on any page, a click calls, the worklist is worked by keys."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import expect

from browser import Tab, browser, dim, serving, tab  # noqa: F401  fixtures
from identsync.console.server import Console
from identsync.integrations.leads import INTEGRATION as LEADS
from identsync.integrations.telephony import INTEGRATION, recordings
from identsync.integrations.telephony.call import Employee
from identsync.integrations.telephony.settings import Line
from identsync.store import Store
from identsync.store.tables import lead, outbox, phone_call, phone_dial, phone_seat

from . import desk_seed as seed
from .desk import Desk, at_desk, calls_clinic

pytestmark = pytest.mark.browser
__all__ = ["calls_clinic"]
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"


class House:
    """A clinic's day of calls and a console over it."""

    def __init__(self, desk: Desk, console: Any) -> None:
        self.desk, self.console = desk, console

    def at(self, query: str = "", slug: str = "calls") -> str:
        return f"{self.console.url}{slug}{query}"

    def open(self, tab: Tab, query: str = "", slug: str = "calls") -> None:  # noqa: F811
        tab.page.goto(self.at(query, slug))
        expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()

    def ring(self, phone: str, key: str = "r1", **more: Any) -> Any:
        self.desk.now_ms = self.desk.store.now_ms()
        return self.desk.ring(phone, key, ago=0, **more)


def kept(line: Line, folder: Path) -> Line:
    """Give a line that keeps its recordings in a folder."""
    return msgspec.structs.replace(line, keep=30, folder=str(folder))


@contextmanager
def console_of(desk: Desk, user: str) -> Iterator[Any]:
    rooms = [(INTEGRATION, desk.settings), (LEADS, {})]
    with serving(
        lambda: Console(desk.store, desk.clinic, rooms=rooms, port=0, zone="Europe/Moscow", user=user)
    ) as console:
        yield console


@pytest.fixture
def house(filled: Callable[..., Any], calls_clinic: Path, tmp_path: Path) -> Iterator[House]:
    def fill(store: Store) -> None:
        with at_desk(store, calls_clinic) as desk:
            desk.day()

    own_clinic = tmp_path / "clinic.db"
    shutil.copy(calls_clinic, own_clinic)  # a test writes into it
    store, _nothing = filled("sqlite", f"calls of the last hours {time.time_ns() // 300_000_000_000}", fill)
    with at_desk(store, own_clinic) as desk:
        desk.settings = {name: kept(line, tmp_path) for name, line in seed.LINES.items()}
        with console_of(desk, "Анна") as console:
            yield House(desk, console)


def test_a_ring_is_on_another_page_by_itself_and_goes_when_the_caller_hangs_up(house: House, tab: Tab) -> None:  # noqa: F811
    patient, phone, _surname = house.desk.people[0]
    house.open(tab, slug="journal")
    call = house.ring(phone)
    card = tab.page.locator(".call-card")
    expect(card.locator(".call-number")).to_contain_text("79-19" if phone.endswith("7919") else phone[-2:])
    expect(card.locator(".call-name")).to_have_text(house.desk.clinic.patient_name(patient))
    expect(tab.page.locator("#call-said")).to_contain_text("звонит: " + house.desk.clinic.patient_name(patient))
    house.desk.now_ms = house.desk.store.now_ms()
    house.desk.hang_up(call)
    expect(card.locator(".chip").first).to_have_text("пропущен")
    expect(card.get_by_text("Перезвонить")).to_be_visible()
    tab.page.evaluate("setInterval(() => { clockOffset += 11_000; }, 50)")  # its ten seconds are over sooner
    expect(card).to_have_count(0)


def test_escape_hides_a_call_here_and_typing_goes_on(house: House, tab: Tab) -> None:  # noqa: F811
    house.open(tab, "?missed=1")
    tab.page.locator("#note-1").fill("перезвонить после")
    house.ring(seed.STRANGER)
    expect(tab.page.locator(".call-card")).to_be_visible()
    covered = "overlap(document.activeElement.getBoundingClientRect(), $('#corners').getBoundingClientRect())"
    assert tab.page.evaluate("document.activeElement.id") == "note-1"
    assert not tab.page.evaluate(covered)
    tab.page.keyboard.type(" шести")
    assert tab.page.locator("#note-1").input_value() == "перезвонить после шести"
    tab.page.keyboard.press("Escape")  # leaves the field first
    tab.page.keyboard.press("Escape")
    expect(tab.page.locator(".call-card")).to_have_count(0)
    expect(tab.page.locator("#call-hidden")).to_have_text("показать 1 скрытый звонок")


def test_an_unknown_number_becomes_a_lead_or_a_patients(house: House, tab: Tab) -> None:  # noqa: F811
    patient, _phone, surname = house.desk.people[12]
    house.open(tab, slug="overview")
    house.ring("+79450000999")
    card = tab.page.locator(".call-card")
    expect(card).to_contain_text("Такого номера нет ни у кого")
    tab.page.keyboard.press("n")
    expect(tab.page.locator(".notice").last).to_contain_text("Заявка создана")
    expect(card.locator("a")).to_have_attribute("href", f"/leads?lead={house.desk.rows(lead)[0].id}")
    tab.page.keyboard.press("i")
    field = card.locator("input[name=q]")
    field.fill(surname)
    field.press("Enter")
    card.locator(f"[id$='-is-{patient}']").click()
    expect(card.locator(".call-name")).to_have_text(house.desk.clinic.patient_name(patient))
    assert surname not in tab.page.url


def test_a_first_click_asks_for_my_phone_and_calls_and_the_next_one_just_calls(house: House, tab: Tab) -> None:  # noqa: F811
    house.open(tab)
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("c")
    row = tab.page.locator("[data-row][aria-selected=true]")
    expect(row.locator("input[name=extension]")).to_be_focused()
    tab.page.keyboard.type("101")
    row.get_by_text("Запомнить и позвонить").click()
    expect(tab.page.locator(".notice").last).to_contain_text("снимите трубку")
    expect(tab.page.locator(".call-card .chip").first).to_have_text("передаём АТС")
    expect(tab.page.locator("details[data-ask][open]")).to_have_count(0)
    assert [(seat.line, seat.extension) for seat in house.desk.rows(phone_seat)] == [("pbx", "101")]
    (order,) = house.desk.rows(phone_dial)
    assert order.e164 == house.desk.people[0][1]
    expect(tab.page.locator("#group-taken")).to_contain_text(house.desk.clinic.patient_name(house.desk.people[0][0]))
    tab.page.locator("#m2-call").dblclick()  # from the same phone: it is busy with the first one
    expect(tab.page.locator(".notice.bad").last).to_contain_text("С этого телефона уже звонят")
    tab.complaints.clear()  # the refusals
    assert len(house.desk.rows(outbox)) == 1


def test_the_worklist_is_worked_by_keys_alone(house: House, tab: Tab) -> None:  # noqa: F811
    house.open(tab)
    entry = house.desk.entry(house.desk.people[0][1]).id
    tab.page.keyboard.press("j")
    expect(tab.page.locator(f"#missed-{entry}")).to_have_attribute("aria-selected", "true")
    tab.page.keyboard.press("t")
    expect(tab.page.locator("#group-taken")).to_contain_text("Анна")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(f"#pane-{entry}")).to_contain_text("взято в работу")
    tab.page.keyboard.press("n")
    tab.page.keyboard.type("просил среду")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(f"#history-{entry}")).to_contain_text("просил среду")
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("b")
    expect(tab.page.locator(".notice").last).to_have_text("Решено: записан")
    expect(tab.page.locator("#group-done")).to_contain_text("просил среду")
    assert house.desk.entry(house.desk.people[0][1]).outcome == "booked"


def test_two_desks_take_the_same_call_and_one_sees_who_was_first(house: House, tab: Tab) -> None:  # noqa: F811
    entry = house.desk.entry(house.desk.people[0][1]).id
    house.open(tab)
    with console_of(house.desk, "Борис") as other:
        second = tab.page.context.new_page()
        second.goto(f"{other.url}calls")
        expect(second.locator("#link-state .dot.ok")).to_be_visible()
        second.evaluate("refresh = async () => {}")  # its page is a second behind
        tab.page.locator(f"#m{entry}-take").click()
        expect(tab.page.locator(".notice").last).to_contain_text("Взято")
        second.locator(f"#m{entry}-take").click()
        expect(second.locator(".notice.bad")).to_contain_text("Этот звонок уже взял другой сотрудник: Анна")
        second.reload()
        expect(second.locator(f"#missed-{entry}")).to_contain_text("Анна")
        assert tab.complaints == []
        second.close()
    assert house.desk.entry(house.desk.people[0][1]).taken_by.startswith("Анна")


@pytest.fixture(autouse=True)
def _nothing_heard_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "_shelf", recordings.Shelf())


def recorded(house: House, folder: Path) -> int:
    """Keep the recording of the newest call that has one; give its number."""
    call = max(row.id for row in house.desk.rows(phone_call) if row.recordings != "[]")
    with house.desk.store.write() as connection:
        seed.recording(folder, connection, call)
    return call


def test_a_recording_is_heard_moved_and_hurried_by_keys(house: House, tab: Tab, tmp_path: Path) -> None:  # noqa: F811
    call = recorded(house, tmp_path)
    house.open(tab, f"?tab=history&call={call}")
    sound = tab.page.locator(f"#player-{call}-0")
    playing = (
        "(e) => { const a = e.querySelector('audio'); return [a.paused, a.playbackRate, Math.round(a.duration)]; }"
    )
    tab.page.keyboard.press(" ")
    expect(sound.locator("[data-play]")).to_have_attribute("aria-pressed", "true")
    expect(sound.locator(".player-time")).to_contain_text("/ 0:30")
    assert sound.evaluate(playing) == [False, 1, 30]
    sound.get_by_text("1,5×").click()
    tab.page.locator("h1").click()
    tab.page.keyboard.press(" ")
    assert sound.evaluate(playing) == [True, 1.5, 30]
    before = sound.evaluate("(e) => e.querySelector('audio').currentTime")
    tab.page.keyboard.press("ArrowRight")
    after = sound.evaluate("(e) => e.querySelector('audio').currentTime")
    assert 9.9 < after - before < 10.1
    sound.locator("input").fill("900")
    expect(sound.locator(".player-time")).to_have_text("0:27 / 0:30")
    house.ring(seed.STRANGER)  # what is heard stays while the page is drawn anew
    expect(tab.page.locator(".call-log")).to_contain_text("звонит")
    expect(sound.locator(".player-time")).to_have_text("0:27 / 0:30")
    tab.page.keyboard.press("Escape")  # out of the bar
    for _time in range(3):
        tab.page.keyboard.press("ArrowLeft")
    expect(sound.locator(".player-time")).to_have_text("0:00 / 0:30")


def test_a_recording_that_is_gone_says_what_to_do(house: House, tab: Tab, tmp_path: Path) -> None:  # noqa: F811
    call = recorded(house, tmp_path)
    (tmp_path / f"{call}-0.wav").unlink()
    house.open(tab, f"?tab=history&call={call}")
    tab.page.locator("[data-play]").click()
    expect(tab.page.locator(".notice.bad").first).to_contain_text("Проверьте общую папку записей")
    expect(tab.page.locator("[data-play]")).to_have_attribute("aria-pressed", "false")
    tab.page.goto("about:blank")
    tab.complaints.clear()  # the browser says that it got no sound


def test_calls_are_found_by_last_digits_and_by_name_and_neither_stands_in_the_address(house: House, tab: Tab) -> None:  # noqa: F811
    patient, phone, surname = house.desk.people[30]
    house.open(tab, "?tab=history")
    tab.page.keyboard.press("f")
    tab.page.keyboard.type(f"{phone[-7:-4]}-{phone[-4:-2]}-{phone[-2:]}")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator("#call-only")).to_contain_text(phone[-7:])
    expect(tab.page.locator(".call-log tr")).to_have_count(1)
    assert phone[-7:] not in tab.page.url
    tab.page.locator("#call-search-end").click()
    expect(tab.page.locator("#call-only")).to_have_count(0)
    tab.page.locator("#call-q").fill(surname)
    tab.page.keyboard.press("Enter")
    tab.page.locator(f"#found-{patient}").click()
    expect(tab.page.locator("#call-only")).to_contain_text(house.desk.clinic.patient_name(patient))
    expect(tab.page.locator(".call-log tr")).to_have_count(1)
    assert f"patient={patient}" in tab.page.url


def looks(house: House) -> list[str]:
    call = max(row.id for row in house.desk.rows(phone_call) if row.recordings != "[]")
    return ["", "?missed=1", "?tab=history", f"?tab=history&call={call}", "?tab=statistics", "?tab=lines"]


def test_every_part_is_legible_in_both_themes_and_languages_and_fits_the_screen(house: House, tab: Tab) -> None:  # noqa: F811
    house.ring(house.desk.people[1][1], "a")
    house.ring(seed.STRANGER, "b")
    for theme, language in (("light", "ru"), ("dark", "en")):
        tab.page.emulate_media(color_scheme=theme)
        for part in looks(house):
            house.open(tab, f"{part}{'&' if part else '?'}lang={language}")
            expect(tab.page.locator("h1")).to_have_text("Звонки" if language == "ru" else "Calls")
            expect(tab.page.locator(".call-card")).to_have_count(2)
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (theme, part)
            assert dim(tab.page) == [], (theme, part)


def test_english_has_no_russian_but_what_people_wrote(house: House, tab: Tab) -> None:  # noqa: F811
    house.ring(seed.STRANGER)
    said = "button, th, .chip, label > :not(select), dt, h2, h3, .tabs a, summary, .group"
    words = f"(e) => [...e.querySelectorAll('{said}')].map((e) => e.innerText).join(' ')"
    names = house.desk.clinic.patient_name(house.desk.people[0][0])
    for part in looks(house):
        house.open(tab, f"{part}{'&' if part else '?'}lang=en")
        for place in ("main", "#corners"):
            said = tab.page.locator(place).evaluate(words).replace("Борис", "")
            said = said.replace(names, "").replace(seed.LINES["pbx"].title, "").lower()
            assert [word for word in said.split() if any(letter in CYRILLIC for letter in word)] == [], part


def test_a_number_of_twelve_shows_three_and_all_of_them_by_keys(house: House, tab: Tab) -> None:  # noqa: F811
    """A number that a clinic writes for everybody it has none of, or a large family."""
    with house.desk.engine.begin() as connection:
        chosen = "SELECT patient_id FROM clinic_patient ORDER BY patient_id LIMIT 12"
        connection.exec_driver_sql(f"UPDATE clinic_patient SET phone_key = '9450444444' WHERE patient_id IN ({chosen})")
    house.open(tab, slug="journal")
    house.ring("+79450444444")
    card = tab.page.locator(".call-card")
    others = card.locator("details")
    expect(others.locator("summary")).to_have_text("и ещё 9 пациентов с этим номером")
    expect(card.locator(".call-name:visible")).to_have_count(3)
    others.locator("summary").focus()
    tab.page.keyboard.press("Enter")
    expect(card.locator(".call-name:visible")).to_have_count(12)
    house.desk.now_ms = house.desk.store.now_ms()
    house.ring(seed.STRANGER, "r2")  # the corner is drawn anew: what was opened stays open
    expect(tab.page.locator(".call-card")).to_have_count(2)
    expect(card.first.locator(".call-name:visible")).to_have_count(12)
    others.locator(".call-name").last.scroll_into_view_if_needed()
    assert tab.page.evaluate("$('#corners').getBoundingClientRect().top >= 0")


EVIL = "<img src=x onerror=hacked=1>'; DROP TABLE phone_call; --\N{PILE OF POO}\u202e\x1b[31m"


@pytest.mark.parametrize("query", ["", "?tab=history", "?tab=statistics", "?tab=lines"])
def test_what_a_hostile_pbx_says_is_text_and_fits(house: House, tab: Tab, query: str) -> None:  # noqa: F811
    house.desk.now_ms = house.desk.store.now_ms()
    evil = Employee(EVIL * 3, EVIL * 9)
    fields: dict[str, Any] = {"rang": (evil,), "utm": ((EVIL, EVIL * 9),)}
    house.desk.ring(EVIL, "e1", ago=0, **fields)
    at = house.desk.now_ms
    house.desk.tell(seed.call("e2", EVIL, at - 60_000, talked=9_000, who=evil, recordings=(EVIL,), line=EVIL, **fields))
    house.desk.tell(seed.call("e3", "+79450001313", at - 90_000, line=EVIL, **fields))
    house.open(tab, query)
    expect(tab.page.locator(".call-card").first).to_be_visible()
    assert tab.page.evaluate("window.hacked") is None
    assert tab.page.locator("main img").count() == 0
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    card = tab.page.locator(".call-card").first
    assert tab.page.evaluate("e => e.scrollWidth <= e.clientWidth", card.element_handle())
    expect(card.locator(".call-head")).to_contain_text("звонит у: <img src=x")  # escaped once
