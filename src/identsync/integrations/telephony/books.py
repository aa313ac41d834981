"""The books of calls: what a PBX tells, live or as history, becomes one row a call, whoever tells it, in any order.

- A row is found by the PBX's own link. What history tells counts more than what was heard live.
- A list of all that goes on ends the rows that are not in it: they ended while nobody listened.
- The same call told of by two PBXs (a cloud number forwarded to an own Asterisk) is one: the second row points at the
  first by ``same_as``, and lends it its answer where there only somebody talked.
- Every end settles the worklist of missed calls for its number, and our click that it came from.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from identsync.flows import outbox as flow
from identsync.flows.sending import Fate, Receipt
from identsync.integrations.telephony import missed, number
from identsync.integrations.telephony.call import Call, Direction, Reason, State
from identsync.integrations.telephony.row import Origin, key_of, values_of
from identsync.integrations.telephony.settings import Line
from identsync.store import pulse
from identsync.store.lists import portions
from identsync.store.tables import outbox, phone_call, phone_line, phone_link
from identsync.store.texts import fitting

PULSE = "calls"
SAME_MS = 20_000  # two PBXs tell of one call at most so far apart
GOING_ON = (State.RINGING, State.TALKING)
_c = phone_call.c
line_of_call: ColumnElement[str] = func.coalesce(_c.line, "")
"""The line, but not by the index of its calls' keys: SQLite would look through every call the line has ever had."""

People = Mapping[str, Sequence[int]]
"""Patients by the last ten digits of their numbers."""


def stream_of(name: str) -> str:
    """Return the stream of a line's clicks, and the kind of its task."""
    return f"telephony/{name}"


def of_line(name: str) -> ColumnElement[bool]:
    """Return what is true of a line's calls, where another index than that of their keys shall find them."""
    return line_of_call == name


def numbers(calls: Iterable[Call], line: Line) -> set[str]:
    """Return the last ten digits of the numbers of calls that are over: their patients are looked for."""
    over = (call for call in calls if call.state not in GOING_ON)
    return {key for call in over if (key := number.read(call.phone, line.area).key)}


def going_on(connection: Connection, name: str) -> set[str]:
    """Return the last ten digits of the numbers of a line's calls that go on, as far as is known."""
    here = of_line(name), _c.state.in_([str(state) for state in GOING_ON]), _c.phone_key.is_not(None)
    return set(connection.execute(select(_c.phone_key).where(*here)).scalars())


def write(
    connection: Connection, origin: Origin, calls: Sequence[Call], now_ms: int, *, whole: bool = False,
    people: People | None = None,
) -> int:  # fmt: skip
    """Write down what was told, in the caller's transaction; give how many rows were made or changed."""
    told = _by_link(calls)
    known = _known(connection, origin.name, list(told))
    book = _Book(connection, origin, now_ms, people or {})
    book.take_out({key_of(call.key) for call in calls if call.direction is Direction.INSIDE})
    for key, of_link in told.items():
        book.take(key, of_link[0], known.get(key))
        for another in of_link[1:]:
            book.take(key, another, _known(connection, origin.name, [key])[key])
    if whole:
        book.end_others(told)
    book.close()
    return book.changed


def heard(connection: Connection, name: str, now_ms: int, problem: str | None) -> None:
    """Note that a line was heard, or why it is not."""
    if problem is not None:
        _note(connection, name, {"problem": fitting(problem, 400), "listening_ms": None, "changed_ms": now_ms})
        return
    since = func.coalesce(phone_line.c.listening_ms, now_ms)
    values = {"problem": None, "heard_ms": now_ms, "changed_ms": now_ms}
    _note(connection, name, values | {"listening_ms": since}, values | {"listening_ms": now_ms})


def looked(connection: Connection, name: str, now_ms: int) -> None:
    """Note that a line's history was read."""
    _note(connection, name, {"history_ms": now_ms, "changed_ms": now_ms})


