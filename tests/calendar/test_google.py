"""Google's wire against the strict Google in its own process: what is written comes back, what changed is told."""

from datetime import UTC, datetime, timedelta

import pytest
from accounts import MINUTE, START, Account, Doctor, event, name
from hypothesis import example, given
from hypothesis import strategies as st

from identsync.demo.google.cloud import Cloud
from identsync.demo.google.options import Options
from identsync.errors import Unexpected
from identsync.integrations.calendar.event import Conflict, Event, Found, Missing, Name, NoCalendar, Unwanted, Written
from identsync.integrations.calendar.wire.google import BATCH
from identsync.integrations.calendar.wire.google_event import fingerprint, found, id_of, name_of, spelled

NAMES = st.builds(Name, st.text("0123456789abcdefghijklmnopqrstuv", min_size=32, max_size=32), st.integers(1, 99_999))
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40).map(str.strip)
TIMES = st.integers(0, 4_000_000_000).map(lambda second: second * 1000)
EVENTS = st.builds(
    lambda name, start, length, *texts, free: Event(name.name, start, start + length * MINUTE, *texts, free=free),
    NAMES,
    TIMES,
    st.integers(1, 3000),
    TEXTS,
    TEXTS,
    TEXTS,
    free=st.booleans(),
)
ZONES = st.sampled_from(["UTC", "Europe/Moscow", "Asia/Vladivostok", "America/New_York", "Asia/Kathmandu"])


async def test_what_is_put_is_there_and_comes_back_equal(doctor: Doctor):
    wanted = event(1, summary="Приём", description="каб. 3\nвторой этаж", location="Ленина, 1", free=True)
    written = await doctor.wire.put(name(1), wanted, None)
    assert isinstance(written, Written)
    assert written.etag
    assert doctor.account.asked() == 1
    assert await doctor.got(1) == Found(written.etag, wanted)
    assert doctor.account.asked() == 1


async def test_nothing_is_sent_that_was_not_asked_for(doctor: Doctor):
    await doctor.written(1)
    there = doctor.there(1)
    private = there["extendedProperties"]["private"]
    assert private == {"h": fingerprint(event(1)), "v": "1"}
    assert len(private["h"]) == 16
    assert there["visibility"] == "private"
    assert there["reminders"] == {"useDefault": False}
    assert "attendees" not in there
    assert there["start"]["dateTime"].endswith("+03:00"), "Google speaks in the calendar's zone, not in ours"


async def test_a_change_is_one_request_and_needs_the_etag_it_was_made_for(doctor: Doctor):
    etag = (await doctor.written(1))[1]
    later = event(1, start_ms=START + 240 * MINUTE)
    changed = await doctor.wire.put(name(1), later, etag)
    assert isinstance(changed, Written)
    assert changed.etag not in (None, etag)
    assert await doctor.wire.put(name(1), event(1), etag) == Conflict()
    assert doctor.account.asked() == 2
    assert (await doctor.got(1)).event == later


async def test_a_change_of_what_is_not_there_is_missing(doctor: Doctor):
    assert await doctor.wire.put(name(9), event(9), '"3000000000000001"') == Missing()
    assert await doctor.wire.get(name(9)) is None


async def test_a_removal_needs_its_etag_and_is_done_once(doctor: Doctor):
    etag = (await doctor.written(1))[1]
    assert await doctor.wire.remove(name(1), '"1"') == Conflict()
    assert await doctor.wire.remove(name(1), etag) == Written(None)
    assert await doctor.wire.remove(name(1), None) == Missing()
    assert await doctor.wire.remove(name(2), None) == Missing()
    assert doctor.account.asked() == 4


async def test_a_body_google_does_not_take_is_told_without_repeating_it(doctor: Doctor):
    answer = await doctor.wire.put(name(1), event(1, end_ms=START - 1, summary="Иванов"), None)
    assert isinstance(answer, Unwanted)
    assert "timeRangeEmpty" in answer.reason
    assert "Иванов" not in answer.reason


@given(NAMES)
def test_a_name_is_an_id_and_back(one: Name):
    assert name_of(id_of(one)) == one
    assert set(id_of(one)) <= set("0123456789abcdefghijklmnopqrstuv")


