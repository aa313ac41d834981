"""Calls as UIS tells them: sessions that go on (``list.calls``), rows of the report (``get.calls_report``), employees.

Pure: no I/O. A session shows only the legs of this moment, so what was seen before is remembered while it goes on.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from identsync.flows.flaw import Flaw
from identsync.integrations.telephony.call import Call, Direction, Employee, Reason, State
from identsync.integrations.telephony.wire import asking_read as read
from identsync.integrations.telephony.wire import asking_words as words

DIRECTIONS = {"in": Direction.IN, "out": Direction.OUT}
TOKEN = re.compile(r"[0-9a-f]{32}")
GONE = "разъединено"
WAITING = ("дозвон", "на очереди")
SOON_MS = 60_000  # a call that began later than that from now: its clock or its zone is wrong
FIELDS = (
    "id",
    "start_time",
    "finish_time",
    "finish_reason",
    "direction",
    "is_lost",
    "wait_duration",
    "talk_duration",
    "total_duration",
    "call_records",
    "full_record_file_link",
    "virtual_phone_number",
    "contact_phone_number",
    "employees",
    "last_talked_employee_id",
    "call_api_external_id",
    "utm_source",
    "utm_medium",
    "utm_term",
    "utm_content",
    "utm_campaign",
)
REASONS = {
    "subscriber_busy": Reason.BUSY,
    "operator_busy": Reason.BUSY,
    "subscriber_not_responsible": Reason.NO_ANSWER,
    "operator_not_responsible": Reason.NO_ANSWER,
    "subscriber_disconnects": Reason.CANCELLED,
    "subscriber_number_problems": Reason.FAILED,
    "numb_not_exists": Reason.FAILED,
    "numb_is_inactive": Reason.FAILED,
    "no_active_scenario": Reason.FAILED,
    "not_enough_money": Reason.FAILED,
    "internal_error": Reason.FAILED,
    "incorrect_config": Reason.FAILED,
    "communication_unavailable": Reason.FAILED,
    "employee_not_exists": Reason.FAILED,
    "no_resources": Reason.FAILED,
}


@dataclass(frozen=True, slots=True)
class Phone:
    """Whose phone it is: UIS's number of the employee, and the outside number where it is one."""

    employee: int
    number: str = ""


@dataclass(slots=True)
class Directory:
    """The employees: extension and name by UIS's number, the employee by any number of his."""

    people: dict[int, Employee] = field(default_factory=dict)
    phones: dict[str, Phone] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: object) -> "Directory":
        """Read ``get.employees``."""
        found = cls()
        for row in read.rows(rows):
            if (number := read.whole(row, "id")) is not None:
                found._add(number, row)
        return found

    def _add(self, number: int, row: Mapping[str, Any]) -> None:
        extension = next((read.text(each, "extension_phone_number") for each in read.rows(row.get("extension"))), "")
        self.people[number] = Employee(extension, read.text(row, "full_name", "login"))
        for each in read.rows(row.get("phone_numbers")):
            if phone := read.text(each, "phone_number"):
                self.phones[phone] = Phone(number, phone)
        if extension:
            self.phones[extension] = Phone(number)

    def employee(self, number: int, name: str, phone: str = "") -> Employee:
        """Return an employee by UIS's number; one it does not list is known by his phone and name."""
        return self.people.get(number) or Employee(phone, name)


@dataclass(slots=True)
class _Seen:
    """What was seen of a session so far."""

    rang: dict[Employee, None] = field(default_factory=dict)
    talked: dict[Employee, None] = field(default_factory=dict)
    rings: bool = False  # it was seen ringing, so that the moment of the answer is known
    start_ms: int | None = None  # where the session's own says nothing: when it was first seen
    answered_ms: int | None = None


