"""Beeline cloud PBX as it answers: a row for each phone that rang, without an id of the call; recordings apart.

``Desk.limits["beeline"]``: "tracked" = rows carry externalTrackingId, as some accounts' do; "deaf" = records refused.
"""

import re
from datetime import datetime
from typing import Any

from identsync.demo.cloudpbx.desk import KEY, Desk, Staged
from identsync.demo.cloudpbx.request import WAV, Asked, Route, Told

MOST = 100
PHONE = re.compile(r"7?[0-9]{10}")
Row = dict[str, Any]


def abonents(desk: Desk, asked: Asked) -> Told:
    """Tell the employees."""
    return _key(asked) or Told(200, [_abonent(desk, extension) for extension in desk.employees])


def statistics(desk: Desk, asked: Asked) -> Told:
    """Tell the rows of calls that are over, a hundred a page."""
    if (wrong := _key(asked)) is not None:
        return wrong
    query = asked.query
    try:
        since, until = _period(query)
        page, size = int(query.get("page", 0)), int(query.get("pageSize", MOST))
    except (KeyError, ValueError):
        return _error(400, "WrongParameters", "dateFrom, dateTo")
    if not 0 < size <= MOST:
        return _error(400, "WrongParameters", "pageSize")
    rows = [row for call in desk.finished("beeline", since, until) for row in _rows(desk, call)]
    return Told(200, rows[page * size : (page + 1) * size])


def records(desk: Desk, asked: Asked) -> Told:
    """List recordings, a hundred after an id."""
    if (wrong := _key(asked)) is not None:
        return wrong
    if desk.limits.get("beeline") == "deaf":
        return _error(403, "ServiceUnavailable", "records")
    since, until = _period(asked.query)
    after = int(asked.query.get("id", 0))
    calls = [c for c in desk.finished("beeline", since, until) if c.recording and c.id > after]
    return Told(200, [_record(desk, call) for call in calls][:MOST])


def download(desk: Desk, asked: Asked) -> Told:
    """Give a recording."""
    if (wrong := _key(asked)) is not None:
        return wrong
    call = desk.recorded("beeline", f"rec-{asked.parts['record']}")
    if call is None:
        return _error(404, "RecordNotFound", "no such record")
    content = desk.sound(call)
    return Told(204) if content is None else Told(200, content, WAV)


def call(desk: Desk, asked: Asked) -> Told:
    """Order a call: the employee's phone rings first; the number is a parameter of the address."""
    if (wrong := _key(asked)) is not None:
        return wrong
    extension, number = asked.parts["abonent"], asked.query.get("phoneNumber", "")
    if extension not in desk.employees:
        return _error(404, "AbonentNotFound", "no such abonent")
    if not PHONE.fullmatch(number):
        return _error(400, "WrongPhone", "phoneNumber")
    desk.dial("beeline", "", extension, f"+7{number[-10:]}")
    return Told(200, b"", "text/plain")


def _key(asked: Asked) -> Told | None:
    return None if asked.headers.get("x-mpbx-api-auth-token") == KEY else _error(401, "Unauthorized", "token")


def _error(status: int, code: str, words: str) -> Told:
    return Told(status, {"errorCode": code, "description": words})


def _period(query: dict[str, str]) -> tuple[float, float]:
    since, until = (datetime.fromisoformat(query[name]) for name in ("dateFrom", "dateTo"))
    if since.tzinfo is None or until.tzinfo is None:
        raise ValueError("a time without a zone")
    return since.timestamp(), until.timestamp()


def _abonent(desk: Desk, extension: str) -> Row:
    last, _space, first = desk.employees.get(extension, "").partition(" ")
    phone = f"9600000{extension}"
    return {
        "userId": f"{phone}@mpbx.sip.example",
        "phone": phone,
        "extension": extension,
        "lastName": last,
        "firstName": first,
    }


def _rows(desk: Desk, call: Staged) -> list[Row]:
    """Spell a call: phones that ring one after the other begin a second apart."""
    is_out = call.direction != "in"
    phones = [(call.talked or call.rang)[-1]] if is_out else list(dict.fromkeys(call.rang + call.talked))
    rows = []
    for at, extension in enumerate(phones):
        spoke = extension in call.talked
        phone = (call.phone or "").removeprefix("+")
        row: Row = {
            "startDate": int(call.start + at) * 1_000,
            "abonent": _abonent(desk, extension),
            "direction": "OUTBOUND" if is_out else "INBOUND",
            "status": ("PLACED" if is_out else "RECIEVED") if spoke else ("PLACED" if is_out else "MISSED"),
            "duration": call.talk_s * 1_000 if spoke else 0,
        }
        row |= {"phone_to": phone} if is_out else {"phone_from": phone, "phone_to": call.line}
        if desk.limits.get("beeline") == "tracked":
            row["externalTrackingId"] = f"{call.id}:0"
        rows.append(row)
    return rows


def _record(desk: Desk, call: Staged) -> Row:
    extension = (call.talked or call.rang)[-1]
    return {
        "id": str(call.id),
        "externalId": f"{call.id}:0",
        "phone": (call.phone or "").removeprefix("+"),
        "direction": "INBOUND" if call.direction == "in" else "OUTBOUND",
        "date": round((call.answered or call.start) * 1_000),
        "duration": call.talk_s * 1_000,
        "fileSize": 4_044,
        "abonent": _abonent(desk, extension),
    }


ROUTES: dict[str, Route] = {
    "GET /beeline/abonents": abonents,
    "GET /beeline/v2/statistics": statistics,
    "GET /beeline/records": records,
    r"GET /beeline/v2/records/(?P<record>\d+)/download": download,
    r"POST /beeline/v2/abonents/(?P<abonent>[^/]+)/call": call,
}
