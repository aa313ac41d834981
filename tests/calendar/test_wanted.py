"""What the clinic asks for, from real rows in real databases to the events that go out."""

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine, create_engine, event, insert, select, text, update

from identsync.clinic.clock import to_ms
from identsync.clinic.contract import (
    clinic_appointment,
    clinic_branch,
    clinic_patient,
    clinic_shift,
    clinic_staff,
    contract,
)
from identsync.clinic.source import FIELDS, ClinicSource, Doctor
from identsync.core.columns import digest
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.wanted import Wanted, Wish, homes, read, when

DAY = 1440
TODAY = 20_610
ZONES = {1: "Europe/Moscow", 2: "Asia/Vladivostok"}
NOW = to_ms(ZONES[1], TODAY * DAY + 600)
KEY = bytes(range(32))
Row = dict[str, Any]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def clinic(engine: Engine) -> Engine:
    """Two branches seven hours apart; doctor 5 works in both, doctor 6 in the second."""
    contract.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(clinic_branch), [{"branch_id": i, "name": "Филиал", "time_zone": z} for i, z in ZONES.items()]
        )
        doctor = {"name": "Ершова Анна", "speciality": ""}
        seats = [{"branch_id": 1, "doctor_id": 5}, {"branch_id": 2, "doctor_id": 5}, {"branch_id": 2, "doctor_id": 6}]
        connection.execute(insert(clinic_staff), [seat | doctor for seat in seats])
        person = {"surname": "Иванов", "name": "Пётр Сергеевич", "patronymic": ""}
        connection.execute(insert(clinic_patient), [{"patient_id": 70} | person])
    return engine


def book(engine: Engine, id_: int, start: int, length: int = 30, **more: Any) -> None:
    """Book ``start`` minutes from the morning of TODAY."""
    row = {"branch_id": 1, "doctor_id": 5, "kind": 0, "patient_id": 70} | more
    row |= {"appointment_id": id_, "start_minute": TODAY * DAY + start, "length_minutes": length}
    with engine.begin() as connection:
        connection.execute(insert(clinic_appointment), [row])


def change(engine: Engine, id_: int, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(clinic_appointment).where(clinic_appointment.c.appointment_id == id_).values(**values)
        )


def wanted(engine: Engine, scope: int = 1, doctors: tuple[int, ...] = (5,), **wish: Any) -> Wanted:
    return read(ClinicSource(engine), Wish(**wish), scope, KEY, doctors, NOW)


def events(engine: Engine, **wish: Any) -> list[Event]:
    found = wanted(engine, **wish)
    return sorted(found.events(found.columns.keys).values(), key=lambda one: one.start_ms)


def at(branch: int, start: int) -> int:
    return to_ms(ZONES[branch], TODAY * DAY + start)


def test_an_event_says_nothing_but_busy_by_default(clinic: Engine) -> None:
    book(clinic, 1, 600, service="Кариес", room="4", comment="Боится", changed_ms=77)
    (one,) = events(clinic)
    assert one == Event(one.name, at(1, 600), at(1, 630), "Занято")
    assert one.changed_ms == 77
    assert len(one.name) == 32
    assert set(one.name) <= set("0123456789abcdefghijklmnopqrstuv")


