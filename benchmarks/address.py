"""Addresses: reading one, a register of all patients' buildings, the body of a geocoder's batch."""

import inspect
import os
from array import array
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson

from benchmarks.harness import OURS, Result, Work, measure, optional
from identsync.core.address import parse
from identsync.core.register import Register

HOME = "Тестоград"
KINDS = ("ул.", "ул", "улица", "пр-т", "пер.", "б-р", "ш.")
FIRST = (
    "Бело",
    "Ново",
    "Верхне",
    "Старо",
    "Светло",
    "Нижне",
    "Тихо",
    "Добро",
    "Ясно",
    "Велико",
    "Мало",
    "Лесо",
    "Красно",
)
LAST = ("речная", "горская", "польская", "каменная", "лужская", "борская", "озёрская", "мостовая", "садовая", "луговая")
Row = tuple[int, int, str, int]


def run(*, quick: bool) -> Iterator[Result]:
    """Read 400 addresses beside natasha; 1,000,000 patients of 400,000 buildings (a fiftieth with ``quick``)."""
    yield from _reading(60 if quick else 400)
    patients, buildings = (20_000, 8_000) if quick else (1_000_000, 400_000)
    rows = _rows(patients, buildings)
    yield from _registers(rows, runs=3 if quick else 5)
    yield from _batches(rows)


def _rows(patients: int, buildings: int) -> list[Row]:
    """Type the addresses of so many patients: a few habits, a flat each, one building as likely as another."""
    rng = Random(7)
    streets = [first + last for first in FIRST for last in LAST]
    homes = [_home(streets, n) for n in range(buildings)]
    return [(n, 0, _typed(rng, *homes[n % buildings if n < buildings else rng.randrange(buildings)]), n % 20_000)
            for n in range(patients)]  # fmt: skip


def _home(streets: list[str], n: int) -> tuple[str, str, str, int]:
    """Building n: 130 streets, 200 numbers, six suffixes, then the same streets as 2-я, 3-я."""
    suffix = ("", "а", "/2", "к1", "к2", "к3")[n // 26_000 % 6]
    return KINDS[n % 130 % len(KINDS)], streets[n % 130], f"{n // 130 % 200 + 1}{suffix}", n // 156_000


def _typed(rng: Random, kind: str, street: str, house: str, line: int) -> str:
    flat, habit = rng.randrange(1, 300), rng.randrange(4)
    name = f"{line + 1}-я {street}" if line else street
    if habit == 0:
        return f"г. {HOME}, {kind} {name}, д. {house}, кв. {flat}"
    if habit == 1:
        return f"{kind} {name}, {house}-{flat}"
    if habit == 2:
        return f"{HOME}, {kind}{'' if kind.endswith('.') else ' '}{name} д.{house} кв.{flat}"
    return f"630{flat:03}, {kind} {name.upper()} {house}, {flat}"


def _reading(count: int) -> Iterator[Result]:
    texts = [row[2] for row in _rows(count, count)]
    contenders: dict[str, Work] = {
        OURS: lambda: [parse(text, HOME).key for text in texts],
        "floor:str.split": lambda: [text.split() for text in texts],
    }
    optional(contenders, "natasha", lambda: _natasha(texts))
    yield from measure("address", f"read {count} addresses", contenders, items=count, runs=3)


def _natasha(texts: list[str]) -> Work:
    """AddrExtractor of natasha 1.6 (MIT), which needs two things of its time: an entry point's path and getargspec."""
    import pymorphy2_dicts_ru  # type: ignore[import-not-found]

    os.environ.setdefault("PYMORPHY2_DICT_PATH", pymorphy2_dicts_ru.get_path())
    if not hasattr(inspect, "getargspec"):
        inspect.getargspec = lambda one: inspect.getfullargspec(one)[:4]  # type: ignore[attr-defined]
    from natasha import AddrExtractor, MorphVocab  # type: ignore[import-not-found]

    extract = AddrExtractor(MorphVocab())
    return lambda: [list(extract(text)) for text in texts]


def _registers(rows: list[Row], runs: int) -> Iterator[Result]:
    def ours() -> int:
        register = Register({0: HOME})
        register.add(rows)
        return len(register.desired(1))

    def dictionary() -> int:
        counts: dict[int, int] = {}
        texts: dict[int, str] = {}
        for _, _, text, _ in rows:
            read = parse(text, HOME)
            counts[read.key] = counts.get(read.key, 0) + 1
            texts.setdefault(read.key, read.text)
        return len(sorted(counts))

    texts = [row[2] for row in rows]
    contenders: dict[str, Work] = {
        OURS: ours,
        "parse() and dicts": dictionary,
        "floor:stream of the texts": lambda: "".join(texts),
        "floor:hash of every text": lambda: [hash(text) for text in texts],
    }
    optional(contenders, "parse() and pandas", lambda: _pandas(rows))
    found = {name: made() for name, made in contenders.items() if not name.startswith("floor")}
    assert len(set(found.values())) == 1, found
    size = sum(2 * len(text) for text in texts)
    case = f"register of {len(rows):,} patients, {ours():,} buildings"
    yield from measure("address", case, contenders, items=len(rows), size=size, runs=runs)


def _pandas(rows: list[Row]) -> Work:
    import pandas as pd

    def work() -> int:
        frame = pd.DataFrame(rows, columns=["patient", "branch", "address", "newest"])
        read = [parse(text, HOME) for text in frame["address"]]
        frame["key"] = [one.key for one in read]
        frame["text"] = [one.text for one in read]
        grouped = frame.groupby("key").agg({"patient": "count", "newest": "max", "text": "first"})
        return len(grouped)

    return work


def _batches(rows: list[Row]) -> Iterator[Result]:
    register = Register({0: HOME})
    register.add(rows)
    keys = array("q", register.buildings)
    texts = [register.text(key) for key in keys]
    parts = [_parts(register, key) for key in keys]
    whole = orjson.dumps(texts)
    assert register.batch(keys) == whole

    def dictionaries() -> bytes:
        made = [{"city": city, "kind": kind, "street": street, "house": house} for city, kind, street, house in parts]
        return orjson.dumps([f"{one['city']}, {one['kind']} {one['street']}, {one['house']}" for one in made])

    contenders: dict[str, Work] = {
        OURS: lambda: register.batch(keys),
        "orjson of ready strings": lambda: orjson.dumps(texts),
        "dicts, strings, orjson": dictionaries,
        "floor:copy": lambda: bytes(bytearray(whole)),
    }
    yield from measure(
        "address", f"body of {len(keys):,} buildings", contenders, items=len(keys), size=len(whole), runs=7
    )
    fifty = [(keys[i : i + 50], texts[i : i + 50]) for i in range(0, 50_000, 50)]
    known = dict(zip(keys, texts, strict=True))
    contenders = {
        OURS: lambda: [register.batch(some) for some, _ in fifty],
        "strings by key, orjson": lambda: [orjson.dumps([known[key] for key in some]) for some, _ in fifty],
        "orjson of ready strings": lambda: [orjson.dumps(some) for _, some in fifty],
    }
    yield from measure("address", f"{len(fifty)} bodies of 50", contenders, items=50 * len(fifty), runs=7)


def _parts(register: Register, key: int) -> tuple[Any, ...]:
    read = register.address(key)
    return read.city, read.street_kind, read.street, read.house
