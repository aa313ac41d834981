"""Addresses of a generated clinic on their way to the geocoders and back, as an engine runs it."""

import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, update

from identsync.clinic.contract import clinic_branch, clinic_patient
from identsync.clinic.source import ClinicSource
from identsync.demo.clinic import ground
from identsync.demo.clinic.town import town
from identsync.demo.geocoder.process import GeocoderProcess
from identsync.engine.integration import Outcome, Status
from identsync.integrations.geocoding import books
from identsync.integrations.geocoding.books import PERSON, Fix
from identsync.integrations.geocoding.place import Precision
from identsync.integrations.geocoding.settings import Provider
from identsync.integrations.geocoding.wanted import read
from identsync.store import open_store
from identsync.store.tables import geo_place

from .conftest import SEED
from .searching_client import Desk

CLIENT = str(Path(__file__).with_name("searching_client.py"))
DAY = 86_400_000


class House:
    """A store, a copy of the clinic, and the geocoders."""

    def __init__(self, clone: Callable[[str], str], clinic: str, tmp_path: Path, geocoders: GeocoderProcess) -> None:
        path = tmp_path / "clinic.db"
        path.write_bytes(Path(clinic.removeprefix("sqlite:///")).read_bytes())
        self.clinic_url, self.store_url = f"sqlite:///{path}", clone("sqlite")
        self.clinic, self.store = create_engine(self.clinic_url), open_store(self.store_url)
        self.geocoders = geocoders

    def own(self, **more: Any) -> Provider:
        return Provider(url=self.geocoders.url("nominatim"), per_second=1000.0, **more)

    def dadata(self, **more: Any) -> Provider:
        url, keys = self.geocoders.url("dadata"), {"key": "env:TEST_GEOCODER", "secret": "env:TEST_GEOCODER_SECRET"}
        return Provider(kind="dadata", url=url, order=1, per_second=1000.0, **keys, **more)

    def look(self, **providers: Provider) -> Outcome:
        desk = Desk(self.store_url, self.clinic_url, providers or {"own": self.own()})
        self.geocoders.forget()
        try:
            return desk.look()
        finally:
            desk.close()

    def asked(self) -> list[str]:
        return [each["text"] for each in self.geocoders.asked()]

    def places(self) -> dict[int, Any]:
        with self.store.read() as connection:
            return {row.key: row for row in connection.execute(select(geo_place))}

    def wanted(self) -> Any:
        with self.store.read() as connection:
            fixes = books.fixes(connection)
        return read(ClinicSource(self.clinic), fixes)

    def repatient(self, number: int, address: str | None) -> None:
        with self.clinic.begin() as connection:
            here = clinic_patient.c.patient_id == number
            connection.execute(update(clinic_patient).where(here).values(address=address))

    def rebranch(self, number: int, address: str) -> None:
        with self.clinic.begin() as connection:
            here = clinic_branch.c.branch_id == number
            connection.execute(update(clinic_branch).where(here).values(address=address))

    def change(self, key: int, **values: Any) -> None:
        with self.store.write() as connection:
            connection.execute(update(geo_place).where(geo_place.c.key == key).values(**values))

    def close(self) -> None:
        self.store.close()
        self.clinic.dispose()


@pytest.fixture
def house(clone: Callable[[str], str], town_clinic: str, tmp_path: Path, geocoders: GeocoderProcess) -> Iterator[House]:
    geocoders.options(connections=0)  # each look opens some: a minute of tests has more than a day of a clinic
    house = House(clone, town_clinic, tmp_path, geocoders)
    yield house
    house.close()


def _plain(text: str) -> str:
    return text.lower().replace("ё", "е")


def truth(question: Any) -> tuple[float, float] | None:
    """Where a building really is, by the town's own plan."""
    for number in range(2):
        place = town(SEED, number)
        if _plain(place.name) != _plain(question.city):
            continue
        for street in place.streets:
            named = question.street or question.text.split(", ")[1]  # without its kind it may be read as a quarter
            if {*_plain(named).split()} <= {*_plain(ground.full(street)).split()}:
                return ground.house(place, street, question.house.replace(" ", "").lower())
    return None


