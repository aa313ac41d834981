"""A generated network whose addresses have been found: places in ``geo_place`` as the task would have written them."""

import random
import time
from typing import Any

import h3.api.basic_int as h3
from sqlalchemy import Engine, insert, select

from identsync.clinic.contract import clinic_patient
from identsync.clinic.source import ClinicSource
from identsync.demo.clinic import ground
from identsync.demo.clinic.generate import ZONES, GeneratorSettings, generate
from identsync.demo.clinic.town import Town, town
from identsync.integrations.geocoding.place import Precision
from identsync.integrations.geocoding.wanted import read
from identsync.store import Store
from identsync.store.tables import geo_place, lead

DAY = time.time_ns() // 86_400_000_000_000
SITES = ("site", "landing")


def clinic(engine: Engine, *, branches: int = 2, patients: int = 2_000, seed: int = 11) -> None:
    """Fill a clinic's database."""
    settings = GeneratorSettings(branches=branches, doctors=4, days=8, seed=seed, first_day=DAY, patients=patients)
    generate(engine, settings)


def found(store: Store, engine: Engine) -> int:
    """Write places and leads of a clinic; give when."""
    now = store.now_ms()
    places(store, ClinicSource(engine))
    leads(store, engine)
    return now


def places(store: Store, source: ClinicSource, *, seed: int = 11, share: float = 1.0) -> int:
    """Write a place for ``share`` of the buildings, and for the branches; give how many."""
    wanted, rng = read(source, {}), random.Random(seed)
    towns = {each.name.lower().replace("ё", "е"): each for each in (town(seed, number) for number in range(len(ZONES)))}
    now = store.now_ms()
    rows = []
    for key in wanted.desired.keys:
        if key not in wanted.own and rng.random() > share:
            continue
        question = wanted.question(key)
        rows.append(_row(rng, key, wanted, question, towns[question.city.lower().replace("ё", "е")], now))
    with store.write() as connection:
        for at in range(0, len(rows), 500):
            connection.execute(insert(geo_place), rows[at : at + 500])
    return len(rows)


def _row(rng: random.Random, key: int, wanted: Any, question: Any, place: Town, now: int) -> dict[str, Any]:
    chance = 0.0 if key in wanted.own else rng.random()
    precision, point = _point(chance, place, question)
    cell = h3.latlng_to_cell(*point, 9) if point and precision >= Precision.STREET else None
    why = {0: "не найден", 1: "найден только населённый пункт", 3: "найдена улица, но не дом"}.get(precision)
    return {
        "key": key, "digest": wanted.desired.get(key), "state": "confirmed", "address": question.text,
        "patients": wanted.patients(key), "answer": why, "provider": "nominatim", "precision": int(precision),
        "latitude": point and round(point[0] * 1e6), "longitude": point and round(point[1] * 1e6), "cell": cell,
        "asked_ms": now - rng.randrange(3_600_000), "changed_ms": now, "misses": 0 if precision > 3 else 1,
    }  # fmt: skip


def _point(chance: float, place: Town, question: Any) -> tuple[Precision, tuple[float, float] | None]:
    name = question.street.partition(" ")[2].lower().replace("ё", "е")
    street = next((each for each in place.streets if each.name.lower().replace("ё", "е") == name), None)
    if street is None or chance > 0.985:
        return Precision.NONE, None
    if chance > 0.97:
        return Precision.LOCALITY, ground.centre(place)
    if chance > 0.94:
        return Precision.STREET, ground.middle(place, street)
    try:
        number = question.house.replace(" ", "").lower()
        return Precision.HOUSE, ground.house(place, street, number)
    except KeyError:
        digits = "".join(c for c in question.house.partition(" ")[0].partition("/")[0] if c.isdigit())
        return Precision.NEAR, ground.house(place, street, max(1, min(int(digits or 1), street.houses)))


def leads(store: Store, engine: Engine, every: int = 9) -> None:
    """Write a lead for each so many patients."""
    with engine.connect() as connection:
        people = (
            connection.execute(select(clinic_patient.c.patient_id).order_by(clinic_patient.c.patient_id))
            .scalars()
            .all()
        )
    rows = [
        {"site": SITES[at % len(SITES)], "key": f"{at:064d}", "external_id": str(at), "made_ms": at, "received_ms": at,
         "phone": "-", "patient_id": patient, "patients": 1}
        for at, patient in enumerate(people[::every])
    ]  # fmt: skip
    with store.write() as connection:
        for at in range(0, len(rows), 500):
            connection.execute(insert(lead), rows[at : at + 500])
