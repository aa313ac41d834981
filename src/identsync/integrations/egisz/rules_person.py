"""What patients, their guardians and doctors lack; nothing here depends on a case, so each is judged once."""

import re
from collections.abc import Iterator
from datetime import date

from identsync.integrations.egisz import reference, rules_text, snils
from identsync.integrations.egisz.case import Doctor, Guardian, Paper, Patient, Person
from identsync.integrations.egisz.reference import Books
from identsync.integrations.egisz.rules_table import Missing, Subject

PASSPORT, SNILS_PAPER = 14, 223
"""Codes of the book of documents that N3's own samples name: the Russian passport, СНИЛС."""
PASSPORT_AGE = 14
GROWN = 18  # an old patient's guardian may be his daughter
OLDEST = 130  # years
SEXES = (1, 2)
FOREIGN = re.compile("иностр|вид на жительство|без гражданства|беженц|убежищ|временн", re.IGNORECASE)
"""How names of N3's book of documents tell that somebody need not have СНИЛС."""


def age(born: date, on: date) -> int:
    """Return the full years of life on a day."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def born(person: Person, today: date) -> date | None:
    """Return a day of birth that may be true, None for any other: what follows from a wrong one is no fault more."""
    day = person.born
    return day if day is not None and day <= today and age(day, today) <= OLDEST else None


def of_doctor(doctor: Doctor, books: Books, today: date) -> Iterator[Missing]:
    """Yield what a doctor's card lacks: N3 knows him by СНИЛС, position and speciality."""
    person = doctor.person
    yield from _named(Subject.DOCTOR, person)
    yield from _snils(Subject.DOCTOR, person, needed=True)
    yield from _born(Subject.DOCTOR, person, today, needed=False)
    yield from _coded("doctor.position", person.id, doctor.position, books, reference.POSITION)
    yield from _coded("doctor.speciality", person.id, doctor.speciality, books, reference.SPECIALITY)


def of_patient(patient: Patient, books: Books, today: date) -> Iterator[Missing]:
    """Yield what a patient's card lacks; whether he needs a guardian depends on the day of the case."""
    person = patient.person
    yield from _named(Subject.PATIENT, person)
    yield from _snils(Subject.PATIENT, person, needed=not any(excuses(paper, books) for paper in patient.papers))
    yield from _born(Subject.PATIENT, person, today, needed=True)
    for paper in patient.papers:
        yield from _of_paper(person, paper, books, today)
    if not (rules_text.is_carried(patient.address) and rules_text.is_carried(patient.phone)):
        yield Missing("patient.text", person.id)
    if patient.guardian is not None:
        yield from _of_guardian(patient.guardian, person, books, today)


def excuses(paper: Paper, books: Books) -> bool:
    """Tell whether a document is of somebody who need not have СНИЛС: a foreigner's, by its name in N3's book.

    Without the book any but the Russian passport excuses: a foreigner held back for ever is worse than a refusal.
    """
    book = books.of(reference.PAPER)
    if paper.kind is None or book is None:
        return paper.kind not in (None, PASSPORT, SNILS_PAPER)
    return FOREIGN.search(book.codes.get(str(paper.kind), "")) is not None


def _named(subject: Subject, person: Person) -> Iterator[Missing]:
    who = person.id
    if not who.strip():
        yield Missing(f"{subject}.id", who)
    if not any(map(str.isalpha, person.surname)):
        yield Missing(f"{subject}.surname", who)
    if not any(map(str.isalpha, person.name)):
        yield Missing(f"{subject}.name", who)
    names = [name for name in (person.surname, person.name, person.patronymic) if name.strip()]
    if not all(map(rules_text.is_plain, names)):
        yield from _odd(subject, person, names)
    if person.patronymic.strip() and rules_text.is_filler(person.patronymic):
        yield Missing(f"{subject}.filler", who)


