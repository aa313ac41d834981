"""The Google that the wire is tried against is as strict as the real one: what it must refuse, it refuses."""

from typing import Any

import orjson
import pytest
from accounts import event, name

from identsync.demo.google.api import Request, answer
from identsync.demo.google.cloud import Calendar, Cloud
from identsync.demo.google.listing import listed, masked
from identsync.demo.google.options import APP_CREATED, Options
from identsync.demo.google.reply import Refusal
from identsync.integrations.calendar.wire.google_event import spelled

GOOD = {"id": name(1).name, **spelled(event(1))}
Z = {"dateTime": "2026-08-01T08:00:00Z"}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(Options(), 1)


@pytest.fixture
def calendar(cloud: Cloud) -> Calendar:
    return cloud.make("doctor@example.com", cloud.options.client_id, "Расписание", "Europe/Moscow")


def refused(asked: Any, *args: Any) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        asked(*args)
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize(
    "change",
    [
        {"id": "abcd"},
        {"id": "wxyz0"},
        {"id": "ABCDE"},
        {"id": "abc-g2"},
        {"iCalUID": "x@example.com"},
        {"start": None},
        {"start": {"dateTime": "2026-08-01 08:00"}},
        {"start": {"dateTime": "2026-08-01T08:00:00"}},
        {"start": {"dateTime": "2026-02-30T08:00:00Z"}},
        {"start": {"dateTime": "2026-08-01T08:00:00", "timeZone": "Nowhere/Town"}},
        {"start": {"date": "2026-08-01"}},
        {"start": {"date": "2026-08-01", "dateTime": "2026-08-01T08:00:00Z"}},
        {"start": Z, "end": {"dateTime": "2026-08-01T07:59:59Z"}},
        {"status": "busy"},
        {"transparency": "free"},
        {"visibility": "secret"},
        {"summary": 5},
        {"colour": "red"},
        {"reminders": {"useDefault": True, "overrides": [{"method": "popup", "minutes": 1}]}},
        {"reminders": {"useDefault": "no"}},
        {"extendedProperties": {"private": {"v": 1}}},
        {"extendedProperties": {"secret": {}}},
        {"status": "cancelled"},
    ],
    ids=str,
)
def test_a_body_that_google_would_not_take(cloud: Cloud, calendar: Calendar, change: dict[str, Any]):
    assert refused(cloud.insert, calendar, {**GOOD, **change}, "app")[0] == 400
    assert calendar.events == {}


def test_a_sequence_below_the_current_one(cloud: Cloud, calendar: Calendar):
    cloud.insert(calendar, GOOD, "app")
    cloud.update(calendar, GOOD["id"], {**GOOD, "end": {"dateTime": "2026-08-01T12:00:00Z"}}, None, "app")
    assert refused(cloud.update, calendar, GOOD["id"], {**GOOD, "sequence": 0}, None, "app")[0] == 400


def test_a_dead_event_stays_dead_unless_it_is_told_to_live(cloud: Cloud, calendar: Calendar):
    cloud.insert(calendar, GOOD, "app")
    cloud.delete(calendar, GOOD["id"], None, "app")
    silent = {key: value for key, value in GOOD.items() if key != "status"}
    assert cloud.update(calendar, GOOD["id"], silent, None, "app").cancelled
    assert not cloud.update(calendar, GOOD["id"], GOOD, None, "app").cancelled


def test_versions_ids_and_tombstones(cloud: Cloud, calendar: Calendar):
    old = cloud.insert(calendar, GOOD, "app").etag
    assert refused(cloud.insert, calendar, GOOD, "app") == (409, "duplicate")
    cloud.update(calendar, GOOD["id"], GOOD, old, "app")
    assert refused(cloud.update, calendar, GOOD["id"], GOOD, old, "app") == (412, "conditionNotMet")
    assert refused(cloud.delete, calendar, GOOD["id"], old, "app") == (412, "conditionNotMet")
    cloud.delete(calendar, GOOD["id"], None, "app")
    assert refused(cloud.delete, calendar, GOOD["id"], None, "app") == (410, "deleted")
    assert refused(cloud.insert, calendar, GOOD, "app") == (409, "duplicate")
    assert refused(cloud.update, calendar, name(2).name, GOOD, None, "app") == (404, "notFound")


