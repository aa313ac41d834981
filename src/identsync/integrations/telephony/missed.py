"""Missed calls: one entry per number that nobody took, until somebody talked to it.

::

    waiting    nobody called back since its last try
    tried      somebody called back, and it did not answer
    reached    somebody called back and talked           (a call closes it)
    came       it called again and somebody took it      (a call closes it)
    closed     a person said what came of it

Who is known to be one patient may talk to us by another of his numbers: that closes it, too.

What the calls say is reckoned anew from all of them at every end, so that it does not matter in which order, how often
and by whom they are told. What a person says stands: calls up to that moment are dealt with.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, case, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from identsync.errors import AskPerson
from identsync.integrations.telephony.call import Direction, State
from identsync.spans import DAY_MS
from identsync.store import pulse
from identsync.store.lists import portions
from identsync.store.tables import phone_call, phone_event, phone_missed
from identsync.store.texts import fitting

RECENT_MS = 3 * DAY_MS
"""A missed call that is told of later than this makes no entry: it is history."""
OPEN = ("waiting", "tried")
SETTLED = ("reached", "came", "closed")
OUTCOMES = ("booked", "asked", "refused", "wrong")
NOTE = 200
PULSE = "missed"
_m, _c = phone_missed.c, phone_call.c
_TOLD = (
    _c.id, _c.direction, _c.state, _c.start_ms, _c.same_as, _c.called_back, _c.phone, _c.e164, _c.branch_id,
    _c.patient_id,
)  # fmt: skip


class Changed(AskPerson):
    """Somebody else was first: ``by`` is his name, '' = a call did it. Nothing was written."""

    key = "error.changed"

    def __init__(self, by: str) -> None:
        super().__init__("the entry was changed meanwhile")
        self.by = by


@dataclass(slots=True)
class _Story:
    """What a number's calls say, oldest first."""

    waiting: list[Any] = field(default_factory=list)
    tries: int = 0
    contact: Any = None
    tried_last: bool = False

    def tell(self, call: Any) -> None:
        if call.state == State.ANSWERED:  # told by whichever PBX
            self.waiting, self.tries, self.contact, self.tried_last = [], 0, call, False
        elif call.same_as is not None:
            return
        elif call.called_back:  # its PBX says so, whoever called back from whatever phone
            self.waiting, self.tries, self.contact, self.tried_last = [], 0, call, False
        elif call.direction == Direction.IN:
            self.waiting.append(call)
            self.tried_last = False
        elif self.waiting:
            self.tries += 1
            self.tried_last = True

    @property
    def state(self) -> str:
        return "tried" if self.tried_last else "waiting"


def settle(connection: Connection, phone_key: str, now_ms: int) -> None:
    """Make the entry of a number what its calls say, in the caller's transaction."""
    entry = connection.execute(select(phone_missed).where(_m.open_key == phone_key)).first()
    recent = now_ms - RECENT_MS
    story = _story(connection, phone_key, recent if entry is None else min(entry.first_ms, recent))
    if not story.waiting:
        if entry is not None:
            _close_by_call(connection, entry, story.contact, now_ms)
        return
    values = _told(story)
    if entry is None:
        entry = _made(connection, phone_key, values, now_ms)
    if entry is not None:
        _retell(connection, entry, values, now_ms)


def waiting_of(connection: Connection, patients: Collection[int]) -> set[str]:
    """Return the numbers of these patients that wait."""
    keys = set[str]()
    for some in portions(patients):
        here = _m.state.in_(OPEN), _m.patient_id.in_(some)
        keys.update(connection.execute(select(_m.phone_key).where(*here)).scalars())
    return keys


def take(connection: Connection, entry_id: int, by: str, now_ms: int) -> None:
    """Take an entry; raises Changed where somebody else has it, or it is done. Taken twice by one person it is his."""
    _act(connection, entry_id, by, {"taken_by": by[:100], "taken_ms": now_ms}, now_ms)
    _note(connection, entry_id, "taken", by, now_ms)


def leave(connection: Connection, entry_id: int, by: str, now_ms: int) -> None:
    """Give an entry back to everybody; raises Changed where it is another's."""
    _act(connection, entry_id, by, {"taken_by": None, "taken_ms": None}, now_ms)
    _note(connection, entry_id, "left", by, now_ms)


def close(connection: Connection, entry_id: int, outcome: str, note: str, by: str, now_ms: int) -> None:
    """Say what came of it, one of :data:`OUTCOMES`; raises Changed where it is another's or done."""
    if outcome not in OUTCOMES:
        raise ValueError(outcome)
    words = fitting(note.strip(), NOTE) or None
    values = {"outcome": outcome, "state": "closed", "closed_by": by[:100], "closed_ms": now_ms}
    kept = {"note": words} if words else {}
    _act(connection, entry_id, by, values | kept | {"open_key": _over(entry_id)}, now_ms)
    _note(connection, entry_id, "closed", by, now_ms, words)


def note(connection: Connection, entry_id: int, text: str, by: str, now_ms: int) -> None:
    """Write a note to an entry, open or done, whoever has it."""
    words = fitting(text.strip(), NOTE)
    _change(connection, entry_id, {"note": words}, now_ms)
    _note(connection, entry_id, "note", by, now_ms, words)


