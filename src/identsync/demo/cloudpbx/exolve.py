"""МТС Exolve as it answers: a bearer's key, a journal by pages, a call back between two numbers of a resource.

``Desk.limits["exolve"]`` = "old": the journal's other edition, under call_history, with lengths in milliseconds.
"""

import re
from datetime import UTC, datetime
from typing import Any

from identsync.demo.cloudpbx.desk import KEY, NUMBER, Desk, Staged
from identsync.demo.cloudpbx.request import WAV, Asked, Route, Told

RESOURCE = 777
PHONE = re.compile(r"7[0-9]{10}")


def history(desk: Desk, asked: Asked) -> Told:
    """Tell calls that are over, page by page."""
    if (wrong := _key(asked)) is not None:
        return wrong
    told = asked.json()
    try:
        since, until = (datetime.fromisoformat(told[name]) for name in ("date_from", "date_to"))
        limit, offset = int(told["limit"]), int(told["offset"])
    except (KeyError, ValueError, TypeError):
        return _error(400, "invalid argument")
    if since.tzinfo is None or until.tzinfo is None:
        return _error(400, "invalid timestamp")
    calls = desk.finished("exolve", since.timestamp(), until.timestamp())[offset : offset + limit]
    if desk.limits.get("exolve") == "old":
        return Told(200, {"call_history": [_old(call) for call in calls]})
    return Told(200, {"calls": [_row(call) for call in calls]} if calls else {})


def callback(desk: Desk, asked: Asked) -> Told:
    """Order a call back: the first side is called first."""
    if (wrong := _key(asked)) is not None:
        return wrong
    told = asked.json()
    if told.get("number_code") != int(NUMBER) or told.get("callback_resource_id") != RESOURCE:
        return _error(400, "callback resource not found")
    sides = [_side(told.get(name)) for name in ("line_1", "line_2")]
    if sides[0] not in desk.employees:
        return _error(400, "line_1: invalid destination")
    if not PHONE.fullmatch(sides[1]):
        return _error(400, "line_2: invalid destination")
    token = str(told.get("request_description", ""))
    call = desk.dial("exolve", token, sides[0], f"+{sides[1]}")
    return Told(200, {"call_id": str(call.id if call else 0)})


def download(desk: Desk, asked: Asked) -> Told:
    """Give a recording."""
    if (wrong := _key(asked)) is not None:
        return wrong
    call = desk.recorded("exolve", f"rec-{asked.parts['call']}")
    if call is None:
        return _error(404, "record not found")
    content = desk.sound(call)
    return Told(204) if content is None else Told(200, content, WAV)


def _key(asked: Asked) -> Told | None:
    return None if asked.headers.get("authorization") == f"Bearer {KEY}" else _error(401, "token")


def _error(status: int, message: str) -> Told:
    return Told(status, {"error": {"code": 3, "message": message}})


def _side(told: Any) -> str:
    """Return the number of a side; '' where it is not spelled as it must be."""
    if not isinstance(told, dict) or told.get("display_number") != NUMBER:
        return ""
    match told.get("destinations"):
        case [{"number": str(number)}]:
            return number
        case _:
            return ""


def _row(call: Staged) -> dict[str, Any]:
    phone = (call.phone or "").removeprefix("+")
    is_in = call.direction == "in"
    inside = (call.talked or call.rang or [""])[-1]
    return {
        "call_id": str(call.id),
        "number_a": phone if is_in else call.line,
        "number_b": call.line if is_in else phone,
        "sip_id": inside,
        "date_start": datetime.fromtimestamp(int(call.start), UTC).isoformat(),
        "duration": call.talk_s,
        "call_status": "answered" if call.talked else call.reason or "no answer",
        "is_recorded": bool(call.recording),
        "request_description": call.token,
    }


def _old(call: Staged) -> dict[str, Any]:
    row = _row(call)
    start, end = int(call.start), int(call.ended or call.start)
    return {
        "uid": row["call_id"],
        "caller": row["number_a"],
        "callee": row["number_b"],
        "start_time": {"seconds": start, "nanos": 0},
        "end_time": {"seconds": end, "nanos": 0},
        "duration": call.talk_s * 1_000,
    }


ROUTES: dict[str, Route] = {
    "POST /exolve/statistics/call-history/v1/GetList": history,
    "POST /exolve/call/v1/MakeCallback": callback,
    r"GET /exolve/statistics/download/(?P<call>\d+)": download,
}
