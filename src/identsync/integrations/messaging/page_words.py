"""How the room's states and kinds look on its page: words, colours, and whom a message is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identsync.engine.integration import PageContext

STREAMS = ("messaging/sms", "messaging/email")
ATTENTION_MOST = 999


def _(text: str) -> str:
    return text


ELSEWHERE = (
    _("программа остановилась во время отправки"),
    _("не отправлено вовремя"),
    _("человек решил не отправлять снова"),
    _("ответ СТОП"),
)
"""What the outbox and the tasks write to rows as a reason: here so that the page has their English."""


@dataclass(frozen=True, slots=True)
class State:
    """How a state of a message looks: its word, the kind of its chip, what it means."""

    name: str
    title: str
    kind: str
    meaning: str = ""


STATES: Mapping[str, State] = {
    state.name: state
    for state in (
        State("held", _("ждёт"), "idle", _("Ждёт своей порции рассылки")),
        State("planned", _("запланировано"), "idle", _("Уйдёт, когда настанет время")),
        State("waits", _("ждёт"), "warn", _("Ещё не ушло: причина рядом")),
        State("submitting", _("отправляется"), "busy", _("Его сейчас передают оператору")),
        State("accepted", _("принято оператором"), "info", _("Оператор взял сообщение и ещё не сказал, что с ним")),
        State("delivered", _("доставлено"), "ok"),
        State("failed", _("не доставлено"), "bad"),
        State("expired", _("срок вышел"), "bad", _("Оператор не смог доставить его вовремя")),
        State("unknown", _("неизвестно"), "warn", _("Могло уйти, а могло и нет: нужно решение человека")),
        State("skipped", _("не отправлено"), "idle", _("Программа решила не отправлять: причина рядом")),
        State("cancelled", _("отменено"), "idle"),
    )
}
MEDIA = {"sms": _("SMS"), "email": _("Письмо")}
KINDS = {"service": _("о приёме"), "ad": _("реклама"), "address": _("адрес почты")}
PURPOSES = {
    "reminder": _("напоминание"),
    "bulk": _("рассылка"),
    "single": _("написано вручную"),
    "plan": _("план лечения"),
}
GATEWAYS = {"smpp": "SMPP", "smsc": "SMSC.ru", "smsru": "SMS.ru", "smsaero": "SMS Aero", "exolve": "МТС Exolve",
            "iqsms": "iqsms", "email": "SMTP"}  # fmt: skip


def state_of(name: str, reason: str | None) -> State:
    """Return how a row looks: what is planned and has a reason waits for something."""
    return STATES["waits" if name == "planned" and reason else name]


def is_erased(row: Any) -> bool:
    """Tell whether a message had a text, which is no longer kept."""
    return row.text is None and (row.submitted_ms is not None or row.purpose in ("single", "plan"))


def who(context: PageContext) -> str:
    """Return who acts, as the books keep it."""
    return context.user or _("сотрудник")
