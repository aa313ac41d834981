"""A service of the clinic's own that speaks IDENT's protocol: calls that go on, calls that are over, recordings."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from identsync.demo.cloudpbx.desk import KEY, Desk, Staged
from identsync.demo.cloudpbx.request import WAV, Asked, Route, Told, words

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HEADER = "ident-integration-key"


def finished(desk: Desk, asked: Asked) -> Told:
    """Tell calls that are over: the range is inclusive, ``limit`` and ``offset`` page."""
    if (wrong := _key(asked)) is not None:
        return wrong
    query = asked.query
    try:
        since, until = (datetime.fromisoformat(query[name]) for name in ("dateTimeFrom", "dateTimeTo"))
        limit, offset = int(query.get("limit", 500)), int(query.get("offset", 0))
    except (KeyError, ValueError) as error:
        return words(400, repr(error))
    if since.tzinfo is None or until.tzinfo is None:
        return words(400, "a date without an offset")
    calls = desk.finished("ident", since.timestamp(), until.timestamp())
    return Told(200, [_row(desk, asked, call) for call in calls[offset : offset + limit]])


def ongoing(desk: Desk, asked: Asked) -> Told:
    """Tell calls that go on."""
    return _key(asked) or Told(200, [_row(desk, asked, call) for call in desk.ongoing("ident")])


def record(desk: Desk, asked: Asked) -> Told:
    """Give a recording: a lasting link, with the key."""
    if (wrong := _key(asked)) is not None:
        return wrong
    call = desk.recorded("ident", asked.parts["recording"])
    if call is None:
        return words(404, "no such recording")
    content = desk.sound(call)
    return Told(204) if content is None else Told(200, content, WAV)


def _key(asked: Asked) -> Told | None:
    return None if asked.headers.get(HEADER) == KEY else words(401, "Неверный ключ интеграции")


def _row(desk: Desk, asked: Asked, call: Staged) -> dict[str, Any]:
    """Spell a call; an incoming one comes from the phone to the line."""
    moment = (EPOCH + timedelta(seconds=int(call.start))).astimezone(ZoneInfo(desk.zone))
    inside = (call.talked or call.rang or [""])[-1]
    ends = (call.phone, call.line) if call.direction == "in" else (inside, call.phone)
    over = call.ended is not None
    link = f"http://{asked.headers.get('host', '')}/ident/records/{call.recording}" if call.recording else None
    row = {
        "DateAndTime": moment.isoformat(timespec="seconds"),
        "Direction": "in" if call.direction == "in" else "out",
        "PhoneFrom": ends[0],
        "PhoneTo": ends[1],
        "WaitInSeconds": call.wait_s if over or call.answered is not None else None,
        "TalkInSeconds": None if call.answered is None else round((call.ended or desk.now()) - call.answered),
        "LineDescription": "Городская линия",
        "RecordUrl": link if over else None,
    }
    return row | {f"Utm{name.title()}": value for name, value in call.utm.items()}


ROUTES: dict[str, Route] = {
    "GET /ident/GetFinishedCalls": finished,
    "GET /ident/GetOngoingCalls": ongoing,
    r"GET /ident/records/(?P<recording>[\w-]+)": record,
}
