"""What people wrote back: a worklist, whom each may be from, whether it means STOP."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.messaging import consent
from identsync.integrations.messaging import page_words as words
from identsync.integrations.messaging.message import Medium
from identsync.integrations.messaging.reach import reach
from identsync.store.tables import message_reply, message_stop

SHOWN = 100
STOPS = 500


def _(text: str) -> str:
    return text


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return replies that wait (the oldest first) or are done (the newest first), each with its patients."""
    done, r = query.get("state") == "done", message_reply.c
    order = r.at_ms.desc() if done else r.at_ms
    asked = select(message_reply).where(r.state == ("done" if done else "open")).order_by(order, r.id).limit(SHOWN)
    with context.store.read() as connection:
        found = connection.execute(asked).all()
        stopped = _stopped(connection, [row.sender for row in found])
        total = count(connection)
    patients, silent = _patients(context, found)
    rows = [_shown(row, stopped, patients) for row in found]
    channels = pages.titles(context.settings, {row.channel for row in found})
    return {
        "rows": rows,
        "done": done,
        "total": total,
        "channels": channels,
        "silent": silent,
        "zone": pages.zones(context)[0],
    }


def count(connection: Connection) -> int:
    """Return how many replies wait for a person, at most 999."""
    few = select(message_reply.c.id).where(message_reply.c.state == "open").limit(words.ATTENTION_MOST).subquery()
    return int(connection.execute(select(func.count()).select_from(few)).scalar() or 0)


def _shown(
    row: Any, stopped: set[tuple[str, str]], patients: Mapping[str, Sequence[tuple[int, str]]]
) -> dict[str, Any]:
    medium = _medium(row.sender)
    address = consent.normal(medium, row.sender)
    own = patients.get(str(row.patient_id), ()) if row.patient_id is not None else patients.get(address, ())
    return dict(row._mapping) | {
        "medium": str(medium),
        "address": address,
        "says_stop": consent.is_stop(row.text),
        "stopped": (str(medium), address) in stopped,
        "patients": own,
    }


def _medium(sender: str) -> Medium:
    return Medium.EMAIL if "@" in sender else Medium.SMS


def _stopped(connection: Connection, senders: Sequence[str]) -> set[tuple[str, str]]:
    addresses = {consent.normal(_medium(sender), sender) for sender in senders}
    s = message_stop.c
    rows = connection.execute(select(s.medium, s.address).where(s.address.in_(list(addresses)[:STOPS])))
    return {(medium, address) for medium, address in rows}


def _patients(context: PageContext, rows: Sequence[Any]) -> tuple[Mapping[str, Sequence[tuple[int, str]]], bool]:
    """Return the patients by the address a reply came from (and by their number, where the reply knows it)."""
    numbers = {consent.normal(Medium.SMS, row.sender) for row in rows if "@" not in row.sender}
    keys = {number: number[-10:] for number in numbers if len(number) > 10}
    try:
        by_key = context.clinic.patients_by_phone(set(keys.values())) if keys else {}
    except IdentsyncError:
        return {}, True
    ids = {patient for few in by_key.values() for patient in few} | {row.patient_id for row in rows if row.patient_id}
    names, silent = pages.names(context, ids)
    found: dict[str, Sequence[tuple[int, str]]] = {str(patient): [(patient, name)] for patient, name in names.items()}
    for number, key in keys.items():
        found[number] = [(patient, names[patient]) for patient in by_key.get(key, ()) if patient in names]
    return found, silent


# -- what people do ---------------------------------------------------------------------------------------------------


def done(context: PageContext, form: Mapping[str, str]) -> str:
    """Take a reply off the worklist; says who did so before."""
    r, number = message_reply.c, pages.number(form.get("id"))
    with context.store.write() as connection:
        here = r.id == number, r.state == "open"
        values = {"state": "done", "done_by": words.who(context)[:100]}
        if connection.execute(update(message_reply).where(*here).values(values)).rowcount == 0:
            by = connection.execute(select(r.done_by).where(r.id == number)).scalar()
            raise IdentsyncError(f"{_('Этот ответ уже разобрал')}: {by}" if by else _("Такого ответа нет"))
    return _("Ответ разобран")


def reopen(context: PageContext, form: Mapping[str, str]) -> str:
    """Put a reply back on the worklist."""
    values = {"state": "open", "done_by": None}
    with context.store.write() as connection:
        connection.execute(
            update(message_reply).where(message_reply.c.id == pages.number(form.get("id"))).values(values)
        )
    return _("Ответ снова ждёт")


def stop(context: PageContext, form: Mapping[str, str]) -> str:
    """Send nothing more to the address a reply came from, nor to that of its patient, because a person read it so."""
    asked = select(message_reply.c.sender, message_reply.c.patient_id)
    with context.store.read() as connection:
        reply = connection.execute(asked.where(message_reply.c.id == pages.number(form.get("id")))).first()
    if reply is None:
        raise IdentsyncError(_("Такого ответа нет"))
    medium, said = _medium(reply.sender), _("ответ, прочитанный человеком")
    addresses = {reply.sender, _own(context, medium, reply.patient_id) or reply.sender}
    with context.store.write() as connection:
        for address in addresses:
            consent.stop(connection, medium, address, source=said, now_ms=context.now_ms)
    return _("Больше ничего не отправим на этот адрес")


def _own(context: PageContext, medium: Medium, patient_id: int | None) -> str:
    """Return where the patient whom a reply answers is written to; mail is often answered from another address."""
    patient = context.clinic.patients([patient_id]).get(patient_id) if patient_id is not None else None
    return reach(medium, patient.phone, patient.email)[0] if patient is not None else ""
