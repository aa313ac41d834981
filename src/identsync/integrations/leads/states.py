"""States of a lead, who moved it when, and moving it without undoing a colleague's work."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from identsync.errors import AskPerson, Unexpected
from identsync.store.tables import intake_reject, lead, lead_event
from identsync.store.texts import fitting


def _(text: str) -> str:
    return text


STATES = ("new", "work", "booked", "refused", "spam")
OPEN = ("new", "work")
NOTE_LENGTH = 1000
USER_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """What the person saw when he decided: the state and since when (None = since it came)."""

    state: str
    state_ms: int | None


class Changed(AskPerson):
    """Somebody else moved the lead meanwhile."""

    key = "error.changed"

    def __init__(self, state: str, by: str) -> None:
        super().__init__(f"{by}: {state}")
        self.state = state
        self.by = by


def move(connection: Connection, lead_id: int, seen: Seen, state: str, by: str, now_ms: int, note: str = "") -> None:
    """Move a lead to ``state`` if it still stands as ``seen``; otherwise raise :class:`Changed` and write nothing."""
    if state not in STATES:
        raise Unexpected(f"no state {state!r} of a lead")
    by = by[:USER_LENGTH]
    stands = lead.c.id == lead_id, lead.c.state == seen.state, func.coalesce(lead.c.state_ms, 0) == (seen.state_ms or 0)
    # Two changes within one millisecond must differ, or the second person would not notice the first one's.
    at = max(now_ms, (seen.state_ms or 0) + 1)
    values = {"state": state, "state_by": by, "state_ms": at}
    if state != "new":
        values["answered_ms"] = func.coalesce(lead.c.answered_ms, now_ms)
    if connection.execute(update(lead).where(*stands).values(values)).rowcount == 0:
        raise _changed(connection, lead_id)
    event = {"lead_id": lead_id, "at_ms": at, "state": state, "by": by, "note": _cut(note)}
    connection.execute(insert(lead_event).values(event))


def remark(connection: Connection, lead_id: int, by: str, now_ms: int, note: str) -> None:
    """Write a note to a lead's history without moving it."""
    state = connection.execute(select(lead.c.state).where(lead.c.id == lead_id)).scalar()
    if state is None:
        raise AskPerson(_("Такой заявки нет"))
    event = {"lead_id": lead_id, "at_ms": now_ms, "state": state, "by": by[:USER_LENGTH], "note": _cut(note)}
    connection.execute(insert(lead_event).values(event))


def dismiss(connection: Connection, reject_id: int) -> None:
    """Take a bad row off the worklist; it stays in the database."""
    connection.execute(update(intake_reject).where(intake_reject.c.id == reject_id).values(state="done"))


def _changed(connection: Connection, lead_id: int) -> AskPerson:
    row = connection.execute(select(lead.c.state, lead.c.state_by).where(lead.c.id == lead_id)).first()
    if row is None:
        return AskPerson(_("Такой заявки нет"))
    return Changed(row.state, row.state_by or "")


def _cut(note: str) -> str | None:
    return fitting(note.strip(), NOTE_LENGTH).strip() or None