def test_every_building_is_asked_for_once_and_found_where_it_is(house: House) -> None:
    outcome = house.look(cloud=house.dadata())
    assert outcome.status is Status.OK
    wanted, places = house.wanted(), house.places()
    assert places.keys() == {*wanted.desired.keys}
    assert Counter(house.asked()) == Counter(wanted.question(key).text for key in places), "one building, one question"
    found = {key: row for key, row in places.items() if row.precision == Precision.HOUSE}
    assert len(found) > 0.85 * len(places)
    for key, row in found.items():
        real = truth(wanted.question(key))
        assert real is not None, row.address
        assert ground.metres(real, (row.latitude / 1e6, row.longitude / 1e6)) < 5
        assert row.cell is not None
    assert house.look(cloud=house.dadata()).status is Status.OK
    assert house.asked() == []


def test_an_own_geocoder_is_asked_again_only_for_what_it_did_not_find(house: House) -> None:
    house.look()
    asked = Counter(text.replace(",", "") for text in house.asked())
    rows = house.places().values()
    branches = {row.address for row in rows if row.key < 0}
    found = {
        row.address.replace(",", "")
        for row in rows
        if row.precision == Precision.HOUSE and row.address not in branches and row.provider == "own"
    }
    assert len(found) > 0.8 * len(rows)
    assert sum(asked[text] for text in found) < 1.05 * len(found)


def test_nothing_of_a_person_leaves_the_clinic_and_the_order_tells_nothing(house: House) -> None:
    house.look(cloud=house.dadata())
    asked = house.geocoders.asked()
    with house.clinic.connect() as connection:
        people = connection.execute(select(clinic_patient)).all()
    told = json.dumps(asked, ensure_ascii=False)
    assert not [one.surname for one in people if re.search(rf"\b{one.surname} {one.name}\b", told)]
    assert not [one.phone for one in people if one.phone and one.phone in told]
    flats = [re.search(r"кв\.? ?(\d+)", one.address or "") for one in people]
    assert any(flats)
    assert "кв" not in told
    homes = dict(zip(house.wanted().register.patients, house.wanted().register.keys, strict=True))
    texts = {key: row.address for key, row in house.places().items()}
    by_patient = [texts[homes[number]] for number in sorted(homes) if homes[number]]
    at = {text: place for place, text in enumerate(house.asked())}
    places = [at[text] for text in by_patient if text in at]
    rising = sum(one < other for one, other in pairwise(places)) / len(places)
    assert 0.2 < rising < 0.8  # 0.66 of these few, shuffled within months


def test_patients_of_one_building_are_one_question_whatever_they_wrote(house: House) -> None:
    place = town(SEED, 0)
    street = next(each for each in place.streets if each.kind == "ул.")
    for number, text in enumerate((
        f"{street.kind} {street.name}, д. 3, кв. 8", f"г. {place.name}, {street.kind} {street.name} 3-9",
        f"{place.name.upper()}, {ground.full(street)} дом 3", f"{street.kind}{street.name}, 3",
    ), start=1):  # fmt: skip
        house.repatient(number, text)
    wanted = house.wanted()
    homes = dict(zip(wanted.register.patients, wanted.register.keys, strict=True))
    assert len({homes[number] for number in (1, 2, 3, 4)}) == 1


def test_new_addresses_are_asked_for_and_vanished_ones_forgotten(house: House) -> None:
    house.look()
    before = house.places()
    place = town(SEED, 0)
    street = place.streets[40]
    with house.clinic.begin() as connection:
        gone = connection.execute(select(clinic_patient.c.patient_id).limit(20)).scalars().all()
    for number in gone:
        house.repatient(number, None)
    house.repatient(gone[0], f"{street.kind} {street.name}, {street.houses}-7")
    outcome = house.look()
    assert len(house.asked()) <= 1, "the new one, if nobody lived there before"
    assert outcome.counts["forgotten"] > 5
    assert {*house.places()} == {*house.wanted().desired.keys}
    assert len(house.places()) < len(before)


def test_a_cloud_is_asked_only_what_the_own_one_did_not_find_many_at_a_time(house: House) -> None:
    house.repatient(1, "ул. Несуществующая, 5")
    house.repatient(2, "ул. Выдуманная, 7, кв 3")
    house.look(own=house.own(), cloud=house.dadata())
    asked = Counter(each["provider"] for each in house.geocoders.asked())
    places = house.places().values()
    open_ = [row for row in places if row.provider != "own" or row.precision < Precision.NEAR]
    assert 0 < asked["dadata"] == len(open_)
    connections = {each["connection"] for each in house.geocoders.asked() if each["provider"] == "dadata"}
    assert len(connections) <= 4


