"""Plans reminders: what the rules ask for of the visits ahead becomes rows of the outbox, each once.

When: ``before_minutes`` before the visit on the branch's wall clock. In quiet hours the reminder goes as soon as they
end; where less than two hours would be left until the visit then, it goes an hour before they begin. A visit that was
booked after its time gets a late reminder where at least two hours, and half of the rule's time, are left: who books in
the morning for the afternoon needs none.

A reminder is written down a day ahead, so that people see what is coming. One that cannot go (no number, refused) is
written down, skipped and with its reason, when its time has come: until then the number may still be noted. A visit
that is moved has another key: it gets a reminder of its own, and the old one is not sent (``whether``).

What kept a reminder from going may be over while there is still time, as for a late one: the visit was moved away for a
minute, the rule was off while its text was mended, the number is noted now. Then its row is planned once more. A visit
that another rule has reminded of at the same time before it is not reminded of again: who writes a new rule and
switches the old one off means the next visits.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from identsync.clinic.clock import DAY, minute_now, to_ms
from identsync.engine.integration import Outcome, Status
from identsync.flows.outbox import Draft
from identsync.flows.outbox import plan as write_down
from identsync.flows.outbox_book import written
from identsync.flows.outbox_rows import change
from identsync.integrations.messaging import reasons
from identsync.integrations.messaging.consent import Standing, normal, standing
from identsync.integrations.messaging.message import Medium, Rank
from identsync.integrations.messaging.quiet import COUNTED, Policy, permitted, policies
from identsync.integrations.messaging.reach import reach
from identsync.integrations.messaging.rules import Rule, Template, rules, templates
from identsync.spans import MINUTE_MS
from identsync.store.lists import among, portions, write_many
from identsync.store.tables import message, message_rule, outbox

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource
    from identsync.engine.run import Run

AHEAD_MS = DAY * MINUTE_MS  # written down so long before it is due
SOON_MS = 15 * MINUTE_MS  # what cannot go is written down so long before
LATE = 120  # minutes that must be left until the visit
EARLIER = 60  # minutes before quiet hours begin
PASSING = (
    reasons.CANCELLED, reasons.MOVED, reasons.NOT_OF_RULE, reasons.RULE_OFF, reasons.NO_TEMPLATE, reasons.NO_PHONE,
    reasons.BAD_PHONE, reasons.LANDLINE, reasons.NO_EMAIL, reasons.BAD_EMAIL,
)  # fmt: skip
"""Why a reminder did not go that may go after all, once this is over."""
PORTION = 500  # rows of one transaction: on SQLite it holds the only write lock there is


@dataclass(frozen=True, slots=True)
class Laid:
    """A rule with its template."""

    rule: Rule
    template: Template


@dataclass(frozen=True, slots=True)
class Wish:
    """A reminder that the rules ask for: of which visit, when, to whom, and why it cannot go ('' = it can)."""

    key: str
    laid: Laid
    appointment: int
    patient: int
    start: int
    due_ms: int
    until_ms: int
    address: str
    reason: str


async def plan_reminders(run: "Run") -> Outcome:
    """Plan the reminders of the branch of this run (0 = of the network) that fall due within a day."""
    laid, policy = await run.read(lambda connection: (_laid(connection), policies(connection)))
    counts: Counter[str] = Counter(planned=0, skipped=0)
    if not laid:
        return Outcome(Status.OK, dict(counts))
    every = await run.clinic_read(lambda clinic: clinic.branches())
    for branch in every:
        if run.scope in (0, branch.id):
            of_branch = [one for one in laid if not one.rule.filter.branches or branch.id in one.rule.filter.branches]
            if of_branch:
                await _plan(run, branch, of_branch, policy.get(branch.id, policy[0]), counts)
    return Outcome(Status.OK, dict(counts))


async def _plan(run: "Run", branch: "Branch", laid: Sequence[Laid], policy: Policy, counts: Counter[str]) -> None:
    now = run.now_ms()
    hours = Hours(branch.zone, policy, now)
    asked = await run.clinic_read(lambda clinic: list(_wishes(clinic, branch, laid, hours)))
    wishes = await run.read(lambda connection: list(_new(connection, asked, policy, now)))
    for at in range(0, len(wishes), PORTION):
        some = wishes[at : at + PORTION]
        new = await run.write(lambda connection, some=some: _write(connection, branch.id, some, run.now_ms()))  # type: ignore[misc]
        counts.update("skipped" if wish.reason else "planned" for wish in some if wish.key in new)
        run.progress(**counts)


@dataclass(slots=True)
class Hours:
    """When reminders go out in a branch, as seen at an instant."""

    zone: str
    policy: Policy
    now_ms: int
    _known: dict[tuple[int, int], tuple[int, int, str]] = field(default_factory=dict)

    def window(self, before: int) -> tuple[int, int]:
        """Give the wall minutes in which visits begin that may be due within the day."""
        now = minute_now(self.zone, self.now_ms)
        return now, now + before + 2 * DAY  # one more: quiet hours may have it go the evening before

    def due(self, start: int, before: int) -> tuple[int, int, str]:
        """Give when a reminder goes, when the visit begins (epoch ms), and why it cannot go ('' = it can)."""
        found = self._known.get((start, before))
        if found is None:
            found = self._known[start, before] = self._due(start, before)
        return found

    def _due(self, start: int, before: int) -> tuple[int, int, str]:
        begins = to_ms(self.zone, start)
        due = self._spoken(start - before, begins)
        if due >= self.now_ms:
            return due, begins, ""
        late = permitted(self.zone, self.now_ms, self.policy)
        left = max(LATE, before // 2) * MINUTE_MS
        return (due, begins, reasons.TOO_LATE) if begins - late < left else (late, begins, "")

    def _spoken(self, minute: int, begins: int) -> int:
        at = to_ms(self.zone, minute)
        due = permitted(self.zone, at, self.policy)
        if due == at or begins - due >= LATE * MINUTE_MS:
            return due
        began = minute - (minute - self.policy.quiet_from) % DAY
        return permitted(self.zone, to_ms(self.zone, began - EARLIER), self.policy)


def key_of(rule: int, patient: int, appointment: int, start: int, medium: str) -> str:
    """Return the business key of a reminder."""
    return hashlib.sha256(f"reminder {rule}|{patient}|{appointment}|{start}|{medium}".encode()).hexdigest()


def _laid(connection: Connection) -> list[Laid]:
    on, texts = rules(connection, on=True), templates(connection)
    found = [(rule, texts[rule.template_id]) for rule in on if rule.template_id in texts]
    return [Laid(rule, text) for rule, text in found if text.on]


def _wishes(clinic: "ClinicSource", branch: "Branch", laid: Sequence[Laid], hours: Hours) -> Iterator[Wish]:
    """Give what the rules ask for; of two rules for the same time and medium the first one speaks."""
    media = {one.template.medium for one in laid}
    asked = {
        "service": any(one.rule.filter.services for one in laid),
        "phone": Medium.SMS in media,
        "email": Medium.EMAIL in media,
    }
    fields = [name for name, wanted in asked.items() if wanted]
    latest = hours.now_ms + AHEAD_MS
    for appointment, doctor, patient, start, *rest in clinic.coming(branch.id, hours.window(_most(laid)), fields):
        told = dict(zip(fields, rest, strict=True))
        spoken = set[tuple[Medium, int]]()
        for one in laid:
            medium, before = one.template.medium, one.rule.before_minutes
            if (medium, before) in spoken or not one.rule.filter.fits(branch.id, doctor, told.get("service")):
                continue
            spoken.add((medium, before))
            due, begins, late = hours.due(start, before)
            if due > latest:
                continue
            address, why = reach(medium, told.get("phone"), told.get("email"))
            key = key_of(one.rule.id, patient, appointment, start, medium)
            yield Wish(key, one, appointment, patient, start, due, begins, address, why or late)


def _most(laid: Iterable[Laid]) -> int:
    return max(one.rule.before_minutes for one in laid)


def _new(connection: Connection, asked: Sequence[Wish], policy: Policy, now_ms: int) -> Iterator[Wish]:
    """Give what is not written down yet and may be by now, with what the patients said of it."""
    there: set[str] = set()
    for medium in {wish.laid.template.medium for wish in asked}:
        keys = [wish.key for wish in asked if wish.laid.template.medium is medium]
        there |= written(connection, f"messaging/{medium}", keys).keys()
    there -= {row.key for row in _over(connection, [wish.key for wish in asked if not wish.reason])}
    new = [wish for wish in asked if wish.key not in there]
    told = _told(connection, {wish.patient for wish in new})
    new = [wish for wish in new if _same(wish) not in told]
    said = {medium: _said(connection, medium, new) for medium in {wish.laid.template.medium for wish in new}}
    soon = now_ms + SOON_MS
    for wish in new:
        reason = wish.reason or _objection(said[wish.laid.template.medium], wish, policy)
        if not reason:
            yield wish
        elif wish.due_ms <= soon:
            yield replace(wish, reason=reason)


def _over(connection: Connection, keys: Sequence[str]) -> list[Any]:
    """Give the rows (id, key) that were skipped for what may be over by now."""
    o, found = outbox.c, list[Any]()
    for some in portions(keys):
        here = among(connection, o.key, some), o.state == "skipped", o.reason.in_(PASSING)
        found += connection.execute(select(o.id, o.key).where(*here)).all()
    return found


def _told(connection: Connection, patients: Collection[int]) -> set[tuple[Any, ...]]:
    """Give what these patients have been reminded of, as ``_same`` has it."""
    m, found = message.c, set[tuple[Any, ...]]()
    asked = select(m.appointment_id, m.appointment_start, m.medium, message_rule.c.before_minutes)
    asked = asked.join_from(message, outbox, outbox.c.id == m.outbox_id)
    asked = asked.join(message_rule, message_rule.c.id == m.rule_id).where(outbox.c.state.in_(COUNTED))
    for some in portions(patients):
        found.update(tuple(row) for row in connection.execute(asked.where(among(connection, m.patient_id, some))))
    return found


def _same(wish: Wish) -> tuple[Any, ...]:
    """Return what two rules would remind of in the same way at the same time."""
    return wish.appointment, wish.start, str(wish.laid.template.medium), wish.laid.rule.before_minutes


def _said(connection: Connection, medium: Medium, wishes: Sequence[Wish]) -> Standing:
    mine = [wish for wish in wishes if wish.laid.template.medium is medium and not wish.reason]
    return standing(
        connection, medium, {wish.patient for wish in mine}, {normal(medium, wish.address) for wish in mine}
    )


def _objection(said: Standing, wish: Wish, policy: Policy) -> str:
    return said.objection(wish.patient, wish.address, wish.laid.template.kind, service_consent=policy.service_consent)


def _write(connection: Connection, branch: int, wishes: Sequence[Wish], now_ms: int) -> set[str]:
    """Write down reminders and their messages, or plan those once more that are there; give the keys of all these."""
    again = _again(connection, wishes, now_ms)
    by_medium: dict[Medium, list[Wish]] = {}
    for wish in wishes:
        by_medium.setdefault(wish.laid.template.medium, []).append(wish)
    ids: dict[str, int] = {}
    for medium, some in by_medium.items():
        ids |= write_down(connection, f"messaging/{medium}", 0, [_draft(wish) for wish in some], now_ms)
    new = [_columns(wish, branch, ids[wish.key]) for wish in wishes if wish.key in ids]
    write_many(connection, message, new)
    return again | ids.keys()


def _again(connection: Connection, wishes: Sequence[Wish], now_ms: int) -> set[str]:
    due, done = {wish.key: wish.due_ms for wish in wishes if not wish.reason}, set[str]()
    for row in _over(connection, list(due)):
        values = {"state": "planned", "due_ms": due[row.key], "reason": None, "changed_ms": now_ms}
        if change(connection, [row.id], ("skipped",), values):
            done.add(row.key)
    return done


def _draft(wish: Wish) -> Draft:
    state = "skipped" if wish.reason else "planned"
    address = wish.address or None
    due, until, rank = wish.due_ms, wish.until_ms, Rank.REMINDER
    return Draft(key=wish.key, due_ms=due, until_ms=until, rank=rank, state=state, reason=wish.reason, address=address)


def _columns(wish: Wish, branch: int, outbox_id: int) -> Mapping[str, Any]:
    template = wish.laid.template
    return {
        "outbox_id": outbox_id,
        "medium": str(template.medium),
        "kind": str(template.kind),
        "purpose": "reminder",
        "patient_id": wish.patient,
        "template_id": template.id,
        "rule_id": wish.laid.rule.id,
        "appointment_id": wish.appointment,
        "appointment_start": wish.start,
        "branch_id": branch,
        "made_by": "",
    }
