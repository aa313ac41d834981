"""What an organisation wants N3 to have, by its clinic's data, its rules and N3's reference books."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from identsync.clinic.clock import DAY, minute_now
from identsync.integrations.egisz import digest, opened
from identsync.integrations.egisz.assembling import Assembly, Told, ToldDocument
from identsync.integrations.egisz.case import Case, Document, Patient
from identsync.integrations.egisz.register import Held, What, Wish
from identsync.integrations.egisz.rules import Rules
from identsync.integrations.egisz.rules_table import Missing

if TYPE_CHECKING:
    from identsync.clinic.source import ClinicSource
    from identsync.integrations.egisz.reference import Books
    from identsync.integrations.egisz.settings import Organisation

Kept = Mapping[str, Mapping[int, str]]
"""The ids that the register has, by what and key."""


@dataclass(slots=True)
class Intent:
    """What is wanted, with its content by key; ``seen`` is all that the clinic still has, ``weight`` the brake's.

    The clinic is asked for everything from ``since_ms`` on, and for the ``old`` that still waits.
    """

    since_ms: int
    old: Set[int] = frozenset()
    wishes: dict[What, list[Wish]] = field(default_factory=lambda: {"patient": [], "case": [], "document": []})
    patients: dict[int, Patient] = field(default_factory=dict)
    cases: dict[int, Case] = field(default_factory=dict)
    documents: dict[int, tuple[Patient, Document]] = field(default_factory=dict)
    digests: dict[What, dict[int, int]] = field(default_factory=lambda: {"patient": {}, "case": {}, "document": {}})
    seen: set[int] = field(default_factory=set)
    weight: int = 0

    def want(self, what: What, wish: Wish) -> None:
        """Add a wish."""
        self.wishes[what].append(wish)
        if wish.digest is not None:
            self.digests[what][wish.key] = wish.digest


def since_ms(settings: "Organisation", now_ms: int) -> int:
    """Return the moment from which on the clinic is asked for everything."""
    return now_ms - settings.days * DAY * 60_000


def intended(
    clinic: "ClinicSource", settings: "Organisation", kept: Kept, books: "Books", now_ms: int,
    old: Sequence[Held] = (),
) -> Intent:  # fmt: skip
    """Read the clinic and judge everything that is to be sent of the last days; what is ``old`` and waits, too."""
    with clinic.snapshot() as source:
        zones = {each.id: each.zone for each in source.branches()}
        if settings.branches:
            zones = {branch: zone for branch, zone in zones.items() if branch in settings.branches}
        since = min((minute_now(zone, now_ms) for zone in zones.values()), default=0) - settings.days * DAY
        rules = Rules(settings, books, datetime.fromtimestamp(now_ms / 1000, UTC))
        plan = _Planning(rules, kept, Intent(since_ms(settings, now_ms), {row.key for row in old}))
        if settings.route == "case":
            plan.cases(Assembly(settings, zones, source.cases(zones, since, [row.key for row in old]), kept))
        else:
            documents, people = source.signed(zones, since, [row.own_id for row in old])
            assembly = Assembly(settings, zones, people, kept)
            for told in assembly.documents(documents):
                plan.document(told)
        return plan.intent


class _Planning:
    def __init__(self, rules: Rules, kept: Kept, intent: Intent) -> None:
        self.intent, self._rules, self._kept = intent, rules, kept
        self._digests = digest.Digests()

    def cases(self, assembly: Assembly) -> None:
        for told in assembly.cases():
            self._see(told.number, is_wanted=not told.cancelled)
            if told.cancelled or told.case.closed is not None:
                self._case(told)
            elif self._rules.settings.open_cases:
                self._case(replace(told, case=opened.so_far(told.case, self._rules.now)))
            elif told.number in self._kept.get("case", ()):  # opened again: it waits until it is closed
                self._case(told, may_go=False)

    def _see(self, key: int, *, is_wanted: bool) -> None:
        self.intent.seen.add(key)
        self.intent.weight += is_wanted and key not in self.intent.old

    def _case(self, told: Told, *, may_go: bool = True) -> None:
        case = told.case
        is_judged = may_go and not told.cancelled
        missing = self._rules.missing(case) if is_judged else []
        ready = is_judged and not missing
        self.intent.want("case", Wish(
            key=told.number, own_id=case.id, branch=told.branch, doctor=told.doctor, patient=told.patient,
            at_ms=_ms(case.closed or case.opened), digest=self._digests.of_care(case) if ready else None,
            missing=missing, is_open=not told.cancelled and case.closed is None,
        ))  # fmt: skip
        if ready:
            self.intent.cases[told.number] = case
        self._patient(told.patient, case.patient, wanted=ready, at_ms=_ms(case.opened))

    def document(self, told: ToldDocument) -> None:
        """Add a document; what was sent once is never sent again, whatever became of it."""
        document = told.document
        key = digest.key(document.id)
        missing = self._rules.missing_document(document, told.of)
        self._see(key, is_wanted=True)
        self.intent.want("document", Wish(
            key=key, own_id=document.id, branch=told.branch, doctor=told.doctor, patient=told.patient,
            at_ms=_ms(document.created), digest=None if missing else digest.of_document(document), missing=missing,
            is_once=True,
        ))  # fmt: skip
        if not missing:
            self.intent.documents[key] = told.of, document
        self._patient(told.patient, told.of, wanted=not missing, at_ms=_ms(document.created))

    def _patient(self, number: int, patient: Patient, *, wanted: bool, at_ms: int) -> None:
        """Want a patient of something that is ready; say of one that N3 has that the card lacks something."""
        if number in self.intent.patients or (not wanted and number not in self._kept.get("patient", ())):
            return
        missing: tuple[Missing, ...] = self._rules.of_patient(patient)
        if not wanted and not missing:
            return
        self.intent.patients[number] = patient
        self.intent.want("patient", Wish(
            key=number, own_id=patient.person.id, branch=0, doctor=None, patient=number, at_ms=at_ms,
            digest=None if missing else self._digests.of_patient(patient), missing=missing,
        ))  # fmt: skip


def _ms(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp() * 1000)
