"""Sipuni's rows as calls: columns by their names, people spelled '205 (Иванова Анна) 65', times of Moscow."""

import re
from collections.abc import Mapping
from typing import Any

from identsync.flows.flaw import Flaw
from identsync.integrations.telephony.call import Call, Direction, Employee, Reason, State
from identsync.integrations.telephony.wire import journal_read as read
from identsync.integrations.telephony.wire.asking_read import flag, rows, text

MOSCOW_MIN = 180
TIME, KIND, STATUS, SOURCE, TARGET = "Время", "Тип", "Статус", "Откуда", "Куда"
RANG, TALKED, TOOK = "Кому звонили", "Кто разговаривал", "Кто ответил"
WHOLE, SPOKEN, WAITED = "Длительность звонка, сек", "Длительность разговора, сек", "Время ответа, сек"
RECORD, IS_RECORDED, OUR_LINE, AGAIN = "ID записи", "Запись существует", "Исходящая линия", "Состояние перезвона"
DIRECTIONS = {"вход": Direction.IN, "исход": Direction.OUT, "внутр": Direction.INSIDE}
REASONS = {
    "занят": Reason.BUSY,
    "отмен": Reason.CANCELLED,
    "недоступ": Reason.FAILED,
    "ошибк": Reason.FAILED,
    "не отвечен": Reason.NO_ANSWER,
    "пропущен": Reason.NO_ANSWER,
}
ANSWERED = ("отвечен", "принят")
_PERSON = re.compile(r"(?<!\d)(\+?\d{2,15})\s*(?:\(([^()]*)\))?(?:\s+\d{1,5}\b)?", re.ASCII)  # then how long


def start_of(raw: Any) -> int | None:
    """Return when a call began; None where nothing says so."""
    return read.moment(raw.get(TIME), MOSCOW_MIN) if isinstance(raw, dict) else None


def call_from(raw: object, inside: int, user: str) -> Call | list[Flaw]:
    """Return the call of a row; one without an id gets a key of its time and its ends."""
    row = next(rows(raw), {})
    start = start_of(row)
    if start is None:
        return read.flaws_of(raw, "?", None, RECORD)
    direction = _direction(row, inside)
    phone = _phone(row, direction, inside, user)
    record = text(row, RECORD)
    spoken_ms = read.length_ms(row, SPOKEN)
    is_answered = _is_answered(row, spoken_ms)
    return Call(
        key=record or f"si-{read.key_of(start, text(row, SOURCE), text(row, TARGET))}",
        direction=direction,
        state=State.ANSWERED if is_answered else State.MISSED,
        phone=phone,
        line=_line(row, direction, inside),
        start_ms=start,
        answered_ms=start + read.length_ms(row, WAITED) if is_answered else None,
        ended_ms=start + max(read.length_ms(row, WHOLE), spoken_ms),
        rang=_people(row, (RANG, TOOK, *_ends(direction)), inside, user),
        talked=_people(row, (TALKED, TOOK), inside, user) or _caller(row, direction, inside, user, is_answered),
        recordings=(record,) if record and flag(row, IS_RECORDED) else (),
        reason=Reason.NONE if is_answered else read.reason_of([text(row, STATUS)], REASONS),
        calls_back=None if is_answered else _called_back(row),
    )


def _direction(row: Mapping[str, Any], inside: int) -> Direction:
    said = text(row, KIND).lower()
    told = next((direction for part, direction in DIRECTIONS.items() if part in said), None)
    if told is not None:
        return told
    return Direction.OUT if read.is_inner(text(row, SOURCE).partition(" ")[0], inside) else Direction.IN


def _is_answered(row: Mapping[str, Any], spoken_ms: int) -> bool:
    said = text(row, STATUS).lower()
    return spoken_ms > 0 or (said.startswith(ANSWERED) and not text(row, SPOKEN))


def _ends(direction: Direction) -> tuple[str, ...]:
    """Return the columns where an employee's phone may stand, besides who rang."""
    return (TARGET,) if direction is Direction.IN else (SOURCE,)


def _phone(row: Mapping[str, Any], direction: Direction, inside: int, user: str) -> str:
    """Return the outside party's number as it came."""
    said = text(row, SOURCE if direction is Direction.IN else TARGET)
    return "" if direction is not Direction.INSIDE and _extension(said, inside, user) else said.partition(" (")[0]


def _line(row: Mapping[str, Any], direction: Direction, inside: int) -> str:
    said = text(row, TARGET) if direction is Direction.IN else text(row, OUR_LINE)
    number = said.partition(" ")[0]
    return "" if read.is_inner(number, inside) else said.partition(" (")[0]


def _people(row: Mapping[str, Any], columns: tuple[str, ...], inside: int, user: str) -> tuple[Employee, ...]:
    found: list[Employee] = []
    for column in columns:
        for number, name in _PERSON.findall(text(row, column, cut=2_000)):
            if extension := _extension(number, inside, user):
                found.append(Employee(extension, name.strip()))
    return read.distinct(found)


def _caller(
    row: Mapping[str, Any], direction: Direction, inside: int, user: str, is_answered: bool
) -> tuple[Employee, ...]:
    """Return who talked where no column says so: of an outgoing call whoever called."""
    return _people(row, (SOURCE,), inside, user) if is_answered and direction is not Direction.IN else ()


def _extension(number: str, inside: int, user: str) -> str:
    """Return a phone inside; Sipuni writes it with the client's number before it, too: 060863201 of 060863."""
    for said in (number, number.removeprefix(user) if user else number):
        if read.is_inner(said, inside):
            return said
    return ""


def _called_back(row: Mapping[str, Any]) -> bool | None:
    said = text(row, AGAIN).lower()
    if not said:
        return None
    return not said.startswith(("не", "нет", "0"))
