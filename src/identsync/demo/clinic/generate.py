"""Fills empty contract tables with a network of clinics: the same seed gives the same rows, on any machine."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import Connection, Engine, Table, select

from identsync.clinic import contract
from identsync.clinic.clock import DAY
from identsync.demo.clinic.names import FullName, full_name, latin
from identsync.demo.clinic.town import Town, address, town
from identsync.errors import Stop
from identsync.language import _

ZONES = (
    "Europe/Moscow",
    "Asia/Yekaterinburg",
    "Europe/Kaliningrad",
    "Asia/Novosibirsk",
    "Asia/Kamchatka",
    "Europe/Samara",
    "Asia/Omsk",
    "Asia/Irkutsk",
    "Asia/Vladivostok",
    "Asia/Yakutsk",
    "Asia/Magadan",
)
SPECIALITIES = (
    "Стоматолог-терапевт",
    "Стоматолог-терапевт",
    "Стоматолог-хирург",
    "Стоматолог-ортопед",
    "Ортодонт",
    "Детский стоматолог",
    "Гигиенист стоматологический",
    "Пародонтолог",
    "Имплантолог",
)
LENGTHS = (15, 15, 20, 30, 30, 30, 30, 30, 30, 40, 45, 45, 60, 90)
"""Minutes an appointment takes; what occurs twice is twice as likely."""
_GAPS = (5, 10, 15, 15, 15, 15, 30, 30)
_PARTS = (  # of a working day, in minutes of the day: before and after the break
    ((540, 780), (840, 1200)),
    ((540, 840), (900, 1200)),
    ((480, 780), (810, 960)),
    ((840, 1080), (1110, 1290)),
    ((540, 900),),
)
_SERVICES = (
    "Осмотр и консультация",
    "Лечение кариеса",
    "Профессиональная гигиена",
    "Лечение корневых каналов",
    "Удаление зуба",
    "Снятие слепков",
    "Коррекция брекетов",
    "Контрольный осмотр",
)
_COMMENTS = ("Первый визит", "Нужен снимок", "Позвонить за час", "Принести прошлый снимок")
_PHONE_FORMS = ("+7 {} {}-{}-{}", "8 ({}) {}-{}-{}", "8{}{}{}{}", "+7({}){}-{}-{}", "8-{}-{}-{}-{}", "{}{}{}{}")
_DOMAINS = ("example.com", "example.org", "example.net")


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """How big a network: ``doctors`` and ``patients`` per branch, ``days`` from ``first_day`` (days since 1970-01-01).

    ``fill`` is the share of working time that is taken at the beginning of the window; it falls by a third towards
    its end. ``patients`` None means as many as the appointments make plausible.
    """

    branches: int = 3
    doctors: int = 5
    days: int = 35
    seed: int = 1
    first_day: int = 20_600
    fill: float = 0.9
    patients: int | None = None

    @property
    def patients_each(self) -> int:
        """Patients of one branch."""
        return max(20, self.doctors * self.days * 3) if self.patients is None else self.patients


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows written."""

    branches: int
    doctors: int
    shifts: int
    appointments: int
    patients: int


class NotEmpty(Stop):
    """The tables hold rows already, perhaps a real clinic's: nothing was written."""


def generate(
    engine: Engine, settings: GeneratorSettings | None = None, progress: Callable[[int, int], None] | None = None
) -> Counts:
    """Create the contract's tables where missing and fill them; all or nothing.

    ``progress`` is called with (branches written, branches). Raises :class:`NotEmpty` when a table has rows.
    """
    settings = settings or GeneratorSettings()
    with engine.begin() as connection:
        contract.contract.create_all(connection)
        _refuse_rows(connection)
        network = _Network(settings)
        totals = [0, 0, 0]
        for number in range(1, settings.branches + 1):
            rows = network.branch(number)
            for table, values in rows.items():
                _insert(connection, contract.contract.tables[table], values)
            for i, table in enumerate(("clinic_shift", "clinic_appointment", "clinic_patient")):
                totals[i] += len(rows[table])
            if progress:
                progress(number, settings.branches)
    return Counts(settings.branches, network.doctors, *totals)


def _refuse_rows(connection: Connection) -> None:
    for table in contract.RELATIONS:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise NotEmpty(_("таблица {name} не пуста", name=table.name), hint=_("выберите другую базу или новый файл"))


def _insert(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    names = ", ".join(column.name for column in table.columns)
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(table.columns))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows))  # noqa: S608


