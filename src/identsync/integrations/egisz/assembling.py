"""Rows of the clinic into cases, patients and documents as N3 is told of them; nothing is judged here.

What N3 knows a thing by is a UUID of the organisation's idLPU and the clinic's own number: the same on every computer
and after every loss, so what is sent again meets what is there. What the register has written down once stands.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from identsync.clinic.cases import CaseRows, Rows
from identsync.integrations.egisz.case import (
    Case,
    Codes,
    Diagnosis,
    Doctor,
    Document,
    Guardian,
    Paper,
    Patient,
    Person,
    Service,
    Visit,
)
from identsync.integrations.egisz.settings import Organisation

NAMESPACE = uuid.UUID("6f0a3c9e-5a3e-5b3f-9d6c-1f0f6f2f9a51")
_EPOCH, _DAY_0 = datetime(1970, 1, 1), date(1970, 1, 1).toordinal()  # noqa: DTZ001 - a wall clock has no offset


def own_id(lpu: str, what: str, number: int | str) -> str:
    """Return the id by which N3 shall know a patient or a case of an organisation."""
    return str(uuid.uuid5(NAMESPACE, f"{lpu.lower()} {what} {number}"))


@dataclass(frozen=True, slots=True)
class Told:
    """A case with the clinic's own numbers; ``cancelled`` = the clinic has taken it back."""

    number: int
    branch: int
    patient: int
    doctor: int
    cancelled: bool
    case: Case


@dataclass(frozen=True, slots=True)
class ToldDocument:
    """A document with the clinic's own numbers, and its patient."""

    branch: int
    patient: int
    doctor: int
    document: Document
    of: Patient


class Assembly:
    """The cases of one read; ``zones`` are the branches' time zones, ``kept`` the ids the register has, by what."""

    def __init__(
        self, settings: Organisation, zones: Mapping[int, str], rows: CaseRows, kept: Mapping[str, Mapping[int, str]]
    ) -> None:
        self._settings, self._rows = settings, rows
        self._zones = {branch: _EPOCH.replace(tzinfo=ZoneInfo(zone)) for branch, zone in zones.items()}
        self._kept = kept
        self._doctors = {row[0]: _doctor(row) for row in rows.employees}
        self._identities = {row[0]: row for row in rows.identities}
        self._people = {row[0]: row for row in rows.patients}
        self._patients: dict[int, Patient] = {}
        self._codes: dict[tuple[Any, ...], Codes] = {}

    def cases(self) -> Iterator[Told]:
        """Yield every case, by number."""
        visits, services, diagnoses = (
            _grouped(each, key)
            for each, key in ((self._rows.visits, 0), (self._rows.services, 1), (self._rows.diagnoses, 0))
        )
        for row in self._rows.cases:
            number, branch, patient, doctor, card, opened, closed, first, conclusion, *codes, cancelled = row
            zone = self._zones[branch]
            done = tuple(self._visit(each, zone, services.get(each[1], ())) for each in visits.get(number, ()))
            case = Case(
                id=self._id("case", number),
                number=card or "",
                opened=_moment(opened, zone),
                closed=None if closed is None else _moment(closed, zone),
                patient=self.patient(patient),
                doctor=self.doctor(doctor),
                codes=self._coded(tuple(codes)),
                visits=done,
                diagnoses=tuple(self._diagnosis(each, zone) for each in diagnoses.get(number, ())),
                conclusion=conclusion or "",
                first=None if first is None else bool(first),
            )
            yield Told(number, branch, patient, doctor, bool(cancelled), case)

    def documents(self, rows: Rows) -> Iterator[ToldDocument]:
        """Yield every document; it goes out of no case: on its route N3 is told of none."""
        for key, _case, branch, patient, doctor, kind, header, created, content, own, clinic in rows:
            document = Document(
                id=key,
                kind=kind,
                header=header or "",
                created=_moment(created, self._zones[branch]),
                doctor=self.doctor(doctor),
                content=bytes(content or b""),
                doctor_sign=bytes(own or b""),
                clinic_sign=bytes(clinic or b""),
            )
            yield ToldDocument(branch, patient, doctor, document, self.patient(patient))

    def doctor(self, number: int) -> Doctor:
        """Return a doctor; one of whom nothing is written down has a number and nothing else."""
        return self._doctors.get(number) or Doctor(person=Person(id=str(number)))

    def patient(self, number: int) -> Patient:
        """Return a patient, made once."""
        found = self._patients.get(number)
        if found is None:
            found = self._patients[number] = self._patient(number)
        return found

    def _patient(self, number: int) -> Patient:
        own = self._id("patient", number)
        _number, *name, sex, born, address, phone = self._people.get(number) or (number, *[None] * 7)
        identity = self._identities.get(number) or (number, *[None] * 14)
        snils, kind, series, paper, issuer, issued = identity[1:7]
        papers = () if kind is None and not paper else (_paper(kind, series, paper, issuer, issued),)
        person = _person(own, name, sex, born, snils)
        return Patient(
            person=person, papers=papers, address=address or "", phone=phone or "", guardian=_guardian(own, identity)
        )

    def _visit(self, row: tuple[Any, ...], zone: datetime, services: Rows) -> Visit:
        _case, number, doctor, start, end, comment = row
        return Visit(
            id=str(number),
            start=_moment(start, zone),
            end=None if end is None else _moment(end, zone),
            doctor=self.doctor(doctor),
            services=tuple(self._service(each, zone) for each in services),
            comment=comment or "",
        )

    def _service(self, row: tuple[Any, ...], zone: datetime) -> Service:
        _case, _visit, doctor, code, name, start, end, quantity = row
        return Service(
            code=code or "",
            name=name or "",
            start=_moment(start, zone),
            end=_moment(end, zone),
            doctor=self.doctor(doctor),
            quantity=quantity,
        )

    def _diagnosis(self, row: tuple[Any, ...], zone: datetime) -> Diagnosis:
        _case, doctor, code, main, made, comment = row
        moment = None if made is None else _moment(made, zone)
        return Diagnosis(
            code=code or "", made=moment, doctor=self.doctor(doctor), main=bool(main), comment=comment or ""
        )

    def _coded(self, own: tuple[Any, ...]) -> Codes:
        """Return the codes: the visit's own where it has some, else the organisation's usual ones."""
        found = self._codes.get(own)
        if found is None:
            usual = {name: getattr(self._settings, name) for name in Codes.__dataclass_fields__}
            names = ("aid", "payment", "result", "purpose", "outcome")
            usual |= {name: code for name, code in zip(names, own, strict=True) if code is not None}
            found = self._codes[own] = Codes(**usual)
        return found

    def _id(self, what: str, number: int) -> str:
        return self._kept.get(what, {}).get(number) or own_id(self._settings.lpu, what, number)


