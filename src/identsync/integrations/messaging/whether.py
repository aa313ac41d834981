"""Whether a message still goes out: everything it rests on is read again right before it is sent.

The visit (cancelled, moved, begun; the branch where it is now), the patient (gone; the number as it is now), consents
and stops, the rule (switched off, no longer for such a visit), the template, the campaign, quiet hours and the day's
limit. What a person composed goes as written, at any number a day,
and in quiet hours where he said so (``urgent``); consents and stops hold for it too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from identsync.clinic.clock import to_ms
from identsync.flows.outbox import Row, Skip, Wait
from identsync.integrations.messaging import quiet, reasons
from identsync.integrations.messaging.consent import Standing, normal, standing
from identsync.integrations.messaging.filling import filling
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.quiet import Policy
from identsync.integrations.messaging.reach import reach
from identsync.integrations.messaging.rules import ALL, Filter, Template, rules, templates
from identsync.integrations.messaging.template import LONGEST, places, render, warns
from identsync.spans import DAY_MS
from identsync.store.tables import message, message_campaign

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource, Patient, Visit
    from identsync.engine.run import Run

PAUSE_MS = 60_000
TWO_DAYS_MS = 172_800_000
CHILDHOOD = 18
DAYS_A_YEAR = 365.2425
BY_HAND = ("single", "plan")
UTC = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """A message that may go out now, as it shall read."""

    row: Row
    to: str
    text: str
    kind: Kind
    subject: str = ""
    html: str = ""
    name: str = ""  # of the patient, for the mail's To
    patient_id: int | None = None
    template_id: int | None = None
    branch_id: int | None = None


async def decide(run: "Run", rows: Sequence[Row], medium: Medium) -> list[Go | Skip | Wait]:
    """Read again what the messages of ``rows`` rest on and say of each: go, not at all, or not now; in their order."""
    told = await run.read(lambda connection: _told(connection, rows))
    seen = await run.clinic_read(lambda clinic: _seen(clinic, told))
    now = run.now_ms()
    known = await run.read(lambda connection: _known(connection, medium, rows, seen, now))
    desk = Desk(medium, told, seen, known, now)
    return [desk.decide(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Told:
    """What the engine's own tables say of some messages."""

    messages: Mapping[int, Any]
    templates: Mapping[int, Template]
    rules: Mapping[int, Filter]  # switched on: for which visits
    campaigns: Mapping[int, str]  # id -> state
    policies: Mapping[int, Policy]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the clinic says now."""

    visits: Mapping[int, "Visit"]
    patients: Mapping[int, "Patient"]
    branches: Mapping[int, "Branch"]
    doctors: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Known:
    """What the patients said, and what went out to them today."""

    standing: Standing
    sent: Mapping[int, Sequence[int]]


@dataclass(slots=True)
class Desk:
    """Decides on one message after the other, with all that was read in hand."""

    medium: Medium
    told: Told
    seen: Seen
    known: Known
    now_ms: int
    going: dict[int, int] = field(default_factory=dict)  # patient -> messages of this batch

    def decide(self, row: Row) -> Go | Skip | Wait:
        """Say of one row: go, not at all, or not now."""
        told = self.told.messages.get(row.id)
        if told is None:
            return Skip(row, reasons.NO_ROW)
        if self.told.campaigns.get(row.lot or 0) == "paused":
            return Wait(row, self.now_ms + PAUSE_MS, reasons.PAUSED)
        if reason := self._cause(row, told) or self._patient(told):
            return Skip(row, reason)
        template = self.told.templates.get(told.template_id or 0)
        if told.purpose not in BY_HAND and (template is None or not template.on or template.medium != self.medium):
            return Skip(row, reasons.NO_TEMPLATE)
        go = self._written(row, told, template)
        if isinstance(go, Go):
            return self._objection(go, told, template) or self._hours(go, told) or self._counted(go)
        return Skip(row, go)

    def _cause(self, row: Row, told: Any) -> str:
        """Say why what the message is for is no more."""
        if row.lot is not None and self.told.campaigns.get(row.lot) in (None, "stopped"):
            return reasons.BULK_STOPPED
        rule = self.told.rules.get(told.rule_id) if told.rule_id is not None else ALL
        if rule is None:
            return reasons.RULE_OFF
        if told.appointment_id is None:
            return ""
        visit = self.seen.visits.get(told.appointment_id)
        if visit is None or visit.patient_id != told.patient_id:
            return reasons.CANCELLED
        if visit.start_minute != told.appointment_start:
            return reasons.MOVED
        if not rule.fits(visit.branch_id, visit.doctor_id, visit.service):
            return reasons.NOT_OF_RULE
        return reasons.PAST if to_ms(self._zone(told), visit.start_minute) <= self.now_ms else ""

    def _patient(self, told: Any) -> str:
        gone = told.patient_id is not None and told.patient_id not in self.seen.patients
        return reasons.GONE if gone else ""

    def _written(self, row: Row, told: Any, template: Template | None) -> Go | str:
        """Write the message as it shall go; give why there is none where it cannot be."""
        patient, visit = self._who(told), self._visit(told)
        to, why = _address(self.medium, row, patient)
        if not to:
            return why
        if told.purpose in BY_HAND or template is None:
            text, subject, kind = told.text or "", told.subject or "", Kind(told.kind)
        else:
            doctor = self.seen.doctors.get(visit.doctor_id, "") if visit is not None else ""
            values = filling(patient, self._branch(told), visit, doctor)
            text, subject, kind = render(template.text, values), render(template.subject, values), template.kind
        if not text.strip() or len(text) > LONGEST[self.medium] or (kind is Kind.AD and not warns(text)):
            return reasons.BAD_TEXT
        name = f"{patient.name} {patient.patronymic}".strip() if patient is not None else ""
        return Go(
            row=row, to=to, text=text, kind=kind, subject=subject, name=name, patient_id=told.patient_id,
            template_id=told.template_id, branch_id=told.branch_id,
        )  # fmt: skip

    def _objection(self, go: Go, told: Any, template: Template | None) -> Skip | None:
        asks = self._policy(told).service_consent and told.purpose not in BY_HAND
        said, to = self.known.standing, normal(self.medium, go.to)
        if reason := said.objection(told.patient_id, to, go.kind, service_consent=asks):
            return Skip(go.row, reason)
        private = told.purpose == "plan" or (
            template is not None and "услуга" in places(template.text + template.subject)
        )
        if private and not said.is_confirmed(told.patient_id, to):
            return Skip(go.row, reasons.NOT_CONFIRMED)
        return Skip(go.row, reasons.MINOR) if go.kind is Kind.AD and is_child(self._who(told), self.now_ms) else None

    def _hours(self, go: Go, told: Any) -> Skip | Wait | None:
        """Say when it may go where that is not now: after the quiet hours, tomorrow."""
        zone, policy = self._zone(told), self._policy(told)
        if told.urgent:
            return None
        until, reason = quiet.permitted(zone, self.now_ms, policy), reasons.QUIET
        if until <= self.now_ms and told.purpose not in BY_HAND and self._enough(go, zone, policy):
            until, reason = quiet.tomorrow(zone, self.now_ms, policy), reasons.LIMIT
        if until <= self.now_ms:
            return None
        return Wait(go.row, until, reason) if until < go.row.until_ms else Skip(go.row, reason)

    def _enough(self, go: Go, zone: str, policy: Policy) -> bool:
        if not policy.per_day or go.patient_id is None:
            return False
        since = quiet.day_began(zone, self.now_ms)
        sent = sum(at >= since for at in self.known.sent.get(go.patient_id, ()))
        return sent + self.going.get(go.patient_id, 0) >= policy.per_day

    def _counted(self, go: Go) -> Go:
        if go.patient_id is not None:
            self.going[go.patient_id] = self.going.get(go.patient_id, 0) + 1
        return go

    def _who(self, told: Any) -> "Patient | None":
        return self.seen.patients.get(told.patient_id) if told.patient_id is not None else None

    def _visit(self, told: Any) -> "Visit | None":
        return self.seen.visits.get(told.appointment_id or 0)

    def _branch(self, told: Any) -> "Branch | None":
        """Give the branch of a message: of its visit as it is now, its own, the patient's, the network's first."""
        patient, visit, branches = self._who(told), self._visit(told), self.seen.branches
        of_visit, of_patient = (each.branch_id if each is not None else None for each in (visit, patient))
        for number in (of_visit, told.branch_id, of_patient, min(branches, default=None)):
            if number is not None and number in branches:
                return branches[number]
        return None

    def _zone(self, told: Any) -> str:
        branch = self._branch(told)
        return branch.zone if branch is not None else UTC

    def _policy(self, told: Any) -> Policy:
        branch, policies = self._branch(told), self.told.policies
        return policies.get(branch.id if branch is not None else 0, policies[0])


def is_child(patient: "Patient | None", now_ms: int) -> bool:
    """Tell whether a patient is known to be younger than eighteen."""
    if patient is None or patient.born is None:
        return False
    return now_ms // DAY_MS - patient.born < CHILDHOOD * DAYS_A_YEAR


def _address(medium: Medium, row: Row, patient: "Patient | None") -> tuple[str, str]:
    if patient is not None:
        return reach(medium, patient.phone, patient.email)
    return reach(medium, row.address, row.address)


def _told(connection: Connection, rows: Sequence[Row]) -> Told:
    ids, lots = [row.id for row in rows], {row.lot for row in rows if row.lot is not None}
    messages = {row.outbox_id: row for row in connection.execute(select(*_MESSAGE).where(_m.outbox_id.in_(ids)))}
    used = {row.template_id for row in messages.values() if row.template_id is not None}
    ruled = any(row.rule_id is not None for row in messages.values())
    of_lots = select(message_campaign.c.id, message_campaign.c.state).where(message_campaign.c.id.in_(lots))
    return Told(
        messages,
        templates(connection, used) if used else {},
        {rule.id: rule.filter for rule in rules(connection, on=True)} if ruled else {},
        {row.id: row.state for row in connection.execute(of_lots)} if lots else {},
        quiet.policies(connection),
    )


def _seen(clinic: "ClinicSource", told: Told) -> Seen:
    rows = told.messages.values()
    with clinic.snapshot() as inside:
        visits = inside.visits(row.appointment_id for row in rows if row.appointment_id is not None)
        patients = inside.patients(row.patient_id for row in rows if row.patient_id is not None)
        branches = {branch.id: branch for branch in inside.branches()}
        at = {visit.branch_id for visit in visits.values()}
        named = at and any("врач" in places(each.text + each.subject) for each in told.templates.values())
        doctors = {doctor.id: doctor.name for doctor in inside.staff(at)} if named else {}
    return Seen(visits, patients, branches, doctors)


def _known(connection: Connection, medium: Medium, rows: Sequence[Row], seen: Seen, now_ms: int) -> Known:
    patients = seen.patients
    addresses = {_address(medium, row, None)[0] for row in rows if row.address}
    addresses |= {reach(medium, patient.phone, patient.email)[0] for patient in patients.values()}
    since = now_ms - TWO_DAYS_MS
    sent = quiet.went_out(connection, patients, since) if patients else {}
    return Known(standing(connection, medium, patients, {normal(medium, to) for to in addresses if to}), sent)


_m = message.c
_MESSAGE = (
    _m.outbox_id, _m.kind, _m.purpose, _m.patient_id, _m.template_id, _m.rule_id, _m.appointment_id,
    _m.appointment_start, _m.branch_id, _m.subject, _m.text, _m.urgent,
)  # fmt: skip
