"""The calendar server is strict: what a real one refuses, it refuses, and every write stands in its books."""

import base64
import http.client
from collections.abc import Iterator

import pytest

from identsync.demo.caldav.process import CalDavProcess
from identsync.integrations.calendar.event import Event, Name
from identsync.integrations.calendar.wire import ical

USERS = {"anna@clinic.example": "her-password", "boris@clinic.example": "his-password"}
ANNA, BORIS = USERS
NAME = Name("0" * 32)
EVENT = Event(NAME.name, 1_800_000_000_000, 1_800_000_900_000, "Занято")
OBJECT = ical.dump(NAME, EVENT)
ICS, XML = {"Content-Type": "text/calendar"}, {"Content-Type": "application/xml"}
CREATE = {**ICS, "If-None-Match": "*"}
HOME = f"/dav/calendars/{ANNA}/"
RESOURCE = f"{HOME}work/{NAME}.ics"
D = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
PROPFIND = f"<D:propfind {D}><D:prop><D:getetag/></D:prop></D:propfind>"
SYNC = f"<D:sync-collection {D}><D:sync-token/><D:sync-level>1</D:sync-level><D:prop/></D:sync-collection>"


@pytest.fixture(scope="module")
def running() -> Iterator[CalDavProcess]:
    with CalDavProcess(users=USERS) as process:
        yield process


@pytest.fixture
def server(running: CalDavProcess) -> CalDavProcess:
    running.reset()
    running.calendar("work", user=ANNA)
    return running


def ask(
    server: CalDavProcess, verb: str, path: str, body: str | bytes = b"", user: str = ANNA, **headers: str
) -> tuple[int, str, dict[str, str]]:
    key = base64.b64encode(f"{user}:{USERS.get(user, 'x')}".encode()).decode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        payload = body.encode() if isinstance(body, str) else body
        connection.request(verb, path, payload, {"Authorization": f"Basic {key}", **named})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def test_only_with_the_right_password_and_only_at_home(server: CalDavProcess) -> None:
    status, _, headers = ask(server, "GET", RESOURCE, user="nobody")
    assert (status, headers["www-authenticate"][:5]) == (401, "Basic")
    status, words, _ = ask(server, "PUT", RESOURCE, OBJECT, user=BORIS, **CREATE)
    assert (status, "need-privileges" in words) == (403, True)
    assert ask(server, "PROPFIND", HOME, PROPFIND, user=BORIS, Depth="0", **XML)[0] == 403


@pytest.mark.parametrize(
    ("old", "new", "status", "why"),
    [
        (b"DTEND:", b"X-END:", 403, "DTEND"),
        (b"UID:", b"X-UID:", 403, "UID"),
        (b"DTSTAMP:", b"X-STAMP:", 403, "DTSTAMP"),
        (b"SUMMARY:", b"ORGANIZER:mailto:a@b.example\r\nSUMMARY:", 403, "ORGANIZER"),
        (b"VERSION:2.0", b"METHOD:PUBLISH\r\nVERSION:2.0", 403, "METHOD"),
        (b"BEGIN:VEVENT", b"BEGIN:VTODO", 403, "VEVENT"),
        (b"VERSION:2.0", b"VERSION:1.0", 400, "2.0"),
        (b"\r\n", b"\n", 400, "CRLF"),
        (b"SUMMARY:", b"SUMMARY:" + b"x" * 80, 400, "75 octets"),
        (b"SUMMARY:", b"SUMMARY", 400, "colon"),
        (b"DTEND:2027", b"DTEND:2026", 403, "the end after the start"),
        (b"00Z\r\nDTEND", b"00\r\nDTEND", 403, "UTC"),
    ],
)
def test_an_object_that_some_server_would_refuse(
    server: CalDavProcess, old: bytes, new: bytes, status: int, why: str
) -> None:
    assert old in OBJECT
    answered, words, _ = ask(server, "PUT", RESOURCE, OBJECT.replace(old, new), **CREATE)
    assert (answered, why in words) == (status, True), words
    assert server.items("work") == {}
    assert server.books()["created"] == 0


def test_preconditions(server: CalDavProcess) -> None:
    status, _, headers = ask(server, "PUT", RESOURCE, OBJECT, **CREATE)
    assert status == 201
    etag = headers["etag"]
    assert ask(server, "PUT", RESOURCE, OBJECT, **CREATE)[0] == 412
    assert ask(server, "PUT", RESOURCE, OBJECT, If_Match='"other"', **ICS)[0] == 412
    assert ask(server, "PUT", RESOURCE, OBJECT, If_Match="*", **ICS)[0] == 412
    assert ask(server, "PUT", RESOURCE, OBJECT, If_Match=etag)[0] == 415
    assert ask(server, "PUT", RESOURCE, OBJECT, If_Match=etag, **ICS)[2]["etag"] == etag
    assert ask(server, "DELETE", RESOURCE, If_Match='"other"')[0] == 412
    assert ask(server, "DELETE", RESOURCE, If_Match=etag)[0] == 204
    assert ask(server, "DELETE", RESOURCE)[0] == 404
    assert ask(server, "PUT", RESOURCE, OBJECT, If_Match=etag, **ICS)[0] == 412
    books = server.books()
    assert [books[name] for name in ("created", "changed", "deleted", "same again")] == [1, 1, 1, 1]
    assert books["counts"]["If-Match: *"] == 1


