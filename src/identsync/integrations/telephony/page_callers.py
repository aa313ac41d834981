"""Who a number is: its patients with their visits and debts, its open leads, its last calls, and whether it waits."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from identsync.clinic.clock import DAY, minute_now, to_ms
from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.telephony import links
from identsync.integrations.telephony import page_words as words
from identsync.store.tables import lead, phone_call, phone_missed

LAST = 3
NO_BREAK = "\N{NO-BREAK SPACE}"
EPOCH = date(1970, 1, 1).toordinal()
_c, _m, _l = phone_call.c, phone_missed.c, lead.c
_CALL = (
    _c.id,
    _c.direction,
    _c.state,
    _c.reason,
    _c.start_ms,
    _c.answered_ms,
    _c.ended_ms,
    _c.employee,
    _c.extension,
    _c.branch_id,
)


def known(connection: Connection, card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the engine knows of a number: its last calls, open leads, the entry of the worklist, a link."""
    key = card["phone_key"]
    if not key:
        return {"past": [], "leads": [], "waits": None, "linked": []}
    earlier = _c.phone_key == key, _c.id != (card["id"] or 0), _c.same_as.is_(None), _c.ended_ms.is_not(None)
    past = connection.execute(select(*_CALL).where(*earlier).order_by(_c.start_ms.desc()).limit(LAST)).all()
    open_leads = _l.state.in_(("new", "work")), _l.phone_e164 == (card["e164"] or "")
    leads = select(_l.id, _l.state, _l.made_ms, _l.form, _l.full_name, _l.state_by).where(*open_leads)
    waits = connection.execute(select(phone_missed).where(_m.open_key == key)).first()
    return {
        "past": [dict(row._mapping) | {"shown": words.state_of(row)} for row in past],
        "leads": connection.execute(leads.order_by(_l.made_ms.desc()).limit(LAST)).all(),
        "waits": waits,
        "linked": links.linked(connection, key),
    }


def of(context: PageContext, card: Mapping[str, Any], zones: Mapping[int, str]) -> dict[str, Any]:
    """Return the patients of a number as the desk wants to see them; ``silent`` where the clinic does not answer."""
    if not card["phone_key"]:
        return {"callers": [], "silent": False}
    zone = zones.get(card["branch_id"], zones[0])
    minute = minute_now(zone, context.now_ms)
    try:
        found = context.clinic.callers(card["phone_key"], minute, card["linked"])
        doctors = _doctors(context, found)
    except IdentsyncError:
        return {"callers": [], "silent": True}
    linked = set(card["linked"])
    ordered = sorted(found, key=lambda each: (each.patient.id not in linked, each.next_visit is None, each.patient.id))
    return {"callers": [_caller(each, doctors, zones, minute, linked) for each in ordered], "silent": False}


def _caller(
    caller: Any, doctors: Mapping[int, str], zones: Mapping[int, str], minute: int, linked: set[int]
) -> dict[str, Any]:  # fmt: skip
    patient = caller.patient
    return {
        "id": patient.id,
        "name": pages.full_name(patient),
        "age": None if patient.born is None else _years(patient.born, minute // DAY),
        "debt": caller.debt or None,
        "linked": patient.id in linked,
        "last": _visit(caller.last_visit, doctors, zones, minute),
        "next": _visit(caller.next_visit, doctors, zones, minute),
    }


def _visit(visit: Any, doctors: Mapping[int, str], zones: Mapping[int, str], minute: int) -> dict[str, Any] | None:
    if visit is None:
        return None
    zone = zones.get(visit.branch_id, zones[0])
    return {
        "ms": to_ms(zone, visit.start_minute),
        "zone": zone,
        "days": visit.start_minute // DAY - minute // DAY,
        "doctor": doctors.get(visit.doctor_id, ""),
        "service": visit.service,
    }


def _doctors(context: PageContext, callers: list[Any]) -> dict[int, str]:
    visits = [visit for each in callers for visit in (each.last_visit, each.next_visit) if visit is not None]
    if not visits:
        return {}
    return {doctor.id: _short(doctor.name) for doctor in context.clinic.staff({visit.branch_id for visit in visits})}


def _short(name: str) -> str:
    """Return 'Ершова А. И.': a card has little room."""
    surname, *rest = name.split()
    return NO_BREAK.join([surname, *(f"{each[0]}." for each in rest)])


def _years(born: int, today: int) -> int:
    then, now = date.fromordinal(born + EPOCH), date.fromordinal(today + EPOCH)
    return now.year - then.year - ((now.month, now.day) < (then.month, then.day))
