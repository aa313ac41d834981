"""Page "Сообщения" in a real Chromium: legible in light and dark, driven by keys, a text counted while it is typed."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import create_engine, select, update

from browser import Tab, browser, dim, serving, tab  # noqa: F401  fixtures
from identsync.clinic.source import ClinicSource
from identsync.console.server import Console
from identsync.core.texts import measure
from identsync.integrations.messaging import INTEGRATION, consent
from identsync.integrations.messaging.message import Medium
from identsync.integrations.messaging.page_drafts import DRAFTS
from identsync.store import Store, open_store
from identsync.store.tables import message_file, outbox

from . import messages_seed as seed

pytestmark = pytest.mark.browser
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"


class House:
    """A day of messages and a console over it."""

    def __init__(self, store: Store, console: Any, people: list[Any], made: dict[str, list[int]]) -> None:
        self.store, self.console, self.people, self.made = store, console, people, made

    def at(self, query: str = "") -> str:
        return f"{self.console.url}messaging{query}"

    def state(self, number: int) -> str:
        with self.store.read() as connection:
            return str(connection.execute(select(outbox.c.state).where(outbox.c.id == number)).scalar_one())


@pytest.fixture
def house(clone: Callable[[str], str], clinic_file: Path, tmp_path: Path) -> Iterator[House]:
    engine = create_engine(f"sqlite:///{shutil.copy(clinic_file, tmp_path)}")
    people, store = seed.patients(engine), open_store(clone("sqlite"))
    with store.write() as connection:
        made = seed.day(connection, people, store.now_ms())
    DRAFTS.forget()
    rooms = [(INTEGRATION, seed.CHANNELS)]
    with serving(
        lambda: Console(store, ClinicSource(engine), rooms=rooms, port=0, zone="Europe/Moscow", user="Анна")
    ) as console:
        yield House(store, console, people, made)
    store.close()
    engine.dispose()


def test_every_part_is_legible_in_both_themes_and_languages_and_fits_the_screen(house: House, tab: Tab) -> None:  # noqa: F811
    parts = [
        "", f"?message={house.made['failed'][0]}", "?state=skipped", "?tab=unknown", "?tab=replies", "?tab=channels",
        "?tab=write", f"?tab=write&patient={house.people[0][0]}", "?tab=texts", "?tab=texts&template=2", "?tab=rules",
        "?tab=rules&rule=1", f"?tab=consents&patient={house.people[0][0]}", "?tab=bulk", "?tab=bulk&campaign=new-1",
    ]  # fmt: skip
    papers = set()
    for theme, language in (("light", "ru"), ("dark", "en")):
        tab.page.emulate_media(color_scheme=theme)
        for part in parts:
            tab.page.goto(house.at(f"{part}{'&' if part else '?'}lang={language}"))
            expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
            expect(tab.page.locator("h1")).to_have_text("Сообщения" if language == "ru" else "Messages")
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (theme, part)
            assert dim(tab.page) == [], (theme, part)
        papers.add(tab.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(papers) == 2


def test_english_has_no_russian_but_what_people_wrote(house: House, tab: Tab) -> None:  # noqa: F811
    words = (
        "(e) => [...e.querySelectorAll('button, th, .chip, label, h2, h3, .tabs a')].map((e) => e.innerText).join(' ')"
    )
    for part in (
        "",
        "?tab=unknown",
        "?tab=replies",
        "?tab=rules",
        "?tab=bulk",
        "?tab=consents",
    ):
        tab.page.goto(house.at(f"{part}{'&' if part else '?'}lang=en"))
        expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
        said = tab.page.locator("main").evaluate(words).lower()
        assert [word for word in said.split() if any(c in CYRILLIC for c in word)] == [], part


def test_keys_decide_on_an_unknown_message(house: House, tab: Tab) -> None:  # noqa: F811
    first, second, third = reversed(house.made["unknown"])
    tab.page.goto(house.at("?tab=unknown"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("w")
    expect(tab.page.locator(".notice").last).to_have_text("Записано: ушло")
    assert house.state(first) == "accepted"
    tab.page.locator(f"#unknown-{third}").hover()
    for number in (second, third):
        tab.page.locator(f"#tick-{number}").check()
    tab.page.locator("#many-leave").click()
    expect(tab.page.locator(".notice").last).to_have_text("Больше не отправляем: 2")
    assert [house.state(number) for number in (second, third)] == ["failed", "failed"]
    expect(tab.page.get_by_text("Всё известно")).to_be_visible()


def test_sending_again_what_may_have_gone_out_asks_first(house: House, tab: Tab) -> None:  # noqa: F811
    newest = house.made["unknown"][-1]
    tab.page.goto(house.at(f"?message={newest}"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.keyboard.press("a")
    expect(tab.page.locator("#ask")).to_contain_text("дважды")
    tab.page.keyboard.press("Escape")
    expect(tab.page.locator("#ask")).to_be_hidden()
    assert house.state(newest) == "unknown"
    tab.page.keyboard.press("a")
    tab.page.locator("#ask button[value=yes]").click()
    expect(tab.page.locator(".notice").last).to_have_text("Отправим снова")
    assert house.state(newest) == "planned"


def test_a_question_put_again_at_once_is_the_one_that_is_answered(house: House, tab: Tab) -> None:  # noqa: F811
    newest = house.made["unknown"][-1]
    tab.page.goto(house.at(f"?message={newest}"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    again = tab.page.locator("[data-detail] [data-key=a]")
    again.evaluate("(button) => { button.click(); document.querySelector('#ask').close('no'); button.click(); }")
    tab.page.evaluate("() => new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame)))")
    tab.page.locator("#ask button[value=yes]").click()
    expect(tab.page.locator(".notice").last).to_have_text("Отправим снова")
    assert house.state(newest) == "planned"


def test_what_happens_to_a_message_is_on_the_page_by_itself(house: House, tab: Tab) -> None:  # noqa: F811
    number = house.made["submitting"][0]
    tab.page.goto(house.at())
    expect(tab.page.locator(f"#msg-{number} .chip")).to_have_text("отправляется")
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    with house.store.write() as connection:
        values = {"state": "delivered", "changed_ms": house.store.now_ms()}
        connection.execute(update(outbox).where(outbox.c.id == number).values(values))
    expect(tab.page.locator(f"#msg-{number} .chip")).to_have_text("доставлено", timeout=5_000)


def test_a_patient_is_found_a_text_counted_as_it_is_typed_and_sent(house: House, tab: Tab) -> None:  # noqa: F811
    patient, phone, _email, _name = house.people[0]
    tab.page.goto(house.at("?tab=write"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.locator("#find-q").press_sequentially("".join(c for c in phone if c.isdigit())[-7:], delay=20)
    tab.page.locator(f"#found-{patient}").click()
    assert phone not in tab.page.url
    area = tab.page.locator("textarea[name=text]")
    said = "Добрый день! Ждём вас завтра, не забудьте снимок. " * 2
    area.press_sequentially(said, delay=5)
    expect(tab.page.locator("#size")).to_contain_text(f"{measure(said.strip())[2]} части")
    expect(tab.page.locator("#write-preview .msg-bubble")).to_contain_text("не забудьте снимок")
    assert area.input_value() == said
    tab.page.locator("#send").click()
    expect(tab.page.locator("#write-sent")).to_be_visible()
    expect(tab.page.locator("textarea[name=text]")).to_have_value("")
    tab.page.goto(house.at(f"?patient={patient}"))
    expect(tab.page.locator(".msg-log")).to_contain_text("не забудьте снимок")


def test_a_template_chosen_fills_the_text_even_where_somebody_typed(house: House, tab: Tab) -> None:  # noqa: F811
    patient, _phone, _email, name = house.people[0]
    tab.page.goto(house.at(f"?tab=write&patient={patient}"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.locator("textarea[name=text]").fill("начало")
    expect(tab.page.locator("#write-preview .msg-bubble")).to_contain_text("начало")
    tab.page.locator("select[name=template]").select_option(label="Осмотр")
    expect(tab.page.locator("textarea[name=text]")).to_have_value(f"{name}, пора на осмотр")


def test_a_plan_of_treatment_is_attached_in_pieces_and_sent_to_a_confirmed_address(
    house: House,
    tab: Tab,  # noqa: F811
    tmp_path: Path,
) -> None:
    patient, email = next((person[0], person[2]) for person in house.people if person[2])
    with house.store.write() as connection:
        consent.confirm(connection, patient, email, source="x", by="x", now_ms=1)
    file, content = tmp_path / "план.pdf", bytes(range(256)) * 700
    file.write_bytes(content)
    tab.page.goto(house.at(f"?tab=write&patient={patient}&medium=email"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.locator("input[type=file]").set_input_files(file)
    expect(tab.page.locator("#files")).to_contain_text("план.pdf 175 КБ")
    tab.page.locator("input[name=subject]").fill("План лечения")
    tab.page.locator("textarea[name=text]").fill("Во вложении ваш план лечения.")
    tab.page.locator("#send").click()
    expect(tab.page.locator("#write-sent")).to_be_visible()
    with house.store.read() as connection:
        assert connection.execute(select(message_file.c.content)).scalar_one() == content
    assert str(Medium.EMAIL) in tab.page.url


def test_a_template_says_its_mistakes_while_it_is_written(house: House, tab: Tab) -> None:  # noqa: F811
    tab.page.goto(house.at("?tab=texts"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.keyboard.press("n")
    tab.page.locator("input[name=name]").fill("Скидка")
    tab.page.locator("textarea[name=text]").fill("{имя}, {скидка}")
    expect(tab.page.locator("#mistakes")).to_contain_text("{скидка} такого места для вставки нет")
    tab.page.locator("textarea[name=text]").fill("{имя}, ждём вас")
    expect(tab.page.locator("#text-preview")).to_have_text("Анна, ждём вас")
    expect(tab.page.locator("#mistakes")).to_be_hidden()
    tab.page.get_by_role("button", name="Сохранить").click()
    expect(tab.page.locator(".notice").last).to_have_text("Шаблон сохранён")
    expect(tab.page.locator("#texts-list")).to_contain_text("Скидка")


def test_a_mailing_is_counted_and_started(house: House, tab: Tab) -> None:  # noqa: F811
    tab.page.goto(house.at("?tab=bulk"))
    expect(tab.page.locator("#link-state .dot.ok")).to_be_visible()
    tab.page.keyboard.press("n")
    tab.page.locator("input[name=name]").fill("Осмотр весной")
    tab.page.locator("select[name=template]").select_option(str(seed.INVITATION))
    tab.page.locator("#reckon").click()
    expect(tab.page.locator("#reckoning")).to_contain_text("нашлось")
    tab.page.locator("#start").click()
    tab.page.locator("#ask button[value=yes]").click()
    expect(tab.page.locator(".notice").last).to_have_text("Рассылка началась")
    expect(tab.page.locator("#campaigns")).to_contain_text("Осмотр весной")
    expect(tab.page.locator("#campaigns .chip")).to_have_text("идёт")