FILTERS = [
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
]


@pytest.mark.parametrize("beside", FILTERS)
def test_nothing_stands_beside_a_sync_token(cloud: Cloud, calendar: Calendar, beside: str):
    token = listed(cloud, calendar, {})["nextSyncToken"]
    assert refused(listed, cloud, calendar, {"syncToken": token, beside: "2026-08-01T00:00:00Z"})[0] == 400
    assert refused(listed, cloud, calendar, {"syncToken": token, "showDeleted": "false"})[0] == 400
    assert listed(cloud, calendar, {"syncToken": token})["items"] == []


def test_a_list_knows_its_parameters(cloud: Cloud, calendar: Calendar):
    for query in (
        {"limit": "5"},
        {"maxResults": "0"},
        {"maxResults": "x"},
        {"timeMin": "2026-08-01"},
        {"fields": "a;b"},
    ):
        assert refused(listed, cloud, calendar, query)[0] == 400


def test_a_row_that_changes_between_pages_comes_again(cloud: Cloud, calendar: Calendar):
    for number in range(4):
        cloud.insert(calendar, {**GOOD, "id": name(number).name}, "app")
    first = listed(cloud, calendar, {"maxResults": "2"})
    cloud.update(calendar, name(0).name, {**GOOD, "id": name(0).name}, None, "person")
    rest = listed(cloud, calendar, {"maxResults": "9", "pageToken": first["nextPageToken"]})
    assert [row["id"] for row in rest["items"]] == [name(n).name for n in (2, 3, 0)]
    after = listed(cloud, calendar, {"syncToken": rest["nextSyncToken"]})
    assert [row["id"] for row in after["items"]] == [name(0).name], "the token is as old as the first page"


def test_a_mask_leaves_what_it_names():
    value = {"a": 1, "b": [{"c": 1, "d": 2}], "e": {"f": {"g": 1, "h": 2}}}
    assert masked(value, "a,b(c),e(f(h)),x") == {"a": 1, "b": [{"c": 1}], "e": {"f": {"h": 2}}}


def request(cloud: Cloud, verb: str, target: str, token: str, body: bytes = b"") -> int:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return answer(cloud, Request.of(verb, target, headers, body)).status


def access(cloud: Cloud, scope: str, user: str = "doctor@example.com") -> str:
    form = {"grant_type": "refresh_token", "refresh_token": cloud.oauth.grant(user, scope)}
    form |= {"client_id": cloud.options.client_id, "client_secret": cloud.options.client_secret}
    token: str = orjson.loads(cloud.oauth.token(form).body)["access_token"]
    return token


def test_who_may_see_a_calendar(cloud: Cloud, calendar: Calendar):
    there = f"/calendar/v3/calendars/{calendar.id}/events"
    good = access(cloud, APP_CREATED)
    assert request(cloud, "GET", there, good) == 200
    assert request(cloud, "GET", there, "nonsense") == 401
    assert request(cloud, "GET", there, access(cloud, "openid")) == 403
    assert request(cloud, "GET", there, access(cloud, APP_CREATED, "other@example.com")) == 404
    assert request(cloud, "GET", "/calendar/v3/calendars/primary/events", good) == 403
    assert request(cloud, "GET", "/calendar/v3/calendars/nobody/events", good) == 404
    assert request(cloud, "PATCH", there, good) == 404
    assert request(cloud, "POST", there, good, b"{") == 400
    assert request(cloud, "POST", "/calendar/v3/calendars", good, b'{"timeZone": "UTC"}') == 400
    cloud.ahead_ms += 3_600_000
    assert request(cloud, "GET", there, good) == 401


def test_quotas_slide_and_days_begin_in_california(cloud: Cloud, calendar: Calendar):
    cloud.options.per_minute_user, cloud.options.per_day = 2, 3
    there, token = f"/calendar/v3/calendars/{calendar.id}", access(cloud, APP_CREATED)
    assert [request(cloud, "GET", there, token) for _ in range(3)] == [200, 200, 403]
    cloud.ahead_ms += 60_001
    assert [request(cloud, "GET", there, token) for _ in range(2)] == [200, 403]
    cloud.ahead_ms += 86_400_000
    assert request(cloud, "GET", there, access(cloud, APP_CREATED)) == 200
