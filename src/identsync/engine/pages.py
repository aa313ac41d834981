"""What the rooms' pages ask of their context and of the clinic, in one way for all."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from identsync.clinic.clock import DAY, minute_now
from identsync.errors import IdentsyncError

if TYPE_CHECKING:
    from identsync.clinic.source import Patient
    from identsync.engine.integration import PageContext


def number(text: str | None) -> int | None:
    """Return a whole number of an address or a form; None where it is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def names(context: "PageContext", patients: Iterable[int | None]) -> tuple[Mapping[int, str], bool]:
    """Return the names of these patients, and whether the clinic's database kept silent."""
    wanted = {patient for patient in patients if patient is not None}
    if not wanted:
        return {}, False
    try:
        found = context.clinic.patients(wanted)
    except IdentsyncError:
        return {}, True
    return {each.id: full_name(each) for each in found.values()}, False


def full_name(patient: "Patient") -> str:
    """Return surname, name and patronymic in one line."""
    return " ".join(part for part in (patient.surname, patient.name, patient.patronymic) if part)


def zones(context: "PageContext", home: int | None = None) -> Mapping[int, str]:
    """Return the zones of the branches by id; 0 = that of ``home``, or of the first one, for what has no branch."""
    try:
        found = {branch.id: branch.zone for branch in context.clinic.branches()}
    except IdentsyncError:
        found = {}
    return {0: found.get(home or 0) or next(iter(found.values()), "UTC")} | found


def unknown_branches(context: "PageContext", ids: Collection[int]) -> list[int]:
    """Return which of these the clinic does not have; none where its database is not there, which is told already."""
    known = {branch.id for branch in context.clinic.branches()} if context.clinic else set(ids)
    return [id_ for id_ in ids if id_ not in known]


def day_of(zone: str, at_ms: int) -> int:
    """Return the day since 1970-01-01 in ``zone``."""
    return minute_now(zone, at_ms) // DAY


def titles(settings: Mapping[str, Any] | None, used: Collection[str] = ()) -> dict[str, str]:
    """Return what a room's tables are called; of one that is not in the settings any more, its name."""
    known = {name: each.title or name for name, each in (settings or {}).items()}
    return known | {name: name for name in used if name not in known}
