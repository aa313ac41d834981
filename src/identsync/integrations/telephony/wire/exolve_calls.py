"""Rows of МТС Exolve as calls, under whatever of the known names a field comes.

A length is whole seconds in one edition of the documents and milliseconds in the other: where the row says when the
call ended, the one that fits is taken, and what would be longer than half a day is milliseconds.
"""

from collections.abc import Mapping
from typing import Any

from identsync.flows.flaw import Flaw
from identsync.integrations.telephony.call import Call, Direction, Employee, Reason, State
from identsync.integrations.telephony.wire import asking
from identsync.integrations.telephony.wire import journal_read as read
from identsync.integrations.telephony.wire.asking_read import flag, text, whole
from identsync.spans import HOUR_MS

ID = ("call_id", "uid", "call_sid", "id")
FROM = ("number_a", "a_number", "caller", "calling_number", "from", "source", "src")
TO = ("number_b", "b_number", "callee", "called_number", "to", "destination", "dst")
STARTED = ("date_start", "start_time", "call_start", "date_begin", "start", "call_date", "date", "created_at")
TALKED = ("date_answer", "answer_time", "call_answer", "date_connect", "answer")
ENDED = ("date_end", "end_time", "call_end", "date_finish", "finish_time", "end")
LENGTH = ("duration", "call_duration", "talk_duration", "billsec")
WAY = ("direction", "call_direction", "call_type", "type")
ENDED_AS = ("call_status", "status", "result", "disposition", "hangup_cause", "release_cause")
RECORDED = ("is_recorded", "has_record", "record_exists")
RECORD = ("record_url", "recording_url", "record", "recording", "record_id")
HALF_DAY_MS = 12 * HOUR_MS
TAIL = 10
REASONS = {
    "busy": Reason.BUSY,
    "cancel": Reason.CANCELLED,
    "reject": Reason.FAILED,
    "fail": Reason.FAILED,
    "error": Reason.FAILED,
    "no_answer": Reason.NO_ANSWER,
    "no answer": Reason.NO_ANSWER,
    "noanswer": Reason.NO_ANSWER,
    "miss": Reason.NO_ANSWER,
}


def id_of(row: Any) -> str:
    """Return what the rows of one call share."""
    return text(row, *ID) if isinstance(row, dict) else ""


def call_from(raw: object, ours: str, inside: int) -> Call | list[Flaw]:
    """Put the rows of a call together: answered where one of them has a length of talk."""
    legs = read.legs_of(raw)
    key = id_of(legs[0]) if legs else ""
    timed = [(at, leg) for leg in legs if (at := _moment(leg, STARTED)) is not None]
    timed.sort(key=lambda each: each[0])
    if flaws := read.flaws_of(raw, key, timed[0][0] if timed else None, "call_id"):
        return flaws
    start, first = timed[0]
    direction = _direction(first, ours, inside)
    spoken = [(at, leg) for at, leg in timed if _talk_ms(at, leg) > 0]
    answered = [moment for _at, leg in spoken if (moment := _moment(leg, TALKED)) is not None]
    said = [text(leg, *ENDED_AS) for _at, leg in timed]
    return Call(
        key=key,
        direction=direction,
        state=State.ANSWERED if spoken else State.MISSED,
        phone=_end(first, direction),
        line=text(first, *(TO if direction is Direction.IN else FROM)),
        start_ms=start,
        answered_ms=min(answered, default=None),
        ended_ms=max(_moment(leg, ENDED) or at + _talk_ms(at, leg) for at, leg in timed),
        rang=_employees(timed, direction),
        talked=_employees(spoken, direction),
        recordings=_recordings([leg for _at, leg in spoken], key),
        token=next((token for _at, leg in timed if (token := read.token_of(leg, "request_description"))), ""),
        reason=Reason.NONE if spoken else read.reason_of(said, REASONS),
    )


def _moment(leg: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((at for name in names if (at := read.moment(leg.get(name))) is not None), None)


def _direction(leg: Mapping[str, Any], ours: str, inside: int) -> Direction:
    """Return who called whom: as told, else by where our own number stands, else by where a short one does."""
    said = text(leg, *WAY).lower()
    if said.startswith(("in", "вход")) and not said.startswith("inter"):
        return Direction.IN
    if said.startswith(("out", "исход", "callback")):
        return Direction.OUT
    source, target = text(leg, *FROM), text(leg, *TO)
    if ours and asking.digits(source)[-TAIL:] == ours[-TAIL:]:
        return Direction.OUT
    if ours and asking.digits(target)[-TAIL:] == ours[-TAIL:]:
        return Direction.IN
    short = read.is_inner(source, inside), read.is_inner(target, inside)
    return {(True, True): Direction.INSIDE, (True, False): Direction.OUT}.get(short, Direction.IN)


def _end(leg: Mapping[str, Any], direction: Direction) -> str:
    return text(leg, *(FROM if direction is Direction.IN else TO))


def _talk_ms(start: int, leg: Mapping[str, Any]) -> int:
    told = next((length for name in LENGTH if (length := whole(leg, name))), 0)
    ended = _moment(leg, ENDED)
    if told <= 0 or told > HALF_DAY_MS:
        return 0
    is_ms = told * 1_000 > HALF_DAY_MS or (ended is not None and start + told * 1_000 > ended + 2_000)
    return told if is_ms else told * 1_000


def _employees(timed: list[tuple[int, dict[str, Any]]], direction: Direction) -> tuple[Employee, ...]:
    """Return the SIP ids of those who were called, where a row names them."""
    names = ("redirect_number", "sip_id", "forward_number") if direction is Direction.IN else ("sip_id",)
    return read.distinct(Employee(text(leg, *names)) for _at, leg in timed)


def _recordings(spoken: list[dict[str, Any]], key: str) -> tuple[str, ...]:
    """Return the call's id where a recording may be: said so, or nothing said of recordings at all."""
    told = [flag(leg, name) for leg in spoken for name in RECORDED if name in leg]
    named = any(leg.get(name) for leg in spoken for name in RECORD)
    is_silent = not any(name in leg for leg in spoken for name in (*RECORDED, *RECORD))
    return (key,) if spoken and (named or any(told) or is_silent) else ()