def _note(connection: Connection, name: str, values: Mapping[str, Any], first: Mapping[str, Any] | None = None) -> None:
    """Change a line's row, or make it of ``first``."""
    if connection.execute(update(phone_line).where(phone_line.c.line == name).values(values)).rowcount == 0:
        connection.execute(insert(phone_line).values(line=name, **(values if first is None else first)))


class _Book:
    """One writing: rows made and changed, and whose worklist is to be settled behind them."""

    def __init__(self, connection: Connection, origin: Origin, now_ms: int, people: People) -> None:
        self._connection = connection
        self._origin = origin
        self._now = now_ms
        self._people = people
        self._settle: set[str] = set()
        self._talked: set[int] = set()  # patients
        self.changed = 0

    def take(self, key: str, call: Call, row: Any) -> None:
        """Write one call; what is heard live of a call that history has told of is old."""
        if row is not None and _apart(row, call):
            key, row = self._beside(key, call, row)
        if row is not None and row.mark is not None and not self._origin.history:
            return
        values = values_of(call, self._origin)
        if row is None:
            self._make(key, values)
        elif any(getattr(row, name) != value for name, value in values.items()):
            self._change(row, values)

    def take_out(self, keys: Collection[str]) -> None:
        """Take out calls that turned out to be between two employees: a phone may say its extension a moment late."""
        known = _known(self._connection, self._origin.name, list(keys)).values()
        for row in (row for row in known if row.ended_ms is None):  # one that is over has been acted on
            self._connection.execute(delete(phone_call).where(_c.id == row.id))
            self.changed += 1

    def _beside(self, key: str, call: Call, row: Any) -> tuple[str, Any]:
        """Return key and row of a call whose link is that of another one: the link itself is the later one's."""
        if call.start_ms > row.start_ms:
            aside = key_of(f"{call.key}@{row.start_ms}")
            self._connection.execute(update(phone_call).where(_c.id == row.id).values(key=aside))
            return key, None
        aside = key_of(f"{call.key}@{call.start_ms}")
        return aside, _known(self._connection, self._origin.name, [aside]).get(aside)

    def end_others(self, told: Collection[str]) -> None:
        """End what went on and is told of no more: it ended while nobody listened, since the line was last heard."""
        going = of_line(self._origin.name), _c.state.in_([str(state) for state in GOING_ON])
        rows = self._connection.execute(select(phone_call).where(*going)).all()
        last = select(phone_line.c.heard_ms).where(phone_line.c.line == self._origin.name)
        heard_ms = self._connection.execute(last).scalar() or 0
        for row in rows:
            if row.key in told:
                continue
            state = State.ANSWERED if row.state == State.TALKING else State.MISSED
            ended = min(self._now, max(row.start_ms, row.answered_ms or 0, heard_ms))
            self._change(row, {"state": str(state), "ended_ms": ended})

    def close(self) -> None:
        """Settle what the changes mean for the worklist, and tell the consoles."""
        for key in sorted(self._settle | missed.waiting_of(self._connection, self._talked)):
            missed.settle(self._connection, key, self._now)
        if self.changed:
            pulse.ring(self._connection, PULSE)

    def _make(self, key: str, values: dict[str, Any]) -> None:
        values |= self._patient(values) | {"same_as": self._twin(values)}
        values |= {"line": self._origin.name, "key": key, "seen_ms": self._now, "changed_ms": self._now}
        self._connection.execute(insert(phone_call).values(values))
        self._after(values)

    def _change(self, row: Any, values: dict[str, Any]) -> None:
        whole = dict(row._mapping) | values
        if row.patient_id is None:
            whole |= self._patient(whole)
        values = values | {name: whole[name] for name in ("patient_id", "patients")}
        values["changed_ms"] = max(self._now, row.changed_ms + 1)
        self._connection.execute(update(phone_call).where(_c.id == row.id).values(values))
        self._after(whole | values)

    def _after(self, row: Mapping[str, Any]) -> None:
        self.changed += 1
        if row["token"]:
            self._tell_click(row)
        if row["ended_ms"] is None:
            return
        if row["same_as"] is not None and row["state"] == State.ANSWERED:
            self._lend(row["same_as"], row)
        if row["phone_key"]:
            self._settle.add(row["phone_key"])
        if row["patient_id"] is not None and row["state"] == State.ANSWERED:
            self._talked.add(row["patient_id"])

    def _patient(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the patient of a number: whom a person linked to it, or the only one who has it."""
        key = row["phone_key"]
        if not key or row["ended_ms"] is None:
            return {"patient_id": row.get("patient_id"), "patients": row.get("patients") or 0}
        linked = select(phone_link.c.patient_id).where(phone_link.c.phone_key == key)
        said, found = self._connection.execute(linked).scalar(), self._people.get(key, ())
        return {"patient_id": said or (found[0] if len(found) == 1 else None), "patients": len(found)}

    def _twin(self, row: Mapping[str, Any]) -> int | None:
        """Return the row by which another line has told of the same call."""
        if not row["phone_key"]:
            return None
        near = (
            _c.phone_key == row["phone_key"],
            _c.start_ms.between(row["start_ms"] - SAME_MS, row["start_ms"] + SAME_MS),
            _c.direction == row["direction"],
            _c.line != self._origin.name,
            _c.same_as.is_(None),
        )
        for other in self._connection.execute(select(_c.id, _c.start_ms, _c.ended_ms).where(*near).order_by(_c.id)):
            ends = row["ended_ms"]
            apart = (other.ended_ms is not None and other.ended_ms < row["start_ms"]) or (
                ends is not None and ends < other.start_ms
            )
            if not apart:
                return int(other.id)
        return None

    def _lend(self, first: int, row: Mapping[str, Any]) -> None:
        names = ("state", "answered_ms", "extension", "employee", "talked")
        lent = {name: row[name] for name in names} | {"reason": "", "changed_ms": self._now}
        here = _c.id == first, _c.state == str(State.MISSED)
        self._connection.execute(update(phone_call).where(*here).values(lent))

    def _tell_click(self, row: Mapping[str, Any]) -> None:
        """Tell our click what became of it: its call is seen, so it is no longer unknown."""
        ends = {State.ANSWERED: Fate.DELIVERED, State.MISSED: Fate.FAILED}
        fate = ends.get(State(row["state"]), Fate.ACCEPTED)
        if row["state"] == State.RINGING and self._is_dialling(row["token"]):
            return  # the employee's own phone rings: whether he takes it is what ``dial`` will say
        reason = _WHY.get(row["reason"], "") if fate is Fate.FAILED else ""
        receipt = Receipt(fate, token=row["token"], reason=reason)
        name = self._origin.name
        flow.receive(self._connection, stream_of(name), name, [receipt], self._now)

    def _is_dialling(self, token: str) -> bool:
        state = self._connection.execute(select(outbox.c.state).where(outbox.c.token == token)).scalar()
        return state == "submitting"


def _(text: str) -> str:
    return text


_WHY = {
    str(Reason.NONE): _("разговора не было"),
    str(Reason.NO_ANSWER): _("не взяли трубку"),
    str(Reason.BUSY): _("занято"),
    str(Reason.CANCELLED): _("трубку положили раньше"),
    str(Reason.FAILED): _("такой номер не набирается"),
}
"""Why an outgoing call was no talk, in words."""


def _by_link(calls: Sequence[Call]) -> dict[str, list[Call]]:
    """Return the calls by key, the last word on each; a PBX whose clock stood still gives a link to two calls."""
    found: dict[str, list[Call]] = {}
    for call in calls:
        if call.direction is not Direction.INSIDE:
            others = found.setdefault(key_of(call.key), [])
            others[:] = [*(other for other in others if _apart(other, call)), call]
    return found


def _apart(one: Any, other: Any) -> bool:
    """Tell whether two calls of one link are two: the one was long over when the other began."""
    return any(a.ended_ms is not None and b.start_ms > a.ended_ms + SAME_MS for a, b in ((one, other), (other, one)))


def _known(connection: Connection, name: str, keys: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for some in portions(keys):
        where: tuple[ColumnElement[bool], ...] = (_c.line == name, _c.key.in_(some))
        found.update((row.key, row) for row in connection.execute(select(phone_call).where(*where)))
    return found
