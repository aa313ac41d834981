"""What a case itself lacks: its dates, visits, diagnoses, services and codes."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from identsync.integrations.egisz import reference, rules_text
from identsync.integrations.egisz.case import Case, Codes, Diagnosis, Service, Visit
from identsync.integrations.egisz.reference import Books
from identsync.integrations.egisz.rules_person import age, born
from identsync.integrations.egisz.rules_table import CODES, Missing
from identsync.integrations.egisz.settings import Organisation

DIAGNOSIS = re.compile(r"[A-Z][0-9]{2}(\.[0-9]{1,2})?[+*]?")
SERVICE = re.compile(r"A[0-9]{2}\.[0-9]{2}\.[0-9]{3}(\.[0-9]{3})*|B[0-9]{2}\.[0-9]{3}\.[0-9]{3}(\.[0-9]{3})*")
CYRILLIC = re.compile("[Ѐ-ԯ]")
FIRST, AGAIN = 1, 2
"""Codes of CaseVisitType: first visit, repeated one."""
BYTE = 255
REQUIRED = frozenset(("payment", "confidentiality", "case", "place", "visit_purpose"))
AT_END = frozenset(("result",))  # CreateCase has none, the close of the case must
KINDS = {
    "aid": reference.AID,
    "payment": reference.PAYMENT,
    "confidentiality": reference.CONFIDENTIALITY,
    "result": reference.RESULT,
    "purpose": reference.PURPOSE,
    "case": reference.CASE,
    "outcome": reference.OUTCOME,
    "place": reference.PLACE,
    "visit_purpose": reference.VISIT_PURPOSE,
    "role": reference.ROLE,
}


def of_codes(codes: Codes, usual: Organisation, books: Books, *, closed: bool) -> Iterator[tuple[str, str, str]]:
    """Yield (rule, code, book) of each code that is missing, too wide for its field, or not in N3's book."""
    needed = REQUIRED | AT_END if closed else REQUIRED
    for key in CODES:
        code: int | None = getattr(codes, key)
        if code is None:
            if key in needed:
                yield f"code.{key}", "", ""
            continue
        place = "" if code == getattr(usual, key) else "visit."
        if not 0 <= code <= BYTE:
            yield f"{place}code.{key}.wide", str(code), ""
        elif key in KINDS and (oid := books.refusal(KINDS[key], code)):
            yield f"{place}code.{key}.unknown", str(code), oid


def coded(case: str, told: tuple[str, str, str]) -> Missing:
    """Make a line of what ``of_codes`` told; of a usual code it is the same line in every case."""
    rule, code, oid = told
    key = rule.removeprefix("visit.").split(".")[1]
    fields = (("label", CODES[key]), ("key", key), ("code", code), ("oid", oid))
    if rule.startswith("visit."):
        return Missing(rule, case, tuple(field for field in fields if field[0] != "key" and field[1]))
    return Missing(rule, key, tuple(field for field in fields if field[1]))


def of_diagnosis_code(code: str, books: Books) -> tuple[str, str]:
    """Return the rule that a code of МКБ-10 breaks, and the book that does not have it; '' where it is right."""
    return _judged(code, DIAGNOSIS, "diagnosis", reference.DIAGNOSIS, books)


def of_service_code(code: str, books: Books) -> tuple[str, str]:
    """Return the rule that a code of the nomenclature breaks, and the book that does not have it."""
    return _judged(code, SERVICE, "service", reference.SERVICE, books)


def _judged(code: str, shape: re.Pattern[str], name: str, kind: reference.Oids, books: Books) -> tuple[str, str]:
    if not code.strip():
        return f"{name}.code", ""
    if CYRILLIC.search(code):
        return f"{name}.cyrillic", ""
    book = books.of(kind)
    if book is not None and code in book.codes:
        return "", ""  # the book is the judge of shapes, too
    if shape.fullmatch(code) is None:
        return f"{name}.shape", ""
    return (f"{name}.unknown", book.oid) if book is not None else ("", "")


def code_line(who: str, code: str, judged: tuple[str, str]) -> Missing:
    """Make a line of a wrong code; blanks, which nobody would see, are shown."""
    rule, oid = judged
    fields = (("code", code[:30].replace(" ", "␣")), ("oid", oid))
    return Missing(rule, who, tuple(field for field in fields if field[1]))


