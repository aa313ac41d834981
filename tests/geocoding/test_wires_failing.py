"""Everything a provider can do wrong, and what it is called here; nothing asked or secret is in what is told."""

import contextlib
import json
import logging
from typing import Any

import pytest

from identsync import errors
from identsync.demo.clinic import ground
from identsync.demo.geocoder.desk import KEY, SECRET
from identsync.demo.geocoder.process import GeocoderProcess
from identsync.integrations.geocoding.place import Found, Precision
from identsync.integrations.geocoding.wire.asking import to_midnight_ms
from identsync.spans import DAY_MS

from .wires_calls import KINDS, OWN, PAID, PLACE, asked, houses, point, provider, run

ONE = next(houses(11, 1))[0]


def _told(error: errors.IdentsyncError, caplog: pytest.LogCaptureFixture) -> str:
    return f"{error} {error.raw} {error.hint} {caplog.text}".lower()


def _is_discreet(told: str) -> bool:
    secrets = (KEY, SECRET, "not-the-key-at-all", ONE.text, ONE.street, ONE.city, ONE.street.split()[1])
    return not any(each.lower() in told for each in secrets)


@pytest.mark.parametrize("kind", PAID)
def test_a_wrong_key_asks_a_person_and_is_not_repeated(
    geocoders: GeocoderProcess, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The stand-in repeats the key in its words, as some do."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(errors.Refused) as caught:
        asked(provider(geocoders, kind, key="env:TEST_WRONG"), ONE)
    assert caught.value.hint
    assert _is_discreet(_told(caught.value, caplog))
    assert geocoders.asked() == []


@pytest.mark.parametrize("kind", PAID)
def test_a_key_that_is_not_set_asks_a_person(geocoders: GeocoderProcess, kind: str) -> None:
    with pytest.raises(errors.AskPerson, match="TEST_ABSENT"):
        asked(provider(geocoders, kind, key="env:TEST_ABSENT"), ONE)


def test_no_money_asks_a_person(geocoders: GeocoderProcess) -> None:
    geocoders.options(balance=30)
    some = [each for each, _truth in houses(12, 2)]
    with pytest.raises(errors.AskPerson, match="деньги") as caught:
        asked(provider(geocoders, "dadata"), *some)
    assert not isinstance(caught.value, errors.Refused)


@pytest.mark.parametrize("kind", PAID)
def test_a_used_up_day_ends_at_midnight_in_moscow(geocoders: GeocoderProcess, kind: str) -> None:
    geocoders.options(quota=3)
    some = [each for each, _truth in houses(13, 3)]
    assert len(asked(provider(geocoders, kind), *some)) == 3
    with pytest.raises(errors.Limited) as caught:
        asked(provider(geocoders, kind), ONE)
    assert caught.value.after_ms is not None
    assert (caught.value.after_ms - to_midnight_ms()) % DAY_MS < 60_000
    geocoders.new_day()
    assert asked(provider(geocoders, kind), ONE)[0].precision is Precision.HOUSE


def test_midnight_in_moscow_is_nine_in_the_evening_in_utc() -> None:
    assert to_midnight_ms(21 * 3_600_000 - 1) == 1
    assert to_midnight_ms(21 * 3_600_000) == DAY_MS


@pytest.mark.parametrize("kind", KINDS)
def test_a_slower_pace_is_asked_for_with_its_time(geocoders: GeocoderProcess, kind: str) -> None:
    geocoders.fault("fail", status=429, retry_after="7")
    geocoders.fault("fail", status=429)
    for after in (7_000, 60_000):
        with pytest.raises(errors.Limited) as caught:
            asked(provider(geocoders, kind), ONE)
        assert caught.value.after_ms == after


def test_too_many_new_connections_are_a_slower_pace(geocoders: GeocoderProcess) -> None:
    geocoders.options(connections=1)
    settings = provider(geocoders, "dadata")
    asked(settings, ONE)
    with pytest.raises(errors.Limited):
        asked(settings, ONE)


@pytest.mark.parametrize("status", [501, 502, 503, 504, 408])
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_does_not_work_is_for_later(geocoders: GeocoderProcess, kind: str, status: int) -> None:
    geocoders.fault("fail", status=status, times=2)
    with pytest.raises(errors.Unavailable):
        asked(provider(geocoders, kind), ONE)


@pytest.mark.parametrize("kind", KINDS)
def test_one_question_that_breaks_a_server_does_not_stop_the_others(geocoders: GeocoderProcess, kind: str) -> None:
    """A poisoned address must not put the whole provider to rest; a server that is broken must rest."""
    geocoders.fault("fail", status=500, times=3)

    async def work(geocoder: Any) -> list[str]:
        told: list[str] = []
        for _each in range(3):
            with pytest.raises(errors.Unexpected):
                await geocoder.ask([ONE])
        told += [found.precision.name for found in await geocoder.ask([ONE])]
        geocoders.fault("fail", status=500, times=None)
        for _each in range(4):
            try:
                await geocoder.ask([ONE])
            except errors.IdentsyncError as error:
                told.append(type(error).__name__)
        return told

    assert run(provider(geocoders, kind), work) == ["HOUSE", *["Unexpected"] * 3, "Unavailable"]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 405, 413, 415, 451])
