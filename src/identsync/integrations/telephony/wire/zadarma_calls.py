"""Zadarma's legs as calls: a call is the legs of one ``pbx_call_id``; a voice menu that took it is nobody."""

from collections.abc import Sequence
from typing import Any

from identsync.flows.flaw import Flaw
from identsync.integrations.telephony.call import Call, Direction, Employee, Reason, State
from identsync.integrations.telephony.wire import journal_read as read
from identsync.integrations.telephony.wire.asking_read import flag, text, whole

REASONS = {
    "busy": Reason.BUSY,
    "cancel": Reason.CANCELLED,
    "no answer": Reason.NO_ANSWER,
    "fail": Reason.FAILED,
    "money": Reason.FAILED,
    "unallocated": Reason.FAILED,
    "limit": Reason.FAILED,
}
SPOKEN = ("answer", "answered")


def call_of(leg: Any) -> str:
    """Return what the legs of one call share."""
    return text(leg, "pbx_call_id") if isinstance(leg, dict) else ""


def call_from(raw: object, inside: int) -> Call | list[Flaw]:
    """Put the legs of a call together; answered where somebody talked, and a voice menu is nobody.

    ``raw`` is {"ahead_min": minutes the clock of the legs is ahead of UTC, "legs": [...]}.
    """
    held = raw if isinstance(raw, dict) else {}
    legs = read.legs_of(held.get("legs"))
    told = whole(held, "ahead_min") or 0
    ahead_min = told if -1_440 < told < 1_440 else 0
    key = next((said for leg in legs if (said := text(leg, "pbx_call_id", "call_id"))), "")
    timed = [(at, leg) for leg in legs if (at := read.moment(leg.get("callstart"), ahead_min)) is not None]
    timed.sort(key=lambda each: each[0])
    if flaws := read.flaws_of(legs, key, timed[0][0] if timed else None, "pbx_call_id"):
        return flaws
    legs = [leg for _at, leg in timed]
    direction = _direction(key, legs, inside)
    rang, talked = _people(legs, direction, inside)
    is_answered = bool(talked) or any(_is_spoken(leg) and not _is_menu(leg) for leg in legs)
    dispositions = [text(leg, "disposition") for leg in legs]
    return Call(
        key=key,
        direction=direction,
        state=State.ANSWERED if is_answered else State.MISSED,
        phone=_phone(legs, direction, inside),
        line=_line(legs, direction, inside),
        start_ms=timed[0][0],
        ended_ms=max(at + read.length_ms(leg, "seconds") for at, leg in timed),
        rang=rang,
        talked=talked,
        recordings=_recordings(legs),
        reason=Reason.NONE if is_answered else read.reason_of(dispositions, REASONS),
    )


def _direction(key: str, legs: Sequence[dict[str, Any]], inside: int) -> Direction:
    if key.startswith("in_"):
        return Direction.IN
    if key.startswith("out_"):
        return Direction.OUT
    first = legs[0]
    if not read.is_inner(_number(first, "clid"), inside):
        return Direction.IN
    return Direction.INSIDE if read.is_inner(_number(first, "destination"), inside) else Direction.OUT


def _number(leg: dict[str, Any], *names: str) -> str:
    """Return a number as it came, out of '"Name" <79161234567>' where it came like that."""
    said = text(leg, *names)
    if said.endswith(">") and "<" in said:
        return said.rpartition("<")[2][:-1].strip()
    return said


def _is_spoken(leg: dict[str, Any]) -> bool:
    return text(leg, "disposition").lower() in SPOKEN


def _is_menu(leg: dict[str, Any]) -> bool:
    """Tell whether a leg went to a scenario (menu, greeting, queue): those have one or two digits, phones three."""
    return len(_number(leg, "destination")) < 3


def _people(
    legs: Sequence[dict[str, Any]], direction: Direction, inside: int
) -> tuple[tuple[Employee, ...], tuple[Employee, ...]]:
    """Return whose phones rang and who talked."""
    names = ("destination", "sip") if direction is Direction.IN else ("sip", "clid")
    rang, talked = [], []
    for leg in legs:
        inner = (number for name in names if _is_phone(number := _number(leg, name), inside))
        if (extension := next(inner, "")) and not (direction is Direction.IN and _is_menu(leg)):
            rang.append(Employee(extension))
            talked += rang[-1:] if _is_spoken(leg) else []
    return read.distinct(rang), read.distinct(talked)


def _is_phone(number: str, inside: int) -> bool:
    return len(number) >= 3 and read.is_inner(number, inside)


def _phone(legs: Sequence[dict[str, Any]], direction: Direction, inside: int) -> str:
    """Return the outside party's number: of an incoming call whose it came from, otherwise where it went."""
    order = ("clid", "destination") if direction is Direction.IN else ("destination", "clid")
    outer = (
        number
        for name in order
        for leg in legs
        if (number := _number(leg, name)) and len(number) > 2 and not read.is_inner(number, inside)
    )
    return next(outer, "")


def _line(legs: Sequence[dict[str, Any]], direction: Direction, inside: int) -> str:
    """Return our own number: where an incoming call went before any phone rang."""
    if direction is not Direction.IN:
        return ""
    went = (_number(leg, "destination") for leg in legs)
    return next((number for number in went if len(number) > 6 and not read.is_inner(number, inside)), "")


def _recordings(legs: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    kept = [text(leg, "call_id") for leg in legs if flag(leg, "is_recorded")]
    return tuple(dict.fromkeys(each for each in kept if each))
