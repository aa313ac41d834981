"""The map's counts: a million patients by hexagon under filters, beside numpy, polars and duckdb on ready columns.

All begin with columns in memory: the peers' are the patients already joined with their cells, ours joins as it counts,
since a place may change. "Filling" is what happens once in ten minutes: rows of a driver become the census.
"""

import random
import sqlite3
from array import array
from collections.abc import Iterator
from typing import Any

import h3.api.basic_int as h3

from benchmarks.harness import OURS, Result, Work, measure, optional
from identsync.core.census import Census

FIRST, BORN, SEX, BRANCHES = (19_000, 20_000), (-5_000, 8_000), 2, (1, 2, 3)
Row = tuple[int, int, int, int, int, int]


class Case:
    """Patients, buildings, cells; the same for everybody."""

    def __init__(self, patients: int, buildings: int) -> None:
        rng = random.Random(1)
        self.keys = sorted(rng.sample(range(1, 2**62), buildings))
        self.places = [self._place(rng, key) for key in self.keys]
        self.homes = array("q", (self.keys[int(rng.random() * buildings)] for _each in range(patients)))
        self.rows = [self._person(rng, number) for number in range(1, patients + 1)]
        self.census = self.fill()

    def _place(self, rng: random.Random, key: int) -> tuple[int, int, int, int, int]:
        latitude, longitude = rng.gauss(55.0, 0.06), rng.gauss(82.9, 0.1)
        cell = h3.latlng_to_cell(latitude, longitude, 9)
        return key, 5 if rng.random() < 0.95 else 3, round(latitude * 1e6), round(longitude * 1e6), cell

    def _person(self, rng: random.Random, number: int) -> Row:
        draw = rng.random
        return (
            number,
            1 + int(draw() * 20),
            int(draw() * 30_000) - 10_000,
            1 + int(draw() * 2),
            17_000 + int(draw() * 3_500),
            int(draw() * 10_000_000),
        )

    def fill(self) -> Census:
        """Make the census of rows."""
        census = Census()
        census.add(self.rows)
        census.settle(self.homes, array("q", self.keys))
        census.locate(self.places)
        census.rings([(55_000_000, 82_900_000)] * 20, (1_000, 3_000, 5_000))
        return census

    def ours(self) -> int:
        """Count under every filter."""
        counted = self.census.count(first=FIRST, born=BORN, sexes=1 << SEX, branches=BRANCHES, new_from=19_700)
        return len(counted.cells(9))

    def everybody(self) -> int:
        """Count all, with rings."""
        counted = self.census.count(new_from=19_700)
        counted.rings()
        return len(counted.cells(9))


def _columns(case: Case) -> dict[str, list[int]]:
    cells = {place[0]: place[4] for place in case.places}
    names = ("patient", "branch", "born", "sex", "first", "revenue")
    columns: dict[str, list[int]] = {
        name: list(values) for name, values in zip(names, zip(*case.rows, strict=True), strict=True)
    }
    columns["cell"] = [cells[home] for home in case.homes]
    return columns


def _numpy(columns: dict[str, list[int]]) -> Work:
    import numpy as np

    c = {name: np.array(values) for name, values in columns.items()}
    unique, c["at"] = np.unique(c["cell"], return_inverse=True)

    def count() -> int:
        mask = (c["first"] >= FIRST[0]) & (c["first"] <= FIRST[1]) & (c["born"] >= BORN[0]) & (c["born"] <= BORN[1])
        mask &= (c["sex"] == SEX) & np.isin(c["branch"], BRANCHES)
        at = c["at"][mask]
        people = np.bincount(at, minlength=len(unique))
        np.bincount(at, weights=c["first"][mask] >= 19_700, minlength=len(unique))
        np.bincount(at, weights=c["revenue"][mask], minlength=len(unique))
        return int((people > 0).sum())

    return count


def _polars(columns: dict[str, list[int]]) -> Work:
    import polars as pl

    frame, col = pl.DataFrame(columns), pl.col

    def count() -> int:
        chosen = frame.lazy().filter(
            col("first").is_between(*FIRST), col("born").is_between(*BORN), col("sex") == SEX,
            col("branch").is_in(BRANCHES),
        )  # fmt: skip
        grouped = chosen.group_by("cell").agg(pl.len(), (col("first") >= 19_700).sum(), col("revenue").sum())
        return grouped.collect().height

    return count


def _duckdb(columns: dict[str, list[int]]) -> Work:
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect()
    connection.register("given", pa.table(columns))
    connection.execute("CREATE TABLE patients AS SELECT * FROM given")
    return lambda: len(connection.execute(SQL.format(table="patients")).fetchall())


SQL = (
    "SELECT cell, count(*), sum(first >= 19700), sum(revenue) FROM {table} WHERE first BETWEEN 19000 AND 20000 "
    "AND born BETWEEN -5000 AND 8000 AND sex = 2 AND branch IN (1, 2, 3) GROUP BY cell"
)


def _sqlite(columns: dict[str, list[int]]) -> Work:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE patients ({', '.join(f'{name} INTEGER' for name in columns)})")
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO patients VALUES ({marks})", zip(*columns.values(), strict=True))
    return lambda: len(connection.execute(SQL.format(table="patients")).fetchall())


def run(*, quick: bool) -> Iterator[Result]:
    """Measure filling and counting."""
    patients, buildings = (50_000, 20_000) if quick else (1_000_000, 400_000)
    case = Case(patients, buildings)
    yield from measure("census", "filling", {OURS: case.fill}, items=patients, runs=3)
    yield from measure("census", "everybody, by cell and ring", {OURS: case.everybody}, items=patients)
    columns = _columns(case)
    works: dict[str, Any] = {OURS: case.ours, "SQLite": _sqlite(columns)}
    optional(works, "numpy", lambda: _numpy(columns))
    optional(works, "polars", lambda: _polars(columns))
    optional(works, "duckdb", lambda: _duckdb(columns))
    assert len({work() for work in works.values()}) == 1, "all find the same cells"
    yield from measure("census", "five filters, by cell", works, items=patients)