@pytest.mark.parametrize("kind", KINDS)
def test_other_statuses_are_unexpected(geocoders: GeocoderProcess, kind: str, status: int) -> None:
    geocoders.fault("fail", status=status, times=None, body=json.dumps({"message": f"no {ONE.text}"}))
    with pytest.raises(errors.Unexpected) as caught:
        asked(provider(geocoders, kind), ONE)
    assert caught.value.raw == ""  # it repeated what was asked


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_is_not_followed_with_an_address(geocoders: GeocoderProcess, kind: str) -> None:
    geocoders.fault("away")
    with pytest.raises(errors.Unexpected, match="307"):
        asked(provider(geocoders, kind), ONE)


@pytest.mark.parametrize("fault", ["drop", "lose", "cut"])
@pytest.mark.parametrize("kind", OWN)
def test_your_own_service_is_asked_once_more(geocoders: GeocoderProcess, kind: str, fault: str) -> None:
    geocoders.fault(fault)
    assert asked(provider(geocoders, kind), ONE)[0].precision is Precision.HOUSE
    assert len(geocoders.asked()) == (1 if fault == "drop" else 2)


@pytest.mark.parametrize("fault", ["lose", "cut"])
@pytest.mark.parametrize("kind", PAID)
def test_a_lost_answer_is_not_paid_for_twice(geocoders: GeocoderProcess, kind: str, fault: str) -> None:
    geocoders.fault(fault)
    with pytest.raises(errors.Unavailable) as caught:
        asked(provider(geocoders, kind), ONE)
    assert caught.value.sent
    assert len(geocoders.asked()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_there_is_certainly_not_asked(geocoders: GeocoderProcess, kind: str) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        asked(provider(geocoders, kind, url="http://127.0.0.1:9"), ONE)
    assert not caught.value.sent


@pytest.mark.parametrize("kind", KINDS)
def test_one_who_never_answers_ends_with_the_time(geocoders: GeocoderProcess, kind: str) -> None:
    geocoders.fault("hang", times=2)
    with pytest.raises(errors.Unavailable) as caught:
        asked(provider(geocoders, kind, timeout=1_000), ONE)
    assert caught.value.sent


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_answer_within_its_time_is_an_answer(geocoders: GeocoderProcess, kind: str) -> None:
    geocoders.fault("slow", seconds=0.2)
    assert asked(provider(geocoders, kind, timeout=20_000), ONE)[0].precision is Precision.HOUSE


@pytest.mark.parametrize(("fault", "metres"), [("far", 500_000), ("centre", 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_what_only_a_map_of_all_can_doubt_is_passed_on(
    geocoders: GeocoderProcess, kind: str, fault: str, metres: int
) -> None:
    """A point too far from every branch, one middle for many streets: a wire sees one answer, not that."""
    geocoders.fault(fault)
    [found] = asked(provider(geocoders, kind), ONE)
    assert found.precision is Precision.HOUSE
    assert (ground.metres(point(found), ground.centre(PLACE)) > metres) == (fault == "far")


@pytest.mark.parametrize("fault", ["html", "half", "nan", "swap"])
@pytest.mark.parametrize("kind", KINDS)
def test_nonsense_is_unexpected_and_repeats_nothing(
    geocoders: GeocoderProcess, kind: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    geocoders.fault(fault)
    with pytest.raises(errors.Unexpected) as caught:
        asked(provider(geocoders, kind), ONE)
    assert _is_discreet(_told(caught.value, caplog))


@pytest.mark.parametrize("fault", ["short", "turned"])
def test_rows_that_are_not_ours_put_nobody_elsewhere(geocoders: GeocoderProcess, fault: str) -> None:
    geocoders.fault(fault)
    with pytest.raises(errors.Unexpected):
        asked(provider(geocoders, "dadata"), *(each for each, _truth in houses(14, 5)))


def test_one_bad_row_does_not_cost_the_others(geocoders: GeocoderProcess) -> None:
    some = [each for each, _truth in houses(15, 4)]
    rows = [{"source": each.text, "qc_geo": 2, "geo_lat": "54.9", "geo_lon": "39.6"} for each in some]
    rows[2]["geo_lat"] = "north"
    geocoders.fault("say", status=200, body=json.dumps(rows))
    found = asked(provider(geocoders, "dadata"), *some)
    assert [each.precision for each in found] == [Precision.STREET, Precision.STREET, Precision.NONE, Precision.STREET]
    assert found[2].detail == "nonsense"


POINT = {"lat": "54.9", "lon": "39.6"}
GARBAGE: tuple[Any, ...] = (
    None, 5, "text", True, [], {}, [[]], [None], [{}], [1, 2], {"features": 5}, {"features": [{}]},
    {"features": [None]},
    {"features": [{"geometry": {"coordinates": [None, {}]}, "properties": []}]},
    {"features": [{"geometry": {"coordinates": "12"}}]}, [{"qc_geo": []}], [{"qc_geo": "0", "geo_lat": []}],
    [{"qc_geo": 0, "geo_lat": 91, "geo_lon": 1}], [{"qc_geo": 0, "geo_lat": 0, "geo_lon": 0}],
    [POINT | {"place_rank": "30", "address": 5}], [POINT | {"place_rank": 30, "address": {"house_number": [1]}}],
    [POINT | {"place_rank": 26, "addresstype": {}}], [{"lat": True, "lon": "1e999"}], [{"lat": "1" * 5_000, "lon": 1}],
    {"response": []}, {"response": {"GeoObjectCollection": {"featureMember": [5]}}},
    {"response": {"GeoObjectCollection": {"featureMember": [{"GeoObject": {"Point": {"pos": "1 2 3"}}}]}}},
    {"response": {"GeoObjectCollection": {"featureMember": [{"GeoObject": {"Point": {"pos": "39.6 54.9"},
        "metaDataProperty": {"GeocoderMetaData": {"kind": 5, "precision": [], "Address": {"Components": 7}}}}}]}}},
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_comes_ends_in_an_answer_or_an_error_of_ours(geocoders: GeocoderProcess, kind: str) -> None:
    bodies = [json.dumps(each) for each in GARBAGE] + ["", "[" * 5_000, "{", "\x00", "﻿[]", "[1e400]", '["\\ud800"]']
    for body in bodies:
        geocoders.behave()
        geocoders.fault("say", status=200, body=body, times=None)
        found = [Found()]
        with contextlib.suppress(errors.Unexpected):
            found = asked(provider(geocoders, kind), ONE)
        assert [type(each) for each in found] == [Found]
        assert found[0].precision < Precision.NEAR


@pytest.mark.parametrize("kind", KINDS)
def test_an_endless_answer_is_cut(geocoders: GeocoderProcess, kind: str) -> None:
    geocoders.fault("say", status=200, body="[" + "1," * (3 * 1024 * 1024), times=2)
    with pytest.raises(errors.Unexpected):
        asked(provider(geocoders, kind), ONE)
