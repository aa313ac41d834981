"""The register of what goes to N3: what is wanted of each case, patient and document, in rows of ``egisz_item``.

Planning compares what the clinic says with the row and writes the rows that differ. What was sent, tried and refused is
the sender's (``shelf.py``); a person's decision that came between reading and writing stands.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import Connection, and_, bindparam, insert, select, update

from identsync.clinic.cases import IDS
from identsync.integrations.egisz.kept import missing_text
from identsync.integrations.egisz.rules_table import Missing
from identsync.store.lists import portions
from identsync.store.tables import egisz_item

What = Literal["patient", "case", "document"]
NOTHING = "[]"
SIGNS = frozenset({"document.doctor_sign", "document.clinic_sign"})
WAITING = frozenset({"ready", "later", "unknown", "rejected"})  # on the way, as far as it goes, to what is wanted
LEAVING = frozenset({"cancelling", "later", "unknown", "rejected", "cancelled"})  # the same of being taken back
AT_N3 = frozenset({"taken", "warned"})

item = egisz_item.c
_KEPT = (
    item.id, item.key, item.own_id, item.state, item.wanted, item.sent, item.tried, item.branch_id, item.doctor_id,
    item.patient_id, item.at_ms, item.missing, item.complaints, item.attempts, item.retry_ms, item.changed_ms,
    item.is_open, item.steps,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """A row of the register."""

    id: int
    key: int
    own_id: str
    state: str
    wanted: int | None
    sent: int | None
    tried: int | None
    branch: int
    doctor: int | None
    patient: int
    at_ms: int
    missing: str
    complaints: str
    attempts: int
    retry_ms: int | None
    changed_ms: int
    is_open: int | None = None
    steps: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether N3 has it, or may have it."""
        return self.sent is not None or self.tried is not None

    @property
    def is_waiting(self) -> bool:
        """Whether it is still to be sent, by itself or once somebody has mended it."""
        return self.state in WAITING | {"missing", "signing"} and not self.is_leaving

    @property
    def is_leaving(self) -> bool:
        """Whether it is taken back, or about to be, or known to be gone from the clinic."""
        return self.wanted is None and (self.state in LEAVING or self.state == "gone")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the clinic says of one item: ``digest`` of what is to be there, or the lines that hold it up, or neither."""

    key: int
    own_id: str
    branch: int
    doctor: int | None
    patient: int
    at_ms: int
    digest: int | None = None
    missing: Sequence[Missing] = ()
    is_once: bool = False  # never sent again by itself
    is_open: bool = False  # a case that the clinic has not closed

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is to be at N3, nor held up."""
        return self.digest is None and not self.missing

    @property
    def lines(self) -> str:
        """The lines as they are written down: rule, whose, fields."""
        return missing_text(self.missing)


@dataclass(slots=True)
class Plan:
    """What is to be written: new rows and changed ones, with counts of the states that they are all in."""

    added: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)


def held(connection: Connection, organisation: str, what: What) -> dict[int, Held]:
    """Return the rows of an organisation by key."""
    own = select(*_KEPT).where(item.organisation == organisation, item.what == what)
    return {kept.key: kept for kept in (_held(*row) for row in connection.execute(own))}


def _held(*row: Any) -> Held:
    return Held(*row)


def planned(rows: Mapping[int, Held], wishes: Iterable[Wish]) -> Plan:
    """Compare what the clinic says with the register."""
    plan = Plan()
    for wish in wishes:
        row = rows.get(wish.key)
        values = _new(wish) if row is None else _changed(row, wish)
        if values and row is None:
            plan.added.append(values)
        elif values and row is not None:
            plan.changed.append(values | {"of_id": row.id, "of_changed": row.changed_ms})
        state = values["state"] if values else "" if row is None else row.state
        plan.states[state] = plan.states.get(state, 0) + 1
    return plan


def waiting(rows: Iterable[Held], before_ms: int) -> list[Held]:
    """Return what is older than the clinic is asked for and still to be sent: the newest, as many as it can name."""
    found = (row for row in rows if row.at_ms < before_ms and row.is_waiting)
    return sorted(found, key=lambda row: -row.at_ms)[:IDS]


def vanished(rows: Mapping[int, Held], seen: Collection[int], since_ms: int, also: Collection[int] = ()) -> list[Held]:
    """Return what the clinic should still show, ``also`` of before, and does not: never taken back by itself."""
    asked = (row for key, row in rows.items() if key not in seen and (row.at_ms >= since_ms or key in also))
    return [row for row in asked if not row.is_leaving]


def unneeded(people: Mapping[int, Held], wished: Collection[int], cases: Iterable[Held]) -> list[Held]:
    """Return the patients' cards that were on their way for a case which is now another patient's, or over."""
    with_cases = {row.patient for row in cases if not row.is_leaving}
    return [
        row
        for key, row in people.items()
        if row.state not in AT_N3 and row.state != "cancelled" and key not in wished and row.patient not in with_cases
    ]