@dataclass(slots=True)
class Sessions:
    """Sessions that go on, remembered from answer to answer."""

    directory: Directory = field(default_factory=Directory)
    zone: str = read.MOSCOW
    seen: dict[str, _Seen] = field(default_factory=dict)
    is_first: bool = True

    def calls(self, answer: object, now_ms: int) -> list[Call]:
        """Return all calls that go on, as ``list.calls`` tells them; sessions that cannot be read are left out."""
        found = [call for row in read.rows(answer) if (call := self._call(row, now_ms)) is not None]
        keys = {call.key for call in found}
        self.seen = {key: seen for key, seen in self.seen.items() if key in keys}
        self.is_first = False
        return found

    def _call(self, row: Mapping[str, Any], now_ms: int) -> Call | None:
        key, direction = read.text(row, "call_session_id"), DIRECTIONS.get(read.text(row, "direction").lower())
        legs = [leg for leg in read.rows(row.get("legs")) if _state(leg) != GONE]
        if not key or direction is None or (row.get("legs") and not legs):
            return None
        start = read.moment_ms(row, "start_time", self.zone)
        seen = self.seen.setdefault(key, _Seen(rings=not self.is_first))
        if start is None or start > now_ms + SOON_MS:
            start = seen.start_ms = seen.start_ms or now_ms
        state = self._look(seen, legs, direction, now_ms)
        return Call(
            key=key,
            direction=direction,
            state=state,
            phone=read.text(row, "contact_phone_number", cut=100),
            start_ms=start,
            line=read.text(row, "virtual_phone_number", cut=100),
            answered_ms=seen.answered_ms,
            rang=tuple(seen.rang),
            talked=tuple(seen.talked),
            token=token(row, "external_id"),
        )

    def _look(self, seen: _Seen, legs: Sequence[Mapping[str, Any]], direction: Direction, now_ms: int) -> State:
        """Remember who rings and who talks; an outgoing call is talk only when the other side has answered, too."""
        inside = [leg for leg in legs if read.whole(leg, "employee_id") is not None]
        outside = [leg for leg in legs if read.whole(leg, "employee_id") is None]
        seen.rang.update(dict.fromkeys(map(self._employee, inside)))
        talking = [leg for leg in inside if _talks(leg)]
        if not talking or (direction is Direction.OUT and not any(map(_talks, outside))):
            seen.rings = seen.rings or not seen.talked
            return State.TALKING if seen.talked else State.RINGING
        for employee in map(self._employee, talking):
            if employee not in list(seen.talked)[-len(talking) :]:
                seen.talked.pop(employee, None)
                seen.talked[employee] = None
        if seen.answered_ms is None and seen.rings:
            seen.answered_ms = now_ms
        return State.TALKING

    def _employee(self, leg: Mapping[str, Any]) -> Employee:
        phone = read.text(leg, "called_phone_number", "calling_phone_number", cut=100)
        return self.directory.employee(read.whole(leg, "employee_id") or 0, read.text(leg, "employee_full_name"), phone)


def finished(row: object, directory: Directory, zone: str) -> Call | list[Flaw]:
    """Return the call of a row of the report, or what is wrong with it."""
    if not isinstance(row, dict):
        return [Flaw(words.NOT_A_ROW)]
    key, direction = read.text(row, "id"), DIRECTIONS.get(read.text(row, "direction").lower())
    start = read.moment_ms(row, "start_time", zone)
    if not key or direction is None or start is None:
        missing = (words.NO_KEY, "id", not key), (words.NO_DIRECTION, "direction", direction is None)
        flaws = [Flaw(said, {"key": name}) for said, name, is_so in missing if is_so]
        return flaws + ([Flaw(words.NO_START, {"key": "start_time"})] if start is None else [])
    rang, talked = _employees(row, directory)
    talk, wait = read.seconds_ms(row, "talk_duration"), read.seconds_ms(row, "wait_duration")
    is_talk = talk > 0 or bool(talked)
    ended = read.moment_ms(row, "finish_time", zone) or start + (read.seconds_ms(row, "total_duration") or wait + talk)
    return Call(
        key=key,
        direction=direction,
        state=State.ANSWERED if is_talk else State.MISSED,
        phone=read.text(row, "contact_phone_number", cut=100),
        start_ms=start,
        line=read.text(row, "virtual_phone_number", cut=100),
        answered_ms=min(start + wait, max(start, ended)) if is_talk else None,
        ended_ms=max(start, ended),
        rang=rang,
        talked=talked,
        recordings=_recordings(row, key),
        token=token(row, "call_api_external_id"),
        reason=Reason.NONE if is_talk else REASONS.get(read.text(row, "finish_reason"), Reason.NONE),
        utm=tuple((name[4:], said) for name in FIELDS if name.startswith("utm_") and (said := read.text(row, name))),
    )


def token(row: Mapping[str, Any], name: str) -> str:
    """Return our token of a field; what anybody else put there is none."""
    said = read.text(row, name).lower()
    return said if TOKEN.fullmatch(said) else ""


def _employees(row: Mapping[str, Any], directory: Directory) -> tuple[tuple[Employee, ...], tuple[Employee, ...]]:
    """Return who rang and who talked; who talked last stands last."""
    legs = list(read.rows(row.get("employees")))
    last = read.whole(row, "last_talked_employee_id")
    spoke = [leg for leg in legs if read.flag(leg, "is_talked")]
    spoke.sort(key=lambda leg: last is not None and read.whole(leg, "employee_id") == last)
    return _named(legs, directory), _named(spoke, directory)


def _named(legs: Iterable[Mapping[str, Any]], directory: Directory) -> tuple[Employee, ...]:
    people = (
        directory.employee(read.whole(leg, "employee_id") or 0, read.text(leg, "employee_full_name")) for leg in legs
    )
    return tuple(dict.fromkeys(person for person in people if person != Employee("")))


def _recordings(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return the lasting link to the whole recording, else the parts as ``session/part``."""
    if (link := read.text(row, "full_record_file_link", cut=500)).startswith(("https://", "http://")):
        return (link,)
    return tuple(f"{key}/{part}" for part in read.texts(row.get("call_records"), cut=200))


def _state(leg: Mapping[str, Any]) -> str:
    return read.text(leg, "state").lower()


def _talks(leg: Mapping[str, Any]) -> bool:
    return bool(said := _state(leg)) and said not in WAITING
