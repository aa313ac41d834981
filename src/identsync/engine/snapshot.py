"""What a client knows, as plain records for people: the console, ``identsync status``, the metrics."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from identsync.engine.integration import Task
from identsync.engine.state import NEVER, Seat, Slot, State
from identsync.store.limiter import Fence


class SeatView(Struct, frozen=True):
    """A seat: held here or not, place in line (1 = next), and when the holder's lease ends unless renewed (ms)."""

    scope: int
    held: bool
    rank: int
    free_in_ms: int | None


class TaskView(Struct, frozen=True):
    """A task: when this client thinks it is due (ms from now, None = not known or paused), whether it runs here."""

    kind: str
    scope: int
    title: str
    due_in_ms: int | None
    running: bool
    running_ms: int | None
    fence: int
    asking: bool
    abandoned: int


class Snapshot(Struct, frozen=True):
    """What one client knows now; JSON by ``msgspec.to_builtins``."""

    client: str
    role: str
    seats: tuple[SeatView, ...]
    tasks: tuple[TaskView, ...]
    running: int
    stopping: bool


def snapshot(state: State, tasks: Sequence[Task], live: Mapping[tuple[int, Fence], int], now: int) -> Snapshot:
    """Return the view of a state at local time ``now``; ``live`` maps (slot, fence) to the local start of a run."""
    views = tuple(
        _task(slot, task, live, i, now) for i, (slot, task) in enumerate(zip(state.slots, tasks, strict=True))
    )
    return Snapshot(
        client=state.client,
        role=state.role.name.lower(),
        seats=tuple(_seat(seat, now) for seat in state.seats),
        tasks=views,
        running=len(live),
        stopping=state.stop_at != NEVER,
    )


def _seat(seat: Seat, now: int) -> SeatView:
    held = seat.fence > 0 and now < seat.trusted_until
    free = max(0, seat.free_at - now) if seat.free_at else None
    return SeatView(seat.scope, held, 0 if held else seat.rank, free)


def _task(slot: Slot, task: Task, live: Mapping[tuple[int, Fence], int], i: int, now: int) -> TaskView:
    since = live.get((i, slot.run.fence)) if slot.run is not None else None
    due = max(0, slot.due - now) if slot.known and slot.due < NEVER else None
    return TaskView(
        kind=task.kind,
        scope=task.scope,
        title=task.title,
        due_in_ms=due,
        running=since is not None,
        running_ms=None if since is None else now - since,
        fence=slot.fence,
        asking=slot.asked > 0,
        abandoned=slot.abandoned,
    )