def _grouped(rows: Rows, key: int) -> Mapping[int, list[tuple[Any, ...]]]:
    found: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found


def _doctor(row: tuple[Any, ...]) -> Doctor:
    number, surname, name, patronymic, sex, born, snils, position, speciality = row
    person = _person(str(number), (surname, name, patronymic), sex, born, snils)
    return Doctor(person=person, position=position, speciality=speciality)


def _person(own: str, name: Any, sex: int | None, born: int | None, snils: str | None) -> Person:
    surname, first, patronymic = (each or "" for each in name)
    return Person(
        id=own, surname=surname, name=first, patronymic=patronymic, sex=sex, born=_date(born), snils=snils or ""
    )


def _paper(kind: int | None, series: str | None, number: str | None, issuer: str | None, issued: int | None) -> Paper:
    return Paper(kind=kind, number=number or "", series=series or "", issuer=issuer or "", issued=_date(issued))


def _guardian(own: str, identity: tuple[Any, ...]) -> Guardian | None:
    surname, name, patronymic, sex, born, snils, relation, paper = identity[7:]
    if not (surname or name):
        return None
    key = str(uuid.uuid5(NAMESPACE, f"{own} guardian"))
    person = _person(key, (surname, name, patronymic), sex, born, snils)
    return Guardian(person=person, relation=relation, paper=paper or "")


def _moment(minute: int, zone: datetime) -> datetime:
    """Return a wall minute of a zone, told by its midnight of 1970: sums of one zone are sums on its wall."""
    return zone + timedelta(minutes=minute)


def _date(days: int | None) -> date | None:
    """Return a day; one that no calendar has is as good as none."""
    try:
        return None if days is None else date.fromordinal(_DAY_0 + days)
    except (ValueError, OverflowError):
        return None
