"""Zadarma as it answers: a signature over the sorted query, three questions about statistics a minute, legs of calls.

``Desk.limits["zadarma"]`` = that many of them. Its clock is the account's (``Desk.zone``). Each incoming call first
meets a voice menu, which takes it: scenario 1.
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

import orjson

from identsync.demo.cloudpbx.desk import KEY, USER, Desk, Staged
from identsync.demo.cloudpbx.request import Asked, Route, Told

FROM, TO = re.compile(r"\+?[0-9]{7,15}|[0-9]{3,5}"), re.compile(r"\+?[0-9]{7,15}|[0-9]{5}")
SIP = re.compile(r"[0-9]{5}|[0-9]{3}")
FORM = "%Y-%m-%d %H:%M:%S"
MONTH = timedelta(days=31)
MENU_S = 3  # the menu speaks so long, then the phones ring
DISPOSITIONS = {
    "busy": "busy",
    "cancelled": "cancel",
    "failed": "call failed",
    "no answer": "no answer",
    "": "no answer",
}
Row = dict[str, Any]


def timezone(desk: Desk, asked: Asked) -> Told:
    """Tell the account's clock."""
    if (wrong := _wrong(desk, asked)) is not None:
        return wrong
    here = datetime.fromtimestamp(int(desk.now()), ZoneInfo(desk.zone))
    return _success({"unixtime": int(here.timestamp()), "datetime": here.strftime(FORM), "timezone": here.tzname()})


def callback(desk: Desk, asked: Asked) -> Told:
    """Order a call: the one who asked first."""
    if (wrong := _wrong(desk, asked)) is not None:
        return wrong
    query = asked.query
    ends = query.get("from", ""), query.get("to", "")
    if not FROM.fullmatch(ends[0]) or not TO.fullmatch(ends[1]) or not SIP.fullmatch(query.get("sip", "100")):
        return _error(400, "Wrong number")
    if ends[0] not in desk.employees:
        return _error(400, "Wrong caller")
    desk.dial("zadarma", "", ends[0], f"+{ends[1].removeprefix('+')}")
    return _success({"from": ends[0], "to": ends[1], "time": int(desk.now())})


def statistics(desk: Desk, asked: Asked) -> Told:
    """Tell the legs of calls that are over, at most a month and a thousand at a time."""
    if (wrong := _wrong(desk, asked)) is not None:
        return wrong
    if desk.crowded("zadarma statistics", int(desk.limits.get("zadarma", 3)), 60.0):
        desk.refuse("zadarma statistics")
        return _error(429, "You exceeded the rate limit (3 requests per minute)")
    query, zone = asked.query, ZoneInfo(desk.zone)
    try:
        since, until = (datetime.strptime(query[name], FORM).replace(tzinfo=zone) for name in ("start", "end"))
        skip, limit = int(query.get("skip", 0)), int(query.get("limit", 1_000))
    except (KeyError, ValueError):
        return _error(400, "Wrong period")
    if until - since > MONTH or not 0 < limit <= 1_000 or query.get("version") not in ("1", "2"):
        return _error(400, "Wrong parameters")
    calls = desk.finished("zadarma", since.timestamp() - MENU_S, until.timestamp())
    legs = [leg for call in calls for leg in _legs(call, zone) if query["start"] <= leg["callstart"] <= query["end"]]
    legs = legs[skip : skip + limit]  # a leg belongs to the period in which it began itself
    told = orjson.dumps(
        {"status": "success", "start": query["start"], "end": query["end"], "version": 2, "stats": legs}
    )
    return Told(200, re.sub(rb'"#([0-9.]+)"', rb"\1", told))  # ids are numbers, with every digit


