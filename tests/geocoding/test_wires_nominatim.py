"""The wire against a real Nominatim on the first town of seed 1: ``poe nominatim`` installs, serves and runs this."""

import os

import pytest

from identsync.demo.clinic import ground
from identsync.demo.geocoder.process import GeocoderProcess
from identsync.integrations.geocoding.place import Found, Precision, Question
from identsync.integrations.geocoding.settings import Provider

from . import nominatim_hard
from .wires_calls import PLACE, absent, asked, houses, named, point, provider, question

URL = os.environ.get("IDENTSYNC_NOMINATIM", "")
pytestmark = pytest.mark.skipif(
    not URL,
    reason="wants a real Nominatim (GPL, a process of its own): `poe nominatim` runs this with one",
)


def settings() -> Provider:
    return Provider(kind="nominatim", url=URL)


def test_every_proper_address_is_found_at_its_house() -> None:
    some = list(houses(21, 150))
    found = asked(settings(), *(each for each, _truth in some))
    missed = [each.text for (each, _t), one in zip(some, found, strict=True) if one.precision is not Precision.HOUSE]
    assert missed == []
    assert all(ground.metres(point(one), truth) < 1 for (_each, truth), one in zip(some, found, strict=True))


def test_a_block_that_the_map_lacks_is_near_the_house_before_it() -> None:
    some = [each for each, _at in zip(absent(), range(200), strict=False)][::10]
    found = asked(settings(), *(each for each, _truth in some))
    assert {one.precision for one in found} == {Precision.NEAR}
    assert all(ground.metres(point(one), truth) < 60 for (_each, truth), one in zip(some, found, strict=True))


def test_a_house_beyond_the_end_is_its_street() -> None:
    found = asked(settings(), *(question(named(street), "999") for street in PLACE.streets[:20]))
    assert {one.precision for one in found} == {Precision.STREET}


def test_an_unknown_street_is_no_point() -> None:
    [found] = asked(settings(), question("улица Несуществующая", "5"))
    assert found.precision <= Precision.LOCALITY


def test_the_town_alone_is_a_town() -> None:
    [found] = asked(settings(), Question(1, PLACE.name, "", PLACE.name))
    assert found.precision is Precision.LOCALITY


def test_a_district_alone_is_a_district() -> None:
    [found] = asked(settings(), Question(1, f"{PLACE.name}, {ground.DISTRICTS[1]}", "", PLACE.name))
    assert found.precision is Precision.DISTRICT


def test_the_region_is_told_apart() -> None:
    one, _truth = next(houses(22, 1))
    with_region = Question(
        1, f"{ground.region(PLACE)}, {one.text}", ground.region(PLACE), one.city, one.street, one.house
    )
    elsewhere = Question(1, f"Омская область, {one.text}", "Омская область", one.city, one.street, one.house)
    found = asked(settings(), with_region, elsewhere)
    assert [each.precision for each in found] == [Precision.HOUSE, Precision.NONE]


def test_the_stand_in_answers_as_the_real_one() -> None:
    """So that what is tested against the stand-in everywhere is worth something."""
    some = [each for each, _truth in houses(24, 25)]
    far, street = named(PLACE.streets[5]), PLACE.streets[7].name
    some += [each for each, _at in zip((one for one, _truth in absent()), range(5), strict=False)]
    some += [question(far, "999"), question(far, ""), question(street, "5"), question("улица Несуществующая", "5")]
    some += [Question(1, PLACE.name, "", PLACE.name), Question(1, f"г. {PLACE.name}, ул. {street}, д. 5, кв. 7")]
    some += [
        Question(1, f"{PLACE.name} {far} 5 кв 7"),
        Question(1, "Китеж, улица Мира, 5", "", "Китеж", "улица Мира", "5"),
    ]
    real = asked(settings(), *some)
    with GeocoderProcess() as geocoders:
        played = asked(provider(geocoders, "nominatim"), *some)
    assert [each.precision for each in played] == [each.precision for each in real]
    pairs = [(one, other) for one, other in zip(played, real, strict=True) if one.precision >= Precision.NEAR]
    assert all(ground.metres(point(one), point(other)) < 1 for one, other in pairs)


def test_odd_signs_are_answered() -> None:
    for odd in ("\x00", "\u202e", "ул" * 500, "'; drop table", "%", "12", "-" * 300):
        [found] = asked(settings(), Question(1, odd, "", PLACE.name, odd, "5"))
        assert found.precision <= Precision.LOCALITY


def test_a_street_of_another_kind_is_found() -> None:
    some = [(each, at) for each, at in houses(23, 40) if each.street.startswith("улица")]
    wrong = [question(each.street.replace("улица", "проспект"), each.house) for each, _at in some]
    found = asked(settings(), *wrong)
    assert {each.precision for each in found} == {Precision.HOUSE}
    assert all(ground.metres(point(one), truth) < 1 for (_each, truth), one in zip(some, found, strict=True))


# -- the town whose streets and numbers are spelled as real maps do ---------------------------------------------------

HARD = os.environ.get("IDENTSYNC_NOMINATIM_HARD", "")
hard = pytest.mark.skipif(not HARD, reason="wants the hard town served by a real Nominatim: `poe nominatim` does so")


def on_hard(*questions: Question) -> list[Found]:
    return asked(Provider(kind="nominatim", url=HARD), *questions)


@hard
def test_every_spelling_of_maps_is_found_at_its_house() -> None:
    every = list(nominatim_hard.houses())
    found = on_hard(*(each.question for each in every))
    missed = [
        each.question.text for each, one in zip(every, found, strict=True) if one.precision is not Precision.HOUSE
    ]
    assert missed == []
    assert all(ground.metres(point(one), each.point) < 1 for each, one in zip(every, found, strict=True))


@hard
def test_a_village_inside_the_line_is_not_the_towns_street() -> None:
    """The town has a Lenin street too; the parser names the town where the registrar did."""
    city, village = nominatim_hard.CITY, "Ивановка"
    [found] = on_hard(Question(1, f"{city}, {village}, улица Ленина, 5", "", city, "улица Ленина", "5"))
    [there] = [each for each in nominatim_hard.houses() if each.question.text == f"{village}, улица Ленина, 5"]
    assert found.precision is Precision.HOUSE
    assert ground.metres(point(found), there.point) < 1


@hard
def test_a_street_like_another_is_not_that_one() -> None:
    """There is a big and a plain Sadovaya, a first and a second Parkovaya, but no third and no small one."""
    asks = ("улица 3-я Парковая", "улица Малая Садовая", "переулок Садовый")
    found = on_hard(*(question(street, "5", nominatim_hard.CITY) for street in asks))
    assert [each.precision for each in found] == [Precision.NONE] * len(asks)