def test_a_day_that_is_used_up_stops_neither_the_run_nor_what_is_known(house: House) -> None:
    for number in range(1, 9):
        house.repatient(number, f"ул. Выдуманная, {number}")
    house.geocoders.options(quota=3)
    outcome = house.look(own=house.own(), cloud=house.dadata())
    assert outcome.status is not Status.ASK
    soon = [row for row in house.places().values() if row.expires_ms and row.expires_ms - row.asked_ms <= DAY]
    assert soon, "what the cloud could not be asked today is for tomorrow"
    assert all(row.precision < Precision.NEAR for row in soon)


def test_a_wrong_key_of_the_cloud_is_said_and_the_rest_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_GEOCODER", "wrong")
    house.repatient(1, "ул. Выдуманная, 7")
    outcome = house.look(own=house.own(), cloud=house.dadata())
    assert outcome.status is Status.ASK
    assert "cloud" in outcome.note
    places = house.places().values()
    assert sum(row.precision == Precision.HOUSE for row in places) > 0.6 * len(places)


def test_an_own_geocoder_that_is_down_is_tried_again_later(house: House) -> None:
    house.geocoders.fault("drop", times=None)
    assert house.look().status in {Status.LATER, Status.PARTIAL}  # the first where there is more than a batch
    assert not [row for row in house.places().values() if row.state == "confirmed"]
    house.geocoders.behave()
    with house.store.write() as connection:
        connection.execute(update(geo_place).values(retry_ms=None))
    assert house.look().status is Status.OK


def test_a_corrected_address_is_asked_for_instead(house: House) -> None:
    place = town(SEED, 0)
    street = place.streets[3]
    house.repatient(1, "ул. Выдуманая, 7")
    house.look()
    [key] = [key for key, row in house.places().items() if "ыдуманая" in row.address]
    assert house.places()[key].precision < Precision.NEAR
    assert house.places()[key].answer
    with house.store.write() as connection:
        books.fix(connection, key, Fix(f"{street.kind} {street.name}, 7", None, None), by="Анна", now_ms=1)
    house.look()
    row = house.places()[key]
    assert len(house.asked()) == 1
    assert row.precision == Precision.HOUSE
    real = ground.house(place, street, 7)
    assert ground.metres(real, (row.latitude / 1e6, row.longitude / 1e6)) < 5
    with house.store.write() as connection:
        books.unfix(connection, key)
    house.look()
    assert house.places()[key].precision < Precision.NEAR


def test_a_pin_needs_nobody_and_stays(house: House) -> None:
    house.repatient(1, "ул. Выдуманная, 7")
    house.look()
    [key] = [key for key, row in house.places().items() if "ыдуманная" in row.address]
    with house.store.write() as connection:
        books.fix(connection, key, Fix(None, 54_910_000, 39_620_000), by="Анна", now_ms=1)
    house.look()
    row = house.places()[key]
    assert (row.provider, row.precision, row.latitude, row.longitude) == (
        PERSON,
        Precision.HOUSE,
        54_910_000,
        39_620_000,
    )
    assert house.asked() == []
    house.look(own=house.own(), cloud=house.dadata())
    assert house.places()[key].provider == PERSON


def test_what_was_not_found_is_looked_for_again_less_and_less_often(house: House) -> None:
    house.repatient(1, "ул. Выдуманная, 7")
    house.look()
    [key] = [key for key, row in house.places().items() if "ыдуманная" in row.address]
    waits = []
    for _round in range(3):
        row = house.places()[key]
        waits.append(row.expires_ms - row.asked_ms)
        house.change(key, expires_ms=0)
        house.look()
        assert [text for text in house.asked() if text.endswith("Выдуманная, 7")]
    assert waits == sorted(set(waits))


def test_terms_of_a_provider_end(house: House) -> None:
    provider = house.own(terms=30 * DAY)
    house.look(own=provider)
    key, row = next((key, row) for key, row in house.places().items() if row.precision == Precision.HOUSE)
    assert DAY < row.expires_ms - row.asked_ms < 30 * DAY, "asked again before the terms end"
    house.change(key, asked_ms=row.asked_ms - 31 * DAY, expires_ms=row.asked_ms + DAY)
    house.geocoders.fault("drop", times=None)
    house.look(own=provider)
    assert house.places()[key].latitude is None, "erased, even where nobody can be asked"
    assert house.places()[key].cell is None


