"""Page "Заявки": who waits for an answer, who took it, and what a site sent that nobody could read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from identsync.engine.integration import Page, PageContext
from identsync.engine.pages import number
from identsync.engine.pages import zones as zones_of
from identsync.errors import IdentsyncError
from identsync.flows.flaw import loaded
from identsync.integrations.leads import states
from identsync.integrations.leads.page_actions import ACTIONS, STATES
from identsync.integrations.leads.task import phone_key, stream_of
from identsync.spans import DAY_MS
from identsync.store.tables import intake_reject, lead, lead_event, task_slot

if TYPE_CHECKING:
    from identsync.integrations.leads.settings import LeadsSite

SHOWN = 100
MOST_SHOWN = 2_000
ATTENTION_MOST = 999
OLD_MS = 3 * DAY_MS  # an inbox older than this is history, shown below
ANSWER_MS = 900_000


def _(text: str) -> str:
    return text


ELSEWHERE = {"calls": _("Звонок")}
"""Sources of leads that are no sites: leads that the desk makes while somebody calls."""
_TABS = (
    ("new", _("Новые")),
    ("work", _("В работе")),
    ("booked", _("Записаны")),
    ("refused", _("Отказы")),
    ("spam", _("Спам")),
)


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the address asks for."""

    state: str
    site: str
    lead_id: int | None
    shown: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "_Choice":
        state = query.get("state", "")
        shown = min(max(number(query.get("show")) or SHOWN, 1), MOST_SHOWN)
        known = state if state in STATES or state == "bad" else ""
        return cls(known, query.get("site", ""), number(query.get("lead")), shown)


@dataclass(frozen=True, slots=True)
class _Group:
    """Leads under one heading."""

    title: str
    leads: Sequence[dict[str, Any]]


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows: tabs with counts, groups of leads or bad rows, one lead in detail."""
    choice, zones = _Choice.of(query), _zones(context)
    with context.store.read() as connection:
        counts = _counts(connection, choice.site)
        bad = _bad(connection, choice) if choice.state == "bad" else []
        groups = [] if choice.state == "bad" else _groups(connection, context, choice, zones)
        detail = None if choice.lead_id is None else _detail(connection, context, choice.lead_id, zones)
        trouble = _trouble(connection, context)
    total = counts["bad"] if choice.state == "bad" else _total(counts, choice.state)
    left = total > len(bad) + sum(len(group.leads) for group in groups)  # each group has a limit of its own
    if detail is not None:
        detail |= _from_clinic(context, detail)
    return {
        "tabs": _tabs(counts, choice),
        "sites": _sites(context),
        "choice": choice,
        "groups": groups,
        "bad": bad,
        "lead": detail,
        "states": STATES,
        "trouble": trouble,
        "more": min(choice.shown * 4, MOST_SHOWN) if left and choice.shown < MOST_SHOWN else None,
        "total": total,
    }


def version(context: PageContext) -> str:
    """Return what changes with every new lead, every move and every bad row; four look-ups by key."""
    with context.store.read() as connection:
        newest = [connection.execute(select(func.max(column))).scalar() for column in (lead.c.id, lead_event.c.id)]
        rejects = connection.execute(_rejects()).scalar()
        failing = _slots(context, func.count(), func.max(task_slot.c.finished_ms)).where(_failed())
        parts = (*newest, rejects, *connection.execute(failing).one())
    return ".".join(str(part or 0) for part in parts)


def attention(context: PageContext) -> int:
    """Return how many leads nobody has looked at, at most 999."""
    few = select(lead.c.id).where(lead.c.state == "new").limit(ATTENTION_MOST).subquery()
    with context.store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(few)).scalar() or 0)


# -- what is read -----------------------------------------------------------------------------------------------------


def _counts(connection: Connection, site: str) -> dict[str, int]:
    counts = dict.fromkeys(STATES, 0)
    asked = select(lead.c.state, func.count()).where(_of_site(site)).group_by(lead.c.state)
    counts.update((state, n) for state, n in connection.execute(asked))
    return counts | {"bad": int(connection.execute(_rejects()).scalar() or 0)}


def _total(counts: Mapping[str, int], state: str) -> int:
    return counts[state] if state else sum(counts[name] for name in states.OPEN)


def _tabs(counts: Mapping[str, int], choice: _Choice) -> list[tuple[str, str, int]]:
    tabs = [("", _("Ждут"), _total(counts, "")), *((name, title, counts[name]) for name, title in _TABS)]
    if counts["bad"] or choice.state == "bad":
        tabs.append(("bad", _("Не прочитаны"), counts["bad"]))
    return tabs


def _sites(context: PageContext) -> list[tuple[str, str]]:
    sites: Mapping[str, LeadsSite] = context.settings or {}
    return [(name, site.title or name) for name, site in sites.items()]


def _zones(context: PageContext) -> Mapping[int, str]:
    """Return the branches' zones where a site is of one branch; all else is told at the console's own wall clock."""
    sites: Mapping[str, LeadsSite] = context.settings or {}
    return zones_of(context, context.branch) if any(site.branch for site in sites.values()) else {}


def _of_site(site: str) -> ColumnElement[bool]:
    return lead.c.site == site if site else lead.c.id == lead.c.id


def _groups(connection: Connection, context: PageContext, choice: _Choice, zones: Mapping[int, str]) -> list[_Group]:
    def group(title: str, where: ColumnElement[bool], *order: ColumnElement[Any]) -> _Group:
        asked = select(*_LISTED).where(where, _of_site(choice.site)).order_by(*order).limit(choice.shown)
        return _Group(title, [_listed(row, context, zones) for row in connection.execute(asked)])

    if choice.state:
        newest = func.coalesce(lead.c.state_ms, lead.c.made_ms).desc()
        order = (lead.c.made_ms,) if choice.state in states.OPEN else (newest,)
        return [group("", lead.c.state == choice.state, *order)]
    recent = lead.c.made_ms >= context.now_ms - OLD_MS
    return [
        group(_("Ждут первого ответа"), and_(lead.c.state == "new", recent), lead.c.made_ms),
        group(_("В работе"), lead.c.state == "work", lead.c.state_ms),
        group(_("Давние, без ответа"), and_(lead.c.state == "new", ~recent), lead.c.made_ms.desc()),
    ]


_LISTED = (
    lead.c.id,
    lead.c.site,
    lead.c.made_ms,
    lead.c.received_ms,
    lead.c.phone,
    lead.c.phone_e164,
    lead.c.full_name,
    lead.c.form,
    func.substring(lead.c.comment, 1, 200).label("comment"),
    lead.c.plan_start_ms,
    lead.c.doctor_name,
    lead.c.patient_id,
    lead.c.patients,
    lead.c.state,
    lead.c.state_by,
    lead.c.state_ms,
    lead.c.answered_ms,
)


def _listed(row: Any, context: PageContext, zones: Mapping[int, str]) -> dict[str, Any]:
    sites: Mapping[str, LeadsSite] = context.settings or {}
    site = sites.get(row.site)
    answer_ms = site.answer_within if site else ANSWER_MS
    zone = zones.get(site.branch) if site and site.branch else None  # a visit is wanted at the branch's wall clock
    return dict(row._mapping) | {
        "waits_ms": min(row.made_ms, row.received_ms),
        "future": row.made_ms > row.received_ms + 300_000,
        "warn_min": answer_ms // 120_000,
        "bad_min": answer_ms // 60_000,
        "zone": zone,
        "elsewhere": zone not in (None, zones.get(0)),
        "site_title": site.title or row.site if site else ELSEWHERE.get(row.site, row.site),
    }


def _detail(
    connection: Connection, context: PageContext, lead_id: int, zones: Mapping[int, str]
) -> dict[str, Any] | None:
    row = connection.execute(select(lead).where(lead.c.id == lead_id)).first()
    if row is None:
        return None
    events = select(lead_event).where(lead_event.c.lead_id == lead_id).order_by(lead_event.c.id.desc()).limit(50)
    history = [dict(event._mapping) for event in connection.execute(events)]
    return _listed(row, context, zones) | {"history": history, "utm": orjson.loads(row.utm)}


def _from_clinic(context: PageContext, detail: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the clinic again about one lead: the patient may have been written down since it came."""
    known: dict[str, Any] = {"patient_names": [], "doctor": None, "clinic_silent": False}
    try:
        patients = _patients(context, detail["phone_e164"])
        known["patient_names"] = [(patient, context.clinic.patient_name(patient)) for patient in patients[:5]]
        known["patients"] = len(patients)
        if detail["doctor_id"] is not None:
            known["doctor"] = _doctor(context, detail["doctor_id"])
    except IdentsyncError:
        known["clinic_silent"] = True
    return known


