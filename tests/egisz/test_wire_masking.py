"""What is kept for people of a request and its answer: structure, codes and ids; no token, nobody's name."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from identsync.integrations.egisz.wire import build, masking
from identsync.integrations.egisz.wire.contract import Endpoint, Message

from .n3_desk import case, child, contract, document, patient

SENDER = build.Sender("0f0f0f0f-token-of-ours", "lpu-99", 1)


def of_patient() -> Message:
    return contract().message(Endpoint.PIX, "AddPatient", build.patient(SENDER, child()))


def messages() -> list[Message]:
    emk = Endpoint.EMK
    return [
        contract().message(Endpoint.PIX, "AddPatient", build.patient(SENDER, patient())),
        of_patient(),
        contract().message(emk, "AddCase", build.case(SENDER, case(child()))),
        contract().message(emk, "AddMedRecord", build.document(SENDER, "patient-1", document(case_id="case-1"))),
    ]


TOLD = (
    *("0f0f0f0f-token-of-ours", "Лапина", "Дарья", "Тим", "Олеговна", "Громова", "Вера", "Ильинична"),
    *("11223344595", "1978-03-30", "2019-02-28", "1990-01-02", "Лесная", "9160000002", "654321", "4509", "ОВД"),
    *("II-АБ 123456", "Лечение", "кариес", "осложнений", "Протокол"),
)


@pytest.mark.parametrize("at", range(4))
def test_nothing_of_people_and_no_token_is_kept(at: int) -> None:
    shown = masking.request_of(messages()[at].envelope)
    assert [each for each in TOLD if each in shown] == []


def test_structure_codes_and_ids_are_kept() -> None:
    one = case(patient())
    shown = masking.request_of(contract().message(Endpoint.EMK, "AddCase", build.case(SENDER, one)).envelope)
    for kept in (one.id, one.patient.person.id, "K02.1", "A16.07.002.001", "staff-7", "lpu-99", "<n1:IdPaymentType>3<"):
        assert kept in shown
    assert "2026-11-26T09:00:00+11:00" in shown
    assert "FamilyName>***<" in shown


def test_documents_are_shown_by_their_size_and_stay_what_they_are() -> None:
    message = contract().message(
        Endpoint.EMK, "AddMedRecord", build.document(SENDER, "patient-1", document(content=b"x" * 3_000_000))
    )
    before = message.body()
    shown = masking.request_of(message.envelope)
    assert "Data>[3000000 B]<" in shown
    assert len(shown) < masking.SHOWN
    assert message.body() == before


def answered(words: str) -> str:
    root = etree.Element("Fault")
    etree.SubElement(root, "Message").text = words
    return masking.answer_of(root, masking.Secrets(of_patient().envelope))


@pytest.mark.parametrize(
    "words",
    [
        "Пациент Лапина Тим не найден",
        "ЛАПИНА",
        "номер 112-233-445 95... нет, +7 (916) 000-00-02",
        "дата 28.02.2019 и 2019-02-28",
        "guid 0f0f0f0f-token-of-ours",
    ],
)
def test_what_the_request_told_is_struck_out_of_the_answer(words: str) -> None:
    shown = answered(words)
    assert "***" in shown
    assert [
        each for each in ("Лапина", "ЛАПИНА", "Тим", "916", "28.02.2019", "2019-02-28", "0f0f") if each in shown
    ] == []


@pytest.mark.parametrize(
    "words",
    [
        "паспорт 4509654321 уже у другого", "паспорт 4509 654321", "паспорт 45 09 654321", "тел. 89160000002",
        "тел. 8 (916) 000-00-02", "тел. 916 000 00 02", "ЛАПИНА-СЕМЕНОВА не найдена",
    ],
)  # fmt: skip
def test_who_it_is_about_is_struck_out_however_n3_spells_it(words: str) -> None:
    one = patient()
    about = masking.of_patient(replace(one, person=replace(one.person, surname="Лапина-Семёнова")))
    told = masking.Secrets(None, about).out_of(words)
    assert masking.MASK in told
    assert not any(each in told.replace(" ", "") for each in ("654321", "0000002", "000-00-02", "СЕМЕНОВА"))


def test_their_own_words_codes_and_books_are_left_as_they_are() -> None:
    words = "Значение 77 не соответствует справочнику (OID справочника 1.2.643.2.69.1.1.1.16), Оптимально"
    assert words in answered(words)


@pytest.mark.parametrize("name", ["A & B", "<b>", "O'Neill", "(x", "Ян\\d+"])
def test_names_of_any_characters_are_struck_out(name: str) -> None:
    one = patient()
    message = contract().message(
        Endpoint.PIX, "AddPatient", build.patient(SENDER, replace(one, person=replace(one.person, surname=name)))
    )
    root = etree.Element("Message")
    root.text = f"Пациент {name} есть"
    assert "Пациент *** есть" in masking.answer_of(root, masking.Secrets(message.envelope))


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1, max_size=300)
)
def test_any_answer_is_shown_without_an_exception(text: str) -> None:
    secrets = masking.Secrets(of_patient().envelope)
    assert len(masking.text_of(text, secrets)) <= max(len(text) * 3, 3)
