"""GetTickets as real sites spell it: every problem of a row at once, and nothing that a database would refuse."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.flows.flaw import Flaw
from identsync.flows.intake import Row, Window
from identsync.integrations.leads import wire

ZONE = "Asia/Novosibirsk"


def ticket(**change: Any) -> dict[str, Any]:
    return {"Id": "a-1", "DateAndTime": "2026-05-12T10:00:00+03:00", "ClientPhone": "8 (912) 345-67-89"} | change


def read(**change: Any) -> wire.Ticket:
    row = wire.parse(ticket(**change), ZONE)
    assert isinstance(row, Row), row
    return row.value


def problems(raw: object) -> list[Flaw]:
    found = wire.parse(raw, ZONE)
    assert isinstance(found, list)
    return found


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


class TestQuery:
    def test_a_moment_before_1970_is_spelled_on_every_system(self) -> None:
        assert wire.spell(-60_000, "Europe/Moscow") == "1970-01-01T02:59:00+03:00"

    def test_spelled_with_offset_and_a_plus_that_survives_the_wire(self) -> None:
        import httpx

        at = ms("2026-05-12T10:00:00+07:00")
        query = wire.query(Window(at, at + 1500, last=True), ZONE, 500, 1000)
        assert query["dateTimeFrom"] == "2026-05-12T10:00:00+07:00"
        assert query["dateTimeTo"] == "2026-05-12T10:00:01+07:00"
        sent = httpx.URL("https://site.example/GetTickets", params=query).query.decode()
        assert "%2B" in sent
        assert parse_qs(sent)["offset"] == ["1000"]

    def test_no_limit_sends_no_paging(self) -> None:
        assert set(wire.query(Window(0, 0, last=True), ZONE, 0, 0)) == {"dateTimeFrom", "dateTimeTo"}


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "same"),
        [
            ("2026-05-12T10:00:00+03:00", "2026-05-12T10:00:00+03:00"),
            ("2026-05-12T10:00:00", "2026-05-12T10:00:00+07:00"),
            ("2026-05-12 10:00:00", "2026-05-12T10:00:00+07:00"),
            ("2026-05-12T10:00:00.1234567+03:00", "2026-05-12T10:00:00.123+03:00"),
            ("2026-05-12T10:00:00Z", "2026-05-12T10:00:00+00:00"),
            ("2099-01-01T00:00:00+03:00", "2099-01-01T00:00:00+03:00"),
        ],
    )
    def test_spellings(self, text: str, same: str) -> None:
        assert read(DateAndTime=text).made_ms == ms(same)

    @pytest.mark.parametrize(
        "text", ["вчера", "2026-13-01T00:00:00", "9999-12-31T23:59:59-14:00", "1", "1970-01-01T00:00:00Z"]
    )
    def test_no_time(self, text: str) -> None:
        assert len(problems(ticket(DateAndTime=text))) == 1

    def test_an_unset_date_of_dotnet_is_nothing(self) -> None:
        assert read(PlanStart="0001-01-01T00:00:00").plan_start_ms is None
        assert problems(ticket(DateAndTime="0001-01-01T00:00:00"))


class TestPhones:
    @pytest.mark.parametrize(
        ("phone", "number"),
        [
            ("8 (912) 345-67-89", "+79123456789"),
            ("+7 912 345 67 89", "+79123456789"),
            ("79123456789", "+79123456789"),
            ("9123456789", "+79123456789"),
            ("+375 29 123-45-67", "+375291234567"),
            ("+86 139 1234 5678", "+8613912345678"),
            ("+8 (912) 345-67-89", None),
            ("+8 495 123 45 67", None),  # read as it stands it would be a number in Vietnam
            ("123", None),
            ("нет", None),
            ("🦷", None),
        ],
    )
    def test_to_e164(self, phone: str, number: str | None) -> None:
        assert wire.e164(phone) == number
        assert read(ClientPhone=phone).phone == phone

    def test_the_mistyped_eight_by_wish(self) -> None:
        assert wire.e164("+8 (912) 345-67-89", fix_plus8=True) == "+79123456789"
        assert wire.e164("+86 139 1234 5678", fix_plus8=True) == "+8613912345678"


class TestRows:
    def test_parts_of_a_name_become_one(self) -> None:
        assert read(ClientSurname="Зимин", ClientName="Егор", ClientPatronymic=None).full_name == "Зимин Егор"

    def test_nulls_and_blanks_are_nothing(self) -> None:
        lead = read(ClientEmail=None, Comment=" ", DoctorId=None, PlanStart="", UtmTerm=None, ClientFullName="")
        assert (lead.email, lead.comment, lead.doctor_id, lead.plan_start_ms, lead.utm) == (None, None, None, None, {})

    def test_numbers_are_taken_as_their_text(self) -> None:
        lead = read(Id=42, ClientPhone=79123456789, DoctorId="7")
        assert (lead.external_id, lead.phone_e164, lead.doctor_id) == ("42", "+79123456789", 7)

    def test_four_hundred_characters_with_emoji(self) -> None:
        identity = "🦷" * 400
        row = wire.parse(ticket(Id=identity), ZONE)
        assert isinstance(row, Row)
        assert row.key == wire.key_of(identity)
        assert row.value.external_id == "🦷" * 200  # the column counts UTF-16 units
        assert problems(ticket(Id=identity + "x"))

    def test_what_no_database_takes_is_replaced(self) -> None:
        lead = read(Id="\ud83d", Comment="a\0b\ud83d")
        assert lead.comment == "ab\ufffd"

    def test_plans(self) -> None:
        start = "2026-05-12T10:00:00+03:00"
        assert read(PlanStart=start, PlanEnd=start).plan_end_ms == ms(start)
        assert len(problems(ticket(PlanStart=start, PlanEnd="2026-05-12T09:00:00+03:00"))) == 1
        assert len(problems(ticket(PlanStart=start, PlanEnd="2026-05-12T22:00:01+03:00"))) == 1

    def test_all_problems_of_a_row_are_said(self) -> None:
        bad = {"Id": None, "DateAndTime": "?", "ClientFullName": "А", "ClientName": "Б", "DoctorId": "x", "Comment": {}}
        assert len(problems(bad)) == 6

    @pytest.mark.parametrize("raw", [None, 1, "x", [], True, [{}]])
    def test_no_row_at_all(self, raw: object) -> None:
        assert len(problems(raw)) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud83d\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = [
    "Id",
    "DateAndTime",
    "ClientPhone",
    "ClientFullName",
    "ClientName",
    "PlanStart",
    "PlanEnd",
    "DoctorId",
    "UtmTerm",
]


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON | st.datetimes().map(str))))
def test_whatever_comes_is_a_row_or_reasons(raw: dict[str, Any]) -> None:
    found = wire.parse(raw, ZONE)
    if isinstance(found, list):
        assert found
        assert all("{" not in str(flaw) for flaw in found)
        return
    lead = found.value
    texts = [lead.external_id, lead.phone, lead.full_name or "", *lead.utm.values()]
    assert all("\0" not in text and len(text.encode("utf-16-le")) <= 800 for text in texts)
    assert lead.phone
    assert len(lead.phone.encode("utf-16-le")) <= 200
    assert datetime(1999, 12, 31, tzinfo=UTC).timestamp() * 1000 < lead.made_ms
