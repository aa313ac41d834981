"""What the runs write: a counter under the fence, the effects, and a paper counter that nothing but trust protects."""

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, insert, select, text, update

from identsync.demo.checker import Effect, JournalRow, Slot
from identsync.store import Store
from identsync.store.limiter import SEAT, Fence
from identsync.store.tables import run_log, task_slot
from processes.plan import SLOTS

metadata = MetaData()
counter = Table(
    "fire_counter",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("scope", BigInteger, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
effect = Table(
    "fire_effect",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", String(64), nullable=False),
    Column("scope", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("holder", String(64), nullable=False),
    Column("value", BigInteger, nullable=False, doc="what the counter was set to"),
    Column("newest", BigInteger, doc="the slot's newest fence at the commit, seen by the database itself"),
)

# PostgreSQL: a deferred trigger runs within COMMIT, with a fresh look at what others have committed by then.
_AT_COMMIT = """
CREATE FUNCTION identsync.fire_newest() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
 UPDATE identsync.fire_effect SET newest=(SELECT fence FROM identsync.task_slot WHERE kind=NEW.kind AND scope=NEW.scope)
  WHERE id=NEW.id;
 RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER fire_newest AFTER INSERT ON identsync.fire_effect DEFERRABLE INITIALLY DEFERRED
 FOR EACH ROW EXECUTE FUNCTION identsync.fire_newest();
"""
_AT_INSERT = """
CREATE TRIGGER fire_newest AFTER INSERT ON fire_effect BEGIN
 UPDATE fire_effect SET newest=(SELECT fence FROM task_slot WHERE kind=NEW.kind AND scope=NEW.scope) WHERE id=NEW.id;
END
"""  # one writer at a time: what holds at the insert holds at the commit


def create(store: Store) -> None:
    """Make the scratch tables beside the engine's."""
    with store.write() as connection:
        metadata.create_all(connection)
        connection.execute(insert(counter), [{"kind": k, "scope": s, "value": 0} for k, s in SLOTS])
        connection.execute(text(_AT_COMMIT if store.dialect == "postgresql" else _AT_INSERT))


def value(connection: Connection, kind: str, scope: int) -> int:
    """Read a slot's counter."""
    where = (counter.c.kind == kind) & (counter.c.scope == scope)
    return int(connection.execute(select(counter.c.value).where(where)).scalar_one())


def count(connection: Connection, fence: Fence, new: int) -> None:
    """Set a slot's counter to ``new`` and leave a trace of it; to be called under the fence."""
    where = (counter.c.kind == fence.kind) & (counter.c.scope == fence.scope)
    connection.execute(update(counter).where(where).values(value=new))
    trace = {"kind": fence.kind, "scope": fence.scope, "fence": fence.number, "holder": fence.holder, "value": new}
    connection.execute(insert(effect), trace)


class Paper:
    """A counter per slot in a plain file, one line a write: value, fence, holder, when it was read and written."""

    def __init__(self, folder: Path, kind: str, scope: int) -> None:
        self.path = folder / f"paper-{kind}-{scope}.txt"

    def read(self) -> tuple[int, int]:
        """Return the value, and the time of the reading (monotonic ms)."""
        at = time.monotonic_ns() // 1_000_000
        return max((line.value for line in self.lines()), default=0), at

    def write(self, fence: Fence, value: int, read_at: int) -> None:
        """Append ``value``."""
        line = f"{value} {fence.number} {fence.holder} {read_at} {time.monotonic_ns() // 1_000_000}\n"
        with self.path.open("ab", buffering=0) as file:
            file.write(line.encode())

    def lines(self) -> "list[Line]":
        """Return what was written so far."""
        text = self.path.read_text() if self.path.exists() else ""
        return [Line.of(line) for line in text.splitlines()]


@dataclass(frozen=True, slots=True)
class Line:
    """A write on paper."""

    value: int
    fence: int
    holder: str
    read_at: int
    written_at: int

    @classmethod
    def of(cls, line: str) -> "Line":
        value, fence, holder, read_at, written_at = line.split()
        return cls(int(value), int(fence), holder, int(read_at), int(written_at))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a database holds after the fire."""

    rows: list[JournalRow]
    effects: list[Effect]
    newest: dict[Slot, int]
    wrong: list[str]  # counters that are not exact


def evidence(store: Store) -> Evidence:
    """Read journal, effects, fences and counters."""
    r, t, e = run_log.c, task_slot.c, effect.c
    with store.read() as connection:
        names = (r.kind, r.scope, r.fence, r.holder, r.started_ms, r.finished_ms, r.outcome, r.role)
        rows = [JournalRow(*row) for row in connection.execute(select(*names))]
        written = connection.execute(select(e.kind, e.scope, e.fence, e.newest, e.value).order_by(e.id)).all()
        fences = connection.execute(select(t.kind, t.scope, t.fence).where(t.kind != SEAT))
        newest = {(kind, scope): fence for kind, scope, fence in fences if (kind, scope) in SLOTS}
        values = {slot: value(connection, *slot) for slot in SLOTS}
    wrong = []
    for slot, last in values.items():
        mine = sorted(row.value for row in written if (row.kind, row.scope) == slot)
        if mine != list(range(1, last + 1)):
            wrong.append(f"counter {slot}: {last} after {len(mine)} effects, values {mine[-20:]}")
    return Evidence(rows, [Effect(*row[:4]) for row in written], newest, wrong)


def torn(paper: Paper, stalled: "list[tuple[str, int, int]]") -> list[str]:
    """Return the lost updates of a paper counter that no standstill of the writer's process excuses.

    ``stalled`` are spans (holder, from, to; monotonic ms) in which a client's process did not run at all: nothing but
    the fence protects what a sleeper does on waking, and paper has none.
    """
    wrong, newest, seen = [], 0, dict[int, Line]()
    for line in paper.lines():
        before = seen.get(line.value)
        excused = any(_stood_still(one, stalled) for one in (line, before) if one is not None)
        if (before is not None or line.fence < newest) and not excused:
            wrong.append(f"{paper.path.name}: {line} after {before or newest}")
        newest = max(newest, line.fence)
        seen[line.value] = line
    return wrong


def _stood_still(line: Line, stalled: "list[tuple[str, int, int]]") -> bool:
    return any(
        holder == line.holder and start < line.written_at and line.read_at < end for holder, start, end in stalled
    )
