"""How calls look on the room's page: words and colours of their states, names of people, zones, lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from identsync.engine.integration import PageContext
from identsync.errors import AskPerson
from identsync.integrations.telephony import missed
from identsync.integrations.telephony.dialing import desk_name

ATTENTION_MOST = 999


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class State:
    """How a state of a call looks: its word, the kind of its chip."""

    title: str
    kind: str


STATES: Mapping[tuple[str, str], State] = {
    ("in", "ringing"): State(_("звонит"), "busy"),
    ("in", "talking"): State(_("говорят"), "ok"),
    ("in", "answered"): State(_("принят"), "ok"),
    ("in", "missed"): State(_("пропущен"), "bad"),
    ("out", "ringing"): State(_("вызываем"), "busy"),
    ("out", "talking"): State(_("говорят"), "ok"),
    ("out", "answered"): State(_("дозвонились"), "ok"),
    ("out", "missed"): State(_("не дозвонились"), "warn"),
}
REASONS: Mapping[str, str] = {
    "no answer": _("не взяли трубку"),
    "busy": _("занято"),
    "cancelled": _("положили трубку раньше"),
    "failed": _("звонок не прошёл"),
}
DIRECTIONS: Mapping[str, str] = {"in": _("Входящие"), "out": _("Исходящие")}
OUTCOMES: Mapping[str, str] = {
    "booked": _("записан"),
    "asked": _("ответили на вопрос"),
    "refused": _("отказ"),
    "wrong": _("ошиблись номером"),
}
KINDS: Mapping[str, str] = {
    "asterisk": "Asterisk",
    "uis": "UIS, CoMagic, Novofon",
    "mango": "Mango Office",
    "ident": "IDENT",
    "zadarma": "Zadarma",
    "megafon": _("МегаФон, виртуальная АТС"),
    "beeline": _("Билайн, облачная АТС"),
    "sipuni": "Sipuni",
    "exolve": _("МТС Exolve"),
}


def state_of(row: Any) -> State:
    """Return how a call looks."""
    return STATES[row.direction, row.state]


def who(context: PageContext) -> str:
    """Return who acts, as the books keep it."""
    return desk_name(context.user)


def conflict(changed: missed.Changed) -> AskPerson:
    """Say who was first."""
    if not changed.by:
        return AskPerson(_("Пока вы смотрели, с этим человеком уже поговорили"))
    text = f"{_('Этот звонок уже взял другой сотрудник')}: {changed.by}"
    return AskPerson(text, hint=_("На странице уже видно, что с ним."))


def employees(text: str) -> list[tuple[str, str]]:
    """Return (extension, name) of a column of calls."""
    return [(str(extension), str(name)) for extension, name in orjson.loads(text)]


def staff(pairs: Sequence[tuple[str, str]]) -> str:
    """Return 'Анна Орлова (101), 102': a text for a sentence, where a template's macro would be escaped twice."""
    return ", ".join(f"{name} ({extension})" if name and extension else name or extension for extension, name in pairs)
