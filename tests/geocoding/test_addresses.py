"""Addresses as people type them: a table that people read by hand, before any parser did."""

from pathlib import Path
from random import Random

from geocoding import mangle
from identsync.core.address import parse

TABLE = Path(__file__).with_name("hard_addresses.tsv")
PARTS = ("city", "place", "street_kind", "street", "house", "flat")
HOME = "Тестоград"


def hard() -> list[tuple[str, dict[str, str]]]:
    """The table's lines: what was typed, and the parts that have to come of it."""
    lines = [line.split("\t") for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [
        (
            typed,
            dict.fromkeys(PARTS, "")
            | dict(zip(PARTS, rest, strict=False))
            | dict(one.split("=") for more in rest[6:] for one in more.split(";")),
        )
        for typed, *rest in lines
    ]


def test_at_least_97_of_100_hard_addresses_are_read_as_people_read_them() -> None:
    wrong = []
    for typed, parts in hard():
        read = parse(typed, HOME)
        found = {name: getattr(read, name) for name in parts}
        if found != parts:
            wrong.append((typed, {name: (found[name], parts[name]) for name in parts if found[name] != parts[name]}))
    for typed, difference in wrong:
        print(f"{typed}: {difference}")
    assert len(wrong) <= 0.03 * len(hard()), f"{len(wrong)} of {len(hard())} wrong"


def test_mangled_addresses_are_read_back() -> None:
    rng, wrong, count = Random("mangled"), [], 5000
    for _ in range(count):
        known = mangle.known(rng, HOME)
        typed = mangle.mangle(rng, known)
        read = parse(typed, HOME)
        if (read.city, read.street.replace("ё", "е"), read.house) != (
            known.city,
            known.street.replace("ё", "е"),
            known.house,
        ):
            wrong.append((typed, read.text, known))
    for one in wrong:
        print(one)
    assert len(wrong) <= 0.03 * count, f"{len(wrong)} of {count} wrong"