@pytest.mark.parametrize(
    "identity", ["", "g2", "0" * 31, "0" * 33, "0" * 32 + "g1", "0" * 32 + "g02", "w" * 32, None, 5]
)
def test_other_ids_are_foreign(identity: object):
    assert name_of(identity) is None


async def test_generations_are_events_of_their_own(doctor: Doctor):
    await doctor.written(1)
    assert isinstance(await doctor.wire.put(name(1, 2), event(1), None), Written)
    assert (await doctor.got(1, 2)).event == event(1)
    assert set((await doctor.wire.changes(None)).there) == {name(1), name(1, 2)}


# -- how Google gives things back ----------------------------------------------------------------------------------


@given(EVENTS, ZONES, st.booleans())
@example(event(1, location="default", description="opaque"), "UTC", False)  # words are no defaults
def test_an_event_comes_back_equal_whatever_zone_it_is_told_in(wanted: Event, zone: str, tombstone: bool):
    cloud = Cloud(Options(), 1)
    calendar = cloud.make("doctor@example.com", "app", "Расписание", zone)
    stored = cloud.insert(calendar, {"id": wanted.name, **spelled(wanted)}, "app")
    assert found(cloud.resource(calendar, stored)) == Found(stored.etag, wanted)
    if tombstone:
        cloud.delete(calendar, wanted.name, None, "app")
        assert found(cloud.resource(calendar, stored)) == Found(stored.etag, None, cancelled=True)


@pytest.mark.parametrize(
    "moment",
    [
        {"dateTime": "2026-08-01T08:30:00Z"},
        {"dateTime": "2026-08-01T11:30:00+03:00", "timeZone": "UTC"},
        {"dateTime": "2026-08-01T11:30:00.000+03:00"},
        {"dateTime": "2026-08-01T11:30:00", "timeZone": "Europe/Moscow"},
        {"dateTime": "2026-07-31T22:30:00-10:00", "timeZone": "Pacific/Honolulu"},
    ],
)
def test_every_spelling_of_a_moment_is_the_same_moment(moment: dict[str, str]):
    row = {"id": name(1).name, "etag": '"1"', **spelled(event(1)), "start": moment}
    assert found(row).event == event(1)


BY_HAND = [
    {"summary": "Обед"},
    {"summary": None},
    {"location": "дома"},
    {"transparency": "transparent"},
    {"visibility": "public"},
    {"visibility": None},
    {"status": "tentative"},
    {"recurrence": ["RRULE:FREQ=DAILY"]},
    {"attendees": [{"email": "guest@example.com"}]},
    {"start": {"date": "2026-08-01"}, "end": {"date": "2026-08-02"}},
    {"end": {"dateTime": "2026-08-01T23:00:00Z"}},
]


@pytest.mark.parametrize("edit", BY_HAND, ids=", ".join)
async def test_what_a_person_changed_is_not_equal_and_is_put_right(doctor: Doctor, edit: dict[str, object]):
    await doctor.written(1)
    doctor.edit(1, **edit)
    seen = await doctor.got(1)
    assert seen.event != event(1)
    assert not seen.cancelled
    assert isinstance(await doctor.wire.put(name(1), event(1), seen.etag), Written)
    assert (await doctor.got(1)).event == event(1)


async def test_the_doctors_own_reminder_and_colour_stay_his(doctor: Doctor):
    await doctor.written(1)
    doctor.edit(1, colorId="5", reminders={"useDefault": False, "overrides": [{"method": "popup", "minutes": 10}]})
    assert (await doctor.got(1)).event == event(1)


WHATEVER = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    max_leaves=4,
)
KEYS = st.sampled_from([*spelled(event(1)), "id", "etag", "eventType", "recurrence", "endTimeUnspecified"])


@given(st.dictionaries(KEYS, WHATEVER))
def test_whatever_google_may_send_is_read_without_an_error(change: dict[str, object]):
    row = {"id": name(1).name, "etag": '"1"', **spelled(event(1)), **change}
    seen = found(row).event
    assert seen is None or name_of(row["id"]) == Name(seen.name)


# -- reading many --------------------------------------------------------------------------------------------------


