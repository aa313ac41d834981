"""What runs when due: ask a site for its new leads, link them to patients, put them on the desk."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, insert, select

from identsync.engine import pages
from identsync.engine.integration import Outcome, Task
from identsync.engine.keeping import EVERY_MS
from identsync.errors import IdentsyncError, Problem
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Periods, Row, Window, intake
from identsync.integrations.leads import wire
from identsync.integrations.leads.keeping import forget, term
from identsync.integrations.leads.settings import LeadsSite
from identsync.language import _
from identsync.spans import DAY_MS
from identsync.store.tables import intake_cursor, lead
from identsync.values import secret

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.engine.run import Run
    from identsync.flows.http import Http

DEADLINE_MS = 600_000
MAX_ANSWER = 64 * 1024 * 1024  # ten thousand leads in one page are about 5 MB
DEFAULT_ZONE = "Europe/Moscow"


@dataclass(frozen=True, slots=True)
class Lead:
    """A ticket and the patients its phone belongs to."""

    ticket: wire.Ticket
    patients: tuple[int, ...] = ()


def tasks(settings: Mapping[str, LeadsSite], branches: Sequence["Branch"]) -> list[Task]:
    """Return one task per site, its scope the site's branch, 0 = the network; and the forgetting."""
    made = [_task(name, site, zone_of(site, branches)) for name, site in settings.items()]
    if term(settings):
        run = partial(forget, settings=settings)
        made.append(Task("leads/old.forget", 0, EVERY_MS, 30_000, DEADLINE_MS, run, _("Старые заявки стираются")))
    return made


def zone_of(site: LeadsSite, branches: Sequence["Branch"]) -> str:
    """Return the zone of a site's times without an offset: its own, its branch's, the first branch's."""
    zones = {branch.id: branch.zone for branch in branches}
    first = zones[min(zones)] if zones else DEFAULT_ZONE
    return site.zone or zones.get(site.branch, first)


def stream_of(name: str) -> str:
    """Return the stream, and the task's kind, of a site."""
    return f"leads/{name}"


def phone_key(number: str) -> str:
    """Return what the clinic finds a patient by: the last ten digits of a number."""
    return number[-10:]


def _task(name: str, site: LeadsSite, zone: str) -> Task:
    title = f"{_('Заявки')}: {site.title or name}"
    run = partial(_run, name=name, site=site, zone=zone)
    return Task(stream_of(name), site.branch, site.interval, site.lease, DEADLINE_MS, run, title)


async def _run(run: "Run", name: str, site: LeadsSite, zone: str) -> Outcome:
    from identsync.flows.http import Http

    key = secret(site.key)
    periods = Periods(
        first_ms=site.first_days * DAY_MS,
        window_ms=site.max_days * DAY_MS,
        overlap_ms=site.overlap,
        limit=site.limit,
        open_end=site.open_end,
    )
    async with Http() as http:
        source = Tickets(run, http, name, site, zone, key)
        return await intake(run, stream_of(name), source, periods)


class Tickets:
    """A site as the intake sees it."""

    def __init__(self, run: "Run", http: "Http", name: str, site: LeadsSite, zone: str, key: str) -> None:
        self._run = run
        self._http = http
        self._name = name
        self._site = site
        self._zone = zone
        self._key = key
        self._read: dict[str, wire.Ticket] = {}  # of which ``known`` has not been asked yet

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Ask for one page."""
        query = wire.query(window, self._zone, limit, offset)
        return await ask(self._http, self._site, self._key, query)

    def parse(self, raw: object) -> Row[Lead] | list[Flaw]:
        """Read one ticket."""
        row = wire.parse(raw, self._zone, fix_plus8=self._site.fix_plus8)
        if isinstance(row, list):
            return row
        self._read[row.key] = row.value
        return Row(row.key, row.at_ms, Lead(row.value))

    def known(self, connection: Connection, keys: Sequence[str]) -> Collection[str]:
        """Return which keys of this site are here; the same ticket under another name is one: a table was renamed."""
        columns = lead.c.key, lead.c.site, lead.c.made_ms, lead.c.phone
        names = lead.c.site.in_({self._name, *_names(connection)})
        rows = connection.execute(select(*columns).where(names, lead.c.key.in_(keys)))
        read = {key: self._read.pop(key, None) for key in keys}
        return {row.key for row in rows if row.site == self._name or _is(read[row.key], row)}

    async def enrich(self, rows: Sequence[Row[Lead]]) -> Sequence[Row[Lead]]:
        """Find the patients by phone; a clinic that cannot be read just now does not keep a lead from the desk."""
        phones = {phone_key(number) for row in rows if (number := row.value.ticket.phone_e164)}
        if not phones:
            return rows
        try:
            found = await self._run.clinic_read(lambda clinic: clinic.patients_by_phone(phones))
        except IdentsyncError as error:
            self._run.log.warning("leads are not linked to patients", error=type(error).__name__)
            return rows
        return [_linked(row, found) for row in rows]

    def store(self, connection: Connection, rows: Sequence[Row[Lead]]) -> None:
        """Put new leads on the desk."""
        now = self._run.now_ms()
        connection.execute(insert(lead), [_columns(self._name, row, now) for row in rows])


def _names(connection: Connection) -> list[str]:
    """Return the names under which leads have come, in these settings or in earlier ones."""
    room = stream_of("")
    streams = select(intake_cursor.c.stream).where(intake_cursor.c.stream.like(f"{room}%")).distinct()
    return [stream.removeprefix(room) for stream in connection.execute(streams).scalars()]


def _is(ticket: wire.Ticket | None, row: Any) -> bool:
    return ticket is not None and (ticket.made_ms, ticket.phone) == (row.made_ms, row.phone)


async def ask(http: "Http", site: LeadsSite, key: str, query: Mapping[str, str]) -> object:
    """Return the site's answer to GetTickets as decoded JSON."""
    headers = {wire.KEY_HEADER: key}
    deadline = site.timeout / 1000
    return await http.get_json(f"{site.url}/{wire.METHOD}", query, headers, max_bytes=MAX_ANSWER, deadline=deadline)


