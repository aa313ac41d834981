"""The generated network: the same for the same seed everywhere, plausible, and never over somebody's data."""

import hashlib
import os
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise

import pytest
from sqlalchemy import Engine, create_engine, func, select

from identsync.clinic.contract import RELATIONS, check, clinic_appointment, clinic_branch, clinic_patient, clinic_shift
from identsync.demo.clinic.generate import GeneratorSettings, NotEmpty, generate
from identsync.demo.clinic.names import FAMILY_NAMES, WOMEN, feminine, latin, patronymic
from identsync.demo.clinic.town import town

DIGEST = """
import hashlib, sys
from sqlalchemy import create_engine, select
from identsync.clinic.contract import RELATIONS
from identsync.demo.clinic.generate import GeneratorSettings, generate
engine = create_engine("sqlite://")
generate(engine, GeneratorSettings(branches=3, doctors=4, days=12, seed=7, first_day=20600))
with engine.connect() as connection:
    rows = [tuple(row) for table in RELATIONS for row in connection.execute(select(table))]
print(hashlib.sha256(repr(rows).encode()).hexdigest())
"""


def digest(engine: Engine) -> str:
    with engine.connect() as connection:
        rows = [
            tuple(row)
            for table in RELATIONS
            for row in connection.execute(select(table).order_by(*list(table.columns)[:4]))
        ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_same_seed_same_rows_on_every_database(network: Engine, small: GeneratorSettings) -> None:
    other = create_engine("sqlite://")
    generate(other, small)
    assert digest(network) == digest(other)
    again = create_engine("sqlite://")
    generate(again, GeneratorSettings(branches=3, doctors=4, days=12, seed=8, first_day=20_600))
    assert digest(again) != digest(other)
    other.dispose()
    again.dispose()


def test_hash_seed_does_not_matter() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert digests.pop().strip()


def test_nobody_is_booked_twice_or_outside_a_shift(network: Engine) -> None:
    shifts, busy = defaultdict(list), defaultdict(list)
    with network.connect() as connection:
        for row in connection.execute(select(clinic_shift)):
            shifts[row.branch_id, row.doctor_id].append((row.start_minute, row.start_minute + row.length_minutes))
        for row in connection.execute(select(clinic_appointment).order_by(clinic_appointment.c.start_minute)):
            busy[row.branch_id, row.doctor_id].append((row.start_minute, row.start_minute + row.length_minutes))
    assert sum(map(len, busy.values())) > 500
    for seat, taken in busy.items():
        assert all(end <= start for (_, end), (start, _) in pairwise(taken))
        assert all(any(first <= start and end <= last for first, last in shifts[seat]) for start, end in taken)


def test_refuses_a_database_with_rows(network: Engine, small: GeneratorSettings) -> None:
    before = digest(network)
    with pytest.raises(NotEmpty):
        generate(network, small)
    assert digest(network) == before


def test_all_or_nothing(engine: Engine, small: GeneratorSettings) -> None:
    def tired(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(engine, small, tired)
    generate(engine, small)
    assert check(engine) == []


def test_progress_and_counts(engine: Engine, small: GeneratorSettings) -> None:
    seen: list[tuple[int, int]] = []
    counts = generate(engine, small, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with engine.connect() as connection:
        real = [connection.execute(select(func.count()).select_from(table)).scalar() for table in RELATIONS]
    assert real == [counts.branches, counts.doctors, counts.shifts, counts.appointments, counts.patients]


def test_zones_reach_from_kaliningrad_to_kamchatka() -> None:
    engine = create_engine("sqlite://")
    generate(engine, GeneratorSettings(branches=11, doctors=1, days=2, patients=1))
    with engine.connect() as connection:
        zones = set(connection.execute(select(clinic_branch.c.time_zone)).scalars())
        names = set(connection.execute(select(clinic_branch.c.name)).scalars())
    assert len(zones) == len(names) == 11
    assert {"Europe/Kaliningrad", "Asia/Kamchatka"} <= zones
    engine.dispose()


def test_patients_agree_with_themselves(network: Engine) -> None:
    with network.connect() as connection:
        patients = connection.execute(select(clinic_patient)).all()
    phones = [patient.phone_key for patient in patients if patient.phone_key]
    assert len(phones) == len(set(phones)) > 0.8 * len(patients)
    for patient in patients:
        woman = patient.name in WOMEN
        if patient.patronymic:
            assert patient.patronymic.endswith("на" if woman else "ич")
        surname = patient.surname.split("-")[0]
        assert surname in FAMILY_NAMES[woman]
        digits = "".join(filter(str.isdigit, patient.phone or ""))
        assert patient.phone_key == (digits[-10:] if len(digits) >= 10 else None)
        assert patient.email is None or patient.email.isascii()


def test_grammar() -> None:
    assert [feminine(name) for name in ("Зайцев", "Ильин", "Левицкий", "Толстой", "Шевченко", "Цой", "Черных")] == [
        "Зайцева",
        "Ильина",
        "Левицкая",
        "Толстая",
        "Шевченко",
        "Цой",
        "Черных",
    ]
    assert patronymic("Пётр", female=True) == "Петровна"
    assert patronymic("Марк", female=False) == "Маркович"
    assert latin("Щукина-Юрьева") == "shchukina-yureva"


def test_streets_agree_with_their_kind() -> None:
    for number in range(11):
        for street in town(1, number).streets:
            if street.kind in ("пр-т", "пер.", "б-р"):
                assert not street.name.endswith(("ая", "яя"))
            assert street.houses > 0
    assert len({town(1, number).name for number in range(11)}) == 11
