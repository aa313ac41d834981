"""Calling in one click: which phone is mine, the order, and where it is."""

import secrets
import socket
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import AskPerson
from identsync.integrations.telephony import dialing, missed
from identsync.integrations.telephony import page_words as words
from identsync.integrations.telephony.dialing import Seat
from identsync.integrations.telephony.lines import abilities
from identsync.store.tables import phone_seat

EXTENSION = 20
_s = phone_seat.c


def _(text: str) -> str:
    return text


def lines(context: PageContext) -> dict[str, str]:
    """Return the lines by which a click can call, with their titles."""
    settings: Mapping[str, Any] = context.settings or {}
    return {name: line.title or name for name, line in settings.items() if abilities(line).click}


def mine(connection: Connection, context: PageContext) -> Seat | None:
    """Return the phone beside this computer, where its user has said which."""
    asked = select(_s.line, _s.extension).where(_s.computer == _computer(), _s.user == _user(context))
    row = connection.execute(asked).first()
    return Seat(row.line, row.extension) if row is not None and row.line in (context.settings or {}) else None


def frame(connection: Connection, context: PageContext) -> dict[str, Any]:
    """Return what every button that calls needs: my phone, the lines to choose from, this drawing's nonce."""
    return {"seat": mine(connection, context), "dial_lines": lines(context), "nonce": secrets.token_hex(12)}


def sit(context: PageContext, form: Mapping[str, str]) -> str:
    """Write down which phone is mine."""
    with context.store.write() as connection:
        _sit(connection, context, form)
    return _("Ваш телефон запомнен")


def dial(context: PageContext, form: Mapping[str, str]) -> str:
    """Order a call from my phone; a first click brings with it which phone that is."""
    missed_id, patient = pages.number(form.get("missed")), pages.number(form.get("patient"))
    nonce = form.get("nonce") or secrets.token_hex(12)
    place = f"{_computer()}/{_user(context)}/{form.get('to', '')}/{nonce}"
    try:
        with context.store.write() as connection:
            seat = _sit(connection, context, form) if "extension" in form else mine(connection, context)
            if seat is None:
                raise AskPerson(
                    _("Неизвестно, с какого телефона звонить"), hint=_("Укажите свой телефон на странице «Звонки».")
                )
            dialing.order(
                connection, context.settings or {}, seat, form.get("to", ""), place, words.who(context),
                context.now_ms, patient_id=patient, missed_id=missed_id,
            )  # fmt: skip
    except missed.Changed as changed:
        raise words.conflict(changed) from None
    return _("Вызываем ваш телефон: снимите трубку")


def _sit(connection: Connection, context: PageContext, form: Mapping[str, str]) -> Seat:
    extension = form.get("extension", "").strip()
    known = lines(context)
    line = form.get("line") or next(iter(known), "")
    if line not in known:
        raise AskPerson(
            _("Ни одна АТС не умеет звонить по щелчку"), hint=_("Что умеет каждая, видно на вкладке «Линии».")
        )
    if not (extension.isascii() and extension.isdigit() and len(extension) <= EXTENSION):
        raise AskPerson(_("Внутренний номер пишется цифрами, например 101"))
    values = {"line": line, "extension": extension, "changed_ms": context.now_ms}
    here = _s.computer == _computer(), _s.user == _user(context)
    changed = update(phone_seat).where(*here).values(values)
    if connection.execute(changed).rowcount == 0:
        try:
            with connection.begin_nested():
                row = {"computer": _computer(), "user": _user(context), **values}
                connection.execute(insert(phone_seat).values(row))
        except IntegrityError:  # said twice in this moment
            connection.execute(changed)
    return Seat(line, extension)


def _computer() -> str:
    return socket.gethostname()[:64]


def _user(context: PageContext) -> str:
    return context.user[:100]
