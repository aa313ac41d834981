"""A call as its columns have it: who tells it, its key, its mark, every text as long as its column is."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from identsync.integrations.telephony import number
from identsync.integrations.telephony.call import Call, Employee, State
from identsync.integrations.telephony.settings import Line
from identsync.store.texts import cut, fitting, printable

_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who tells: the line's name and settings, and whether it is its history."""

    name: str
    line: Line
    history: bool = False


def key_of(link: str) -> str:
    """Return the key of a PBX's link: sha256 hex, so that any length fits an index everywhere."""
    return hashlib.sha256(link.encode("utf-8", "surrogatepass")).hexdigest()


def mark_of(call: Call) -> str:
    """Return what changes when history tells something else of a call: sha256 hex of all of it."""
    told = orjson.dumps(printable(repr(call)))
    return hashlib.sha256(told).hexdigest()


def values_of(call: Call, origin: Origin) -> dict[str, Any]:
    """Return the columns that a telling of a call fills."""
    outside = number.read(call.phone, origin.line.area)
    last = call.talked[-1] if call.talked else Employee("")
    return {
        "branch_id": origin.line.branch,
        "direction": str(call.direction),
        "state": str(call.state),
        "reason": str(call.reason) if call.state is State.MISSED else "",
        "phone": fitting(outside.shown, 60),
        "e164": outside.e164,
        "phone_key": outside.key,
        "ours": fitting(call.line, 60),
        "start_ms": call.start_ms,
        "answered_ms": call.answered_ms,
        "ended_ms": call.ended_ms,
        "rang": _people(call.rang),
        "talked": _people(call.talked),
        "extension": _ascii(last.extension) or None,
        "employee": fitting(last.name, 100) or None,
        "recordings": _list(call.recordings),
        "token": call.token if _TOKEN.fullmatch(call.token) else None,
        "called_back": None if call.calls_back is None else int(call.calls_back),
        "utm": _object(call.utm),
        "mark": mark_of(call) if origin.history else None,
    }


def _ascii(text: str) -> str:
    return text.encode("ascii", "ignore").decode()[:40]


def _people(employees: Sequence[Employee]) -> str:
    """Spell employees as JSON, as many as fit the column."""
    pairs = [[fitting(each.extension, 40), fitting(each.name, 60)] for each in employees]
    while not _fits(text := orjson.dumps(pairs).decode(), 400):
        pairs.pop()
    return text


def _list(texts: Sequence[str]) -> str:
    kept = [printable(text) for text in texts]
    while not _fits(text := orjson.dumps(kept).decode(), 4_000):
        kept.pop()
    return text


def _object(pairs: Sequence[tuple[str, str]]) -> str:
    kept = {printable(name[:20]): fitting(value, 200) for name, value in pairs}
    while not _fits(text := orjson.dumps(kept).decode(), 1_000):
        kept.popitem()
    return text


def _fits(text: str, units: int) -> bool:
    """Tell whether a text fits a column of so many UTF-16 units, as SQL Server counts them."""
    return cut(text, units) == text