def _patients(context: PageContext, number: str | None) -> tuple[int, ...]:
    if number is None:
        return ()
    key = phone_key(number)
    found: Mapping[str, tuple[int, ...]] = context.clinic.patients_by_phone([key])
    return found.get(key, ())


def _doctor(context: PageContext, doctor_id: int) -> str | None:
    return next((doctor.name for doctor in context.clinic.staff() if doctor.id == doctor_id), None)


def _bad(connection: Connection, choice: _Choice) -> list[dict[str, Any]]:
    order = intake_reject.c.id.desc()
    asked = select(intake_reject).where(_open_rejects()).order_by(order).limit(choice.shown)
    return [_rejected(row) for row in connection.execute(asked)]


def _rejected(row: Any) -> dict[str, Any]:
    site = row.stream.partition("/")[2]
    return dict(row._mapping) | {"site": site, "flaws": loaded(row.problems)}


def _rejects() -> Any:
    return select(func.count()).select_from(intake_reject).where(_open_rejects())


def _open_rejects() -> ColumnElement[bool]:
    return and_(intake_reject.c.stream.like("leads/%"), intake_reject.c.state == "open")


def _slots(context: PageContext, *columns: ColumnElement[Any]) -> Any:
    kinds = [stream_of(name) for name, _title in _sites(context)]
    return select(*columns).where(task_slot.c.kind.in_(kinds))


def _failed() -> ColumnElement[bool]:
    return or_(task_slot.c.attempt > 0, task_slot.c.paused == 1)


def _trouble(connection: Connection, context: PageContext) -> list[dict[str, Any]]:
    """Return the sites that are not asked or do not answer now: their leads may be missing here."""
    titles = dict(_sites(context))
    columns = task_slot.c.kind, task_slot.c.last_ok_ms, task_slot.c.last_error, task_slot.c.paused
    found = connection.execute(_slots(context, *columns).where(_failed()))
    return [dict(row._mapping) | {"title": titles[row.kind.partition("/")[2]]} for row in found]


PAGES = (Page("leads", _("Заявки"), "leads/leads.html", view, version, ACTIONS, attention),)
