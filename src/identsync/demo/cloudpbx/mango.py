"""Mango Office: signed forms, statistics in two steps, links that serve once, and the block after wrong requests.

A wrong request (signature, parameters, an unknown recording) is forgiven once in two minutes; after a second one all is
answered 401 until the block ends. ``limits``: ``mango_block_s``, ``mango_stats_s`` (seconds between two requests for
statistics), ``mango_work`` (looks until statistics are ready), ``mango_money`` (False = none left), ``mango_empty``
(answers 204 instead of a status).
"""

import hashlib
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from identsync.demo.cloudpbx.desk import KEY, USER, Desk, Staged
from identsync.demo.cloudpbx.request import Asked, Route, Told

Params = dict[str, Any]
LIMITS = (1, 5, 10, 20, 50, 100, 500, 1000, 2000, 5000)
USER_ID = 300_000_000
END = {"busy": 1121, "cancelled": 1110, "no answer": 1111, "failed": 1134}


def callback(desk: Desk, asked: Asked) -> Told:
    """Begin a call."""
    p = _command(desk, asked)
    if isinstance(p, Told):
        return p
    source = p.get("from")
    extension = source.get("extension") if isinstance(source, dict) else None
    if not p.get("command_id") or not isinstance(extension, str) or not isinstance(p.get("to_number"), str):
        return _wrong(desk, 3103)
    if desk.limits.get("mango_money") is False:
        return Told(200, {"result": 2110})
    if not re.fullmatch(r"\d{10,15}", p["to_number"]):
        return _wrong(desk, 3200)
    if extension not in desk.employees:
        return _wrong(desk, 3330)
    call = desk.dial("mango", p["command_id"], extension, p["to_number"])
    return Told(200, {"result": 1000 if call is not None else 3100})


def users(desk: Desk, asked: Asked) -> Told:
    """Tell the employees."""
    p = _command(desk, asked)
    if isinstance(p, Told):
        return p
    told = [
        {
            "general": {"name": name, "email": None, "user_id": USER_ID + int(extension)},
            "telephony": {"extension": extension, "numbers": []},
        }
        for extension, name in desk.employees.items()
    ]
    return Told(200, {"users": told})


def order(desk: Desk, asked: Asked) -> Told:
    """Take an order for statistics; give its key."""
    if desk.crowded("mango stats", 1, float(desk.limits.get("mango_stats_s", 2.0))):
        desk.refuse("stats too often")
        return Told(429, {"result": 4100})
    p = _command(desk, asked)
    if isinstance(p, Told):
        return p
    try:
        since, until = (
            datetime.strptime(p[name], "%d.%m.%Y %H:%M:%S").replace(tzinfo=UTC) for name in ("start_date", "end_date")
        )
        offset = int(p["offset"])
    except (KeyError, ValueError, TypeError):
        return _wrong(desk, 3104)
    if int(p.get("limit", 0)) not in LIMITS or until - since >= timedelta(days=30):
        return _wrong(desk, 3100)
    calls = desk.finished("mango", since.timestamp(), until.timestamp())[offset : offset + int(p["limit"])]
    key = f"{desk.random.getrandbits(96):024x}=="
    desk.memory["mango"].setdefault("orders", {})[key] = calls
    return Told(200, {"result": 1000, "key": key})


def result(desk: Desk, asked: Asked) -> Told:
    """Tell what was ordered, once it is ready."""
    p = _command(desk, asked)
    if isinstance(p, Told):
        return p
    calls: list[Staged] | None = desk.memory["mango"].get("orders", {}).get(p.get("key"))
    if calls is None:
        return Told(200, {"result": 1000, "status": "not-found"})
    looks = desk.memory["mango"].setdefault("looks", {})
    looks[p["key"]] = looks.get(p["key"], 0) + 1
    if looks[p["key"]] <= int(desk.limits.get("mango_work", 1)):
        return Told(204) if desk.limits.get("mango_empty") else Told(200, {"result": 1000, "status": "work"})
    days: dict[str, list[Params]] = {}
    for call in calls:
        days.setdefault(datetime.fromtimestamp(call.start, UTC).strftime("%Y-%m-%d"), []).append(_row(desk, call))
    data = [{"list": rows, "period": day, "total_calls_count": len(rows)} for day, rows in days.items()]
    return Told(200, {"result": 1000, "status": "complete", "data": data})


