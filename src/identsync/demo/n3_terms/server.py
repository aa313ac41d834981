"""The server of the terminology service on real sockets, and its back door."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import orjson

from identsync.demo import serving
from identsync.demo.n3_terms.desk import TOKEN, Desk, Fault

DOOR = "/_terms/"
DOOR_KEY = "X-Terms-Key"
BASE = "/nsi/fhir/term"
HTML = b"<!doctype html><title>502</title>"
OPTIONS = ("locked", "page", "bare", "passports", "stuck")
Told = tuple[int, Any]


class Handler(serving.Handler[Desk]):
    """One connection."""

    door, door_key = DOOR, DOOR_KEY
    longest = 4 << 20

    def asked(self, body: bytes) -> None:
        """Answer a search or an operation."""
        desk = self.server.desk
        with desk.lock:
            desk.counts[f"{self.command} {urlsplit(self.path).path.removeprefix(BASE)}"] += 1
            whole = self.path + body.decode("utf-8", "replace")
            fault = desk.faults.first(lambda fault: fault.what in whole)
            status, told = self._told(body) if fault is None or fault.kind in ("half", "hang") else (200, {})
        self._answer(fault, status, orjson.dumps(told))

    def _told(self, body: bytes) -> Told:
        desk, asked = self.server.desk, urlsplit(self.path)
        if desk.locked and self.headers.get("Authorization") != f"N3 {TOKEN}":
            return 401, {}
        query = parse_qs(asked.query)
        if query.get("_format") != ["json"]:
            return 406, {}
        if (self.command, asked.path) == ("GET", f"{BASE}/ValueSet"):
            return (200, desk.passport(_oid(query.get("url", [""])[0]))) if desk.passports else (404, _outcome("no"))
        if self.command != "POST" or not self.headers.get("Content-Type", "").startswith("application/json"):
            return 405, {}
        return _done(desk, asked.path.removeprefix(BASE), body)

    def _answer(self, fault: Fault | None, status: int, data: bytes) -> None:
        kind = fault.kind if fault is not None else ""
        if kind == "hang":
            self.hang()
        elif kind == "drop":
            self.close_connection = True
        elif kind == "html":
            self.reply(200, HTML, "text/html")
        elif kind == "half":
            self.reply(200, data[: len(data) // 2])
        elif kind == "long":
            self.reply(200, b'{"resourceType":"Parameters","filler":"' + b"x" * (30 << 20) + b'"}')
        elif fault is not None:
            self.reply(fault.status, fault.body.encode())
        else:
            self.reply(status, data)

    def ordered(self, what: str, body: bytes) -> Any:
        """Do what the back door is asked."""
        with self.server.desk.lock:
            return _ordered(self.server.desk, what, body)


def _oid(system: str) -> str:
    return system.removeprefix("urn:oid:")


def _outcome(why: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": why}]}


def _done(desk: Desk, operation: str, body: bytes) -> Told:
    try:
        asked = orjson.loads(body)
        given = {one["name"]: one.get("valueString", one.get("valueInteger")) for one in asked["parameter"]}
        system = _oid(given["system"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return 400, _outcome("Parameters with a system are wanted")
    answers = {
        "/ValueSet/$expand": lambda: desk.expansion(system, int(given.get("offset", 0))),
        "/ValueSet/$lookup": lambda: desk.found(system, str(given.get("code"))),
    }
    if operation not in answers:
        return 404, {}
    told = answers[operation]()
    return (200, told) if told is not None else (404, _outcome("no such book or code"))


def _ordered(desk: Desk, what: str, body: bytes) -> Any:
    match what:
        case "GET books":
            return {"counts": dict(desk.counts), "versions": desk.versions}
        case "POST faults":
            desk.faults.add(msgspec.json.decode(body, type=Fault))
        case "DELETE faults":
            desk.faults.clear()
        case "POST editions":
            told = orjson.loads(body)
            desk.publish(told["oid"], told["rows"])
        case "POST withdrawn":
            desk.withdraw(orjson.loads(body)["oid"])
        case "POST clear":
            desk.clear()
        case "POST options":
            serving.change(desk, body, OPTIONS)
        case _:
            raise KeyError(what)
    return None