def test_places(server: CalDavProcess) -> None:
    assert ask(server, "PUT", f"{HOME}nowhere/a.ics", OBJECT, **CREATE)[0] == 409
    assert ask(server, "PUT", f"{HOME}work/", OBJECT, **CREATE)[0] == 405
    assert ask(server, "PUT", RESOURCE, OBJECT, **CREATE)[0] == 201
    status, words, _ = ask(server, "PUT", f"{HOME}work/b.ics", OBJECT, **CREATE)
    assert (status, "no-uid-conflict" in words) == (409, True)
    assert ask(server, "GET", "/elsewhere")[0] == 404
    assert ask(server, "PATCH", RESOURCE)[0] == 405


def test_questions(server: CalDavProcess) -> None:
    calendar = f"{HOME}work/"
    assert ask(server, "PROPFIND", calendar, PROPFIND, Depth="1")[0] == 415
    assert ask(server, "PROPFIND", calendar, PROPFIND, **XML)[0] == 403, "no Depth is infinity"
    assert ask(server, "PROPFIND", calendar, "<D:propfind", Depth="1", **XML)[0] == 400
    assert ask(server, "PROPFIND", calendar, PROPFIND, Depth="1", **XML)[0] == 207
    assert ask(server, "REPORT", calendar, SYNC, Depth="1", **XML)[0] == 400
    assert ask(server, "REPORT", calendar, SYNC, Depth="0", **XML)[0] == 207
    outside = '<C:comp-filter name="VCALENDAR"><C:time-range start="x"/><C:comp-filter name="VEVENT"/></C:comp-filter>'
    query = f"<C:calendar-query {D}><D:prop/><C:filter>%s</C:filter></C:calendar-query>"
    assert ask(server, "REPORT", calendar, query % outside, Depth="1", **XML)[0] == 400


def test_a_query_with_a_time_range(server: CalDavProcess) -> None:
    ask(server, "PUT", RESOURCE, OBJECT, **CREATE)
    query = (
        f"<C:calendar-query {D}><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name='VCALENDAR'>"
        "<C:comp-filter name='VEVENT'><C:time-range start='%s' end='%s'/></C:comp-filter></C:comp-filter></C:filter>"
        "</C:calendar-query>"
    )
    for start, end, there in (("20270101", "20270201", True), ("20270201", "20270301", False)):
        body = query % (f"{start}T000000Z", f"{end}T000000Z")
        assert (str(NAME) in ask(server, "REPORT", f"{HOME}work/", body, Depth="1", **XML)[1]) is there


def test_what_people_do_and_what_a_client_does_to_it(server: CalDavProcess) -> None:
    server.person("put", "work", "vacation.ics", user=ANNA, body=OBJECT.replace(NAME.name.encode(), b"hers").decode())
    ask(server, "PUT", RESOURCE, OBJECT, **CREATE)
    server.person("rename", "work", f"{NAME}.ics", user=ANNA, summary="Кино")
    assert "SUMMARY:Кино\r\n" in server.items("work")[f"{NAME}.ics"]["body"]
    server.person("delete", "work", f"{NAME}.ics", user=ANNA)
    assert server.books()["foreign touched"] == 0
    ask(server, "DELETE", f"{HOME}work/vacation.ics")
    assert server.books()["foreign touched"] == 1
    assert [(one["by"], one["verb"], one["uid"]) for one in server.writes()] == [
        ("person", "put", "hers"),
        ("client", "PUT", NAME.name),
        ("person", "rename", NAME.name),
        ("person", "delete", NAME.name),
        ("client", "DELETE", "hers"),
    ]
    with pytest.raises(ValueError, match="no such resource"):
        server.person("delete", "work", "nothing.ics", user=ANNA)


def test_a_lost_answer_stands_in_the_books_as_landed(server: CalDavProcess) -> None:
    server.fault("lose", method="PUT", path=NAME.name)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(server, "PUT", RESOURCE, OBJECT, **CREATE)
    assert [(one["landed"], one["status"]) for one in server.writes()] == [(True, 0)]


def test_chance_is_the_same_for_the_same_seed(server: CalDavProcess) -> None:
    told = []
    for _ in range(2):
        server.reset()
        server.calendar("work", user=ANNA)
        server.fault("fail", share=0.5, times=None)
        told.append([ask(server, "GET", RESOURCE)[0] for _ in range(20)])
    assert told[0] == told[1]
    assert set(told[0]) == {404, 503}


def test_the_admins_door_has_its_own_key(server: CalDavProcess) -> None:
    assert ask(server, "GET", "/_caldav/books")[0] == 401
    with pytest.raises(ValueError, match="no GET"):
        server.ask("GET", "nothing")
    with pytest.raises(ValueError, match="kind"):
        server.fault("no such fault")