def test_without_leave_to_show_anything_no_text_leaves_the_database(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    contract.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(clinic_branch), [{"branch_id": 1, "name": "Ф", "time_zone": ZONES[1]}])
    engine.dispose()
    sent: list[str] = []

    @event.listens_for(engine, "connect")
    def trace(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(sent.append)

    wanted(engine, shifts=True)
    asked = [one for one in sent if "clinic_appointment" in one]
    assert len(asked) == 1
    for word in ("clinic_patient", "patient_id", "service", "room", "comment"):
        assert word not in " ".join(sent)
    wanted(engine, show=("initials",))
    assert "substring" in sent[-2]  # before the ROLLBACK
    for word in ("service", "room", "comment"):
        assert word not in sent[-2]
    engine.dispose()


@pytest.mark.parametrize(
    ("show", "told"),
    [
        (("initials",), ("И. П.", "", "")),
        (("first_name",), ("Пётр", "", "")),
        (("first_name", "initials"), ("Пётр И.", "", "")),
        (("service",), ("Кариес", "", "")),
        (("service", "initials"), ("И. П. · Кариес", "", "")),
        (("room",), ("Занято", "", "Кабинет 4")),
        (("comment",), ("Занято", "Боится\nсверла", "")),
        (FIELDS, ("Пётр И. · Кариес", "Боится\nсверла", "Кабинет 4")),
        (FIELDS[::-1], ("Пётр И. · Кариес", "Боится\nсверла", "Кабинет 4")),
    ],
)
def test_each_step_of_the_policy_shows_so_much(clinic: Engine, show: tuple[str, ...], told: tuple[str, ...]) -> None:
    book(clinic, 1, 600, service=" Кариес\t", room="Кабинет 4", comment="Боится\r\nсверла\x07")
    (one,) = events(clinic, show=show)
    assert (one.summary, one.description, one.location) == told


@pytest.mark.parametrize(
    "name", ["Пётр", "Анна-Мария", "Жан\u2011Поль", "Н'Гала", " Ли ", "Пётр Ильич", "Анна  Ильинична"]
)
def test_a_first_name_is_one_word_and_a_patronymic_perhaps(clinic: Engine, name: str) -> None:
    rename(clinic, name)
    (one,) = events(clinic, show=("first_name",))
    assert one.summary == name.split(maxsplit=1)[0]


def test_a_name_whose_letters_are_composed_is_a_name(clinic: Engine) -> None:
    rename(clinic, "Андреи\u0306")
    (one,) = events(clinic, show=("first_name",))
    assert one.summary == "Андрей"


@pytest.mark.parametrize(
    "name",
    ["Иванова Мария Петровна", "Мария Иванова", "Мария\u00a0Иванова", "Мария\nИванова", "Мария,Иванова",
     "Иванова,Мария", "Мария/Иванова", "Мария.Иванова", "Мария2", "-", "Мария +7 900 123-45-67"],
)  # fmt: skip
def test_what_is_more_than_a_first_name_is_not_shown_as_one(clinic: Engine, name: str) -> None:
    """Russian records put the surname first, so no part of it may be told."""
    rename(clinic, name)
    assert [one.summary for one in events(clinic, show=("first_name",))] == ["Занято"]
    (both,) = events(clinic, show=("first_name", "initials"))
    letters = ["И.", *([f"{name[0]}."] if name[0].isalpha() else [])]
    assert both.summary == " ".join(letters)


def test_names_that_were_told_before_they_had_to_be_one_word_are_written_anew_and_nothing_else() -> None:
    plain, named = (Wish(show=show).words() for show in (("service",), ("service", "first_name")))
    assert plain == digest(orjson.dumps([1, ("service",), "Занято", "Резерв", "Смена"]))
    assert named != digest(orjson.dumps([1, ("first_name", "service"), "Занято", "Резерв", "Смена"]))


def rename(clinic: Engine, name: str) -> None:
    with clinic.begin() as connection:
        connection.execute(text("UPDATE clinic_patient SET name=:name, patronymic=''"), {"name": name})
    book(clinic, 1, 600)


def test_initials_leave_the_database_as_letters(clinic: Engine) -> None:
    book(clinic, 1, 600)
    found = wanted(clinic, show=("initials",))
    assert found._rows.texts(found.columns.keys[0]) == ("И", "П", "")


def test_who_has_no_name_or_patient_and_what_is_too_long(clinic: Engine) -> None:
    book(clinic, 1, 600, patient_id=None)
    book(clinic, 2, 700, patient_id=71)
    book(clinic, 3, 800, kind=1, comment="x" * 900)
    found = events(clinic, show=FIELDS, busy_text="Приём", reserve_text="Держим")
    assert [one.summary for one in found] == ["Приём", "Приём", "Держим"]
    assert found[2].description == "x" * 900


def test_reserves_and_shifts_are_a_choice(clinic: Engine) -> None:
    book(clinic, 1, 600)
    book(clinic, 2, 700, kind=1)
    with clinic.begin() as connection:
        shift = {"branch_id": 1, "doctor_id": 5, "start_minute": TODAY * DAY + 540, "length_minutes": 480}
        connection.execute(insert(clinic_shift), [shift])
    assert [one.summary for one in events(clinic)] == ["Занято", "Резерв"]
    assert [one.summary for one in events(clinic, reserves=False)] == ["Занято"]
    working = events(clinic, shifts=True)[0]
    assert working == Event(working.name, at(1, 540), at(1, 1020), "Смена", free=True)


def test_busy_runs_merge_what_touches_and_show_nothing(clinic: Engine) -> None:
    book(clinic, 1, 600, service="Кариес")
    book(clinic, 2, 630, 60, kind=1)
    book(clinic, 3, 640, 10)
    book(clinic, 4, 720)
    both = events(clinic, what="busy", show=FIELDS)
    assert [(one.start_ms, one.end_ms, one.summary) for one in both] == [
        (at(1, 600), at(1, 690), "Занято"),
        (at(1, 720), at(1, 750), "Занято"),
    ]
    assert [one.end_ms for one in events(clinic, what="busy", reserves=False)] == [at(1, 630), at(1, 650), at(1, 750)]


def test_a_doctor_is_followed_into_all_branches_each_by_its_own_clock(clinic: Engine) -> None:
    book(clinic, 1, 600)
    book(clinic, 2, 600, branch_id=2)
    book(clinic, 3, 600, doctor_id=6, branch_id=2)
    book(clinic, 4, 600, branch_id=3)
    assert [one.start_ms for one in events(clinic)] == [at(2, 600), at(1, 600)]
    assert [one.start_ms for one in events(clinic, branches={1})] == [at(1, 600)]


def test_the_window_is_days_from_today_of_each_branch(clinic: Engine) -> None:
    """At ten in Moscow it is 17:00 of the same day in Vladivostok; late in the evening there it is tomorrow."""
    late = at(1, 23 * 60)
    for id_, (branch, start) in enumerate([(1, -2 * DAY), (1, 2 * DAY - 1), (2, -DAY), (2, 3 * DAY - 1)], 1):
        book(clinic, 10 * id_, start, 1, branch_id=branch)
        book(clinic, 10 * id_ + 1, start + (-1 if start < 0 else 1), 1, branch_id=branch)
    found = read(ClinicSource(clinic), Wish(back_days=2, days=2), 1, KEY, (5,), late)
    assert {row[3] for key in found.columns.keys if (row := found._rows.get(key))} == {10, 20, 30, 40}
    assert found.zone == ZONES[1]


def test_what_reaches_into_the_window_is_whole(clinic: Engine) -> None:
    book(clinic, 1, -7 * DAY - 60, 61)
    (one,) = events(clinic)
    assert one.start_ms == at(1, -7 * DAY - 60)


def test_rows_that_cannot_be_events_are_counted(clinic: Engine) -> None:
    book(clinic, 1, 600, 0)
    book(clinic, 2, 600, -5)
    book(clinic, 3, 600, 5, kind=0)
    found = wanted(clinic)
    assert len(found.columns) == 1
    assert found.ignored == 2


def differs(engine: Engine, old: Wanted, **wish: Any) -> tuple[int, int, int]:
    found = old.columns.difference(wanted(engine, **wish).columns)
    return len(found.added), len(found.changed), len(found.removed)


def test_only_what_people_would_see_changes_a_digest(clinic: Engine) -> None:
    book(clinic, 1, 600, service="Кариес")
    book(clinic, 2, 700)
    plain, told = wanted(clinic), wanted(clinic, show=("service",))
    change(clinic, 1, service="Пульпит", changed_ms=5)
    assert differs(clinic, plain) == (0, 0, 0)
    assert differs(clinic, told, show=("service",)) == (0, 1, 0)
    change(clinic, 2, length_minutes=45)
    assert differs(clinic, plain) == (0, 1, 0)
    change(clinic, 2, doctor_id=6)
    assert differs(clinic, plain) == (0, 0, 1)


def test_a_change_of_policy_or_words_rewrites_everything_and_renames_nothing(clinic: Engine) -> None:
    for id_ in range(1, 6):
        book(clinic, id_, 600 + id_)
    old = wanted(clinic)
    assert differs(clinic, old, show=("room",)) == (0, 5, 0)
    assert differs(clinic, old, busy_text="Приём") == (0, 5, 0)
    assert differs(clinic, old, back_days=30) == (0, 0, 0)
    assert old.columns.keys == wanted(clinic, show=FIELDS).columns.keys


def test_names_depend_on_home_doctor_kind_number_and_the_networks_key(clinic: Engine) -> None:
    book(clinic, 1, 600)

    def name(scope: int = 1, key: bytes = KEY) -> str:
        found = read(ClinicSource(clinic), Wish(), scope, key, (5,), NOW)
        return next(iter(found.events(found.columns.keys).values())).name

    before = name()
    assert before == name()
    others = {name(scope=2), name(key=bytes(32))}
    change(clinic, 1, kind=1)
    others.add(name())
    change(clinic, 1, kind=0, start_minute=TODAY * DAY + 700)
    assert name() == before
    assert len(others - {before}) == 3


def test_starts_doctors_order_and_what_is_coming(clinic: Engine) -> None:
    for id_, start in enumerate([-3 * DAY, -2 * DAY, 0, 590, 630, 2 * DAY], 1):
        book(clinic, id_, start)
    found = wanted(clinic)
    starts = {key: found.start(key) * 60_000 for key in found.columns.keys}
    assert set(starts.values()) == {at(1, start) for start in (-3 * DAY, -2 * DAY, 0, 590, 630, 2 * DAY)}
    assert {found.doctor(key) for key in starts} == {5}
    ranked = sorted(starts, key=lambda key: found.order(key, NOW))
    wished = [0, 590, 630, 2 * DAY, -2 * DAY, -3 * DAY]
    assert [starts[key] for key in ranked] == [at(1, start) for start in wished]
    assert found.coming(NOW) == {5: 3}
    with pytest.raises(KeyError):
        found.events([1])


def test_home_is_the_smallest_branch_that_is_wished_for() -> None:
    staff = [Doctor(branch, doctor, "", "") for branch, doctor in ((3, 5), (1, 5), (2, 6), (2, 5))]
    assert homes(staff, Wish()) == {5: 1, 6: 2}
    assert homes(staff, Wish(branches={2, 3})) == {5: 2, 6: 2}
    assert homes(staff, Wish(branches={1}, doctors={6})) == {}


def test_nobody_and_nowhere(clinic: Engine) -> None:
    assert len(wanted(clinic, doctors=()).columns) == 0
    assert len(wanted(clinic, branches={9}).columns) == 0


def plain_events(engine: Engine, zones: Mapping[int, str], now_ms: int) -> set[tuple[int, int, int]]:
    """Give (doctor, start, end) of all visits in the window, row by row with datetime alone."""
    found = set()
    with engine.connect() as connection:
        for row in connection.execute(select(clinic_appointment)):
            today = (now_ms + to_offset(zones[row.branch_id], now_ms)) // 86_400_000
            end = row.start_minute + row.length_minutes
            if row.start_minute < (today + 60) * DAY and end > (today - 7) * DAY:
                zone = zones[row.branch_id]
                found.add((row.doctor_id, to_ms(zone, row.start_minute), to_ms(zone, end)))
    return found


def to_offset(zone: str, now_ms: int) -> int:
    from zoneinfo import ZoneInfo

    offset = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return offset // timedelta(milliseconds=1)


@pytest.mark.parametrize("show", [(), FIELDS])
def test_a_whole_network_by_numbers_and_by_texts(engine: Engine, show: tuple[str, ...]) -> None:
    generate(engine, GeneratorSettings(branches=3, doctors=4, days=80, seed=3, first_day=TODAY - 10))
    source = ClinicSource(engine)
    zones = {branch.id: branch.zone for branch in source.branches()}
    home = homes(source.staff(), Wish())
    found: set[tuple[int, int, int]] = set()
    for scope in zones:
        doctors = [doctor for doctor, branch in home.items() if branch == scope]
        some = read(source, Wish(show=show), scope, KEY, doctors, NOW)
        for key, one in some.events(some.columns.keys).items():
            found.add((some.doctor(key), one.start_ms, one.end_ms))
        assert some.repeated == 0
    assert found == plain_events(engine, zones, NOW)


def test_when_is_said_by_the_clock_of_the_zone() -> None:
    ms = int(datetime(2026, 11, 27, 7, 30, tzinfo=UTC).timestamp() * 1000)
    assert when(ms, "Europe/Moscow") == "27.11 10:30"


def test_text_of_the_contract_is_not_needed_where_nothing_is_shown(clinic: Engine) -> None:
    """A view that was mapped before these columns were asked for still does for calendars that say nothing."""
    book(clinic, 1, 600)
    with clinic.begin() as connection:
        for name in ("service", "room", "comment"):
            connection.execute(text(f"ALTER TABLE clinic_appointment DROP COLUMN {name}"))
    assert len(wanted(clinic).columns) == 1