async def test_fetch_asks_in_the_way_that_costs_least(doctor: Doctor):
    etags = await doctor.written(*range(1, BATCH + 3))
    await doctor.wire.remove(name(2), None)
    doctor.account.asked()
    one = await doctor.wire.fetch([name(1), name(1)])
    assert one == {name(1): Found(etags[1], event(1))}
    assert doctor.account.asked() == 1
    few = await doctor.wire.fetch([name(1), name(2), name(3), name(99)])
    assert doctor.account.asked() == 4, "each part of a batch counts"
    assert few[name(3)] == Found(etags[3], event(3))
    assert few[name(2)].cancelled
    assert name(99) not in few
    many = await doctor.wire.fetch([name(number) for number in range(1, BATCH + 3)])
    assert doctor.account.asked() == 1, "the whole calendar is one request"
    assert len(many) == BATCH + 2
    assert many[name(2)].cancelled
    assert many[name(3)] == few[name(3)]
    assert await doctor.wire.fetch([]) == {}
    assert doctor.account.asked() == 0


async def test_a_long_calendar_is_read_page_by_page(doctor: Doctor):
    await doctor.written(*range(1, 26))
    doctor.account.process.options(page_size=10)
    assert len(await doctor.wire.fetch([name(number) for number in range(1, 26)])) == 25
    assert doctor.account.asked() == 3
    whole = await doctor.wire.changes(None)
    assert doctor.account.asked() == 3
    assert len(whole.there) == 25
    assert whole.whole


async def test_changes_are_told_since_a_token(doctor: Doctor):
    etags = await doctor.written(1, 2, 3)
    whole = await doctor.wire.changes(None)
    assert (whole.there, whole.gone, whole.whole, whole.foreign) == (
        {name(number): etag for number, etag in etags.items()},
        (),
        True,
        0,
    )
    doctor.edit(2, summary="Обед")
    doctor.account.process.remove(doctor.id, id_of(name(3)))
    noon = {"dateTime": "2026-08-01T12:00:00Z"}
    doctor.account.process.add(doctor.id, {"summary": "Моё", "start": noon, "end": noon})
    doctor.account.asked()
    delta = await doctor.wire.changes(whole.token)
    assert doctor.account.asked() == 1
    assert not delta.whole
    assert set(delta.there) == {name(2)}
    assert delta.there[name(2)] == doctor.there(2)["etag"] != etags[2]
    assert list(delta.gone) == [name(3)]
    assert delta.foreign == 1
    quiet = await doctor.wire.changes(delta.token)
    assert (quiet.there, list(quiet.gone), quiet.foreign, quiet.whole) == ({}, [], 0, False)


async def test_a_whole_list_leaves_deleted_ones_out(doctor: Doctor):
    await doctor.written(1, 2)
    await doctor.wire.remove(name(1), None)
    whole = await doctor.wire.changes(None)
    assert set(whole.there) == {name(2)}
    assert whole.gone == ()


# -- the calendar itself -------------------------------------------------------------------------------------------


async def test_a_calendar_is_made_in_its_zone_and_deleted_once(account: Account, process):
    identity = await account.google.make_calendar("Расписание", "Asia/Yekaterinburg")
    made = {"id": identity, "title": "Расписание", "owner": account.user, "app": process.app[0], "about": ""}
    assert made in process.ask("GET", "calendars")
    assert await account.google.delete_calendar(identity)
    assert not await account.google.delete_calendar(identity)
    with pytest.raises(Unexpected):
        await account.google.make_calendar("Расписание", "Nowhere/Town")


async def test_a_calendar_that_a_person_deleted_asks_a_person(doctor: Doctor, process):
    await doctor.written(1)
    token = (await doctor.wire.changes(None)).token
    process.order("remove_calendar", calendar=doctor.id)
    for question in (
        doctor.wire.put(name(2), event(2), None),
        doctor.wire.changes(None),
        doctor.wire.changes(token),
        doctor.wire.fetch([name(number) for number in range(BATCH + 1)]),
    ):
        with pytest.raises(NoCalendar, match="больше нет"):
            await question
    assert await doctor.wire.get(name(1)) is None
    assert await doctor.wire.remove(name(1), None) == Missing()


def test_times_are_spelled_in_utc_to_the_second():
    sent = spelled(event(1))
    assert sent["start"] == {"dateTime": "2026-08-01T08:30:00Z"}
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=START + 30 * MINUTE)
    assert datetime.fromisoformat(sent["start"]["dateTime"]) == at