def waited_ms(first_ms: int, now_ms: int, zone: str, hours: tuple[int, int]) -> int:
    """Return how long somebody has waited within working hours (minutes of the day, wall clock of ``zone``)."""
    home = ZoneInfo(zone)
    since, until = (datetime.fromtimestamp(at / 1000, UTC).astimezone(home) for at in (first_ms, now_ms))
    ends = sorted({since.date(), until.date()}) if since < until else []
    total = sum(_open_ms(day, home, hours, first_ms, now_ms) for day in ends)
    between = max((until.date() - since.date()).days - 1, 0)  # whole days: who waits for years costs no more
    return total + between * (hours[1] - hours[0]) * 60_000


def _open_ms(day: date, home: ZoneInfo, hours: tuple[int, int], first_ms: int, now_ms: int) -> int:
    opens, closes = (_at(day, minute, home) for minute in hours)
    return max(0, min(now_ms, closes) - max(first_ms, opens))


def _at(day: date, minute: int, zone: ZoneInfo) -> int:
    wall = datetime.combine(day, time(), zone) + timedelta(minutes=minute)
    return int(wall.timestamp() * 1000)


def _story(connection: Connection, phone_key: str, since_ms: int) -> _Story:
    # By the number's index: beside it SQLite would look through all that were ever closed, for each call that ends.
    closed = func.max(case((_m.state == "closed", _m.last_ms)))
    after = connection.execute(select(closed).where(_m.phone_key == phone_key)).scalar() or 0
    lately = _c.start_ms >= since_ms, _c.start_ms > after, _c.ended_ms.is_not(None)
    asked = select(*_TOLD).where(*lately).order_by(_c.start_ms, _c.id)
    calls = connection.execute(asked.where(_c.phone_key == phone_key)).all()
    patient = calls[-1].patient_id if calls else None
    if patient is not None:
        # By the patient's index: of the state's SQLite would read all talks of these days.
        his = connection.execute(asked.where(_c.patient_id == patient, func.coalesce(_c.phone_key, "") != phone_key))
        calls = sorted([*calls, *(call for call in his if call.state == State.ANSWERED)], key=_when)
    story = _Story()
    for call in calls:
        story.tell(call)
    return story


def _when(call: Any) -> tuple[int, int]:
    return call.start_ms, call.id


def _told(story: _Story) -> dict[str, Any]:
    first, last = story.waiting[0], story.waiting[-1]
    return {
        "phone": last.phone,
        "e164": last.e164,
        "branch_id": last.branch_id,
        "patient_id": last.patient_id,
        "calls": len(story.waiting),
        "first_ms": first.start_ms,
        "last_ms": last.start_ms,
        "last_call": last.id,
        "state": story.state,
        "tries": story.tries,
    }


def _made(connection: Connection, phone_key: str, values: Mapping[str, Any], now_ms: int) -> Any:
    """Make the entry and return None, or return the one that another line made in this moment."""
    row = {**values, "open_key": phone_key, "phone_key": phone_key, "changed_ms": now_ms}
    try:
        with connection.begin_nested():
            made = connection.execute(insert(phone_missed).values(row))
    except IntegrityError:
        return connection.execute(select(phone_missed).where(_m.open_key == phone_key)).first()
    assert made.inserted_primary_key is not None
    _note(connection, made.inserted_primary_key[0], "missed", "", now_ms)
    pulse.ring(connection, PULSE)
    return None


def _retell(connection: Connection, entry: Any, values: Mapping[str, Any], now_ms: int) -> None:
    if all(getattr(entry, name) == value for name, value in values.items()):
        return
    _change(connection, entry.id, values, now_ms)
    for what, name in (("missed", "calls"), ("tried", "tries")):
        if values[name] > getattr(entry, name):
            _note(connection, entry.id, what, "", now_ms)


def _close_by_call(connection: Connection, entry: Any, contact: Any, now_ms: int) -> None:
    ours = contact is not None and (contact.direction == Direction.OUT or contact.called_back)
    state = "reached" if ours else "came"
    values = {"state": state, "closed_by": "", "closed_ms": now_ms, "open_key": _over(entry.id)}
    _change(connection, entry.id, values, now_ms)
    _note(connection, entry.id, state, "", now_ms)


def _act(connection: Connection, entry_id: int, by: str, values: Mapping[str, Any], now_ms: int) -> None:
    """Change an entry that is open and nobody else's, in one statement; raises Changed with who was first."""
    free = _m.id == entry_id, _m.state.in_(OPEN), or_(_m.taken_by.is_(None), _m.taken_by == by[:100])
    changed = update(phone_missed).where(*free).values(**values, changed_ms=now_ms)
    if connection.execute(changed).rowcount == 0:
        columns = _m.state, _m.taken_by, _m.closed_by
        row = connection.execute(select(*columns).where(_m.id == entry_id)).first()
        raise Changed((row.taken_by if row.state in OPEN else row.closed_by) or "" if row is not None else "")
    pulse.ring(connection, PULSE)


def _change(connection: Connection, entry_id: int, values: Mapping[str, Any], now_ms: int) -> None:
    connection.execute(update(phone_missed).where(_m.id == entry_id).values(**values, changed_ms=now_ms))
    pulse.ring(connection, PULSE)


def _note(connection: Connection, entry_id: int, what: str, by: str, now_ms: int, text: str | None = None) -> None:
    values = {"missed_id": entry_id, "at_ms": now_ms, "what": what, "by": by[:100], "note": text}
    connection.execute(insert(phone_event).values(values))


def _over(entry_id: int) -> str:
    return f"#{entry_id}"
