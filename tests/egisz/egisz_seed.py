"""A register as the task leaves it after some weeks: every state, what is missing, what N3 said, what was exchanged."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, insert, text

from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.integrations.egisz.case import Complaint
from identsync.integrations.egisz.kept import complaints_text, missing_text
from identsync.integrations.egisz.rules_table import Missing
from identsync.integrations.egisz.settings import Organisation
from identsync.store.tables import egisz_book, egisz_contract, egisz_exchange, egisz_item

HOUR, DAY = 3_600_000, 86_400_000
CLINIC = GeneratorSettings(branches=2, doctors=4, days=3, seed=11, first_day=time.time_ns() // 86_400_000_000_000)
BASE = msgspec.convert(
    {"url": "https://n3.example/emk", "token": "env:N3", "lpu": "11111111-2222-3333-4444-555555555555"}, Organisation
)
SETTINGS = {
    "dental": msgspec.structs.replace(BASE, title="ООО «Жемчуг»", branches=(1,)),
    "second": msgspec.structs.replace(BASE, title="ИП Седова", branches=(2,), route="document"),
}
REFUSED = Complaint("11", "DoctorInCharge.IdPosition", "Значение 999 не соответствует справочнику (OID 1.2.643.5.1)")
WARNED = Complaint("8", "", "Поле содержит ошибки")
TOLD_OF_ALL = (
    ("doctor.snils", "doctor", ()),
    ("case.diagnosis", "case", ()),
    ("patient.guardian", "patient", (("age", "15"),)),
    ("code.result", "result", (("label", "результат случая"), ("key", "result"))),
)


def clinic(engine: Engine) -> None:
    """Fill a clinic's database."""
    generate(engine, CLINIC)


def people(engine: Engine) -> tuple[list[int], list[int]]:
    """Give numbers of patients and of the first branch's doctors."""
    with engine.connect() as connection:
        patients = connection.execute(text("SELECT patient_id FROM clinic_patient ORDER BY 1 LIMIT 60")).scalars().all()
        found = connection.execute(text("SELECT doctor_id FROM clinic_staff WHERE branch_id = 1 ORDER BY 1"))
        return list(patients), list(found.scalars())


class Register:
    """Writes rows as the task writes them."""

    def __init__(self, connection: Connection, patients: Sequence[int], doctors: Sequence[int], now_ms: int) -> None:
        self.connection, self.patients, self.doctors, self.now_ms = connection, patients, doctors, now_ms
        self._made = 0

    def item(self, state: str, days: float = 0.1, *, lines: Sequence[str] = (), said: Sequence[Complaint] = (),
             what: str = "case", **more: Any) -> int:  # fmt: skip
        """Make a row closed so many days ago; ``lines`` are rules that it breaks."""
        self._made += 1
        doctor = self.doctors[self._made % len(self.doctors)]
        taken = state in ("taken", "warned", "cancelled")
        row = {
            "organisation": "dental", "what": what, "key": self._made, "own_id": f"case-{self._made}",
            "branch_id": 0 if what == "patient" else 1, "doctor_id": None if what == "patient" else doctor,
            "patient_id": self.patients[self._made % len(self.patients)],
            "at_ms": self.now_ms - round(days * DAY), "state": state, "wanted": None if lines else 77,
            "sent": 77 if taken else None, "tried": 77 if state == "unknown" else None,
            "missing": missing_text([self._line(rule, doctor) for rule in lines]), "complaints": complaints_text(said),
            "taken_ms": self.now_ms - HOUR if taken else None, "changed_ms": self.now_ms - HOUR,
            "attempts": 0, "retry_ms": None, "number": None,
        }  # fmt: skip
        found = self.connection.execute(insert(egisz_item).values(row | more)).inserted_primary_key
        assert found is not None
        return int(found[0])

    def _line(self, rule: str, doctor: int) -> Missing:
        who, fields = next((who, fields) for key, who, fields in TOLD_OF_ALL if key == rule)
        return Missing(rule, str(doctor) if who == "doctor" else f"{who}-{self._made}", fields)

    def exchange(self, item: int | None, operation: str, fate: str, words: str = "", hours: float = 1) -> None:
        """Make a line of the journal."""
        self.connection.execute(
            insert(egisz_exchange).values(
                organisation="dental", item_id=item, operation=operation, at_ms=self.now_ms - round(hours * HOUR),
                took_ms=420, fate=fate, words=words, request=REQUEST.format(operation=operation), answer=ANSWER,
            )
        )  # fmt: skip

    def contract(self, drift: str | None = None, organisation: str = "dental", wsdl: bytes = b"<x/>") -> None:
        """Make what was read of the two services."""
        for service in ("Pix", "EMK"):
            self.connection.execute(
                insert(egisz_contract).values(
                    organisation=organisation, service=service, wsdl=wsdl, hash=service[0] * 64, version="1.0.5.26",
                    fetched_ms=self.now_ms - DAY, drift=drift if service == "EMK" else None,
                )
            )  # fmt: skip

    def book(self, oid: str, days: float = 0.2, version: str = "2.3") -> None:
        """Make a reference book."""
        self.connection.execute(
            insert(egisz_book).values(
                organisation="dental", oid=oid, version=version, fetched_ms=self.now_ms - round(days * DAY), codes=b"{}"
            )
        )


REQUEST = """<soap:Envelope>
  <soap:Body>
    <{operation}>
      <guid>***</guid>
      <caseDto><IdCaseMis>case-1</IdCaseMis><FamilyName>***</FamilyName></caseDto>
    </{operation}>
  </soap:Body>
</soap:Envelope>"""
ANSWER = "<s:Fault><faultstring>***</faultstring><ErrorCode>11</ErrorCode></s:Fault>"


def weeks(register: Register) -> dict[str, int]:
    """Write down some weeks; give one row of each state."""
    made = {
        "missing": register.item("missing", 0.1, lines=[key for key, _who, _fields in TOLD_OF_ALL]),
        "signing": register.item("signing", what="document"),
        "ready": register.item("ready"),
        "later": register.item("later", attempts=2, retry_ms=register.now_ms + HOUR),
        "unknown": register.item("unknown", what="document"),
        "rejected": register.item("rejected", 9, said=[REFUSED], attempts=1),
        "warned": register.item("warned", 3, said=[WARNED]),
        "taken": register.item("taken", 2),
        "registered": register.item("taken", 4, what="document", number="10.26.11.000123"),
        "cancelled": register.item("cancelled", 5),
        "gone": register.item("gone", 6, taken_ms=register.now_ms - DAY, sent=77),
    }
    for _more in range(5):
        register.item("missing", lines=["doctor.snils"])
        register.item("taken", 2)
    register.item("missing", lines=["case.diagnosis"])
    register.item("taken", 2, what="patient")
    register.exchange(made["rejected"], "AddPatient", "taken", hours=3)
    register.exchange(made["rejected"], "AddCase", "refused", hours=2)
    register.exchange(made["unknown"], "AddMedRecord", "lost", "ответа нет: время вышло", hours=2)
    register.exchange(None, "GetVersion", "taken")
    register.contract()
    register.book("1.2.643.2.69.1.1.1.16")
    register.book("1.2.643.5.1.13.2.1.1.688", days=8)
    return made
