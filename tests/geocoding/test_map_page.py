"""The page "Карта" as people use it: whom it counts, what it never shows, what a correction writes."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from sqlalchemy import create_engine, func, insert, select, text, update

from identsync.clinic.source import ClinicSource
from identsync.engine.integration import PageContext, Role
from identsync.errors import IdentsyncError
from identsync.integrations.geocoding import books, census
from identsync.integrations.geocoding.page import PAGES
from identsync.integrations.geocoding.settings import Provider
from identsync.spans import DAY_MS
from identsync.store import Store
from identsync.store.tables import geo_fix, geo_place

from . import map_seed as seed

PAGE = PAGES[0]
SETTINGS = {"nominatim": Provider(url="http://127.0.0.1:1")}


class Desk:
    """The page over a town of 2 x 1,500 patients."""

    def __init__(self, store: Store, engine: Any) -> None:
        self.store, self.engine, self.clinic = store, engine, ClinicSource(engine)
        self.role: Role | None = Role.DIRECTOR
        self.now_ms = store.now_ms()
        self.options = SimpleNamespace(map_points=["director"], map_tiles="", map_file="")

    def context(self) -> PageContext:
        return PageContext(self.store, self.clinic, SETTINGS, "Анна", self.now_ms, self.role, self.options)

    def view(self, **query: object) -> dict[str, Any]:
        return PAGE.view(self.context(), {name: str(value) for name, value in query.items()})

    def data(self, name: str, **query: object) -> Any:
        answer = PAGE.data[name](self.context(), {key: str(value) for key, value in query.items()})
        assert name == "town" or not answer.tag, "where patients live is kept in no browser"
        return orjson.loads(answer.body)

    def table(self, **query: object) -> list[dict[str, str]]:
        answer = PAGE.data["export"](self.context(), {key: str(value) for key, value in query.items()})
        return list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig")), delimiter=";"))

    def do(self, action: str, **form: object) -> str | None:
        return PAGE.actions[action](self.context(), {name: str(value) for name, value in form.items()})

    def sql(self, asked: str, **values: object) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text(asked), values).scalar()


@pytest.fixture(scope="module")
def clinic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "clinic.db"
    engine = create_engine(f"sqlite:///{path}")
    seed.clinic(engine, patients=1_500)
    engine.dispose()
    return path


@pytest.fixture
def desk(dialect: str, filled: Callable[..., Any], clinic_file: Path) -> Iterator[Desk]:
    engine = create_engine(f"sqlite:///{clinic_file}")
    store, now_ms = filled(dialect, "a town of 3,000", lambda store: seed.found(store, engine))
    made = Desk(store, engine)
    made.now_ms = now_ms
    yield made
    census.forget(made.clinic)
    engine.dispose()


def test_every_patient_is_somewhere_in_the_sums(desk: Desk) -> None:
    shown = desk.view()
    assert shown["counted"].people == 3_000
    assert sum(shown["sums"].values()) == 3_000
    assert shown["sums"]["without"] >= desk.sql("SELECT count(*) FROM clinic_patient WHERE address IS NULL")


def test_no_cell_of_few_patients_leaves_the_program(desk: Desk) -> None:
    for resolution in (7, 8, 9):
        told = desk.data("cells", res=resolution)
        assert told["cells"]
        assert min(row[1] for row in told["cells"]) >= 5
        kept = sum(row[1] for row in told["cells"])
        sums = desk.view()["sums"]
        assert kept + told["hidden"] == sums["placed"] + sums["street"]
    assert min(int(row["people"]) for row in desk.table(res=9)) >= 5
    narrow = desk.data("cells", res=9, doctor=1, sex="m", age1=20, age2=25)
    assert all(row[1] >= 5 for row in narrow["cells"])


def test_filters_count_whom_the_clinic_counts(desk: Desk) -> None:
    asked = "SELECT count(DISTINCT patient_id) FROM clinic_appointment WHERE kind = 0 AND "
    people = "SELECT count(*) FROM clinic_patient WHERE "
    name = desk.view()["found"].services[0]
    for query, expected in (
        ({"branch": 1}, desk.sql(people + "branch_id = 1")),
        ({"sex": "f"}, desk.sql(people + "sex = 2")),
        ({"doctor": 3}, desk.sql(asked + "doctor_id = 3")),
        ({"service": name}, desk.sql(asked + "service = :name", name=name)),
        ({"source": "site"}, 167),
        ({"source": "-"}, 3_000 - 334),
        ({"period": "own", "from": "2026-01-01"}, desk.sql(people + "first_visit >= 20454")),
        ({"service": "нет такой", "doctor": "x", "sex": "?"}, 3_000),
    ):
        assert desk.view(**query)["counted"].people == expected, query


def test_ages_are_full_years_today(desk: Desk) -> None:
    today = desk.now_ms // DAY_MS
    born = "born > :low AND born <= :high"
    counted = desk.view(age1=30, age2=39)["counted"].people
    low, high = today - round(40 * 365.2425), today - round(30 * 365.2425)
    expected = desk.sql(f"SELECT count(*) FROM clinic_patient WHERE {born}", low=low, high=high)
    assert abs(counted - expected) <= 3  # round years: those whose birthday is about today
    assert desk.view(age1=0)["counted"].people == desk.sql("SELECT count(*) FROM clinic_patient WHERE born IS NOT NULL")


def test_two_periods_are_compared_and_a_few_patients_are_never_told_by_the_difference(desk: Desk) -> None:
    query = {"period": "year", "versus": "before", "res": 8}
    told, shown = desk.data("cells", **query), desk.view(**query)
    assert told["compared"]
    assert shown["before"].people > 0
    for _cell, people, _new, _paid, _rough, before, _corners in told["cells"]:
        assert max(people, before) >= 5
        assert people == 0 or people >= 5
        assert before == 0 or before >= 5
    assert "people_before" in desk.table(**query)[0]


def test_a_box_gives_its_own_cells(desk: Desk) -> None:
    every = desk.data("cells", res=9)["cells"]
    latitude, longitude = desk.view()["frame"]["home"][1:]
    box = f"{latitude - 10_000},{longitude - 20_000},{latitude + 10_000},{longitude + 20_000}"
    inside = desk.data("cells", res=9, box=box)["cells"]
    assert 0 < len(inside) < len(every)
    assert {row[0] for row in inside} <= {row[0] for row in every}
    assert desk.data("cells", res=9, box="nonsense")["cells"] == every


def test_single_houses_are_for_roles_that_may_see_them(desk: Desk) -> None:
    houses = desk.data("points")["points"]
    assert houses
    desk.role = Role.ADMINISTRATOR
    assert desk.data("points") == {"points": []}
    assert not desk.view()["frame"]["points"]


def test_a_town_is_a_number_and_never_a_point(desk: Desk) -> None:
    with desk.store.read() as connection:
        asked = select(geo_place.c.latitude, geo_place.c.longitude).where(geo_place.c.precision == 1)
        towns = {tuple(row) for row in connection.execute(asked)}
    assert towns
    assert towns.isdisjoint({(row[0], row[1]) for row in desk.data("points")["points"]})


def test_rings_and_streets_are_of_those_who_are_shown(desk: Desk) -> None:
    everybody, women = desk.view(), desk.view(sex="f")
    assert [row["id"] for row in everybody["rings"]] in ([1, 2], [2, 1])
    for row, other in zip(everybody["rings"], women["rings"], strict=True):
        assert list(row["within"]) == sorted(row["within"])
        assert row["within"][2] >= other["within"][2] > 0 or row["id"] != other["id"]
    assert everybody["busiest"][0]["people"] > women["busiest"][0]["people"] >= 5


def test_streets_run_where_their_houses_are(desk: Desk) -> None:
    streets = desk.data("streets")["streets"]
    assert len(streets) > 50
    assert all(name.split(" ")[0] in ("улица", "проспект", "переулок", "бульвар", "шоссе") for name, *_rest in streets)
    with desk.store.read() as connection:
        p = geo_place.c
        where = connection.execute(
            select(func.min(p.latitude), func.max(p.latitude)).where(p.precision >= 4, census.of_patients())
        ).one()
    corners = [value for _name, _houses, lines in streets for line in lines for value in line[::2]]
    assert min(corners) >= where[0]
    assert max(corners) <= where[1]


def test_the_table_names_the_street_and_can_run_nothing_in_a_spreadsheet(desk: Desk) -> None:
    rows = desk.table(res=8)
    assert [int(row["people"]) for row in rows] == sorted((int(row["people"]) for row in rows), reverse=True)
    assert Counter(bool(row["near"]) for row in rows).most_common(1)[0][0]
    with desk.store.write() as connection:
        connection.execute(update(geo_place).values(address='г, =HYPERLINK("x"), 1', changed_ms=desk.now_ms + 1))
    desk.now_ms += 20_000
    assert {row["near"] for row in desk.table(res=8)} <= {"", '\'=HYPERLINK("x")'}


def test_a_place_found_is_on_the_map_soon(desk: Desk) -> None:
    before, version = desk.view()["sums"], PAGE.version(desk.context())
    with desk.store.write() as connection:
        lost = select(geo_place.c.key).where(geo_place.c.precision == 0, census.of_patients()).limit(1)
        key = connection.execute(lost).scalar_one()
        values = {"precision": 5, "latitude": 54_910_000, "longitude": 39_620_000, "changed_ms": desk.now_ms + 30_000}
        connection.execute(update(geo_place).where(geo_place.c.key == key).values(cell=617198772407762943, **values))
    assert PAGE.version(desk.context()) != version
    desk.now_ms += 20_000
    assert desk.view()["sums"]["placed"] > before["placed"]


def test_progress_adds_up_and_says_when_it_ends(desk: Desk) -> None:
    shown = desk.view(tab="progress")
    assert (shown["left"], shown["ends_ms"]) == (0, None)
    with desk.store.write() as connection:
        keys = select(geo_place.c.key).where(census.of_patients()).limit(200)
        connection.execute(geo_place.delete().where(geo_place.c.key.in_(keys)))
    desk.now_ms += 20_000
    shown = desk.view(tab="progress")
    assert shown["left"] == 200
    assert shown["done"] + 200 == shown["total"]
    assert shown["ends_ms"] == desk.now_ms + 200 * 3_600_000 // shown["hour"]
    assert sum(n for _level, n, _people in shown["levels"]) == shown["done"]
    reasons = {reason: n for reason, n, _people in shown["reasons"]}
    assert set(reasons) == {"не найден", "найден только населённый пункт", "найдена улица, но не дом"}


def test_the_days_quotas_say_when_it_ends(desk: Desk) -> None:
    from identsync.integrations.geocoding.page_progress import ends

    context = PageContext(desk.store, None, {"x": Provider(url="http://127.0.0.1:1", per_day=100)}, "", 0)
    assert ends(context, left=1_000, hour=100, day=100) == 10 * DAY_MS + 3_600_000
    assert ends(context, left=10, hour=100, day=0) == 360_000
    assert ends(context, left=0, hour=0, day=0) is None


def test_the_worklist_begins_where_most_patients_live_and_a_correction_takes_it_off(desk: Desk) -> None:
    shown = desk.view(tab="worklist")
    patients = [row["patients"] for row in shown["rows"]]
    assert patients == sorted(patients, reverse=True)
    key, before = shown["rows"][0]["key"], {name: n for name, _title, n in shown["groups"]}
    assert desk.do("fix", key=key, address="  улица   Садовая, 12 ") == "Записано: найдём при следующем проходе"
    after = desk.view(tab="worklist")
    assert key not in [row["key"] for row in after["rows"]]
    assert {name: n for name, _title, n in after["groups"]} == before | {"": before[""] - 1, "fixed": 1}
    with desk.store.read() as connection:
        row = connection.execute(select(geo_fix)).one()
    assert (row.key, row.address, row.latitude, row.by) == (key, "улица Садовая, 12", None, "Анна")
    assert desk.do("undo", key=key) == "Исправление убрано"
    assert key in [row["key"] for row in desk.view(tab="worklist")["rows"]]


@pytest.mark.parametrize("typed", ["55.0302, 82.9204", "55,0302; 82,9204", " 55.0302 82.9204 "])
def test_a_pin_is_two_numbers(desk: Desk, typed: str) -> None:
    desk.do("pin", key=-1, point=typed)
    with desk.store.read() as connection:
        assert books.fixes(connection) == {-1: books.Fix(None, 55_030_200, 82_920_400)}


@pytest.mark.parametrize(
    ("action", "form"),
    [
        ("pin", {"point": "95.0, 82.9"}),
        ("pin", {"point": "север"}),
        ("pin", {"point": ""}),
        ("fix", {"address": "рядом с вокзалом"}),
        ("fix", {"address": ""}),
        ("fix", {"address": "улица Садовая, 1", "key": "x"}),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(desk: Desk, action: str, form: Mapping[str, str]) -> None:
    with pytest.raises(IdentsyncError):
        desk.do(action, **{"key": 1, **form})
    with desk.store.read() as connection:
        assert books.fixes(connection) == {}


def test_an_address_without_a_house_cannot_be_pinned_for_all_who_have_it(desk: Desk) -> None:
    rows = {row["address"]: row["key"] for row in desk.view(tab="worklist")["rows"]}
    town = next(address for address in rows if "," not in address)
    house = next(address for address in rows if "улица" in address)
    assert not desk.view(tab="worklist", place=rows[town])["whole"]
    assert desk.view(tab="worklist", place=rows[house])["whole"]


def test_a_branch_without_a_place_asks_for_a_pin(desk: Desk) -> None:
    with desk.store.write() as connection:
        connection.execute(geo_place.delete().where(geo_place.c.key == -2))
        connection.execute(update(geo_place).where(geo_place.c.key == -1).values(changed_ms=desk.now_ms + 5))
    shown = desk.view(tab="worklist", place=-2)
    assert [branch.id for branch in shown["branches"]] == [2]
    assert shown["one"]["key"] == -2


def test_tiles_are_asked_for_only_where_the_installer_says_so(desk: Desk) -> None:
    assert PAGE.allows is not None
    assert PAGE.allows(desk.context()) == {"worker-src": "'self' blob:", "img-src": "data: blob:"}
    desk.options.map_tiles = "https://tiles.example.ru/{z}/{x}/{y}.png"
    allowed = PAGE.allows(desk.context())
    assert allowed["img-src"] == "data: blob: https://tiles.example.ru"
    assert allowed["connect-src"] == "https://tiles.example.ru"


def test_the_city_file_is_given_as_it_is(desk: Desk, tmp_path: Path) -> None:
    assert desk.data("town") == {"type": "FeatureCollection", "features": []}
    file = tmp_path / "town.geojson"
    file.write_text('{"type":"FeatureCollection","features":[{"type":"Feature"}]}')
    desk.options.map_file = str(file)
    assert desk.data("town")["features"] == [{"type": "Feature"}]


def test_an_empty_clinic_has_a_page(store: Store, tmp_path: Path, clone: Callable[[str], str]) -> None:
    from identsync.clinic.contract import clinic_branch, contract

    engine = create_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    contract.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(clinic_branch).values(branch_id=1, name="Первый", time_zone="Europe/Moscow"))
    desk = Desk(store, engine)
    for tab in ("map", "progress", "worklist"):
        assert desk.view(tab=tab)["tab"] == tab
    assert desk.data("cells")["cells"] == []
    assert desk.table() == []
    census.forget(desk.clinic)
    engine.dispose()
