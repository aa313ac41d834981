"""A call as Mango Office tells it in its extended statistics: legs, groups and their members under one ``entry_id``.

Pure: no I/O. Times are whole seconds UTC. Codes of the end of a call are [MEM] in facts/telephony.md: an unknown one
says nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from identsync.flows.flaw import Flaw
from identsync.integrations.telephony.call import Call, Direction, Employee, Reason, State
from identsync.integrations.telephony.wire import asking_read as read
from identsync.integrations.telephony.wire import asking_words as words

DIRECTIONS = {1: Direction.IN, 2: Direction.OUT, 3: Direction.INSIDE}
REASONS = {1110: Reason.CANCELLED, 1111: Reason.NO_ANSWER, 1121: Reason.BUSY, 1122: Reason.BUSY}
FAILED = range(1130, 1150)
DEEPEST = 4  # a group within a group
CALLED_BACK = 1

Extensions = Mapping[int, Employee]
"""The employees by Mango's number of them."""


def extensions(answer: object) -> dict[int, Employee]:
    """Read ``config/users/request``: each employee's number there, extension and name."""
    people: dict[int, Employee] = {}
    users = answer.get("users") if isinstance(answer, dict) else answer
    for user in read.rows(users):
        general = next(read.rows(user.get("general")), {})
        telephony = next(read.rows(user.get("telephony")), {})
        number = read.whole(general, "user_id", "id")
        extension = read.text(telephony, "extension") or read.text(general, "extension")
        if number is not None and extension:
            people[number] = Employee(extension, read.text(general, "name"))
    return people


def listed(answer: Mapping[str, Any]) -> list[Any]:
    """Return the calls of a statistics answer: its days hold lists."""
    days = answer.get("data")
    held = [day.get("list") for day in read.rows(days)]
    return [row for rows in held if rows is not None for row in (rows if isinstance(rows, list) else [rows])]


def finished(row: object, people: Extensions) -> Call | list[Flaw]:
    """Return the call of a row, or what is wrong with it."""
    if not isinstance(row, dict):
        return [Flaw(words.NOT_A_ROW)]
    key, direction = read.text(row, "entry_id"), DIRECTIONS.get(read.whole(row, "context_type") or 0)
    start = read.unix_ms(row, "context_start_time")
    if not key or direction is None or start is None:
        missing = (words.NO_KEY, "entry_id", not key), (words.NO_DIRECTION, "context_type", direction is None)
        flaws = [Flaw(said, {"key": name}) for said, name, is_so in missing if is_so]
        return flaws + ([Flaw(words.NO_START, {"key": "context_start_time"})] if start is None else [])
    return _call(row, key, direction, start, people)


def _call(row: Mapping[str, Any], key: str, direction: Direction, start: int, people: Extensions) -> Call:
    legs = list(_legs(row.get("context_calls")))
    spoke = sorted((leg for leg in legs if _talked(leg)), key=lambda leg: read.unix_ms(leg, "call_answer_time") or 0)
    is_talk = read.seconds_ms(row, "talk_duration") > 0 or (bool(spoke) and read.whole(row, "context_status") != 0)
    is_in = direction is Direction.IN
    ended = max(start + read.seconds_ms(row, "duration"), *(read.unix_ms(leg, "call_end_time") or 0 for leg in legs), 0)
    caller = _caller(row, people) if not is_in else ()
    return Call(
        key=key,
        direction=direction,
        state=State.ANSWERED if is_talk else State.MISSED,
        phone=read.text(row, "caller_number" if is_in else "called_number", cut=100),
        start_ms=start,
        line=read.text(row, "called_number" if is_in else "line_number", cut=100),
        answered_ms=_answered(row, spoke, start, ended) if is_talk else None,
        ended_ms=ended,
        rang=_named(legs, people) if is_in else caller,
        talked=() if not is_talk else _named(spoke, people) if is_in else caller,
        recordings=_recordings(row.get("context_calls")),
        reason=Reason.NONE if is_talk else _reason(legs),
        calls_back=_called_back(row) if is_in and not is_talk else None,
    )


def _legs(value: object, depth: int = DEEPEST) -> Iterator[dict[str, Any]]:
    """Yield the legs of people: of a group its members, or the group where it names none."""
    for leg in read.rows(value):
        members = list(_legs(leg.get("members"), depth - 1)) if depth and leg.get("members") else []
        yield from members or [leg]


def _every(value: object, depth: int = DEEPEST) -> Iterator[dict[str, Any]]:
    for leg in read.rows(value):
        yield leg
        if depth:
            yield from _every(leg.get("members"), depth - 1)


def _recordings(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for leg in _every(value) for name in read.texts(leg.get("recording_id"))))


def _talked(leg: Mapping[str, Any]) -> bool:
    return read.seconds_ms(leg, "talk_duration") > 0 or read.unix_ms(leg, "call_answer_time") is not None


def _answered(row: Mapping[str, Any], spoke: list[dict[str, Any]], start: int, ended: int) -> int:
    """Return when talk began: the first leg's answer, else so long before the end as was talked."""
    moments = [moment for leg in spoke if (moment := read.unix_ms(leg, "call_answer_time")) is not None]
    first = min(moments, default=ended - read.seconds_ms(row, "talk_duration"))
    return min(max(first, start), ended)


def _named(legs: list[dict[str, Any]], people: Extensions) -> tuple[Employee, ...]:
    found = (_employee(leg, people) for leg in legs if read.text(leg, "call_type") != "group")
    return tuple(dict.fromkeys(person for person in found if person is not None))


def _employee(leg: Mapping[str, Any], people: Extensions) -> Employee | None:
    extension, name = read.text(leg, "call_abonent_extension"), read.text(leg, "call_abonent_info")
    known = people.get(read.whole(leg, "call_abonent_id") or 0)
    if extension:
        return Employee(extension, name or (known.name if known else ""))
    return known or (Employee("", name) if name else None)


def _caller(row: Mapping[str, Any], people: Extensions) -> tuple[Employee, ...]:
    name = read.text(row, "caller_name")
    known = people.get(read.whole(row, "caller_id") or 0)
    return (known,) if known else (Employee("", name),) if name else ()


def _reason(legs: list[dict[str, Any]]) -> Reason:
    codes = [code for leg in legs if (code := read.whole(leg, "call_end_reason")) is not None]
    for code in reversed(codes):
        if (found := REASONS.get(code, Reason.FAILED if code in FAILED else Reason.NONE)) is not Reason.NONE:
            return found
    return Reason.NONE


def _called_back(row: Mapping[str, Any]) -> bool | None:
    status = read.whole(row, "recall_status")
    return None if status is None else status == CALLED_BACK