def test_a_point_far_away_is_not_believed(house: House) -> None:
    house.look()
    house.geocoders.fault("far", times=None)
    house.repatient(1, f"{town(SEED, 0).streets[9].kind} {town(SEED, 0).streets[9].name}, 11, кв 3")
    key = house.wanted().register.keys[0]
    house.change(key, expires_ms=0)
    house.look()
    row = house.places()[key]
    assert (row.precision, row.latitude) == (Precision.NONE, None)
    assert "км" in row.answer


def test_a_point_far_away_is_not_believed_in_the_first_run_either(house: House) -> None:
    """Where the branches are is asked in the same run; a wrong house would stand on the map for ever."""
    house.geocoders.fault("far", skip=2, times=None)  # the branches come first
    house.look()
    houses = [row for key, row in house.places().items() if key > 0]
    assert houses
    assert not [row for row in houses if row.latitude is not None]


def test_a_branch_in_another_town_is_found_and_its_patients_too(house: House) -> None:
    """A network opens a branch in a town where it has had none."""
    addresses = select(clinic_branch.c.address).order_by(clinic_branch.c.branch_id)
    with house.clinic.connect() as connection:
        first, second = connection.execute(addresses).scalars()
    house.rebranch(2, first)
    house.look()
    house.rebranch(2, second)
    house.repatient(1, f"г. {town(SEED, 1).name}, {ground.full(town(SEED, 1).streets[3])}, 11")
    house.look()
    places = house.places()
    assert places[-2].precision >= Precision.NEAR
    there = [row for key, row in places.items() if key > 0 and row.address.startswith(town(SEED, 1).name)]
    assert there
    assert all(row.latitude is not None for row in there)


@pytest.mark.parametrize("per_day", [24, 240])
def test_a_small_daily_quota_is_used_up_whatever_a_provider_takes_at_once(house: House, per_day: int) -> None:
    outcome = house.look(cloud=house.dadata(per_day=per_day))
    assert 0.8 * per_day / 24 < len(house.asked()) <= per_day / 24, "the share of an hour"
    assert outcome.counts["confirmed"] == len(house.asked()), "what was paid for is written down"
    assert outcome.retry_ms is None or outcome.retry_ms > DAY / 48, "nobody reads the clinic every few seconds for one"


def test_an_empty_clinic_forgets_nothing_by_itself(house: House) -> None:
    house.look()
    count = len(house.places())
    with house.clinic.begin() as connection:
        connection.execute(update(clinic_patient).values(address=None))
        connection.execute(update(clinic_branch).values(address=None, name="-"))
    assert house.look().status is Status.ASK
    assert len(house.places()) == count


@pytest.mark.processes
def test_killed_at_any_moment_no_answer_is_asked_for_twice(house: House) -> None:
    """What was answered and not yet written down may be asked again: a step's worth at each death, and no more."""
    settings = {"store": house.store_url, "clinic": house.clinic_url, "url": house.geocoders.url("dadata")}
    dice = random.Random(7)
    heard: Counter[str] = Counter()
    for number in range(4):
        known = {row.address for row in house.places().values() if row.state == "confirmed"}
        house.geocoders.forget()
        command = [sys.executable, CLIENT, json.dumps(settings | {"dies": number == 0})]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            assert client.stdout.readline().strip() == b"ready"
            try:
                client.wait(30 if number == 0 else dice.uniform(0.1, 0.6))
            except subprocess.TimeoutExpired:
                client.kill()
            client.wait(10)
        lately = Counter(house.asked())
        patients = lately - Counter(row.address for key, row in house.places().items() if key < 0)  # some live there
        assert max(patients.values(), default=0) <= 1
        assert not known & patients.keys()
        heard += lately
    outcome = house.look(own=house.dadata())
    assert outcome.status is Status.OK, outcome
    heard += Counter(house.asked())
    wanted = house.wanted()
    assert heard.keys() == {wanted.question(key).text for key in wanted.desired.keys}
    assert {row.state for row in house.places().values()} == {"confirmed"}
