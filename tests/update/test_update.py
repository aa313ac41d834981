"""A network is updated while it works: programs of two versions, real processes, on SQLite and on PostgreSQL at once.

``uv run poe update`` is the long form.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("needs fork and prctl", allow_module_level=True)

from identsync.store.migrations.standing import revision
from update.house import House, Programs, until
from update.program import SLOTS
from update.release import NEWER, OWN, newer
from update.verdict import KNOWN, LONGEST_MS, faults, longest


@pytest.fixture
def nurseries(tmp_path: Path) -> Iterator[dict[str, Programs]]:
    with Programs("old", OWN.parent) as old, Programs("new", newer(tmp_path / "newer")) as new:
        yield {"old": old, "new": new}


@pytest.mark.processes
@pytest.mark.postgresql
def test_a_network_is_updated_while_it_works(
    nurseries: dict[str, Programs], sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    houses = [House(url, tmp_path / name, nurseries) for name, url in (("lite", sqlite_url), ("pg", postgres_url))]
    story(houses, nurseries)
    for house in houses:
        judge(house)
        house.store.close()


def story(houses: list[House], nurseries: dict[str, Programs]) -> None:
    def wait(what: str, done: Callable[[House], bool]) -> None:
        until(lambda: all(map(done, houses)), nurseries, what)

    def works(*kinds: str, version: str | None = None, since: str) -> Callable[[House], bool]:
        return lambda house: all(house.good(kind, version, since) for kind in kinds)

    def phase(name: str) -> None:
        for house in houses:
            house.mark(name)

    olds = [[house.start("old") for _ in range(2)] for house in houses]
    wait("two old programs make the tables and work", lambda house: all(p.client for p in house.programs))
    phase("begin")
    wait("they do all they know", works("steady", "changed", "network", version="old", since="begin"))
    news = [[house.start("new") for _ in range(2)] for house in houses]
    wait("two new ones start at once", lambda house: all(p.client for p in house.programs))
    phase("mixed")
    assert [version(house) for house in houses] == [NEWER, NEWER]
    wait("their own task runs though an old one leads", works("novel", version="new", since="mixed"))
    wait("the others go on", works("steady", "network", since="mixed"))
    for each in zip(*olds, strict=True):  # one computer after another
        for house, program in zip(houses, each, strict=True):
            house.end(program)
        until(lambda each=each: all(program.code == 0 for program in each), nurseries, "it hands over and ends")
    phase("updated")
    wait("the new ones do it all", works(*(kind for kind, _ in SLOTS), version="new", since="updated"))
    late = [house.start("old") for house in houses]
    wait("a forgotten old one starts on the newer tables", lambda house: bool(house.programs[-1].client))
    for house, pair in zip(houses, news, strict=True):
        for program in pair:
            house.end(program)
    wait("the new ones are switched off", lambda house: all(p.code == 0 for p in house.programs[2:4]))
    phase("alone")
    wait("it does what it understands", works(*KNOWN, version="old", since="alone"))
    wait("and says why not the rest", lambda house: "left to newer" in house.programs[-1].log.read_text())
    for house, program in zip(houses, late, strict=True):
        house.start("new")
        house.mark("back")
        assert program.code is None
    wait("a new one is back", works("changed", "novel", version="new", since="back"))
    for house in houses:
        for program in house.programs[-2:]:
            house.end(program)
    wait("everybody leaves in order", lambda house: all(p.code == 0 for p in house.programs))


def version(house: House) -> str | None:
    with house.store.read() as connection:
        return revision(connection, house.store.schema)


def judge(house: House) -> None:
    assert faults(house) == []
    assert longest(house.rows(), "changed", house.phases["begin"], house.phases["alone"]) < LONGEST_MS
    assert house.programs[-2].log.read_text(encoding="utf-8").count("обновите эту программу") == 2  # tables, task
