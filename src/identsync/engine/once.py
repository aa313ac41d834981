"""One run of one task now, for ``identsync once`` and for tests: under the limiter, like any other run."""

import asyncio
from typing import TYPE_CHECKING

from identsync.engine import events as ev
from identsync.engine.integration import Outcome
from identsync.errors import NoDatabase
from identsync.language import _
from identsync.store import slots
from identsync.store.limiter import Denied

if TYPE_CHECKING:
    from identsync.engine.loop import Engine

_TRIES = 3  # asks without an answer
_ASKED_AGAIN = (Denied.RACED, Denied.BUSY)


async def run_once(engine: "Engine", kind: str, scope: int) -> Outcome | Denied:
    """Make a task due, claim it, run it here; Denied says why not: it runs elsewhere, is paused, not for this role.

    The engine need not be started; then it contends for no seat and is closed again. Raises ValueError for a task this
    client does not have, NoDatabase where the database does not answer.
    """
    slot = engine.state.index.get((kind, scope))
    if slot is None:
        raise ValueError(f"this client has no task {kind} {scope}")
    alone = not engine.is_open
    if alone:
        engine.open_without_seat()
    try:
        await engine.worker.call(lambda: _make_due(engine, kind, scope))
        return await _ran(engine, slot, ev.Poked(kind, scope))
    finally:
        if alone:
            await engine.stop()


def _make_due(engine: "Engine", kind: str, scope: int) -> None:
    with engine.store.write() as connection:
        slots.run_now(connection, kind, scope)


async def _ran(engine: "Engine", slot: int, poke: ev.Poked) -> Outcome | Denied:
    queue: asyncio.Queue[ev.Event] = asyncio.Queue()
    unlisten = engine.listen(queue.put_nowait)
    engine.take(poke)
    outcome, failed = Outcome(), 0
    try:
        while True:
            match await queue.get():
                case ev.Claimed(slot=s, claim=claim) if s == slot and claim.why not in (None, *_ASKED_AGAIN):
                    assert claim.why is not None
                    return claim.why
                case ev.ClaimFailed(slot=s) if s == slot:
                    failed += 1
                    if failed == _TRIES:
                        raise NoDatabase(_("база данных не ответила"), sent=False)
                case ev.RunEnded(slot=s, outcome=ended) if s == slot:
                    outcome = ended
                case ev.Finished(slot=s) if s == slot:
                    return outcome
    finally:
        unlisten()
