"""What people do on the page of leads: answer them, note what was said, put unreadable rows away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from identsync.engine.integration import PageContext
from identsync.engine.pages import number
from identsync.errors import AskPerson
from identsync.integrations.leads import states


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class State:
    """How a state looks: its name, what the button to it says, its key, the kind of its chip."""

    name: str
    title: str
    verb: str
    key: str
    kind: str


STATES = {
    state.name: state
    for state in (
        State("new", _("Новая"), _("Вернуть в новые"), "n", "warn"),
        State("work", _("В работе"), _("В работу"), "w", "busy"),
        State("booked", _("Записан"), _("Записан"), "b", "ok"),
        State("refused", _("Отказ"), _("Отказ"), "r", "idle"),
        State("spam", _("Спам"), _("Спам"), "s", "idle"),
    )
}


def _move(context: PageContext, form: Mapping[str, str]) -> str:
    lead_id, state = number(form.get("id")), form.get("state", "")
    if lead_id is None or state not in STATES:
        raise AskPerson(_("Такой заявки нет"))
    seen = states.Seen(form.get("seen", ""), number(form.get("seen_ms")))
    who = context.user or _("сотрудник")
    try:
        with context.store.write() as connection:
            states.move(connection, lead_id, seen, state, who, context.now_ms, form.get("note", ""))
    except states.Changed as changed:
        text = _("Пока вы смотрели, заявку изменил другой сотрудник")
        raise AskPerson(f"{text}: {changed.by}", hint=_("На странице уже новое состояние: решите ещё раз.")) from None
    return f"{_('Заявка отмечена')}: {STATES[state].title}"


def _note(context: PageContext, form: Mapping[str, str]) -> str | None:
    lead_id, text = number(form.get("id")), form.get("note", "").strip()
    if lead_id is None or not text:
        return None
    with context.store.write() as connection:
        states.remark(connection, lead_id, context.user or _("сотрудник"), context.now_ms, text)
    return _("Заметка записана")


def _dismiss(context: PageContext, form: Mapping[str, str]) -> str:
    with context.store.write() as connection:
        states.dismiss(connection, number(form.get("id")) or 0)
    return _("Убрано из списка")


ACTIONS: Mapping[str, Callable[[PageContext, Mapping[str, str]], str | None]] = {
    "move": _move,
    "note": _note,
    "dismiss": _dismiss,
}
