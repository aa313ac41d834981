"""Templates: what may be filled, what is wrong said at once, and no patient's name that does harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.template import (
    EXAMPLE,
    NAMES,
    PLACES,
    WARNING,
    mistakes,
    places,
    preview,
    render,
    warns,
)

SMS, EMAIL = Medium.SMS, Medium.EMAIL


def whats(text: str, medium: Medium = SMS, kind: Kind = Kind.SERVICE, **more: object) -> list[tuple[str, int]]:
    return [(one.name, one.at) for one in mistakes(text, medium, kind, **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{имя}, ждём вас {дата} в {время}", "Анна, ждём вас 3 декабря в 14:30"),
        ("{First_Name}, {ВРАЧ}", "Анна, Ершова А. И."),
        ("{ имя }", "Анна"),
        ("Врач {врач}. {филиал}...", "Врач Ершова А. И. Клиника на Садовой..."),
        ("скобки {{ и }}", "скобки { и }"),
        ("{отчество}, ждём", "ждём"),
        ("Здравствуйте, {отчество}!", "Здравствуйте!"),
        ("{имя} {отчество}, ждём", "Анна, ждём"),
        ("Уважаемая {отчество} Анна", "Уважаемая Анна"),
        ("{отчество|клиент}, ждём", "клиент, ждём"),
        ("раз\n{отчество} два", "раз\nдва"),
        ("нет {такого} места", "нет {такого} места"),
        ("{имя", "{имя"),
    ],
)
def test_render(text: str, said: str) -> None:
    assert render(text, {**EXAMPLE, "отчество": ""}) == said


def test_all_mistakes_at_once_with_their_places() -> None:
    assert whats("{имя} {диагноз} { {фамилия} {услуга}") == [("диагноз", 6), ("{", 16), ("фамилия", 18), ("услуга", 28)]
    assert whats("{фамилия} {услуга}", EMAIL, subject="Запись {чего}") == [("чего", 7)]
    assert whats("  ") == [("", 0)]
    assert whats("текст", EMAIL) == [("", 0)]  # no subject


def test_what_only_a_visit_knows_is_not_for_bulk() -> None:
    assert whats("{имя}, {время}", visit=False) == [("время", 7)]
    assert whats("{имя}, {филиал}", visit=False) == []


def test_advertising_warns() -> None:
    assert whats("Скидка!", kind=Kind.AD) != []
    assert whats(f"Скидка! {WARNING}", kind=Kind.AD) == []
    assert whats("Скидка! ИМЕЮТСЯ ПРОТИВОПОКАЗАНИЯ. Необходима\nконсультация специалиста", kind=Kind.AD) == []
    assert not warns("Имеются противопоказания")


def test_preview_counts_parts_and_money() -> None:
    seen = preview("{имя}, ждём вас {дата} в {время}", "", EXAMPLE, SMS, 450)
    assert (seen.text, seen.alphabet, seen.parts, seen.kopecks) == ("Анна, ждём вас 3 декабря в 14:30", "ucs2", 1, 450)
    long = preview("ж" * 135, "", EXAMPLE, SMS, 450)
    assert (long.units, long.parts, long.kopecks) == (135, 3, 1350)
    assert preview("a" * 160, "", EXAMPLE, SMS, 1).alphabet == "gsm"
    mail = preview("{имя}", "Запись {дата}", EXAMPLE, EMAIL, 0)
    assert (mail.subject, mail.parts) == ("Запись 3 декабря", 1)


def test_names_of_places_are_told_apart() -> None:
    assert len(NAMES) == 2 * len(PLACES)
    assert places("{имя} {first_name} {TIME} {x}") == {"имя", "время"}


texts = st.text(st.sampled_from("{}| \n,.имяtime_х\0\ud800"), max_size=60) | st.text(max_size=60)
evil = st.text(max_size=300)


@given(texts, evil, st.sampled_from(list(Medium)), st.sampled_from(list(Kind)))
def test_nothing_raises_and_no_value_makes_a_line_or_a_place(text: str, value: str, medium: Medium, kind: Kind) -> None:
    mistakes(text, medium, kind, text)
    said = render(text, dict.fromkeys(EXAMPLE, value))
    assert said.count("\n") <= text.count("\n")


@given(evil)
def test_a_value_is_one_printable_line_and_never_filled_again(value: str) -> None:
    said = render("<{имя|-}>", {"имя": value + "{время}", "время": "14:30"})
    assert said.isprintable()
    assert "14:30" not in said or "14:30" in value
    said.encode()


@given(st.text(max_size=50))
def test_a_text_without_braces_is_itself(text: str) -> None:
    plain = text.replace("{", "").replace("}", "")
    assert render(plain, EXAMPLE) == plain
    assert render(text.replace("{", "{{").replace("}", "}}"), EXAMPLE) == text
