"""What is forgotten: calls that are older than their line remembers them, their recordings, clicks, entries dealt with.

All of it is personal data, so it goes in portions, each a short transaction of its own, until nothing is too old. An
entry of the worklist that somebody still has to deal with stays however old it is, and so do the calls of its number.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from identsync.engine.integration import Outcome
from identsync.engine.keeping import Keeping, longest
from identsync.integrations.telephony.books import SAME_MS, line_of_call
from identsync.integrations.telephony.missed import OPEN, SETTLED
from identsync.integrations.telephony.recordings import forget_recordings, unlink
from identsync.spans import DAY_MS
from identsync.store.keeping import named_go, settled_go
from identsync.store.tables import (
    outbox,
    outbox_event,
    phone_call,
    phone_dial,
    phone_event,
    phone_missed,
    phone_recording,
)

if TYPE_CHECKING:
    from identsync.engine.run import Run
    from identsync.integrations.telephony.settings import Line

PORTION = 200
_c, _m, _r, _d, _o = phone_call.c, phone_missed.c, phone_recording.c, phone_dial.c, outbox.c


@dataclass(frozen=True, slots=True)
class Term:
    """Calls of which lines, begun before when, are to be forgotten; ``folder`` holds their recordings."""

    of: Callable[[ColumnElement[str]], ColumnElement[bool]]
    days: int
    folder: Path | None

    def before(self, now_ms: int) -> int:
        """Return the moment; what began earlier is too old."""
        return now_ms - self.days * DAY_MS


def terms(settings: Mapping[str, "Line"]) -> list[Term]:
    """Return what is to be forgotten: of each line by its own days, of lines no longer named by the longest of these.

    A line with 0 days remembers for ever, and then what no line is named for stays too.
    """
    found = []
    for name, line in settings.items():
        if line.remember:
            folder = Path(line.folder) if line.folder else None
            found.append(Term(lambda column, name=name: column == name, line.remember, folder))  # type: ignore[misc]
    days = remembered(settings)
    if days:
        named = list(settings)
        found.append(Term(lambda column: column.not_in(named), days, None))
    return found


def remembered(settings: Mapping[str, "Line"]) -> int:
    """Return the longest days of all lines; 0 where one of them remembers for ever."""
    return longest(line.remember for line in settings.values())


async def forget(run: "Run", settings: Mapping[str, "Line"]) -> Outcome:
    """Forget what is too old; what one run does not get to waits for the next one."""
    done = Keeping(run, "calls", "clicks", "missed", size=PORTION)
    now, days = run.now_ms(), remembered(settings)
    for term in terms(settings):
        before = term.before(now)
        done.whole &= await unlinked(run, term, before)
        await done.portions("calls", partial(calls, term=term, before_ms=before))
        await done.portions("clicks", partial(clicks, term=term, before_ms=before))
    if days:
        await done.portions("missed", partial(entries, before_ms=now - days * DAY_MS))
    return done.outcome()


async def unlinked(run: "Run", term: Term, before_ms: int) -> bool:
    """Throw away the files of old calls' recordings; False where one cannot go now: its call waits for it, no other.

    Where the files of a line that is no longer named lie, nobody knows: its recordings stay until it is named again.
    """
    rows = await run.read(partial(recorded, term=term, before_ms=before_ms))
    if not rows or term.folder is None:
        return True
    gone = await asyncio.to_thread(unlink, term.folder, [row.file for row in rows])
    await run.write(partial(forget_recordings, rows=[row for row in rows if row.file in gone]))
    left = sum(row.file not in gone for row in rows)
    if left:
        run.log.warning("old recordings are not thrown away", count=left)
    return not left


def recorded(connection: Connection, term: Term, before_ms: int) -> Sequence[Any]:
    """Return the kept recordings of a line's old calls: call, place, file."""
    old = _old(term, before_ms, func.coalesce(_c.start_ms, 0))  # looked for among the recordings, which are few
    asked = select(_r.call_id, _r.place, _r.file).join(phone_call, _c.id == _r.call_id).where(*old)
    return connection.execute(asked).all()


def calls(connection: Connection, term: Term, before_ms: int) -> int:
    """Forget a portion of a line's calls of which no recording is kept; give how many."""
    old = *_old(term, before_ms), ~exists().where(_r.call_id == _c.id)
    asked = select(_c.id, _c.start_ms).where(*old).order_by(_c.start_ms).limit(PORTION)
    rows = connection.execute(asked).all()
    if not rows:
        return 0
    ids = [row.id for row in rows]
    near = _c.start_ms.between(rows[0].start_ms - SAME_MS, rows[-1].start_ms + SAME_MS)
    connection.execute(update(phone_call).where(near, _c.same_as.in_(ids)).values(same_as=None))
    named_go(connection, phone_call, _c.id, ids)
    return len(ids)


def _old(term: Term, before_ms: int, start_ms: ColumnElement[int] = _c.start_ms) -> tuple[ColumnElement[bool], ...]:
    waits = exists().where(_m.phone_key == _c.phone_key, _m.state.in_(OPEN))
    return term.of(line_of_call), start_ms < before_ms, ~waits


def clicks(connection: Connection, term: Term, before_ms: int) -> int:
    """Forget a portion of the clicks by which a line was dialled."""
    old = term.of(_d.line), _o.made_ms < before_ms
    asked = select(_d.outbox_id).join(outbox, _o.id == _d.outbox_id).where(*old).order_by(_o.made_ms).limit(PORTION)
    ids = connection.execute(asked).scalars().all()
    for table, column in ((outbox_event, outbox_event.c.outbox_id), (phone_dial, _d.outbox_id), (outbox, _o.id)):
        named_go(connection, table, column, ids)
    return len(ids)


def entries(connection: Connection, before_ms: int) -> int:
    """Forget a portion of the worklist's entries that are dealt with, and what was written to them."""
    old = _m.state.in_(SETTLED), _m.first_ms < before_ms, _m.closed_ms < before_ms
    ids = connection.execute(select(_m.id).where(*old).order_by(_m.id).limit(PORTION)).scalars().all()
    settled_go(connection, _m.id, ids, phone_event.c.missed_id, *old)
    return len(ids)
