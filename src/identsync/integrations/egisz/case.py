"""A case of service, its people and its signed documents, as N3.Health is told of them: the room's inner border.

Everything a clinic has not written down is None or '' here; ``rules`` says in words what is missing before anything is
sent. Moments are aware datetimes in the branch's zone. Codes are those of N3's reference books and never known here.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as papers know him: ``id`` is the clinic's own and never changes; ``sex`` 1 or 2; СНИЛС as written."""

    id: str
    surname: str = ""
    name: str = ""
    patronymic: str = ""
    sex: int | None = None
    born: date | None = None
    snils: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A document of identity: its type by N3's book, series and number without separators, who gave it and when."""

    kind: int | None
    number: str
    series: str = ""
    issuer: str = ""
    issued: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardian:
    """Who acts for a child: relation by the book, the paper that says so."""

    person: Person
    relation: int | None = None
    paper: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A patient: ``person.id`` is his key at N3."""

    person: Person
    papers: tuple[Paper, ...] = ()
    address: str = ""
    phone: str = ""
    guardian: Guardian | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """A doctor: position and speciality by the federal books."""

    person: Person
    position: int | None = None
    speciality: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service done: its code of the nomenclature, name, who did it and when."""

    code: str
    name: str
    start: datetime
    end: datetime
    doctor: Doctor
    quantity: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit of the case (a step): its key within the case."""

    id: str
    start: datetime
    end: datetime | None
    doctor: Doctor
    services: tuple[Service, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A diagnosis by МКБ-10, who made it and when; ``main`` the one the case is for."""

    code: str
    made: datetime | None
    doctor: Doctor
    main: bool = True
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """What a case says by codes of N3's books: the clinic's usual ones, or those of the visit."""

    aid: int | None = None  # IdCaseAidType
    payment: int | None = None  # IdPaymentType
    confidentiality: int | None = None  # all three of them
    result: int | None = None  # IdCaseResult
    purpose: int | None = None  # IdCasePurpose
    case: int | None = None  # IdCaseType
    outcome: int | None = None  # IdAmbResult
    place: int | None = None  # IdVisitPlace
    visit_purpose: int | None = None  # IdVisitPurpose
    admission: int | None = None  # AdmissionCondition
    disease: int | None = None  # IdDiseaseType
    diagnosis: int | None = None  # IdDiagnosisType
    role: int | None = None  # IdRole of who is responsible


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case: ``id`` is its key at N3 for ever; ``closed`` None = it is still open; ``first`` = the first visit."""

    id: str
    number: str
    opened: datetime | None
    closed: datetime | None
    patient: Patient
    doctor: Doctor
    codes: Codes
    visits: tuple[Visit, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    conclusion: str = ""
    first: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document made and signed by the clinic's own program: every byte goes on as it came."""

    id: str
    kind: int | None  # IdMedDocumentType
    header: str
    created: datetime
    doctor: Doctor
    content: bytes
    doctor_sign: bytes
    clinic_sign: bytes
    media_type: str = "text/xml"
    case_id: str = ""  # '' = of no case


class Fate(StrEnum):
    """What one request to N3 ended in."""

    TAKEN = "taken"  # an empty success
    WARNED = "warned"  # RequestWarning: taken, as far as anybody knows, and something is to be looked at
    THERE = "there"  # 23 or 31: this key has arrived before
    REFUSED = "refused"  # RequestFault
    LOST = "lost"  # no answer, or one that makes no sense: it may have arrived
    LATER = "later"  # certainly not sent, or the server asks for patience


@dataclass(frozen=True, slots=True)
class Complaint:
    """One leaf of a fault's tree, as N3 says it: code, the field it names, its words; nothing is reworded."""

    code: str
    field: str
    words: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of one request; ``request`` and ``answer`` are kept for people with token and people masked."""

    fate: Fate
    complaints: tuple[Complaint, ...] = ()
    words: str = ""  # for LOST and LATER: what happened
    request: str = ""
    answer: str = ""
    after_ms: int | None = None
