"""What people do on the page; each says what happens next, and nothing that is not known."""

from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy import Connection

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.egisz import decisions
from identsync.integrations.egisz import page_words as words
from identsync.integrations.egisz.settings import looks, sends
from identsync.store import slots

Decide = Callable[[Connection, int, int, str, int], None]


def _(text: str) -> str:
    return text


def resend(context: PageContext, form: Mapping[str, str]) -> str:
    """Send once more what N3 refused."""
    return _ordered(context, form, decisions.resend, _("Отправим снова при ближайшем запуске"))


def arrived(context: PageContext, form: Mapping[str, str]) -> str:
    """Hold a document for taken."""
    context.store.change(_decision(context, *_row(form), decisions.arrived))
    return _("Записано: дошёл до N3. Снова не отправим")


def not_arrived(context: PageContext, form: Mapping[str, str]) -> str:
    """Send a document once more."""
    return _ordered(context, form, decisions.not_arrived, _("Записано: не дошёл. Отправим снова"))


def cancel(context: PageContext, form: Mapping[str, str]) -> str:
    """Have N3 cancel a case that is gone."""
    return _ordered(context, form, decisions.cancel, _("Попросим N3 аннулировать случай"))


def number(context: PageContext, form: Mapping[str, str]) -> str:
    """Write down the number of РЭМД."""
    id, seen = _row(form)
    written = form.get("number", "")
    who, now = words.who(context), context.now_ms
    context.store.change(lambda connection: decisions.number(connection, id, seen, written, who, now))
    return _("Номер записан") if written.strip() else _("Номер убран")


def reread(context: PageContext, form: Mapping[str, str]) -> str:
    """Have the contract read anew."""
    organisation = form.get("org", "")
    if organisation not in (context.settings or {}):
        raise IdentsyncError(_("Такой организации нет в настройках"), hint=_("Обновите страницу."))
    reread_contract = partial(decisions.reread_contract, organisation=organisation)
    slots.order(context.store, looks(organisation), 0, reread_contract)
    return _("Контракт прочитаем заново при ближайшем запуске")


def _ordered(context: PageContext, form: Mapping[str, str], decide: Decide, said: str) -> str:
    """Decide on a row, and have its organisation's task carry that out at once."""
    id, seen = _row(form)
    decision = _decision(context, id, seen, decide)
    with context.store.read() as connection:
        organisation = decisions.organisation_of(connection, id)
    if organisation is None:
        context.store.change(decision)  # which says that the row is no longer there
    else:
        slots.order(context.store, sends(organisation), 0, decision)
    return said


def _decision(context: PageContext, id: int, seen: int, decide: Decide) -> Callable[[Connection], None]:
    return lambda connection: decide(connection, id, seen, words.who(context), context.now_ms)


def _row(form: Mapping[str, str]) -> tuple[int, int]:
    id, seen = pages.number(form.get("id")), pages.number(form.get("seen"))
    if id is None or seen is None:
        raise IdentsyncError(_("Страница прислала непонятное"), hint=_("Обновите страницу."))
    return id, seen