def of_frame(case: Case, now: datetime, today: date, guardian_age: int) -> Iterator[Missing]:
    """Yield what the case's own fields lack, and whether its patient needed somebody to act for him."""
    if not case.id.strip():
        yield Missing("case.id", case.id)
    if not case.number.strip():
        yield Missing("case.number", case.id)
    if case.first is None:
        yield Missing("case.first", case.id)
    if case.closed is not None and not case.conclusion.strip():
        yield Missing("case.conclusion", case.id)
    if not rules_text.is_carried(case.conclusion):
        yield Missing("case.text", case.id)
    yield from _of_dates(case, now)
    yield from _of_age(case, today, guardian_age)


def latest_day(now: datetime) -> date:
    """Return the latest day that it is anywhere: a child born this morning in Vladivostok is born."""
    return (now.astimezone(UTC) + timedelta(hours=14)).date()


def _of_dates(case: Case, now: datetime) -> Iterator[Missing]:
    if case.opened is None:
        yield Missing("case.opened", case.id)
    elif (ends := until(case)) is not None and ends < case.opened:
        yield Missing("case.order", case.id)
    if any(moment is not None and moment > now for moment in (case.opened, case.closed)):
        yield Missing("case.future", case.id)


def _of_age(case: Case, today: date, guardian_age: int) -> Iterator[Missing]:
    birth, day = born(case.patient.person, today), started(case)
    if birth is None or day is None:
        return
    if day.date() < birth:
        yield Missing("case.unborn", case.id)
    elif case.patient.guardian is None and age(birth, day.date()) < guardian_age:
        yield Missing("patient.guardian", case.patient.person.id, (("age", str(guardian_age)),))


def started(case: Case) -> datetime | None:
    """Return when a case began: as it says, else its first visit."""
    return case.opened or min((visit.start for visit in case.visits), default=None)


def until(case: Case) -> datetime | None:
    """Return the end of a case; one that is written as a day alone lasts until that day ends."""
    closed = case.closed
    return closed.replace(hour=23, minute=59, second=59) if closed is not None and closed.time() == time() else closed


def of_visits(case: Case, now: datetime) -> Iterator[Missing]:
    """Yield what the visits and their services lack, but for codes and doctors."""
    if case.closed is not None and not case.visits:
        yield Missing("case.visits", case.id)
    if len({visit.id for visit in case.visits}) < len(case.visits):
        yield Missing("case.visits.same", case.id)
    span = case.opened or datetime.min.replace(tzinfo=UTC), until(case) or datetime.max.replace(tzinfo=UTC)
    for visit in case.visits:
        yield from _of_visit(visit, span, now)
        for service in visit.services:
            yield from _of_service(visit.id, service, span)


def _of_visit(visit: Visit, span: tuple[datetime, datetime], now: datetime) -> Iterator[Missing]:
    if not visit.id.strip():
        yield Missing("visit.id", visit.id)
    if visit.end is None:
        yield Missing("visit.end", visit.id)
    end = visit.end or visit.start
    if end < visit.start:
        yield Missing("visit.order", visit.id)
    elif not (span[0] <= visit.start and end <= span[1]):
        yield Missing("visit.outside", visit.id)
    if max(visit.start, end) > now:
        yield Missing("visit.future", visit.id)
    if not (rules_text.is_carried(visit.comment) and all(rules_text.is_carried(each.name) for each in visit.services)):
        yield Missing("visit.text", visit.id)


def _of_service(visit: str, service: Service, span: tuple[datetime, datetime]) -> Iterator[Missing]:
    told = (("code", service.code.strip()[:30]),)
    if service.end < service.start:
        yield Missing("service.order", visit, told)
    elif not (span[0] <= service.start and service.end <= span[1]):
        yield Missing("service.outside", visit, told)
    if service.quantity < 1:
        yield Missing("service.quantity", visit, told)


def of_diagnoses(case: Case, today: date) -> Iterator[Missing]:
    """Yield what the diagnoses lack, but for codes and doctors; an open case may have none yet."""
    mains = sum(diagnosis.main for diagnosis in case.diagnoses)
    if mains > 1:
        yield Missing("case.diagnosis.several", case.id)
    elif mains == 0 and case.closed is not None:
        yield Missing("case.diagnosis.main" if case.diagnoses else "case.diagnosis", case.id)
    ends, birth = until(case), born(case.patient.person, today)
    for diagnosis in case.diagnoses:
        yield from _of_diagnosis(case.id, diagnosis)
        made = diagnosis.made
        if made is not None and ((ends is not None and made > ends) or (birth is not None and made.date() < birth)):
            yield Missing("diagnosis.time", case.id)


def _of_diagnosis(case: str, diagnosis: Diagnosis) -> Iterator[Missing]:
    if diagnosis.made is None:
        yield Missing("diagnosis.made", case)
    if not rules_text.is_carried(diagnosis.comment):
        yield Missing("diagnosis.text", case)
