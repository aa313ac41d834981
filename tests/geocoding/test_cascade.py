"""The providers one after another: who is asked what, and which points are believed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from identsync.errors import IdentsyncError, Limited, Refused, Unavailable, Unexpected
from identsync.integrations.geocoding.cascade import Cascade, Told, distance_km
from identsync.integrations.geocoding.place import Found, Precision, Question
from identsync.integrations.geocoding.settings import Provider

HERE = 55_000_000, 37_000_000


def question(number: int) -> Question:
    return Question(number, f"Город, улица Садовая, {number}", city="город")


def found(precision: Precision, *, north_km: int = 1) -> Found:
    return Found(precision, HERE[0] + north_km * 9_000, HERE[1])


@dataclass
class Desk:
    """A provider that knows some buildings, fails by its request's number, and is never asked too much at once."""

    known: dict[int, Found] = field(default_factory=dict)
    faults: dict[int, IdentsyncError] = field(default_factory=dict)
    batch: int = 1
    window: int = 2
    requests: list[list[int]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    open: int = 0

    async def ask(self, questions: Sequence[Question], body: bytes = b"") -> list[Found]:
        self.bodies.append(body)
        self.requests.append([each.key for each in questions])
        number, self.open = len(self.requests), self.open + 1
        assert self.open <= self.window
        assert len(questions) <= self.batch
        await asyncio.sleep(0)
        self.open -= 1
        if (fault := self.faults.get(number)) is not None:
            raise fault
        return [self.known.get(each.key, Found()) for each in questions]


def ask(*desks: Desk, keys: Sequence[int], near: Sequence[tuple[int, int]] = (), far: int = 150) -> tuple[Any, Cascade]:
    geocoders = [(f"p{at}", Provider(url="http://127.0.0.1", far=far), desk) for at, desk in enumerate(desks)]
    cascade = Cascade(geocoders, near)  # type: ignore[arg-type]
    return asyncio.run(cascade.ask([question(key) for key in keys])), cascade


def test_the_next_provider_is_asked_only_what_is_still_open() -> None:
    house, street = found(Precision.HOUSE), found(Precision.STREET)
    first = Desk({1: house, 2: street, 3: found(Precision.NEAR)})
    second = Desk({2: house, 4: house}, batch=50)
    told, cascade = ask(first, second, keys=[1, 2, 3, 4, 5])
    assert [(each.provider, each.found.precision.name) for each in told] == [
        ("p0", "HOUSE"), ("p1", "HOUSE"), ("p0", "NEAR"), ("p1", "HOUSE"), ("p0", "NONE"),
    ]  # fmt: skip
    assert second.requests == [[2, 4, 5]]
    assert cascade.asked == 8


def test_what_is_less_precise_does_not_replace_what_is_known() -> None:
    told, _cascade = ask(Desk({1: found(Precision.STREET)}), Desk({1: found(Precision.LOCALITY)}), keys=[1])
    assert (told[0].provider, told[0].found.precision) == ("p0", Precision.STREET)


def test_a_later_provider_that_fails_rests_and_what_is_known_is_asked_again_soon() -> None:
    second = Desk(faults={1: Limited("the day is used up", after_ms=1000)}, window=1)
    told, cascade = ask(Desk({1: found(Precision.STREET), 3: found(Precision.HOUSE)}), second, keys=[1, 2, 3])
    assert [(each.found.precision.name, each.soon) for each in told] == [
        ("STREET", True), ("NONE", True), ("HOUSE", False),
    ]  # fmt: skip
    assert second.requests == [[1]], "the second question is not put to a provider that rests"
    assert cascade.resting.keys() == {"p1"}


@pytest.mark.parametrize("error", [Refused("key"), Limited("slow"), Unavailable("down", sent=False)])
def test_the_first_provider_stops_the_run(error: IdentsyncError) -> None:
    first = Desk({1: found(Precision.HOUSE)}, faults={2: error}, window=1)
    told, cascade = ask(first, Desk({2: found(Precision.HOUSE)}), keys=[1, 2, 3])
    assert isinstance(told[0], Told)
    assert told[1] is error
    assert isinstance(told[2], type(error))
    assert len(first.requests) == 2
    with pytest.raises(type(error)):
        asyncio.run(cascade.ask([question(4)]))


def test_of_a_lost_answer_only_its_own_questions_are_doubtful() -> None:
    first = Desk({2: found(Precision.HOUSE)}, faults={1: Unavailable("lost", sent=True)}, window=1)
    told, _cascade = ask(first, keys=[1, 2])
    assert told[0].sent
    assert not told[1].sent, "nobody was asked"


def test_nonsense_costs_one_request_and_no_more() -> None:
    first = Desk({key: found(Precision.HOUSE) for key in (1, 2, 3, 4)}, faults={1: Unexpected("?")}, batch=2)
    told, _cascade = ask(first, keys=[1, 2, 3, 4])
    assert [isinstance(each, Unexpected) for each in told] == [True, True, False, False]


def test_a_body_is_written_for_those_who_take_many_at_once() -> None:
    one, many = Desk(), Desk(batch=2)
    cascade = Cascade([("a", Provider(url="http://127.0.0.1"), one), ("b", Provider(url="http://127.0.0.1"), many)])
    cascade.body = lambda questions: b"%d" % sum(each.key for each in questions)
    asyncio.run(cascade.ask([question(key) for key in (1, 2, 4)]))
    assert (one.bodies, many.bodies) == ([b""] * 3, [b"3", b"4"])


def test_an_answer_too_short_is_nonsense() -> None:
    class Short(Desk):
        async def ask(self, questions: Sequence[Question], body: bytes = b"") -> list[Found]:
            return (await super().ask(questions))[:-1]

    told, _cascade = ask(Short(batch=3), keys=[1, 2, 3])
    assert all(isinstance(each, Unexpected) for each in told)


def test_a_point_too_far_from_every_branch_is_refused_with_the_reason() -> None:
    desk = Desk({1: found(Precision.HOUSE, north_km=200), 2: found(Precision.HOUSE, north_km=100)})
    told, _cascade = ask(desk, keys=[1, 2], near=[HERE])
    assert [(each.found.precision.name, bool(each.why)) for each in told] == [("NONE", True), ("HOUSE", False)]
    assert told[0].found.latitude is None
    assert "150" in told[0].why


def test_an_address_that_names_another_city_may_be_far() -> None:
    cascade = Cascade(
        [("p", Provider(url="http://127.0.0.1"), Desk({1: found(Precision.HOUSE, north_km=900)}))], [HERE]
    )
    cascade.at_home = lambda question: question.city != "город"
    [told] = asyncio.run(cascade.ask([question(1)]))
    assert isinstance(told, Told)
    assert told.found.precision is Precision.HOUSE


def test_a_house_without_a_point_is_no_house() -> None:
    told, _cascade = ask(Desk({1: Found(Precision.HOUSE)}), keys=[1])
    assert told[0].found.precision is Precision.LOCALITY


def test_distances() -> None:
    moscow, petersburg = (55_755_800, 37_617_300), (59_934_300, 30_335_100)
    assert 630 < distance_km(moscow, petersburg) < 637
    assert distance_km(moscow, moscow) == 0
    assert 20_000 < distance_km((0, 0), (0, 180_000_000)) < 20_020
