"""What people do on the page; each says what happens next, and nothing that is not known."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.egisz import decisions
from identsync.integrations.egisz import page_words as words

Decide = Callable[[Connection, int, int, str, int], None]


def _(text: str) -> str:
    return text


def resend(context: PageContext, form: Mapping[str, str]) -> str:
    """Send once more what N3 refused."""
    return _decided(context, form, decisions.resend, _("Отправим снова при ближайшем запуске"))


def arrived(context: PageContext, form: Mapping[str, str]) -> str:
    """Hold a document for taken."""
    return _decided(context, form, decisions.arrived, _("Записано: дошёл до N3. Снова не отправим"))


def not_arrived(context: PageContext, form: Mapping[str, str]) -> str:
    """Send a document once more."""
    return _decided(context, form, decisions.not_arrived, _("Записано: не дошёл. Отправим снова"))


def cancel(context: PageContext, form: Mapping[str, str]) -> str:
    """Have N3 cancel a case that is gone."""
    return _decided(context, form, decisions.cancel, _("Попросим N3 аннулировать случай"))


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
    context.store.change(lambda connection: decisions.reread_contract(connection, organisation))
    return _("Контракт прочитаем заново при ближайшем запуске")


def _decided(context: PageContext, form: Mapping[str, str], decide: Decide, said: str) -> str:
    id, seen = _row(form)
    context.store.change(lambda connection: decide(connection, id, seen, words.who(context), context.now_ms))
    return said


def _row(form: Mapping[str, str]) -> tuple[int, int]:
    id, seen = pages.number(form.get("id")), pages.number(form.get("seen"))
    if id is None or seen is None:
        raise IdentsyncError(_("Страница прислала непонятное"), hint=_("Обновите страницу."))
    return id, seen