class _Network:
    """Makes branches one after another; what one branch holds depends on the seed and its number only."""

    def __init__(self, settings: GeneratorSettings) -> None:
        self.settings = settings
        self.doctors = 0
        self._towns = [town(settings.seed, number) for number in range(len(ZONES))]

    def branch(self, number: int) -> dict[str, list[tuple[Any, ...]]]:
        """Give the rows of branch ``number`` (from 1) by table, in the order of the contract's columns."""
        settings = self.settings
        rng = Random(f"branch {settings.seed} {number}")
        zone = (number - 1) % len(ZONES)
        place = self._towns[zone]
        street = place.streets[rng.randrange(len(place.streets))]
        where = f"{street.kind} {street.name}, {rng.randrange(1, street.houses)}"
        name = f"{place.name}, {where}"
        phone = f"+7 945 000-{number // 100 % 100:02d}-{number % 100:02d}"
        first = (number - 1) * settings.doctors + 1
        staff = [(number, first + i, *self._doctor(rng, i)) for i in range(settings.doctors)]
        self.doctors += len(staff)
        patients = range((number - 1) * settings.patients_each + 1, number * settings.patients_each + 1)
        shifts, appointments = _schedule(rng, settings, [(row[0], row[1]) for row in staff], patients)
        return {
            "clinic_branch": [(number, name, ZONES[zone], phone, where)],
            "clinic_staff": staff,
            "clinic_shift": shifts,
            "clinic_appointment": appointments,
            "clinic_patient": [_patient(rng, patient, number, place, settings.first_day) for patient in patients],
        }

    @staticmethod
    def _doctor(rng: Random, index: int) -> tuple[str, str]:
        speciality = SPECIALITIES[index] if index < len(SPECIALITIES) else rng.choice(SPECIALITIES)
        return str(full_name(rng)), speciality


def _schedule(
    rng: Random, settings: GeneratorSettings, seats: Iterable[tuple[int, int]], patients: range
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    shifts: list[tuple[Any, ...]] = []
    appointments: list[tuple[Any, ...]] = []
    key = patients.start * 1000  # far apart enough: nobody comes a thousand times
    for branch, doctor in seats:
        habit = rng.randrange(len(_PARTS))
        rest, off = rng.randrange(7), rng.randrange(1, 3)
        for day in range(settings.days):
            date = settings.first_day + day
            if (date + rest) % 7 < off or rng.random() < 0.02:  # a day or two off a week, now and then a free one
                continue
            parts = _PARTS[habit if rng.random() < 0.8 else rng.randrange(len(_PARTS))]
            fill = settings.fill * (1 - 0.33 * day / settings.days)
            for start, end in parts:
                shifts.append((branch, doctor, date * DAY + start, end - start))
                for at, length, kind in _taken(rng, date * DAY + start, date * DAY + end, fill):
                    key += 1
                    patient = None if kind else patients[int(rng.random() * len(patients))]
                    changed = ((settings.first_day - 1) * DAY - int(rng.random() * 20_000)) * 60_000
                    appointments.append(
                        (key, branch, doctor, patient, kind, at, length, changed, *texts(key, doctor, kind))
                    )
    return shifts, appointments


def texts(key: int, doctor: int, kind: int) -> tuple[str | None, str | None, str | None]:
    """Give the service, the room and the comment of an appointment; they depend on its numbers alone."""
    place = key * 7919
    service = None if kind else _SERVICES[place % len(_SERVICES)]
    return service, f"Кабинет {doctor % 6 + 1}", _COMMENTS[place % len(_COMMENTS)] if place % 11 == 0 else None


def _taken(rng: Random, start: int, end: int, fill: float) -> Iterator[tuple[int, int, int]]:
    """Fill a part of a day with (start, minutes, kind), one behind the other; ``fill`` is the share that is taken."""
    draw = rng.random
    while start < end:
        chance = draw()
        if chance < fill:
            length = LENGTHS[int(draw() * len(LENGTHS))]
            if start + length <= end:
                yield start, length, 1 if chance < fill * 0.03 else 0
            start += length
        else:
            start += _GAPS[int(draw() * len(_GAPS))]


def _patient(rng: Random, patient: int, branch: int, place: Town, first_day: int) -> tuple[Any, ...]:
    draw = rng.random
    who = full_name(rng)
    phone, phone_key = _phone(patient, draw())
    email = _email(who, patient) if draw() < 0.35 else None
    where = address(rng, place) if draw() < 0.92 else None
    person = patient, who.surname, who.name, who.patronymic, phone, phone_key, email, where, branch
    return *person, *_years(patient, first_day, 2 if who.female else 1)


def _years(patient: int, first_day: int, sex: int) -> tuple[int | None, ...]:
    """Give birth, last visit before ``first_day``, first one (days), sex, kopecks paid, owed; by his number alone."""
    draw = patient * 2_654_435_761 % 2**32
    born = None if draw % 20 == 0 else first_day - 3 * 365 - draw // 20 % (80 * 365)
    if draw % 7 < 2:
        return born, None, None, sex, None, 0
    last = first_day - 1 - draw // 7 % 900
    visits = draw // 11 % 9
    debt = 50_000 + draw // 17 % 40 * 50_000 if draw % 13 == 0 else 0
    return born, last, last - visits * 97, sex, (visits + 1) * (150_000 + draw // 13 % 900_000), debt


def _phone(patient: int, chance: float) -> tuple[str | None, str | None]:
    """Number a patient in code 945, which no Russian operator has; some give none, some only the town's six digits."""
    digits = f"{patient * 7919 % 10_000_000:07d}"  # 7919 and 10**7 have no common divisor: all differ
    if chance < 0.03:
        return None, None
    if chance < 0.05:
        return f"{digits[1:3]}-{digits[3:5]}-{digits[5:]}", None
    form = _PHONE_FORMS[int(chance * 1000) % len(_PHONE_FORMS)]
    return form.format("945", digits[:3], digits[3:5], digits[5:]), "945" + digits


def _email(who: FullName, patient: int) -> str:
    return f"{latin(who.name)[:1]}.{latin(who.surname)}{patient % 100}@{_DOMAINS[patient % 3]}"
