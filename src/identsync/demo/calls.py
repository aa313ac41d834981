"""Calls in the demo: who calls the clinic's PBX, and its own records compared with the engine's books."""

import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import Engine, insert, select

from identsync.clinic.contract import clinic_patient
from identsync.demo.pbx.process import PbxProcess
from identsync.demo.plan import CALL_EVERY_S, LINE, USER
from identsync.integrations.telephony.row import key_of
from identsync.store import Store
from identsync.store.tables import phone_call, phone_seat

if TYPE_CHECKING:
    from identsync.demo.stage import Stage

PHONES = {"101": "Регистратура 1", "102": "Регистратура 2"}
DESK = "110"
"""The phone beside whoever looks at the demo's page: he takes it a moment after it rings."""
STRANGERS = ("79450000001", "79450000002", "")  # of no patient, and one that hides its number
PATIENTS = 40


@dataclass(frozen=True, slots=True)
class Compared:
    """Calls that are over at the PBX, those of them that the engine knows, rows that are too many."""

    made: int = 0
    known: int = 0
    doubled: int = 0


def begin(pbx: PbxProcess, clinic: Engine, store: Store) -> None:
    """Let patients and strangers call the clinic; whoever is called back takes the phone."""
    phones = {number: {"name": name} for number, name in PHONES.items()}
    pbx.phones(**phones, **{DESK: {"name": "Ваш телефон", "mood": "answers", "after_s": 2.0}})
    _sit_down(store)
    pbx.people(anyone={"mood": "answers", "after_s": 3.0, "talk_s": 20.0})
    numbers = [*islice(_numbers(clinic), PATIENTS), *STRANGERS]
    pbx.alive(numbers=numbers, extensions=list(PHONES), every_s=CALL_EVERY_S)


def end(pbx: PbxProcess) -> None:
    """Let nobody begin a call any more."""
    pbx.alive()


def compared(stage: "Stage") -> Compared:
    """Compare both sides; a call is one, however many records the PBX writes of it."""
    made = {key_of(record["Linkedid"]) for record in stage.pbx.cdrs() if record.get("Linkedid")}
    with stage.store.read() as connection:
        asked = select(phone_call.c.key).where(phone_call.c.line == LINE, phone_call.c.ended_ms.is_not(None))
        rows = Counter(connection.execute(asked).scalars())
    return Compared(len(made), len(made & rows.keys()), rows.total() - len(rows))


def _sit_down(store: Store) -> None:
    place = {"computer": socket.gethostname()[:64], "user": USER}
    seat = select(phone_seat.c.line).where(phone_seat.c.computer == place["computer"], phone_seat.c.user == USER)
    with store.write() as connection:
        if connection.execute(seat).first() is None:
            values = place | {"line": LINE, "extension": DESK, "changed_ms": store.now_ms()}
            connection.execute(insert(phone_seat).values(values))


def _numbers(clinic: Engine) -> Iterator[str]:
    """Yield telephones of patients as a PBX writes them, every seventh patient's."""
    p = clinic_patient.c
    asked = select(p.phone_key).where(p.phone_key.is_not(None), p.patient_id % 7 == 0).order_by(p.patient_id)
    with clinic.connect() as connection:
        yield from (f"7{key}" for key in connection.execute(asked.limit(PATIENTS)).scalars())
