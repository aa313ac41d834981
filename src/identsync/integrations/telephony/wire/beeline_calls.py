"""Beeline's rows as calls: which rows are one call, which recording belongs to it, who rang and who talked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from identsync.flows.flaw import Flaw
from identsync.integrations.telephony.call import Call, Direction, Employee, Reason, State
from identsync.integrations.telephony.wire import asking
from identsync.integrations.telephony.wire import journal_read as read
from identsync.integrations.telephony.wire.asking_read import LATEST_MS, rows, text, whole
from identsync.spans import HOUR_MS

TOUCHING_MS = {Direction.IN: 20_000, Direction.OUT: 2_000}  # phones that ring one after the other; a redial is new
SLACK_MS = 5_000
RECORD_MS = 120_000  # a recording begins when somebody answers
LONGEST_MS = 12 * HOUR_MS
TAIL = 10  # digits of a number that tell it from others, however its country is spelled
SPOKEN = ("RECIEVED", "RECEIVED", "PLACED", "REDIRECTED")  # the first is how Beeline spells it


def together(statistics: Iterable[Any], records: Iterable[Any]) -> list[dict[str, Any]]:
    """Put rows of one call together: of one id, or of one number and direction whose times touch."""
    timed: list[tuple[int, dict[str, Any]]] = []
    odd: list[Any] = []
    for row in statistics:
        start = read.moment(row.get("startDate")) if isinstance(row, dict) else None
        if start is None:
            odd.append(row)
        else:
            timed.append((start, row))
    timed.sort(key=lambda each: each[0])
    calls: list[dict[str, Any]] = []
    going: dict[tuple[str, ...], tuple[int, dict[str, Any]]] = {}
    for start, row in timed:
        name = _name(row)
        until, call = going.get(name, (-1, {}))
        if until < start:
            call = {"legs": [], "records": []}
            calls.append(call)
        call["legs"].append(row)
        going[name] = max(until, _until(start, row, name)), call
    _attach(calls, records)
    return calls + [{"legs": [row], "records": []} for row in odd]


def _until(start: int, row: Mapping[str, Any], name: tuple[str, ...]) -> int:
    """Return until when another row of its name is the same call: always of an id, a moment of a hidden number."""
    if len(name) == 1:
        return LATEST_MS
    gap = TOUCHING_MS[_way(name[0])] if name[1] else 0
    return start + (_length_ms(row) if name[1] else 0) + gap


def start_of(call: Any) -> int | None:
    """Return when a call began; None where nothing says so."""
    starts = (read.moment(leg.get("startDate")) for leg in _legs(call))
    return min((at for at in starts if at is not None), default=None)


def call_from(raw: object, inside: int) -> Call | list[Flaw]:
    """Return the call of rows put together, or of a row by itself."""
    legs = _legs(raw)
    start = start_of(raw)
    if start is None:
        return read.flaws_of(legs, "?", None, "externalTrackingId")
    direction = _direction(legs[0], inside)
    phone = _outer(legs[0], direction)
    spoken = [leg for leg in legs if _is_spoken(leg)]
    tracked = text(legs[0], "externalTrackingId", cut=150)
    return Call(
        key=f"bl-{tracked}" if tracked else f"bl-{read.key_of(start, direction, asking.digits(phone)[-TAIL:])}",
        direction=direction,
        state=State.ANSWERED if spoken else State.MISSED,
        phone=phone,
        line=text(legs[0], "phone_to") if direction is Direction.IN else "",
        start_ms=start,
        ended_ms=max((read.moment(leg.get("startDate")) or start) + _length_ms(leg) for leg in legs),
        rang=read.distinct(_employee(leg) for leg in legs),
        talked=read.distinct(_employee(leg) for leg in spoken if text(leg, "status").upper() != "REDIRECTED"),
        recordings=_recordings(raw),
        reason=Reason.NO_ANSWER if not spoken and direction is Direction.IN else Reason.NONE,
    )


def _legs(raw: Any) -> list[dict[str, Any]]:
    return list(rows(raw.get("legs", raw) if isinstance(raw, dict) else raw))


def _name(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the rows of one call share."""
    if tracked := text(row, "externalTrackingId"):
        return (tracked,)
    direction = text(row, "direction").upper()
    return direction, asking.digits(_outer(row, _way(direction)))[-TAIL:]


def _way(direction: str) -> Direction:
    return Direction.OUT if direction.startswith("OUT") else Direction.IN


def _direction(leg: Mapping[str, Any], inside: int) -> Direction:
    way = _way(text(leg, "direction").upper())
    return Direction.INSIDE if read.is_inner(_outer(leg, way), inside) else way


def _outer(row: Mapping[str, Any], way: Direction) -> str:
    return text(row, "phone_to", "phone") if way is Direction.OUT else text(row, "phone_from", "phone")


def _length_ms(row: Mapping[str, Any]) -> int:
    """Return how long a row lasted: Beeline counts in milliseconds."""
    told = whole(row, "duration") or 0
    return told if 0 <= told <= LONGEST_MS else 0


def _is_spoken(leg: Mapping[str, Any]) -> bool:
    """Tell whether somebody talked: an order that was only placed has no length."""
    status = text(leg, "status").upper()
    return status in SPOKEN[:2] or (status in SPOKEN and _length_ms(leg) > 0)


def _employee(leg: Mapping[str, Any]) -> Employee:
    held = leg.get("abonent")
    abonent = held if isinstance(held, dict) else {}
    name = " ".join(said for each in ("lastName", "firstName") if (said := text(abonent, each)))
    return Employee(text(abonent, "extension", "phone", "userId"), name)


def _recordings(raw: Any) -> tuple[str, ...]:
    held = raw.get("records") if isinstance(raw, dict) else None
    return tuple(each for each in held if isinstance(each, str)) if isinstance(held, list) else ()


def _attach(calls: Sequence[dict[str, Any]], records: Iterable[Any]) -> None:
    """Give each recording to the call it was made of: of its id, or of its number at its time."""
    by_name: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for call in calls:
        by_name.setdefault(_name(call["legs"][0]), []).append(call)
    for record in rows(list(records)):
        made, number = read.moment(record.get("date")), text(record, "id")
        named = by_name.get(_name({**record, "externalTrackingId": text(record, "externalId", "externalTrackingId")}))
        found = named or by_name.get(_name({**record, "externalTrackingId": ""}), [])
        near = [call for call in found if _is_of(call, made)]
        if number and near and number not in near[-1]["records"]:
            near[-1]["records"].append(number)


def _is_of(call: Mapping[str, Any], made: int | None) -> bool:
    """Tell whether a recording was made in a call: from its beginning until a little after its end."""
    start = start_of(call)
    if made is None or start is None:
        return False
    ended = max((read.moment(leg.get("startDate")) or start) + _length_ms(leg) for leg in call["legs"])
    return start - SLACK_MS <= made <= max(ended, start + RECORD_MS) + SLACK_MS
