"""The four providers, each against its strict stand-in: what is found, how near, at what cost, and what leaves us."""

import asyncio
import json
from itertools import islice

import pytest

from identsync import errors
from identsync.demo.clinic import ground
from identsync.demo.geocoder.process import GeocoderProcess
from identsync.integrations.geocoding.place import Precision, Question
from identsync.integrations.geocoding.settings import Provider

from .wires_calls import KINDS, OWN, PAID, PLACE, absent, asked, houses, named, point, provider, question, run


@pytest.mark.parametrize("kind", KINDS)
def test_a_house_on_the_map_is_found_where_it_is(geocoders: GeocoderProcess, kind: str) -> None:
    for (one, truth), found in zip(
        houses(3, 40), asked(provider(geocoders, kind), *(each for each, _ in houses(3, 40))), strict=True
    ):
        assert found.precision is Precision.HOUSE, one
        assert ground.metres(point(found), truth) < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_that_the_map_lacks_is_its_neighbour(geocoders: GeocoderProcess, kind: str) -> None:
    one, near = next(absent())
    [found] = asked(provider(geocoders, kind), one)
    assert found.precision is Precision.NEAR
    assert ground.metres(point(found), near) < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_house_beyond_the_end_of_its_street_is_the_street(geocoders: GeocoderProcess, kind: str) -> None:
    street = PLACE.streets[3]
    [found] = asked(provider(geocoders, kind), question(named(street), "999"))
    assert found.precision is Precision.STREET
    assert ground.metres(point(found), ground.middle(PLACE, street)) < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_street_without_a_house_is_a_street(geocoders: GeocoderProcess, kind: str) -> None:
    [found] = asked(provider(geocoders, kind), question(named(PLACE.streets[3]), ""))
    assert found.precision is Precision.STREET


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_street_is_never_a_point(geocoders: GeocoderProcess, kind: str) -> None:
    """Photon guesses another street of the town; DaData and Yandex answer with the town."""
    [found] = asked(provider(geocoders, kind), question("улица Несуществующая", "5"))
    assert found.precision <= Precision.LOCALITY
    assert (found.precision is Precision.LOCALITY) == (kind in PAID)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_town_is_nothing(geocoders: GeocoderProcess, kind: str) -> None:
    [found] = asked(provider(geocoders, kind), Question(1, "Китеж, улица Мира, 5", "", "Китеж", "улица Мира", "5"))
    assert (found.precision, found.latitude, found.longitude) == (Precision.NONE, None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_street_of_another_town_is_not_believed(geocoders: GeocoderProcess, kind: str) -> None:
    """The line leads to one town, the question means another: as a geocoder that guesses would answer."""
    there, _truth = next(houses(5, 1))
    asked_for = Question(1, there.text, "", "Бердск", there.street, there.house)
    [found] = asked(provider(geocoders, kind), asked_for)
    assert (found.precision, found.detail) == (Precision.NONE, "other town")


@pytest.mark.parametrize("kind", KINDS)
def test_a_registrars_spelling_is_not_found(geocoders: GeocoderProcess, kind: str) -> None:
    """So that nobody thinks the parser could be left out."""
    street = next(each for each in PLACE.streets if each.kind == "ул.")
    raw = f"г. {PLACE.name}, ул. {street.name}, д. 12, кв. 5"
    [found] = asked(provider(geocoders, kind), Question(1, raw))
    assert found.precision < Precision.STREET


@pytest.mark.parametrize("kind", OWN)
def test_a_village_in_the_line_is_not_lost_between_the_parts(geocoders: GeocoderProcess, kind: str) -> None:
    """Street and town of the question are known, but the line means the street of a village: not the town's."""
    there, _truth = next(houses(5, 1))
    village = Question(1, f"{PLACE.name}, село Ивановка, {there.street}, 5", "", PLACE.name, there.street, "5")
    [found] = asked(provider(geocoders, kind), village)
    assert found.precision is Precision.NONE
    assert {("q" in each["fields"]) for each in geocoders.asked()} == {True}


def test_photon_without_structured_is_asked_by_the_line(geocoders: GeocoderProcess) -> None:
    geocoders.options(structured=False)
    some = list(houses(4, 3))
    found = asked(provider(geocoders, "photon"), *(each for each, _truth in some))
    assert [each.precision for each in found] == [Precision.HOUSE] * 3
    assert geocoders.books()["asked"]["photon"] == 3


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_dadata_is_asked_by_arrays_over_one_connection(geocoders: GeocoderProcess) -> None:
    before = geocoders.books()
    some = [each for each, _truth in houses(6, 120)]
    taken: list[int] = []

    async def permit() -> None:
        taken.append(1)

    assert len(asked(provider(geocoders, "dadata"), *some, permit=permit)) == 120
    assert len(taken) == 3
    after = geocoders.books()
    assert after["counts"]["dadata"] - before["counts"].get("dadata", 0) == 3
    assert after["connections"]["dadata"] == 1
    assert before["balance"] - after["balance"] == 120 * 20


def test_dadata_takes_a_body_that_is_ready(geocoders: GeocoderProcess) -> None:
    some = [each for each, _truth in houses(6, 3)]
    body = json.dumps([each.text for each in some]).encode()
    found = run(provider(geocoders, "dadata"), lambda geocoder: geocoder.ask(some, body=body))
    assert [each.precision for each in found] == [Precision.HOUSE] * 3
    assert [each["text"] for each in geocoders.asked()] == [each.text for each in some]


@pytest.mark.parametrize("kind", KINDS)
def test_a_found_house_takes_one_permit_and_one_request(geocoders: GeocoderProcess, kind: str) -> None:
    taken: list[int] = []

    async def permit() -> None:
        taken.append(1)

    asked(provider(geocoders, kind), next(houses(7, 1))[0], permit=permit)
    assert taken == [1]
    assert len(geocoders.asked()) == 1


@pytest.mark.parametrize("kind", OWN)
def test_each_request_of_a_question_takes_its_permit(geocoders: GeocoderProcess, kind: str) -> None:
    taken: list[int] = []

    async def permit() -> None:
        taken.append(1)

    asked(provider(geocoders, kind), question("улица Несуществующая", "5"), permit=permit)
    assert len(taken) == len(geocoders.asked()) > 1


def test_no_permit_nothing_leaves(geocoders: GeocoderProcess) -> None:
    async def permit() -> None:
        raise errors.Limited("the day's budget", after_ms=5_000)

    for kind in KINDS:
        with pytest.raises(errors.Limited):
            asked(provider(geocoders, kind), next(houses(7, 1))[0], permit=permit)
    assert geocoders.asked() == []


def test_several_at_once_share_the_connections(geocoders: GeocoderProcess) -> None:
    some = [each for each, _truth in houses(8, 30)]

    async def work(geocoder: object) -> None:
        await asyncio.gather(*(geocoder.ask([each]) for each in some))  # type: ignore[attr-defined]

    run(provider(geocoders, "yandex", window=3, timeout=30_000), work)
    assert geocoders.books()["connections"]["yandex"] <= 3


# -- what leaves us ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_building_leaves(geocoders: GeocoderProcess, kind: str) -> None:
    one, _truth = next(houses(9, 1))
    asked(provider(geocoders, kind), Question(987654321, one.text, one.region, one.city, one.street, one.house))
    [heard] = geocoders.asked()
    told = f"{heard['text']} {heard['fields']}"
    assert "987654321" not in told
    words = {name: value for name, value in heard["fields"].items() if value in told}
    allowed = {one.text, one.city, one.street, one.house, f"{one.street} {one.house}"}
    fixed = {"jsonv2", "json", "1", "3", "5", "ru", "RU", "ru_RU", "address"}
    assert set(words.values()) <= allowed | fixed


@pytest.mark.parametrize("kind", KINDS)
def test_half_an_emoji_or_a_nul_does_not_break_a_request(geocoders: GeocoderProcess, kind: str) -> None:
    for odd in ("\ud83d", "\x00", "\u202e", "Мира\r\nX-Evil: 1", "&q=1#", "%00", '"]}'):
        [found] = asked(provider(geocoders, kind), Question(1, f"{PLACE.name}, {odd}", "", PLACE.name, odd, "5"))
        assert found.precision <= Precision.LOCALITY


@pytest.mark.parametrize("host", ["nominatim.openstreetmap.org", "photon.komoot.io"])
def test_servers_for_everybody_are_refused(host: str) -> None:
    settings = Provider(kind="photon" if "photon" in host else "nominatim", url=f"https://{host}")
    assert [key for key, _what, _hint in settings.mistakes()] == ["url"]
    with pytest.raises(errors.AskPerson, match="за границу"):
        asked(settings, *islice((each for each, _ in houses(1, 1)), 1))


def test_an_avenue_taken_for_a_street_is_found(geocoders: GeocoderProcess) -> None:
    street = next(each for each in PLACE.streets if each.kind != "ул.")
    [found] = asked(provider(geocoders, "nominatim"), question(f"улица {street.name}", "5"))
    assert found.precision is Precision.HOUSE
    assert ground.metres(point(found), ground.house(PLACE, street, "5")) < 0.2


def test_of_two_such_houses_far_apart_neither_is_guessed(geocoders: GeocoderProcess) -> None:
    """A town that has swallowed a village has two of a street; a house and the shop in it are one."""
    one = question("улица Мира", "5")
    row = {"place_rank": 30, "address": {"house_number": "5", "road": "улица Мира"}, "lat": "54.9", "lon": "39.6"}
    for lat, precision in (("54.9001", Precision.HOUSE), ("54.95", Precision.LOCALITY)):
        geocoders.fault("say", provider="nominatim", status=200, body=json.dumps([row, row | {"lat": lat}]), times=9)
        [found] = asked(provider(geocoders, "nominatim"), one)
        assert found.precision is precision
        geocoders.behave()
