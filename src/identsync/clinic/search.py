"""Looking for a patient as a person at the desk does: by a telephone or a part of it, or by how the names begin.

And for his next visit: both are asked for by a person, one at a time.
"""

import re
from collections.abc import Iterator
from itertools import islice, permutations
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, bindparam, or_, select

from identsync.clinic.people import Patient, Visit

DIGITS = 4
"""So many digits of a telephone are looked for; fewer fit too many people."""
LETTERS, WORDS = 2, 3


class Search:
    """The statement of this module for the relations of one schema."""

    def __init__(self, tables: dict[str, Table]) -> None:
        p, v = tables["clinic_patient"].c, tables["clinic_appointment"].c
        self._patient = p
        self._person = (p.patient_id, p.surname, p.name, p.patronymic, p.phone, p.email, p.branch_id, p.born)

        visit = (v.appointment_id, v.branch_id, v.doctor_id, v.patient_id, v.start_minute, v.service)
        ahead = v.patient_id == bindparam("patient"), v.kind == 0, v.start_minute >= bindparam("minute")
        self._next = select(*visit).where(*ahead).order_by(v.start_minute).limit(1)

    def next_visit(self, connection: Connection, patient: int, minute: int) -> Visit | None:
        """Give a patient's first visit from a wall minute on; None where nothing is booked."""
        row = connection.execute(self._next, {"patient": patient, "minute": minute}).first()
        return None if row is None else Visit(*row)

    def find(self, connection: Connection, wanted: str, most: int) -> list[Patient]:
        """Give up to ``most`` patients by surname; nobody where too little is asked."""
        where = self._where(wanted)
        if where is None:
            return []
        p = self._patient
        asked: Select[Any] = (
            select(*self._person).where(where).order_by(p.surname, p.name, p.patient_id).limit(most * 4)
        )
        found = (Patient(*row) for row in connection.execute(asked))
        return list(islice((each for each in found if _fits(each, wanted)), most))

    def _where(self, wanted: str) -> ColumnElement[bool] | None:
        digits = "".join(re.findall(r"\d", wanted))
        if digits:
            key = self._patient.phone_key
            if len(digits) >= 10:
                return key == digits[-10:]
            if len(digits) < DIGITS:
                return None
            return or_(key.contains(digits), key.startswith(digits[1:])) if digits[0] in "78" else key.contains(digits)
        words = _words(wanted)
        if not words or len(words[0]) < LETTERS:
            return None
        names = (self._patient.surname, self._patient.name, self._patient.patronymic)
        orders = [
            and_(*(_begins(column, word) for column, word in zip(columns, words, strict=True)))
            for columns in permutations(names, len(words))
        ]
        return or_(*orders)


def _words(wanted: str) -> list[str]:
    return re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", wanted)[:WORDS]


def _begins(column: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    """Databases differ in whether case matters to LIKE; 'ё' is often written 'е' and the other way."""
    spelled = {word, word.title(), word.upper(), word.lower()}
    return or_(*(column.like(re.sub("[её]", "_", one, flags=re.IGNORECASE) + "%") for one in sorted(spelled)))


def _fits(patient: Patient, wanted: str) -> bool:
    """Take out what the database's wider question let in."""
    if any(character.isdigit() for character in wanted):
        return True
    names = [_plain(name) for name in (patient.surname, patient.name, patient.patronymic)]
    words = [_plain(word) for word in _words(wanted)]
    orders: Iterator[tuple[str, ...]] = permutations(names, len(words))
    return any(all(name.startswith(word) for name, word in zip(order, words, strict=True)) for order in orders)


def _plain(name: str) -> str:
    return name.strip().lower().replace("ё", "е")
