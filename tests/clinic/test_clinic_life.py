"""Life books, moves and cancels, and the schedule stays sound."""

from itertools import pairwise

import pytest
from sqlalchemy import Engine, create_engine, select

from identsync.clinic.clock import minute_now
from identsync.clinic.contract import check, clinic_appointment, clinic_branch, clinic_shift
from identsync.clinic.contract import contract as metadata
from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.clinic.life import Life

NOW = (20_603 * 1440 + 8 * 60) * 60_000


def appointments(engine: Engine) -> dict[int, tuple[int, ...]]:
    with engine.connect() as connection:
        return {row.appointment_id: tuple(row) for row in connection.execute(select(clinic_appointment))}


def is_sound(engine: Engine) -> bool:
    """Nobody is booked twice, and every visit lies in a shift."""
    with engine.connect() as connection:
        shifts = [tuple(row) for row in connection.execute(select(clinic_shift))]
    rows = sorted((row[1], row[2], row[5], row[5] + row[6]) for row in appointments(engine).values())
    apart = all(a[:2] != b[:2] or a[3] <= b[2] for a, b in pairwise(rows))
    return apart and all(
        any((b, d) == (branch, doctor) and at <= start and end <= at + long for b, d, at, long in shifts)
        for branch, doctor, start, end in rows
    )


def test_counts_say_what_happened(network: Engine) -> None:
    before = appointments(network)
    lived = Life(network, seed=3).step(60, NOW)
    after = appointments(network)
    same = before.keys() & after.keys()
    assert lived.booked == len(after.keys() - before.keys()) > 10
    assert lived.cancelled >= len(before.keys() - after.keys()) > 0
    assert lived.moved >= sum(before[key] != after[key] for key in same) > 0
    assert lived.booked + lived.moved + lived.cancelled <= 60


def test_the_schedule_stays_sound(network: Engine) -> None:
    life = Life(network, seed=4)
    for hour in range(4):
        life.step(40, NOW + hour * 3_600_000)
    assert is_sound(network)
    assert check(network) == []


def test_only_the_future_changes(network: Engine) -> None:
    before = appointments(network)
    Life(network, seed=5).step(80, NOW)
    after = appointments(network)
    zones = {branch.id: branch.zone for branch in ClinicSource(network).branches()}
    for key in before.keys() | after.keys():
        if before.get(key) != after.get(key):
            for row in (before.get(key), after.get(key)):
                assert row is None or row[5] > minute_now(zones[row[1]], NOW)


def test_boards_notice_it(network: Engine, source: ClinicSource) -> None:
    before = source.boards(20_600, 12, 15)
    Life(network, seed=6).step(5, NOW)
    changed = before.difference(source.boards(20_600, 12, 15))
    assert changed
    assert changed.count <= 10


def test_same_seed_same_life(small: GeneratorSettings) -> None:
    ends = []
    for _ in range(2):
        engine = create_engine("sqlite://")
        generate(engine, small)
        life = Life(engine, seed=9)
        ends.append((life.step(30, NOW), life.step(30, NOW + 60_000), appointments(engine)))
        engine.dispose()
    assert ends[0] == ends[1]


def test_a_full_clinic_books_no_more(engine: Engine) -> None:
    generate(engine, GeneratorSettings(branches=1, doctors=1, days=4, fill=0.2, first_day=20_603))
    life = Life(engine, seed=1)
    counts = [life.step(25, NOW).booked for _ in range(8)]
    assert counts[0] > counts[-1]
    assert is_sound(engine)


def test_a_clinic_without_doctors(engine: Engine) -> None:
    metadata.create_all(engine)
    with pytest.raises(LookupError):
        Life(engine).step(1, NOW)
    with engine.connect() as connection:
        assert connection.execute(select(clinic_branch)).first() is None
