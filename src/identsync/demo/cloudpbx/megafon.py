"""Megafon VATS as it answers: employees by login, a journal without pages, recordings by a link that wants the key.

``Desk.limits["megafon"]`` = rows of the journal it gives at most (1,000).
"""

import re
from datetime import UTC, datetime
from typing import Any

from identsync.demo.cloudpbx.desk import KEY, Desk, Staged
from identsync.demo.cloudpbx.request import WAV, Asked, Route, Told, words

PAGE = 2  # employees at a time
PHONE = re.compile(r"7[0-9]{10}")
FORM = "%Y%m%dT%H%M%SZ"
STATUS = {"busy": "Busy", "cancelled": "Cancel", "failed": "NotAvailable", "no answer": "Missed", "": "Missed"}


def users(desk: Desk, asked: Asked) -> Told:
    """Tell the employees, a few at a time."""
    if (wrong := _key(asked)) is not None:
        return wrong
    start = int(asked.query.get("start", 0))
    people = sorted(desk.employees.items())[start : start + PAGE]
    items = [{"login": login_of(ext), "ext": ext, "telnum": f"749500002{ext}", "name": name} for ext, name in people]
    return Told(200, {"items": items, "total": len(desk.employees)})


def history(desk: Desk, asked: Asked) -> Told:
    """Tell calls that are over, the newest first, as many as it cares to."""
    if (wrong := _key(asked)) is not None:
        return wrong
    query = asked.query
    try:
        since, until = (datetime.strptime(query[name], FORM).replace(tzinfo=UTC) for name in ("start", "end"))
        limit = min(int(query.get("limit", 1_000)), int(desk.limits.get("megafon", 1_000)))
    except (KeyError, ValueError):
        return Told(400, {"error": "Invalid parameters"})
    if query.get("type", "all") not in ("all", "in", "out", "missed"):
        return Told(400, {"error": "Invalid parameters"})
    calls = [c for c in desk.finished("megafon", since.timestamp(), until.timestamp()) if c.direction != "inside"]
    return Told(200, [_row(asked, call) for call in reversed(calls)][:limit])


def makecall(desk: Desk, asked: Asked) -> Told:
    """Order a call: an employee by login or extension, JSON alone."""
    if (wrong := _key(asked)) is not None:
        return wrong
    told = asked.json()
    if not PHONE.fullmatch(str(told.get("phone", ""))):
        return Told(400, {"error": "Invalid parameters", "message": "phone"})
    user = str(told.get("user", ""))
    extension = next((ext for ext in desk.employees if user in (ext, login_of(ext))), None)
    if extension is None:
        return Told(404, {"error": "User not found"})
    call = desk.dial("megafon", "", extension, f"+{told['phone']}")
    assert call is not None  # without a token nothing is a repetition
    return Told(200, {"callid": f"mf-{call.id}"})


def record(desk: Desk, asked: Asked) -> Told:
    """Give a recording, to whoever has the key."""
    if (wrong := _key(asked)) is not None:
        return wrong
    call = desk.recorded("megafon", asked.parts["recording"])
    if call is None:
        return words(404, "no such record")
    content = desk.sound(call)
    return Told(204) if content is None else Told(200, content, WAV)


def login_of(extension: str) -> str:
    """Return the login of an employee."""
    return f"user{extension}"


def _key(asked: Asked) -> Told | None:
    return None if asked.headers.get("x-api-key") == KEY else Told(401, {"error": "Invalid token"})


def _row(asked: Asked, call: Staged) -> dict[str, Any]:
    moment = datetime.fromtimestamp(int(call.start), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    extension = (call.talked or call.rang or [""])[-1]
    row: dict[str, Any] = {
        "uid": f"mf-{call.id}",
        "type": call.direction,
        "status": "Success" if call.talked else STATUS[call.reason],
        "client": (call.phone or "").removeprefix("+"),
        "diversion": call.line,
        "destination": login_of(extension),
        "user": login_of(extension) if extension else "",
        "start": moment,
        "wait": call.wait_s,
        "duration": call.talk_s,
        "record": f"http://{asked.headers['host']}/megafon/records/{call.recording}" if call.recording else "",
    }
    if not call.talked and asked.query.get("process_missed") == "true":
        row["missed_status"] = {None: 1, True: 2, False: 3}[call.called_back]
    return row


ROUTES: dict[str, Route] = {
    "GET /megafon/crmapi/v1/users": users,
    "GET /megafon/crmapi/v1/history/json": history,
    "POST /megafon/crmapi/v1/makecall": makecall,
    r"GET /megafon/records/(?P<recording>[\w-]+)": record,
}
