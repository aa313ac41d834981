"""What patients said: the newest word counts, a refusal beats all, a stopped number is stopped for everybody."""

import pytest

from identsync.integrations.messaging import consent, reasons
from identsync.integrations.messaging.consent import ADDRESS, is_stop, standing
from identsync.integrations.messaging.message import Kind, Medium
from identsync.store import Store

SMS, EMAIL = Medium.SMS, Medium.EMAIL
NUMBER = "+79450000001"


def say(store: Store, given: bool, kind: Kind, now_ms: int, medium: Medium = SMS, patient: int = 1) -> None:
    with store.write() as connection:
        consent.record(
            connection, patient, medium, kind, given=given, source="анкета", by="Вера", now_ms=now_ms, text_version="3"
        )


def why(store: Store, kind: Kind, medium: Medium = SMS, patient: int | None = 1, asks: bool = False) -> str:
    with store.read() as connection:
        said = standing(connection, medium, [1, 2], [NUMBER])
    return said.objection(patient, NUMBER, kind, service_consent=asks)


def test_advertising_needs_a_consent_service_only_where_the_policy_says_so(store: Store) -> None:
    assert why(store, Kind.SERVICE) == ""
    assert why(store, Kind.SERVICE, asks=True) == reasons.NO_CONSENT
    assert why(store, Kind.AD) == reasons.NO_AD_CONSENT
    say(store, True, Kind.AD, 10)
    assert why(store, Kind.AD) == ""
    assert why(store, Kind.AD, EMAIL) == reasons.NO_AD_CONSENT
    assert why(store, Kind.AD, patient=2) == reasons.NO_AD_CONSENT
    assert why(store, Kind.AD, patient=None) == reasons.NO_AD_CONSENT


def test_the_newest_word_counts_and_a_refusal_of_the_same_moment(store: Store) -> None:
    say(store, True, Kind.AD, 10)
    say(store, False, Kind.AD, 20)
    assert why(store, Kind.AD) == reasons.REFUSED
    assert why(store, Kind.SERVICE) == ""
    say(store, True, Kind.AD, 30)
    assert why(store, Kind.AD) == ""
    say(store, False, Kind.AD, 40)
    say(store, True, Kind.AD, 40)
    assert why(store, Kind.AD) == reasons.REFUSED


def test_who_wants_no_service_messages_wants_no_advertising(store: Store) -> None:
    say(store, True, Kind.AD, 10)
    say(store, False, Kind.SERVICE, 5)
    assert why(store, Kind.SERVICE) == reasons.REFUSED
    assert why(store, Kind.AD) == reasons.REFUSED


def test_a_stopped_number_is_stopped_for_the_whole_family(store: Store) -> None:
    say(store, True, Kind.AD, 10)
    with store.write() as connection:
        assert consent.stop(connection, SMS, "8 (945) 000-00-01", source="СТОП", now_ms=1)
        assert not consent.stop(connection, SMS, "79450000001", source="СТОП", now_ms=2)
        assert [one.address for one in consent.stops(connection)] == [NUMBER]
    for patient in (1, 2, None):
        assert why(store, Kind.SERVICE, patient=patient) == reasons.STOPPED
    say(store, True, Kind.AD, 99)
    assert why(store, Kind.AD) == reasons.STOPPED
    with store.write() as connection:
        assert consent.lift(connection, SMS, "+7 945 0000001")
        assert not consent.lift(connection, SMS, NUMBER)
    assert why(store, Kind.AD) == ""


def test_a_confirmed_address_is_that_address_only_and_no_consent(store: Store) -> None:
    say(store, False, Kind.SERVICE, 1, EMAIL)
    with store.write() as connection:
        consent.confirm(connection, 1, "Anna@Example.com", source="паспорт", by="Вера", now_ms=2)
    with store.read() as connection:
        said = standing(connection, EMAIL, [1, 2], [])
        assert said.is_confirmed(1, "anna@example.com")
        assert not said.is_confirmed(1, "other@example.com")
        assert not said.is_confirmed(2, "anna@example.com")
        assert said.objection(1, "anna@example.com", Kind.SERVICE, service_consent=False) == reasons.REFUSED
        words = consent.history(connection, 1)
    assert [(word.kind, word.given, word.source, word.by, word.address) for word in words] == [
        (ADDRESS, True, "паспорт", "Вера", "anna@example.com"),
        ("service", False, "анкета", "Вера", ""),
    ]
    assert words[1].text_version == "3"


@pytest.mark.parametrize("text", ["СТОП", "stop!", " Стоп. ", "отписка", "Не присылайте больше!", "Стоп, хватит"])
def test_stop(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", ["", "Отказ от приёма 5 числа", "стоп кран сломался у меня", "да", "+", "перенесите"])
def test_no_stop(text: str) -> None:
    assert not is_stop(text)