def _odd(subject: Subject, person: Person, names: list[str]) -> Iterator[Missing]:
    looked = [name for name in names if name is not person.patronymic or not rules_text.is_filler(name)]
    for sign in dict.fromkeys(filter(None, map(rules_text.strange, looked))):
        yield Missing(f"{subject}.signs", person.id, (("sign", sign),))
    if any(map(rules_text.is_mixed, looked)):
        yield Missing(f"{subject}.mixed", person.id)
    if any(map(rules_text.is_initial, (person.name, person.patronymic))):
        yield Missing(f"{subject}.initial", person.id)


def _snils(subject: Subject, person: Person, *, needed: bool) -> Iterator[Missing]:
    if person.snils.strip():
        if fault := snils.fault(person.snils):
            yield Missing(f"{subject}.snils.{fault}", person.id)
    elif needed:
        yield Missing(f"{subject}.snils", person.id)


def _born(subject: Subject, person: Person, today: date, *, needed: bool) -> Iterator[Missing]:
    if person.sex is not None and person.sex not in SEXES:
        yield Missing(f"{subject}.sex.unknown", person.id, (("code", str(person.sex)),))
    elif person.sex is None and needed:
        yield Missing(f"{subject}.sex", person.id)
    if person.born is not None and born(person, today) is None:
        yield Missing(f"{subject}.born.wrong", person.id)
    elif person.born is None and needed:
        yield Missing(f"{subject}.born", person.id)


def _coded(rule: str, who: str, code: int | None, books: Books, kind: reference.Oids) -> Iterator[Missing]:
    if code is None:
        yield Missing(rule, who)
    elif oid := books.refusal(kind, code):
        yield Missing(f"{rule}.unknown", who, (("code", str(code)), ("oid", oid)))


def _of_paper(person: Person, paper: Paper, books: Books, today: date) -> Iterator[Missing]:
    who = person.id
    yield from _coded("patient.paper.kind", who, paper.kind, books, reference.PAPER)
    if not paper.number.strip():
        yield Missing("patient.paper.number", who)
    elif not paper.number.isalnum():
        yield Missing("patient.paper.number.signs", who)
    else:
        yield from _of_kind(who, paper)
    if paper.series and not paper.series.replace("-", "").isalnum():
        yield Missing("patient.paper.series.signs", who)
    if not paper.issuer.strip():
        yield Missing("patient.paper.issuer", who)
    if paper.issued is not None and not _may_issue(paper, paper.issued, born(person, today), today):
        yield Missing("patient.paper.issued", who)


def _of_kind(who: str, paper: Paper) -> Iterator[Missing]:
    if paper.kind == PASSPORT and not (_digits(paper.series, 4) and _digits(paper.number, 6)):
        yield Missing("patient.paper.passport", who)
    if paper.kind == SNILS_PAPER and snils.fault(paper.number):
        yield Missing("patient.paper.snils", who)


def _digits(text: str, count: int) -> bool:
    return len(text) == count and text.isascii() and text.isdigit()


def _may_issue(paper: Paper, issued: date, since: date | None, today: date) -> bool:
    youngest = PASSPORT_AGE if paper.kind == PASSPORT else 0
    return issued <= today and (since is None or age(since, issued) >= youngest)


def _of_guardian(guardian: Guardian, patient: Person, books: Books, today: date) -> Iterator[Missing]:
    person = guardian.person
    for one in (*_named(Subject.GUARDIAN, person), *_snils(Subject.GUARDIAN, person, needed=False)):
        yield Missing(one.rule, patient.id, one.fields)
    for one in _born(Subject.GUARDIAN, person, today, needed=True):
        yield Missing(one.rule, patient.id, one.fields)
    yield from _coded("guardian.relation", patient.id, guardian.relation, books, reference.RELATION)
    if not guardian.paper.strip():
        yield Missing("guardian.paper", patient.id)
    if person.id == patient.id:
        yield Missing("guardian.self", patient.id)
    older, younger = born(person, today), born(patient, today)
    if older is not None and younger is not None and older >= younger and age(younger, today) < GROWN:
        yield Missing("guardian.younger", patient.id)