def record(desk: Desk, asked: Asked) -> Told:
    """Give a link to a recording that serves for a while."""
    if (wrong := _wrong(desk, asked)) is not None:
        return wrong
    wanted = asked.query.get("call_id", "")
    call = next((c for c in desk.calls if c.provider == "zadarma" and c.recording and _id(c, 1) == wanted), None)
    if call is None or desk.sound(call) is None:
        return _error(404 if call is None else 400, "Record not found")
    till = datetime.fromtimestamp(desk.now() + 180, ZoneInfo(desk.zone)).strftime(FORM)
    return _success({"link": f"http://{asked.headers['host']}{desk.link(call)}", "lifetime_till": till})


def _wrong(desk: Desk, asked: Asked) -> Told | None:
    """Refuse what is not signed by us, or comes too often."""
    query = "&".join(f"{quote_plus(k)}={quote_plus(v)}" for k, v in sorted(asked.query.items())).replace("~", "%7E")
    path = asked.path.removeprefix("/zadarma")
    signed = hmac.new(
        KEY.encode(), f"{path}{query}{hashlib.md5(query.encode(), usedforsecurity=False).hexdigest()}".encode(), "sha1"
    )
    wanted = f"{USER}:{base64.b64encode(signed.hexdigest().encode()).decode()}"
    if asked.headers.get("authorization") != wanted:
        return _error(401, "Not authorized")
    if desk.crowded("zadarma", 100, 60.0):
        desk.refuse("zadarma")
        return _error(429, "You exceeded the rate limit")
    return None


def _legs(call: Staged, zone: ZoneInfo) -> list[Row]:
    """Spell a call: an incoming one is a leg of the menu and one of each phone, an outgoing one a single leg."""
    way = {"in": "in", "out": "out", "inside": "int"}[call.direction]
    shared: Row = {"pbx_call_id": f"{way}_{hashlib.sha1(str(call.id).encode(), usedforsecurity=False).hexdigest()}"}
    if call.direction != "in":
        to = call.phone or ""
        return [shared | _leg(call, zone, 1, (call.talked or call.rang)[-1], to, clid=(call.talked or call.rang)[-1])]
    menu: Row = {
        "call_id": f"#{_id(call, 0)}",
        "sip": 1,
        "callstart": _moment(call.start, zone),
        "clid": call.phone or "Anonymous",
        "destination": 1,
        "disposition": "answered",
        "seconds": MENU_S,
        "is_recorded": False,
    }
    phones = call.rang + [each for each in call.talked if each not in call.rang]
    own = [call.talked[-1]] if call.talked else phones[:1]
    legs = [
        _leg(call, zone, 1 if each in own else n + 2, each, each, call.phone or "Anonymous")
        for n, each in enumerate(phones)
    ]
    return [shared | leg for leg in (menu, *legs)]


def _leg(call: Staged, zone: ZoneInfo, number: int, extension: str, to: str, clid: str) -> Row:
    spoke = extension in call.talked
    start = call.start + (MENU_S if call.direction == "in" else 0)
    end = call.ended or start
    unheard = "cancel" if call.talked else DISPOSITIONS[call.reason]
    return {
        "call_id": f"#{_id(call, number)}",
        "sip": int(extension),
        "callstart": _moment(start, zone),
        "clid": clid,
        "destination": int(to) if to.isdigit() else to,
        "disposition": "answered" if spoke else unheard,
        "seconds": round(end - start) if spoke else 0,
        "is_recorded": "true" if spoke and call.recording else "false",
    }


def _id(call: Staged, leg: int) -> str:
    return f"{int(call.start)}.{call.id}{leg}0"


def _moment(at: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(int(at), UTC).astimezone(zone).strftime(FORM)


def _success(what: Row) -> Told:
    return Told(200, {"status": "success"} | what)


def _error(status: int, message: str) -> Told:
    return Told(status, {"status": "error", "message": message})


ROUTES: dict[str, Route] = {
    "GET /zadarma/v1/info/timezone/": timezone,
    "GET /zadarma/v1/request/callback/": callback,
    "GET /zadarma/v1/statistics/pbx/": statistics,
    "GET /zadarma/v1/pbx/record/request/": record,
}
