"""What keeps cases from being sent, gathered: «у 14 врачей нет СНИЛС», how many cases that holds up, how to mend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary
from zlib import crc32

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from identsync.integrations.egisz.kept import missing_of
from identsync.integrations.egisz.page_choice import of_tab
from identsync.integrations.egisz.rules_table import WHERE, Gathered, Missing, Subject, Where, gathered
from identsync.store.tables import egisz_item

MOST = 20_000
"""Cases that are not ready, the newest, of which lines are gathered."""
KNOWN = 4
"""Filters of which the lines are kept: the page is drawn anew with every change elsewhere."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the page: ``mark`` names it in an address; ``doctors`` are clinic numbers where they are known."""

    gathered: Gathered
    mark: str
    where: str
    doctors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lacks:
    """All lines, those that hold up most first, and the rows of the one that is chosen (None = none is)."""

    lines: Sequence[Line]
    chosen: Line | None

    @property
    def items(self) -> list[int] | None:
        """The rows that the chosen line holds up."""
        return None if self.chosen is None else [int(key) for key in self.chosen.gathered.cases]


_known: WeakKeyDictionary[Engine, dict[tuple[object, ...], Sequence[Line]]] = WeakKeyDictionary()


def lacks(connection: Connection, where: Sequence[ColumnElement[bool]], lack: str) -> Lacks:
    """Gather what the rows of which ``where`` is true lack; ``lack`` is the mark of the line that is chosen."""
    lines = _lines(connection, [*where, *of_tab("missing")])
    return Lacks(lines, next((line for line in lines if line.mark == lack), None))


def _lines(connection: Connection, where: Sequence[ColumnElement[bool]]) -> Sequence[Line]:
    """Return the lines of these rows: gathered anew only where one of the rows has changed since."""
    i = egisz_item.c
    [seen] = connection.execute(select(func.count(), func.max(i.changed_ms), func.sum(i.changed_ms)).where(*where))
    asked = select(i.id, i.missing).where(*where).order_by(i.id.desc()).limit(MOST)
    spelled = asked.compile(connection)
    key = spelled.string, repr(spelled.params), tuple(seen)
    known = _known.setdefault(connection.engine, {})
    if key not in known:
        found = {str(id): missing_of(text) for id, text in connection.execute(asked)}
        while len(known) >= KNOWN:
            known.pop(next(iter(known)))
        known[key] = [_line(each) for each in gathered(found)]
    return known[key]


def mark(one: Missing) -> str:
    """Name a line in an address: its rule, and a number that stands for what fills its sentence."""
    return f"{one.rule}-{crc32(repr(one.fields).encode()):08x}"


def told(line: Missing, row: Any) -> dict[str, Any]:
    """Return a case's own line as the page shows it: whose card it is, or which table of the settings."""
    whose: dict[str, Any] = {"patient": None, "doctor": None, "table": ""}
    if line.where is Where.PATIENT:
        whose["patient"] = row.patient_id
    elif line.subject is Subject.DOCTOR:
        whose["doctor"] = next(iter(_numbers((line.who,))), None)
    elif line.where is Where.SETTINGS:
        whose["table"] = f"[egisz.{row.organisation}]"
    return {"missing": line, "where": WHERE[line.where]} | whose


def _line(several: Gathered) -> Line:
    one = several.missing
    doctors = _numbers(several.who) if one.subject is Subject.DOCTOR else ()
    return Line(several, mark(one), WHERE[one.where], doctors)


def _numbers(who: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(each) for each in who if each.isascii() and each.isdigit())


def named(line: Line, doctors: Mapping[int, str], most: int = 6) -> tuple[list[str], int]:
    """Return the names of a line's doctors, and of how many more."""
    names = sorted(doctors[number] for number in line.doctors if number in doctors)
    return names[:most], max(len(line.gathered.who) - most, 0)