def recording(desk: Desk, asked: Asked) -> Told:
    """Give a link that serves once."""
    p = _command(desk, asked)
    if isinstance(p, Told):
        return p
    call = desk.recorded("mango", str(p.get("recording_id", "")))
    if p.get("action") != "download" or call is None:
        return _wrong(desk, 3320)
    if desk.sound(call) is None:
        return Told(404, {"result": 3320})
    return Told(302, b"", "text/plain", {"Location": desk.link(call)})


def _command(desk: Desk, asked: Asked) -> Params | Told:
    """Return what is ordered, or why not: a block, a wrong key, a wrong signature."""
    fields, memory = asked.form(), desk.memory["mango"]
    if time.monotonic() < memory.get("blocked", 0.0):
        desk.refuse("asked while blocked")
        return Told(401, {"result": 4001})
    text = fields.get("json", "")
    sign = hashlib.sha256(f"{USER}{text}{KEY}".encode()).hexdigest()
    if fields.get("vpbx_api_key") != USER or fields.get("sign") != sign:
        _wrong(desk, 3102)
        return Told(401, {"result": 3102})
    if asked.fault is not None:
        return _wrong(desk, asked.fault.code) if asked.fault.code < 5000 else Told(200, {"result": asked.fault.code})
    body = orjson.loads(text)
    return body if isinstance(body, dict) else _wrong(desk, 3100)


def _wrong(desk: Desk, code: int) -> Told:
    """Count a wrong request; the second within two minutes begins the block."""
    memory, now = desk.memory["mango"], time.monotonic()
    desk.refuse(f"mango {code}")
    if now - memory.get("wrong", -1e9) < 120.0:
        memory["blocked"] = now + float(desk.limits.get("mango_block_s", 120.0))
    memory["wrong"] = now
    return Told(200, {"result": code})


def _row(desk: Desk, call: Staged) -> Params:
    is_in = call.direction == "in"
    caller = (call.talked or call.rang or ["101"])[0]
    people = [_leg(desk, call, extension) for extension in dict.fromkeys([*call.rang, *call.talked])]
    group = {"call_type": "group", "call_abonent_id": 10_051_192, "call_abonent_info": "Администраторы"}
    group |= _times(call, call.answered) | {"recording_id": _recordings(call), "members": people}
    number = _leg(desk, call, caller) | {"call_type": "number", "members": []}
    return {
        "entry_id": f"entry-{call.id}",
        "context_type": {"in": 1, "out": 2, "inside": 3}[call.direction],
        "context_status": int(call.answered is not None),
        "caller_id": None if is_in else USER_ID + int(caller),
        "caller_name": call.phone if is_in else desk.employees.get(caller),
        "caller_number": call.phone if is_in else f"sip:user{caller}@vpbx.example",
        "called_number": call.line if is_in else call.phone,
        "context_start_time": int(call.start),
        "duration": call.wait_s + call.talk_s,
        "talk_duration": call.talk_s,
        "context_init_type": 0,
        "recall_status": {None: 2, True: 1, False: 0}[call.called_back],
        "context_calls": [group] if is_in and len(people) > 1 else people if is_in else [number],
    }


def _leg(desk: Desk, call: Staged, extension: str) -> Params:
    is_talk = extension in call.talked
    leg = {
        "call_type": "user",
        "call_abonent_id": USER_ID + int(extension),
        "call_abonent_info": desk.employees.get(extension),
        "call_abonent_number": f"sip:user{extension}@vpbx.example",
        "recording_id": _recordings(call) if is_talk else [],
        "members": None,
    }
    return leg | _times(call, call.answered if is_talk else None)


def _times(call: Staged, answered: float | None) -> Params:
    return {
        "call_start_time": int(call.start),
        "call_answer_time": None if answered is None else int(answered),
        "call_end_time": int(call.ended or call.start),
        "talk_duration": call.talk_s if answered is not None else 0,
        "dial_duration": call.wait_s,
        "call_end_reason": END.get(call.reason, 1100),
    }


def _recordings(call: Staged) -> list[str]:
    return [call.recording] if call.recording else []


ROUTES: dict[str, Route] = {
    "POST /mango/commands/callback": callback,
    "POST /mango/config/users/request": users,
    "POST /mango/stats/calls/request": order,
    "POST /mango/stats/calls/result": result,
    "POST /mango/queries/recording/post": recording,
}
