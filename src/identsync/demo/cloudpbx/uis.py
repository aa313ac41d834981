"""UIS: Call API, Data API and its media host; JSON-RPC with points, a closed list of addresses, parameters by name.

``limits``: ``uis_closed`` (bool), ``uis_minute``, ``uis_day`` (points), ``uis_cost`` (points of list.calls),
``uis_components`` (those that are off), ``uis_wild`` (list.calls answers an object where there is one session),
``uis_parts`` (no link to the whole recording).
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from identsync.demo.cloudpbx.desk import KEY, NUMBER, Desk, Staged
from identsync.demo.cloudpbx.request import WAV, Asked, Bad, Route, Told, words

Params = dict[str, Any]
Method = Callable[[Desk, Params], Any]
EMPLOYEE = 5_000  # employee 101 is 5101
LONGEST = timedelta(days=92)
FREE = ("parse_error", "invalid_request", "method_not_found", "access_token_invalid", "ip_not_whitelisted")


class Wrong(Exception):
    """An error of the protocol."""

    def __init__(self, code: int, mnemonic: str, field: str = "", message: str = "") -> None:
        super().__init__(mnemonic)
        self.code, self.mnemonic, self.field = code, mnemonic, field
        self.message = message or mnemonic.replace("_", " ")


def call_api(desk: Desk, asked: Asked) -> Told:
    """Answer Call API v4.0."""
    return _rpc(desk, asked, {"list.calls": list_calls, "start.employee_call": start_call})


def data_api(desk: Desk, asked: Asked) -> Told:
    """Answer Data API v2.0."""
    told = partial(report, asked.headers.get("host", ""))
    return _rpc(desk, asked, {"get.account": account, "get.employees": employees, "get.calls_report": told})


def media(desk: Desk, asked: Asked) -> Told:
    """Give a recording to whoever has its address."""
    call = desk.recorded("uis", asked.parts["recording"])
    if call is None or str(call.id) != asked.parts["session"]:
        return words(404, "no such recording")
    content = desk.sound(call)
    return words(404, "not yet") if content is None else Told(200, content, WAV)


def list_calls(desk: Desk, p: Params) -> Any:
    """Tell the sessions that go on, their legs as they are at this moment."""
    _only(p, "direction", "virtual_phone_number")
    _component(desk, "Call API Управление вызовами")
    calls = [_session(desk, call) for call in desk.ongoing("uis")]
    return calls[0] if len(calls) == 1 and desk.limits.get("uis_wild") else calls


def start_call(desk: Desk, p: Params) -> Any:
    """Begin a call."""
    _only(p, "first_call", "direction", "virtual_phone_number", "contact", "external_id", "employee")
    _component(desk, "Call API Базовый набор")
    for name in ("first_call", "virtual_phone_number", "contact", "employee"):
        if name not in p:
            raise Wrong(-32602, "required_parameter_missed", name)
    if p["virtual_phone_number"] != NUMBER:
        raise Wrong(-32007, "virtual_phone_number_not_found")
    contact, employee = p["contact"], p["employee"]
    if not isinstance(contact, str) or not contact.isdigit() or len(contact) < 10:
        raise Wrong(-32602, "data_type_error", "contact", f"Data supplied is of wrong type: {contact}")
    extension = str(int(employee["id"]) - EMPLOYEE) if isinstance(employee.get("id"), int) else ""
    if extension not in desk.employees:
        raise Wrong(-32602, "employee_not_found", "employee.id")
    call = desk.dial("uis", str(p.get("external_id", "")), extension, contact)
    if call is None:
        raise Wrong(-32602, "duplicate_external_id", "external_id")
    return {"call_session_id": call.id}


def account(desk: Desk, p: Params) -> Any:
    """Tell whose account it is."""
    _only(p)
    return [{"app_id": 1103, "name": "Клиника", "timezone": desk.zone}]


def employees(desk: Desk, p: Params) -> Any:
    """Tell the employees."""
    _only(p, "limit", "offset", "fields", "filter")
    return [
        {
            "id": EMPLOYEE + int(extension),
            "full_name": name,
            "status": "available",
            "phone_numbers": [],
            "extension": {"extension_phone_number": extension, "inner_phone_number": extension},
        }
        for extension, name in desk.employees.items()
    ]


def report(host: str, desk: Desk, p: Params) -> Any:
    """Tell sessions that are over, only the fields that were asked for."""
    _only(p, "date_from", "date_till", "limit", "offset", "fields", "sort", "filter", "include_ongoing_calls")
    try:
        since, until = (datetime.strptime(p[name], "%Y-%m-%d %H:%M:%S") for name in ("date_from", "date_till"))  # noqa: DTZ007
    except (KeyError, TypeError, ValueError):
        raise Wrong(-32602, "invalid_parameter_value", "date_from") from None
    if until - since > LONGEST:
        raise Wrong(-32602, "date_interval_limit_reached", "date_till")
    zone = ZoneInfo(desk.zone)
    calls = desk.finished("uis", since.replace(tzinfo=zone).timestamp(), until.replace(tzinfo=zone).timestamp())
    offset, limit = int(p.get("offset", 0)), int(p.get("limit", 10_000))
    fields = p.get("fields") or ["id", "start_time", "finish_time"]
    rows = [_row(desk, host, call) for call in calls[offset : offset + limit]]
    if unknown := [name for name in fields if rows and name not in rows[0]]:
        raise Wrong(-32602, "invalid_parameter_value", f"fields.{unknown[0]}")
    return [{name: row[name] for name in fields} for row in rows]


def _rpc(desk: Desk, asked: Asked, methods: Mapping[str, Method]) -> Told:
    try:
        body = asked.json()
    except Bad:
        return Told(200, _error(None, Wrong(-32700, "parse_error"), None))
    number = body.get("id")
    try:
        result = _method(desk, asked, body, methods)
    except Wrong as wrong:
        desk.refuse(wrong.mnemonic)
        return Told(200, _error(number, wrong, None if wrong.mnemonic in FREE else _limits(desk, 0)))
    cost = int(desk.limits.get("uis_cost", 1)) if body["method"] == "list.calls" else 1
    told = {"data": result, "metadata": {"limits": _limits(desk, cost), "total_items": 1}}
    return Told(200, {"jsonrpc": "2.0", "id": number, "result": told})


def _method(desk: Desk, asked: Asked, body: Params, methods: Mapping[str, Method]) -> Any:
    if body.get("jsonrpc") != "2.0" or "id" not in body or not isinstance(body.get("params"), dict):
        raise Wrong(-32600, "invalid_request")
    function = methods.get(body.get("method", ""))
    if function is None:
        raise Wrong(-32601, "method_not_found")
    if desk.limits.get("uis_closed"):
        raise Wrong(-32003, "ip_not_whitelisted", message="Your IP 203.0.113.7 is not whitelisted")
    if body["params"].get("access_token") != KEY:
        raise Wrong(-32001, "access_token_invalid")
    if asked.fault is not None:
        raise Wrong(asked.fault.code, asked.fault.body or "as_told")
    left = _limits(desk, 0)
    if min(left["minute_remaining"], left["day_remaining"]) <= 0:
        raise Wrong(-32029, "limit_exceeded")
    return function(desk, {name: value for name, value in body["params"].items() if name != "access_token"})


def _error(number: Any, wrong: Wrong, limits: Params | None) -> Params:
    data: Params = {"mnemonic": wrong.mnemonic, "field": wrong.field, "params": {}, "extended_helper": None}
    if limits is not None:
        data["metadata"] = {"limits": limits}
    return {"jsonrpc": "2.0", "id": number, "error": {"code": wrong.code, "message": wrong.message, "data": data}}


def _limits(desk: Desk, cost: int) -> Params:
    """Take points, and tell what is left; a minute begins with its first question."""
    purse, now = desk.memory["uis"], time.monotonic()
    told: Params = {}
    for period, seconds, usual in (("minute", 60, 600), ("day", 86_400, 100_000)):
        limit = int(desk.limits.get(f"uis_{period}", usual))
        since, spent = purse.get(period, (now, 0))
        if now - since >= seconds:
            since, spent = now, 0
        purse[period] = since, spent + cost
        told |= {f"{period}_limit": limit, f"{period}_remaining": max(0, limit - spent - cost)}
        told[f"{period}_reset"] = max(0, round(since + seconds - now))
    return told


def _only(p: Params, *known: str) -> None:
    if unknown := set(p) - set(known):
        raise Wrong(-32602, "unexpected_parameters", min(unknown))


def _component(desk: Desk, name: str) -> None:
    if name in desk.limits.get("uis_components", ()):
        raise Wrong(-32008, "component_disabled", message=f"Component {name} has been disabled")


def _wall(desk: Desk, at: float | None, form: str = "%Y-%m-%d %H:%M:%S") -> str | None:
    return None if at is None else datetime.fromtimestamp(at, ZoneInfo(desk.zone)).strftime(form)


def _session(desk: Desk, call: Staged) -> Params:
    talking = call.talked[-1:]
    legs = [_leg(desk, call, None, "Разговор" if talking or call.direction == "in" else "Дозвон")]
    legs += [_leg(desk, call, extension, "Разговор") for extension in talking]
    legs += [_leg(desk, call, extension, "Дозвон") for extension in call.rang if not talking]
    return {
        "call_session_id": call.id,
        "direction": call.direction,
        "start_time": _wall(desk, call.start, "%Y-%m-%dT%H:%M:%S.%f"),
        "virtual_phone_number": call.line,
        "contact_phone_number": call.phone,
        "external_id": call.token or None,
        "tags": [],
        "legs": legs,
    }


def _leg(desk: Desk, call: Staged, extension: str | None, state: str) -> Params:
    return {
        "leg_id": call.id * 10 + int(extension or 0),
        "calling_phone_number": call.phone,
        "called_phone_number": extension or call.line,
        "is_operator": extension is not None,
        "employee_id": None if extension is None else EMPLOYEE + int(extension),
        "employee_full_name": None if extension is None else desk.employees.get(extension),
        "record_call_enabled": True,
        "state": state,
    }


def _row(desk: Desk, host: str, call: Staged) -> Params:
    record = call.recording if call.recording and desk.sound(call) else ""
    link = f"http://{host}/uis/media/{call.id}/{record}" if record and not desk.limits.get("uis_parts") else None
    reasons = {"busy": "subscriber_busy", "no answer": "subscriber_not_responsible", "failed": "numb_not_exists"}
    row = {
        "id": call.id,
        "start_time": _wall(desk, call.start),
        "finish_time": _wall(desk, call.ended),
        "finish_reason": reasons.get(call.reason, "subscriber_disconnects"),
        "direction": call.direction,
        "is_lost": call.answered is None,
        "wait_duration": call.wait_s,
        "talk_duration": call.talk_s,
        "total_duration": call.wait_s + call.talk_s,
        "call_records": [record] if record else [],
        "full_record_file_link": link,
        "virtual_phone_number": call.line,
        "contact_phone_number": call.phone,
        "employees": [_person(desk, call, extension) for extension in dict.fromkeys([*call.rang, *call.talked])],
        "last_talked_employee_id": EMPLOYEE + int(call.talked[-1]) if call.talked else None,
        "call_api_external_id": call.token or None,
    }
    utm = ("utm_source", "utm_medium", "utm_term", "utm_content", "utm_campaign")
    return row | {name: call.utm.get(name[4:]) for name in utm}


def _person(desk: Desk, call: Staged, extension: str) -> Params:
    return {
        "employee_id": EMPLOYEE + int(extension),
        "employee_full_name": desk.employees.get(extension),
        "is_answered": extension in call.talked,
        "is_talked": extension in call.talked,
    }


ROUTES: dict[str, Route] = {
    "POST /uis/call/v4.0": call_api,
    "POST /uis/data/v2.0": data_api,
    r"GET /uis/media/(?P<session>\d+)/(?P<recording>[\w-]+)": media,
    r"GET /uis/data/v2.0/media/(?P<session>\d+)/(?P<recording>[\w-]+)": media,
}
