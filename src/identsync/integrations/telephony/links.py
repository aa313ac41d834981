"""What a person says of a number: whose it is, or that it asks for something: a lead."""

import hashlib
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from identsync.integrations.telephony import missed
from identsync.integrations.telephony.books import PULSE
from identsync.store import pulse
from identsync.store.tables import lead, lead_event, phone_call, phone_link, phone_missed

SITE = "calls"
"""The source of leads that were made of calls."""
_l = phone_link.c


def linked(connection: Connection, phone_key: str | None) -> list[int]:
    """Return the patient whom a person said to have this number."""
    if not phone_key:
        return []
    return list(connection.execute(select(_l.patient_id).where(_l.phone_key == phone_key)).scalars())


def link(connection: Connection, phone_key: str, patient_id: int, by: str, now_ms: int) -> None:
    """Say that a number is a patient's; its calls and what waits of it are his from now on."""
    values = {"patient_id": patient_id, "by": by[:100], "made_ms": now_ms}
    changed = update(phone_link).where(_l.phone_key == phone_key).values(values)
    if connection.execute(changed).rowcount == 0:
        try:
            with connection.begin_nested():
                connection.execute(insert(phone_link).values(phone_key=phone_key, **values))
        except IntegrityError:  # somebody said so in this moment: the last word counts
            connection.execute(changed)
    _tell(connection, phone_key, patient_id, now_ms)


def unlink(connection: Connection, phone_key: str, otherwise: int | None, now_ms: int) -> None:
    """Take that back; ``otherwise`` is the patient who is written down with that number, where there is one."""
    connection.execute(delete(phone_link).where(_l.phone_key == phone_key))
    _tell(connection, phone_key, otherwise, now_ms)


def make_lead(connection: Connection, call: Any, by: str, now_ms: int) -> int:
    """Make a lead of a call, one however often it is asked for, in work with who made it; give its number."""
    key = hashlib.sha256(f"call/{call.id}".encode()).hexdigest()
    known = select(lead.c.id).where(lead.c.site == SITE, lead.c.key == key)
    there = connection.execute(known).scalar()
    if there is not None:
        return int(there)
    utm = {name.removeprefix("utm_"): value for name, value in orjson.loads(call.utm).items()}
    values = {"site": SITE, "key": key, "external_id": f"call/{call.id}", "made_ms": call.start_ms}
    values |= {"received_ms": now_ms, "phone": call.phone, "phone_e164": call.e164, "utm": orjson.dumps(utm).decode()}
    values |= {"patient_id": call.patient_id, "patients": call.patients}
    values |= {"state": "work", "state_by": by[:100], "state_ms": now_ms, "answered_ms": now_ms}
    try:
        with connection.begin_nested():
            made = connection.execute(insert(lead).values(values)).inserted_primary_key
    except IntegrityError:  # made by another click in this moment
        return int(connection.execute(known).scalar_one())
    assert made is not None
    event = {"lead_id": made[0], "at_ms": now_ms, "state": "work", "by": by[:100], "note": None}
    connection.execute(insert(lead_event).values(event))
    pulse.ring(connection, PULSE)
    return int(made[0])


def _tell(connection: Connection, phone_key: str, patient_id: int | None, now_ms: int) -> None:
    for table in (phone_call, phone_missed):
        here = table.c.phone_key == phone_key
        connection.execute(update(table).where(here).values(patient_id=patient_id, changed_ms=now_ms))
    for name in (PULSE, missed.PULSE):
        pulse.ring(connection, name)
