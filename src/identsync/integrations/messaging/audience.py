"""Whom a campaign is for, who of them is left out and why, and what it would cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection

from identsync.clinic.clock import minute_now
from identsync.integrations.messaging import reasons
from identsync.integrations.messaging import template as texts
from identsync.integrations.messaging.consent import Standing, normal, standing
from identsync.integrations.messaging.filling import filling
from identsync.integrations.messaging.message import Kind
from identsync.integrations.messaging.quiet import Policy, policies
from identsync.integrations.messaging.reach import reach
from identsync.integrations.messaging.rules import Template
from identsync.integrations.messaging.template import Preview
from identsync.integrations.messaging.whether import DAYS_A_YEAR, is_child
from identsync.spans import DAY_MS

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource, Guest

ZONE = "Europe/Moscow"  # of a network without branches


class Audience(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a campaign is for; what is None or empty does not matter.

    Days count from 1970-01-01. ``visited_from``..``visited_to``: the last visit lies there (both inclusive); who was
    never there has none. ``without_booking``: nothing is booked ahead. Ages are whole years.
    """

    visited_from: int | None = None
    visited_to: int | None = None
    age_from: int | None = None
    age_to: int | None = None
    branches: list[int] = []
    doctors: list[int] = []
    without_booking: bool = False

    def fits(self, guest: "Guest", now_ms: int) -> bool:
        """Tell whether a patient is one of them; the doctors are asked for in the database."""
        patient = guest.patient
        if (self.branches and patient.branch_id not in self.branches) or (self.without_booking and guest.booked):
            return False
        age = None if patient.born is None else int((now_ms // DAY_MS - patient.born) / DAYS_A_YEAR)
        return _within(guest.last_visit, self.visited_from, self.visited_to) and _within(
            age, self.age_from, self.age_to
        )


EVERYBODY = Audience()


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a campaign would do: patients found, messages, parts, kopecks, how many are left out and why, an example."""

    found: int
    messages: int
    parts: int
    kopecks: int
    excluded: Mapping[str, int]  # reason (a message key) -> patients
    example: Preview | None


@dataclass(frozen=True, slots=True)
class Guess:
    """A patient of a campaign: where he is reached, and why he is left out ('' = he is not)."""

    guest: "Guest"
    address: str
    reason: str


def preview(
    clinic: "ClinicSource",
    connection: Connection,
    template: Template,
    audience: Audience,
    now_ms: int,
    kopecks: int = 0,
) -> Reckoning:
    """Count a campaign without writing anything; ``kopecks`` is the price of a part (of a mail: of a mail)."""
    branches = {branch.id: branch for branch in clinic.branches()}
    everybody = judged(connection, template, chosen(clinic, branches, template, audience, now_ms), now_ms)
    going = [one for one in everybody if not one.reason]
    alike = _alike(going, template, branches)
    seen = [
        (texts.preview(template.text, template.subject, values, template.medium, kopecks), n) for values, n in alike
    ]
    parts = sum(each.parts * n for each, n in seen)
    excluded = Counter(one.reason for one in everybody if one.reason)
    return Reckoning(len(everybody), len(going), parts, parts * kopecks, excluded, seen[0][0] if seen else None)


def chosen(
    clinic: "ClinicSource", branches: Mapping[int, "Branch"], template: Template, audience: Audience, now_ms: int
) -> list[Guess]:
    """Give the patients an audience is made of, with where each is reached."""
    zone = branches[min(branches)].zone if branches else ZONE
    guests = clinic.guests(minute_now(zone, now_ms), audience.doctors)
    fit = (guest for guest in guests if audience.fits(guest, now_ms))
    return [Guess(guest, *reach(template.medium, guest.patient.phone, guest.patient.email)) for guest in fit]


def judged(connection: Connection, template: Template, everybody: Sequence[Guess], now_ms: int) -> list[Guess]:
    """Say who is left out, and why; of those who share an address the first one is written to."""
    medium, policy = template.medium, policies(connection)
    reached = [normal(medium, one.address) if one.address else "" for one in everybody]
    said = standing(connection, medium, [one.guest.patient.id for one in everybody], {to for to in reached if to})
    taken: set[str] = set()
    found = []
    for one, address in zip(everybody, reached, strict=True):
        rule = policy.get(one.guest.patient.branch_id or 0, policy[0])
        reason = one.reason or _objection(one, address, template, said, rule, now_ms)
        if not reason and address in taken:
            reason = reasons.SAME_ADDRESS
        if not reason:
            taken.add(address)
        found.append(Guess(one.guest, one.address, reason))
    return found


def _objection(one: Guess, to: str, template: Template, said: Standing, policy: Policy, now_ms: int) -> str:
    patient = one.guest.patient
    if reason := said.objection(patient.id, to, template.kind, service_consent=policy.service_consent):
        return reason
    return reasons.MINOR if template.kind is Kind.AD and is_child(patient, now_ms) else ""


def _alike(
    going: Sequence[Guess], template: Template, branches: Mapping[int, "Branch"]
) -> list[tuple[Mapping[str, str], int]]:
    """Return what a template is filled with, and for how many: of a hundred thousand patients many have one name."""
    used = sorted(texts.places(template.text + template.subject))
    counted = Counter[tuple[str, ...]]()
    for one in going:
        patient = one.guest.patient
        values = filling(patient, branches.get(patient.branch_id or 0), None)
        counted[tuple(values.get(name, "") for name in used)] += 1
    return [(dict(zip(used, values, strict=True)), n) for values, n in counted.items()]


def _within(value: int | None, first: int | None, last: int | None) -> bool:
    if first is None and last is None:
        return True
    return value is not None and (first is None or value >= first) and (last is None or value <= last)
