"""Page ЕГИСЗ in a real Chromium: legible in light and dark, driven by keys alone, two people at it, hostile texts."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, update

from browser import Tab, browser, dim, tab  # noqa: F401  fixtures
from identsync.clinic.contract import clinic_branch, clinic_patient, clinic_staff
from identsync.integrations.egisz.case import Complaint
from identsync.integrations.egisz.kept import complaints_text, missing_text
from identsync.integrations.egisz.rules_table import Missing
from identsync.store.tables import egisz_exchange, egisz_item

from . import egisz_desk
from .egisz_console import House, opened
from .egisz_seed import SETTINGS

pytestmark = pytest.mark.browser
egisz_clinic = egisz_desk.egisz_clinic
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
NAMES = {"снилс", "рэмд", "иэмк", "мкб-10", "егисз", "фрмо"}
"""What has no English name."""
HOSTILE = "<img src=x onerror=document.title='broken'></pre></aside>'\"><script>document.title='broken'</script>"
RTL = "\u202eцены\u2066 \u0661 عربى" + "ж" * 900


@pytest.fixture
def house(clone: Callable[[str], str], egisz_clinic: Path) -> Iterator[House]:
    with opened(clone("sqlite"), egisz_clinic, "Анна", "Борис") as house:
        house.weeks()
        yield house


def looked(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#link-state .dot.ok")).to_be_visible()


def parts(house: House) -> list[str]:
    rows = [f"?state={state}&item={id}" for state, id in house.made.items()]
    return ["", "?state=missing", "?late=1", "?tab=service", *rows]


def test_every_part_is_legible_in_both_themes_and_languages_and_fits_the_screen(house: House, tab: Tab) -> None:  # noqa: F811
    for theme, language in (("light", "ru"), ("dark", "en")):
        tab.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for part in parts(house):
            looked(tab.page, house.at(f"{part}{'&' if part else '?'}lang={language}"))
            expect(tab.page.locator("h1")).to_have_text("ЕГИСЗ" if language == "ru" else "EGISZ")
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (theme, part)
            assert dim(tab.page) == [], (theme, part)


def test_english_has_no_russian_but_names_and_what_n3_said(house: House, tab: Tab) -> None:  # noqa: F811
    words = """(e) => [...e.querySelectorAll(`button, th, .chip, dt, label, option, h2, h3, summary, .tabs a, ol > li,
        .n3-line .strong, .n3-line-head, p.muted`)]
        .filter((e) => !e.closest('select#n3-doctor, select#n3-branch, select#n3-org') && !e.querySelector('h2'))
        .map((e) => e.innerText).join(' ')"""
    names = {word.lower() for name in _names(house) for word in name.split()}
    for part in parts(house):
        looked(tab.page, house.at(f"{part}{'&' if part else '?'}lang=en"))
        said = tab.page.locator("main").evaluate(words).lower()
        told = {word.strip("(),.:;") for word in said.split() if any(c in CYRILLIC for c in word)}
        assert told - NAMES - names == set(), part


def _names(house: House) -> list[str]:
    people = house.clinic.patients(set(house.patients)).values()
    titles = [each.title for each in house.settings.values()]
    sentences = ["ответа нет время вышло"]
    doctors = [each.name for each in house.clinic.staff()]
    return [f"{each.surname} {each.name} {each.patronymic}" for each in people] + titles + sentences + doctors


def test_a_refused_case_is_opened_read_and_sent_again_by_keys_alone(house: House, tab: Tab) -> None:  # noqa: F811
    looked(tab.page, house.at("?state=rejected"))
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("Enter")
    said = tab.page.locator("#n3-complaints")
    expect(said).to_contain_text("Значение 999 не соответствует справочнику")
    expect(said).to_contain_text("должность врача")
    expect(said).to_contain_text("карточка сотрудника")
    tab.page.keyboard.press("a")
    expect(tab.page.locator(".notice").last).to_have_text("Отправим снова при ближайшем запуске")
    expect(tab.page.locator(".pane .chip").first).to_have_text("готов")
    expect(tab.page.locator("#n3-exchanges")).to_contain_text("Анна: отправить снова")
    assert house.row("rejected").state == "ready"
    tab.page.keyboard.press("Escape")
    expect(tab.page.locator(".pane")).to_have_count(0)


def test_what_is_missing_says_whose_and_where_and_leads_to_its_cases(house: House, tab: Tab) -> None:  # noqa: F811
    looked(tab.page, house.at("?state=missing"))
    line = tab.page.locator("#n3-lines a.n3-line", has_text="в 2 случаях нет диагноза")
    expect(line).to_contain_text("приём в амбулаторной карте")
    line.click()
    expect(tab.page.locator("#n3-card-list tr")).to_have_count(2)
    tab.page.locator(f"#n3-{house.made['missing']} a").click()
    lacks = tab.page.locator("#n3-lacks li")
    expect(lacks).to_have_count(4)
    doctor = {each.id: each.name for each in house.clinic.staff()}[house.row("missing").doctor_id]
    expect(lacks.first).to_contain_text("у врача нет СНИЛС")
    expect(lacks.first).to_contain_text(f"карточка сотрудника ({doctor})")
    expect(lacks.last).to_contain_text("[egisz.dental]")


def test_tabs_and_filters_show_what_they_say_and_count_it(house: House, tab: Tab) -> None:  # noqa: F811
    looked(tab.page, house.at())
    for state, count in house.counts().items():
        tab.page.locator(f"#tab-{state}").click()
        expect(tab.page.locator(f"#tab-{state}")).to_have_attribute("aria-current", "true")
        expect(tab.page.locator(f"#tab-{state} .count")).to_have_text(str(count))
        expect(tab.page.locator("#n3-card-list tr")).to_have_count(count)
    tab.page.locator("#tab-missing").click()
    expect(tab.page.locator("#n3-keep-state")).to_have_value("missing")
    doctor = house.row("missing").doctor_id
    tab.page.locator("#n3-doctor").select_option(str(doctor))
    expect(tab.page.locator("#n3-all")).to_be_visible()
    count = house.counts(doctor=doctor)["missing"]
    expect(tab.page.locator("#tab-missing .count")).to_have_text(str(count))
    expect(tab.page.locator("#n3-card-list tr")).to_have_count(count)
    tab.page.locator("#n3-all").click()
    expect(tab.page.locator("#n3-all")).to_have_count(0)
    tab.page.locator("#n3-late a").click()
    expect(tab.page.locator("#n3-only-late")).to_be_visible()
    expect(tab.page.locator("#n3-card-list tr")).to_have_count(1)
    for name in _names(house):
        assert name.split()[0] not in tab.page.url


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told_who_and_when(
    house: House,
    tab: Tab,  # noqa: F811
    browser: Browser,  # noqa: F811
) -> None:
    other = browser.new_context(viewport={"width": 1366, "height": 768}, locale="ru-RU").new_page()
    query = f"?state=unknown&item={house.made['unknown']}"
    looked(tab.page, house.at(query))
    looked(other, house.at(query, "Борис"))
    other.route(lambda url: "egisz?" in url, lambda _route: None)  # what is drawn anew has not come to Boris yet
    tab.page.keyboard.press("w")
    tab.page.locator("#ask button[value=yes]").click()
    expect(tab.page.locator(".notice").last).to_contain_text("дошёл до N3")
    other.keyboard.press("x")
    other.locator("#ask button[value=yes]").click()
    expect(other.locator(".notice.bad")).to_contain_text("здесь уже решил другой сотрудник: Анна")
    other.unroute_all()
    looked(other, house.at(query, "Борис"))
    decided = other.locator(".n3-exchange", has_text="Анна: дошёл до N3")
    expect(decided.locator("time")).to_be_visible()
    assert house.row("unknown").state == "taken"
    assert [fate for _operation, fate, _words in house.journal("unknown")].count("person") == 1
    other.context.close()


def test_the_file_for_support_comes_by_a_key(house: House, tab: Tab) -> None:  # noqa: F811
    looked(tab.page, house.at(f"?state=rejected&item={house.made['rejected']}"))
    with tab.page.expect_download() as coming:
        tab.page.keyboard.press("s")
    text = Path(coming.value.path()).read_text("utf-8")
    assert coming.value.suggested_filename == f"egisz-case-{house.made['rejected']}.txt"
    assert "AddCase: refused" in text
    assert not any(word in text for name in _names(house)[:60] for word in name.split() if len(word) > 3)


def test_what_clinic_and_n3_say_stays_text_whatever_it_is(house: House, tab: Tab) -> None:  # noqa: F811
    said = [Complaint(HOSTILE[:60], f"{HOSTILE}.IdPosition", HOSTILE + RTL), Complaint("", RTL, "\x00\x1b[31m\ufffe")]
    lines = [
        Missing("diagnosis.shape", HOSTILE, (("code", HOSTILE),)), Missing("doctor.snils", RTL),
        Missing("code.result", "result", (("label", "{0.__class__}"), ("key", RTL))),
    ]  # fmt: skip
    values = {"complaints": complaints_text(said), "own_id": HOSTILE[:60]}
    with house.store.write() as connection:
        here = egisz_item.c.id == house.made["rejected"]
        connection.execute(update(egisz_item).where(here).values(**values))
        here = egisz_item.c.id == house.made["missing"]
        connection.execute(update(egisz_item).where(here).values(missing=missing_text(lines)))
        texts = {"words": (HOSTILE + RTL)[:400], "request": HOSTILE + RTL * 9, "answer": "]]>" + HOSTILE}
        connection.execute(update(egisz_exchange).values(**texts))
    for part in ("?state=rejected", "?state=missing"):
        looked(tab.page, house.at(part))
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), part
    for state in ("rejected", "missing"):
        looked(tab.page, house.at(f"?state={state}&item={house.made[state]}"))
        for opened_ in tab.page.locator("details.n3-exchange summary").all():
            opened_.click()
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state
        expect(tab.page.locator(".pane img, .pane script, main img[src=x]")).to_have_count(0)
        expect(tab.page.locator(".pane")).to_contain_text("<img src=x")
        assert "broken" not in tab.page.title()


def test_names_of_the_clinic_stay_text_whatever_they_are(
    clone: Callable[[str], str],
    egisz_clinic: Path,
    tmp_path: Path,
    tab: Tab,  # noqa: F811
) -> None:
    path = tmp_path / "clinic.db"
    path.write_bytes(egisz_clinic.read_bytes())
    engine = create_engine(f"sqlite:///{path}")
    names = {"surname": HOSTILE, "name": RTL, "patronymic": "a\x00\x1b[31m\ufffe"}
    with engine.begin() as connection:
        connection.execute(update(clinic_patient).values(names))
        connection.execute(update(clinic_staff).values(name=HOSTILE + RTL))
        connection.execute(update(clinic_branch).values(name=RTL + HOSTILE))
    engine.dispose()
    titled = {name: msgspec.structs.replace(each, title=HOSTILE + RTL[:99]) for name, each in SETTINGS.items()}
    with opened(clone("sqlite"), path, settings=titled) as house:
        house.weeks()
        for part in parts(house):
            looked(tab.page, house.at(part))
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), part
            expect(tab.page.locator("main img, main script:not([src])")).to_have_count(0)
            assert "broken" not in tab.page.title()
        looked(tab.page, house.at(f"?state=missing&item={house.made['missing']}"))
        expect(tab.page.locator(".pane h2")).to_contain_text("<img src=x")


def test_an_address_full_of_rubbish_is_a_page(house: House, tab: Tab) -> None:  # noqa: F811
    rubbish = f"?state={HOSTILE}&what=\u202e&org={RTL[:200]}&branch=-1&doctor=99999999999999999999&since=2026-13-45"
    looked(tab.page, house.at(f"{rubbish}&until=9999-12-31&lack={HOSTILE}&item=0&show=-5&lines=%00&late=2"))
    expect(tab.page.locator("#n3-tabs")).to_be_visible()
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "broken" not in tab.page.title()
