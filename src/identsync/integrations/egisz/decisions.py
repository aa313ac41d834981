"""What people decide on the register: each changes a row only as the person saw it, and is told in its journal."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, or_, select, update

from identsync.errors import IdentsyncError
from identsync.integrations.egisz.exchange import PERSON
from identsync.store.tables import egisz_contract, egisz_exchange, egisz_item
from identsync.store.texts import fitting

NUMBER_MOST = 60
TAKEN = ("taken", "warned")


def _(text: str) -> str:
    return text


class Changed(IdentsyncError):
    """The row is not any more what the person saw, or not in a state in which this can be decided."""

    key = "error.ask"

    def __init__(self, state: str | None = None, by: str = "") -> None:
        told = _("Пока вы смотрели, здесь уже решил другой сотрудник") if by else _("Пока вы смотрели, это изменилось")
        super().__init__(
            f"{told}: {by}" if by else told,
            hint=_("На странице уже новое состояние: решите ещё раз."),
        )
        self.state = state


def resend(connection: Connection, id: int, seen: int, by: str, now_ms: int) -> None:
    """Send what N3 refused once more as it is; what waits for its next try is tried at once."""
    # What N3 refused to cancel has nothing that is to be there.
    state = case((egisz_item.c.wanted.is_(None), "cancelling"), else_="ready")
    values = {"state": state, "attempts": 0, "retry_ms": None}
    _decide(connection, id, seen, now_ms, egisz_item.c.state.in_(("rejected", "later")), values, "resend", by)


def arrived(connection: Connection, id: int, seen: int, by: str, now_ms: int) -> None:
    """Hold a document of which nobody knows, or that N3 refused as there already, for taken: a person has seen it."""
    i = egisz_item.c
    values = {
        "state": "taken",
        "sent": func.coalesce(i.tried, i.wanted),
        "tried": None,
        "retry_ms": None,
        "taken_ms": func.coalesce(i.taken_ms, now_ms),
    }
    where = (i.what == "document") & i.state.in_(("unknown", "rejected"))
    _decide(connection, id, seen, now_ms, where, values, "arrived", by)


def not_arrived(connection: Connection, id: int, seen: int, by: str, now_ms: int) -> None:
    """Send a document of which nobody knew once more, because a person has not found it at N3."""
    values = {"state": "ready", "tried": None, "attempts": 0, "retry_ms": None}
    _decide(connection, id, seen, now_ms, _unknown_document(), values, "not_arrived", by)


def number(connection: Connection, id: int, seen: int, written: str, by: str, now_ms: int) -> None:
    """Write down under which number РЭМД has registered it; an empty one takes a mistaken number back."""
    kept = " ".join(written.split())
    if len(kept) > NUMBER_MOST or not kept.isprintable():
        raise IdentsyncError(_("Это не похоже на номер регистрации"), hint=_("Скопируйте его из кабинета N3."))
    where = egisz_item.c.state.in_(TAKEN) & (egisz_item.c.what != "patient")
    told = f": {kept}" if kept else ""
    _decide(connection, id, seen, now_ms, where, {"number": kept or None}, "number", by, told)


def cancel(connection: Connection, id: int, seen: int, by: str, now_ms: int) -> None:
    """Have N3 cancel a case that it has, or may have, and that is no more in the clinic's data."""
    i = egisz_item.c
    where = (i.what == "case") & (i.state == "gone") & or_(i.sent.is_not(None), i.tried.is_not(None))
    _decide(connection, id, seen, now_ms, where, {"state": "cancelling", "wanted": None, "attempts": 0,
                                                  "retry_ms": None}, "cancel", by)  # fmt: skip


def reread_contract(connection: Connection, organisation: str) -> bool:
    """Forget the contract of an organisation: its next run reads it anew. False = there was none."""
    gone = connection.execute(delete(egisz_contract).where(egisz_contract.c.organisation == organisation)).rowcount
    return bool(gone)


def organisation_of(connection: Connection, id: int) -> str | None:
    """Return whose a row is; None = there is no such row."""
    found: str | None = connection.execute(select(egisz_item.c.organisation).where(egisz_item.c.id == id)).scalar()
    return found


def _unknown_document() -> ColumnElement[bool]:
    return (egisz_item.c.what == "document") & (egisz_item.c.state == "unknown")


def _decide(
    connection: Connection, id: int, seen: int, now_ms: int, where: ColumnElement[bool], values: Mapping[str, Any],
    decision: str, by: str, told: str = "",
) -> None:  # fmt: skip
    i, organisation = egisz_item.c, organisation_of(connection, id)
    # A moment that has passed since would tell nobody that the row is another now.
    changed = max(now_ms, seen + 1)
    found = connection.execute(
        update(egisz_item).where(i.id == id, i.changed_ms == seen, where).values(**values, changed_ms=changed)
    )
    if not found.rowcount:
        raise _what_happened(connection, id)
    connection.execute(
        insert(egisz_exchange).values(
            organisation=organisation, item_id=id, operation=decision, at_ms=now_ms, took_ms=0, fate=PERSON,
            words=fitting(f"{by}{told}", 400), request="", answer="",
        )
    )  # fmt: skip


def _what_happened(connection: Connection, id: int) -> IdentsyncError:
    """Say that the row has changed and, where a person did that last, who."""
    i, e = egisz_item.c, egisz_exchange.c
    row = connection.execute(select(i.state, i.changed_ms).where(i.id == id)).first()
    if row is None:
        return IdentsyncError(_("Этой записи больше нет"), hint=_("Обновите страницу."))
    last = select(e.words, e.fate, e.at_ms).where(e.item_id == id).order_by(e.id.desc()).limit(1)
    event = connection.execute(last).first()
    by_person = event is not None and event.fate == PERSON and event.at_ms + 1 >= row.changed_ms
    return Changed(row.state, event.words.partition(": ")[0] if event is not None and by_person else "")