def write(connection: Connection, organisation: str, what: What, plan: Plan, now_ms: int) -> None:
    """Write a plan: two statements, whatever its size."""
    if plan.added:
        fixed = {"organisation": organisation, "what": what, "complaints": NOTHING, "changed_ms": now_ms}
        connection.execute(insert(egisz_item), [fixed | values for values in plan.added])
    if plan.changed:
        names = [name for name in plan.changed[0] if not name.startswith("of_")]
        as_seen = and_(item.id == bindparam("of_id"), item.changed_ms == bindparam("of_changed"))
        change = update(egisz_item).where(as_seen).values({name: bindparam(name) for name in names})
        connection.execute(change.values(changed_ms=now_ms), plan.changed)


def let_go(connection: Connection, rows: Sequence[Held], now_ms: int) -> None:
    """Say of these that the clinic has them no more; where N3 never had one either nobody is to be asked."""
    _want_nothing(connection, [row for row in rows if row.is_there], now_ms, state="gone")
    let_rest(connection, [row for row in rows if not row.is_there], now_ms)


def let_rest(connection: Connection, rows: Sequence[Held], now_ms: int) -> None:
    """Have these rows wait for nothing; whoever needs one again finds what was sent and tried of it."""
    _want_nothing(connection, rows, now_ms, state="cancelled", complaints=NOTHING)


def _want_nothing(connection: Connection, rows: Sequence[Held], now_ms: int, **values: str) -> None:
    every = {"wanted": None, "missing": NOTHING, "retry_ms": None, "changed_ms": now_ms} | values
    for ids in portions([row.id for row in rows]):
        connection.execute(update(egisz_item).where(item.id.in_(ids)).values(every))


def _new(wish: Wish) -> dict[str, Any] | None:
    """Return the row of what N3 has never had; nothing for what was taken back before it was sent."""
    if wish.is_nothing:
        return None
    state = "ready" if wish.digest is not None else _lacking(wish.missing)
    return _of_clinic(wish) | {"key": wish.key, "own_id": wish.own_id, "state": state, "wanted": wish.digest}


def _changed(row: Held, wish: Wish) -> dict[str, Any] | None:
    """Return what is to be different in a row, None = nothing."""
    if wish.is_once and row.is_there:
        return _found_again(row, wish) if row.state == "gone" else None
    if wish.is_open and (row.is_there if wish.is_nothing else row.sent is not None and row.steps is None):
        return None  # N3 has it closed and opens none again: it waits until the clinic closes it, too
    if row.is_there and wish.patient != row.patient:  # N3 has it as another patient's: there it is taken back first
        wish = replace(wish, patient=row.patient, digest=None, missing=())
    state = _state(row, wish)
    fresh = state != row.state and state in ("ready", "cancelling")
    values = _of_clinic(wish) | {"state": state, "wanted": wish.digest, "complaints": row.complaints}
    values |= {"attempts": 0 if fresh else row.attempts, "retry_ms": None if fresh else row.retry_ms}
    if fresh or (row.state == "rejected" and state in AT_N3):  # what was refused is not wanted any more
        values["complaints"] = NOTHING
    now = {
        "branch_id": row.branch, "doctor_id": row.doctor, "patient_id": row.patient, "at_ms": row.at_ms,
        "missing": row.missing, "is_open": row.is_open, "state": row.state, "wanted": row.wanted,
        "complaints": row.complaints, "attempts": row.attempts, "retry_ms": row.retry_ms,
    }  # fmt: skip
    return None if values == now else values


def _found_again(row: Held, wish: Wish) -> dict[str, Any]:
    """Return what a document is that was gone from the clinic: what it was before, whatever is in it now."""
    state = "unknown" if row.tried is not None else "taken" if row.complaints == NOTHING else "warned"
    wanted = row.sent if row.tried is None else row.tried
    kept = {"complaints": row.complaints, "attempts": row.attempts, "retry_ms": row.retry_ms}
    return _of_clinic(wish) | {"missing": NOTHING, "state": state, "wanted": wanted} | kept


def _state(row: Held, wish: Wish) -> str:
    if wish.is_nothing:  # taken back in the clinic, or opened again before it went
        if row.is_leaving and row.state != "gone":
            return row.state
        return "cancelling" if row.is_there else "cancelled"
    if wish.missing:
        return _lacking(wish.missing)
    if row.sent == wish.digest and row.tried is None:
        kept = row.state if row.state in AT_N3 else ""
        return kept or ("taken" if row.complaints == NOTHING or row.state == "rejected" else "warned")
    if row.wanted == wish.digest and row.state in WAITING:
        return row.state
    if row.tried is not None:
        return "unknown"  # it may be there as it was: the same key goes again
    return "later" if row.state == "later" and row.wanted is not None else "ready"


def _of_clinic(wish: Wish) -> dict[str, Any]:
    return {
        "branch_id": wish.branch, "doctor_id": wish.doctor, "patient_id": wish.patient, "at_ms": wish.at_ms,
        "missing": wish.lines if wish.missing else NOTHING, "is_open": 1 if wish.is_open else None,
    }  # fmt: skip


def _lacking(missing: Sequence[Missing]) -> str:
    return "signing" if all(one.rule in SIGNS for one in missing) else "missing"
