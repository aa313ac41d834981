"""How well a real Nominatim finds what registrars type: raw, with the town before it, and through the parser."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import quantiles

from identsync.demo.clinic import ground
from identsync.demo.clinic.town import Town
from identsync.integrations.geocoding.place import Found, Precision, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.integrations.geocoding.wire import nominatim

from .wires_calls import free, point

AWAY_M = 30.0  # a "house" farther from the truth is another house
AT_ONCE = 2
MISSED = 12  # that are shown


@dataclass(frozen=True, slots=True)
class Typed:
    """An address as typed, and the truth: what is to be found and where it is."""

    text: str
    number: str
    truth: ground.Point

    def question(self, before: str = "") -> Question:
        """Ask by the line as it is; the number only judges the answer, as the parser's would."""
        return Question(1, f"{before}{self.text}", house=self.number)


def typed(rng: Random, place: Town) -> Typed:
    """Type the address of a house on the map, in one of the habits of registrars."""
    street = rng.choice(place.streets)
    number = rng.choice(list(ground.numbers(place, street)))
    flat, name, short = rng.randrange(1, 200), street.name, street.kind
    full, block = ground.KINDS[short], _typed_number(rng, number)
    text = rng.choice(
        (
            f"г. {place.name}, {short} {name}, д. {block}, кв. {flat}",
            f"г.{place.name},{short}{name},д.{block},кв.{flat}",
            f"{ground.region(place)}, г. {place.name}, {short} {name}, дом {block}, квартира {flat}",
            f"630001, г {place.name}, {full} {name}, д {block}, кв {flat}",
            f"{short} {name}, {block}-{flat}",
            f"{short} {name} {block} кв {flat}",
            f"{name} {short} {block}-{flat}",
            f"{place.name} {full} {name} {block}",
            f"{place.name.lower()}, {name.lower()} {block}-{flat}",
            f"{place.name.upper()}, {short.upper()} {name.upper()}, Д. {block.upper()}, КВ. {flat}",
            f"{short} {name}, дом № {block}, кв.№{flat}, домофон {flat}",
            f"{full} {name}, {block}, подъезд 2, этаж 5, кв. {flat}",
        )
    )
    return Typed(text, number, ground.house(place, street, number))


def _typed_number(rng: Random, number: str) -> str:
    base, _corps, block = number.partition("к")
    if block:
        return rng.choice((f"{base}к{block}", f"{base} корп. {block}", f"{base} корпус {block}", f"{base}, к. {block}"))
    return rng.choice((number, number.upper()))


def table(url: str, place: Town, seed: int, count: int) -> None:
    """Print the shares of what is found of so many typed addresses, and how far from the truth."""
    rng = Random(f"accuracy {seed}")
    some = [typed(rng, place) for _each in range(count)]
    print(f"{place.name}: {count} typed addresses of houses on the map; shares in %, metres from the truth")
    titles = ("house", "near", "street", "less", "none", "wrong", "median", "95 %", "a s")
    print(" " * 22 + "".join(f"{title:>7}" for title in titles))
    _line(url, "as typed", some, [each.question() for each in some])
    _line(url, "the town before it", some, [each.question(f"{place.name}, ") for each in some])
    try:
        from identsync.core.address import parse
    except ImportError:
        print("(the core has no parser of addresses yet)")
        return
    parsed = [parse(each.text, place.name) for each in some]
    questions = [
        Question(1, each.text, each.region, each.city or each.place, f"{each.street_kind} {each.street}", each.house)
        for each in parsed
    ]
    found = _line(url, "through the parser", some, questions)
    missed = [at for at, one in enumerate(found) if one.precision < Precision.HOUSE]
    for at in missed[:MISSED]:
        print(f"  {found[at].precision.name}: {some[at].text!r} -> {questions[at].text!r}")


def _line(url: str, title: str, some: Sequence[Typed], questions: Sequence[Question]) -> list[Found]:
    begun = time.monotonic()
    found = asyncio.run(_asked(url, questions))
    seconds = time.monotonic() - begun
    away = [ground.metres(point(one), each.truth) for one, each in zip(found, some, strict=True) if _is_point(one)]
    near = sorted(metres for metres in away if metres <= AWAY_M) or [0.0]
    wrong = len(away) - sum(metres <= AWAY_M for metres in away)
    counts, n = Counter(one.precision for one in found), len(found)
    shares = [counts[Precision.HOUSE], counts[Precision.NEAR], counts[Precision.STREET]]
    shares += [counts[Precision.DISTRICT] + counts[Precision.LOCALITY], counts[Precision.NONE], wrong]
    percents = "".join(f"{100 * share / n:7.1f}" for share in shares)
    cuts = quantiles(near, n=20) if len(near) > 1 else near * 19
    print(f"{title:22}{percents}{cuts[9]:7.1f}{cuts[18]:7.1f}{n / seconds:7.0f}", flush=True)
    return found


def _is_point(found: Found) -> bool:
    return found.precision >= Precision.NEAR


async def _asked(url: str, questions: Sequence[Question]) -> list[Found]:
    gate = asyncio.Semaphore(AT_ONCE)
    async with nominatim.open(Provider(kind="nominatim", url=url, window=AT_ONCE), free) as geocoder:

        async def one(question: Question) -> Found:
            async with gate:
                return (await geocoder.ask([question]))[0]

        return list(await asyncio.gather(*(one(question) for question in questions)))