def _linked(row: Row[Lead], found: Mapping[str, tuple[int, ...]]) -> Row[Lead]:
    number = row.value.ticket.phone_e164
    patients = found.get(phone_key(number), ()) if number else ()
    return Row(row.key, row.at_ms, Lead(row.value.ticket, patients)) if patients else row


def _columns(site: str, row: Row[Lead], now_ms: int) -> dict[str, Any]:
    ticket, patients = row.value.ticket, row.value.patients
    return {
        "site": site,
        "key": row.key,
        "external_id": ticket.external_id,
        "made_ms": ticket.made_ms,
        "received_ms": now_ms,
        "phone": ticket.phone,
        "phone_e164": ticket.phone_e164,
        "email": ticket.email,
        "full_name": ticket.full_name,
        "form": ticket.form,
        "comment": ticket.comment,
        "plan_start_ms": ticket.plan_start_ms,
        "plan_end_ms": ticket.plan_end_ms,
        "doctor_id": ticket.doctor_id,
        "doctor_name": ticket.doctor_name,
        "utm": orjson.dumps(ticket.utm).decode(),
        "referer": ticket.referer,
        "patient_id": patients[0] if len(patients) == 1 else None,
        "patients": len(patients),
        "state": "new",
    }


async def check(settings: Mapping[str, LeadsSite], context: Any) -> list[Problem]:
    """Ask every site for the last minute; returns what is wrong with each, never raises."""
    from identsync.flows.http import Http

    problems = list(_twins(settings))
    async with Http() as http:
        for name, site in settings.items():
            problem = await _try(http, name, site, context)
            if problem is not None:
                problems.append(problem)
    return problems


def _twins(settings: Mapping[str, LeadsSite]) -> Iterator[Problem]:
    """Name the sites that are asked under two names: where both are asked at once, a lead may come twice."""
    first: dict[tuple[str, str], str] = {}
    for name, site in settings.items():
        twin = first.setdefault((site.url, site.key), name)
        if twin != name:
            what = _("тот же адрес и ключ, что у leads.{name}: заявка может прийти дважды", name=twin)
            yield Problem(f"leads.{name}", what, _("оставьте одну из двух таблиц"))


async def _try(http: "Http", name: str, site: LeadsSite, context: Any) -> Problem | None:
    where = f"leads.{name}"
    window = Window(context.now_ms - 60_000, context.now_ms, last=False)
    try:
        if site.branch and pages.unknown_branches(context, [site.branch]):
            what = _("таких филиалов нет: {ids}", ids=site.branch)  # no client would ever ask this site
            return Problem(where, what, _("исправьте branch; 0 = вся сеть"))
        answer = await ask(http, site, secret(site.key), wire.query(window, site.zone or DEFAULT_ZONE, site.limit, 0))
    except IdentsyncError as error:
        return Problem(where, f"{error} {error.raw[:200]}".strip(), error.hint)
    if not isinstance(answer, list):
        return Problem(
            where, _("сайт ответил не списком заявок"), _("Проверьте адрес (url): он пишется без имени метода.")
        )
    return None
