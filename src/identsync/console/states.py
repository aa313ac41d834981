"""What a task's state is, from its slot and its newest run: a colour, words, and whether a person should look."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import orjson

from identsync.console.troubles import DATABASE, LACKING, Trouble, of_note
from identsync.engine.integration import Status
from identsync.errors import Unavailable
from identsync.spans import DAY_MS
from identsync.store.slots import SlotView

OVERDUE_MS = 120_000  # a task this much past its due time has nobody to run it
STUBBORN = 3  # tries after which "it will be tried again" is worth a person's look
RANK = {"bad": 0, "warn": 1, "busy": 2, "info": 3, "ok": 4, "idle": 5}


def _(sentence: str) -> str:
    return sentence


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a slot that has an outcome."""

    outcome: str
    started_ms: int
    finished_ms: int | None
    counts: Mapping[str, int]
    note: str

    @property
    def took_ms(self) -> int | None:
        """Length of the run; None where its client died."""
        return None if self.finished_ms is None else self.finished_ms - self.started_ms


@dataclass(frozen=True, slots=True)
class State:
    """A task's state: colour, words, and whether a person should look."""

    kind: str
    words: str
    attention: bool = False


WORDS: dict[str, State] = {
    Status.OK: State("ok", _("В порядке")),
    Status.PARTIAL: State("warn", _("Принято не всё")),
    Status.LATER: State("warn", _("Повторим сами")),
    Status.ASK: State("bad", _("Нужно решение"), attention=True),
    Status.FAILED: State("bad", _("Ошибка"), attention=True),
    Status.LATE: State("bad", _("Не успела"), attention=True),
    Status.LOST: State("info", _("Передана другому")),
    Status.RELEASED: State("info", _("Передана другому")),
    "died": State("warn", _("Прервалась")),
    "running": State("warn", _("Прервалась")),
}
NEVER = State("idle", _("Ещё не запускалась"))
PAUSED = State("idle", _("На паузе"))
NOBODY = State("bad", _("Некому выполнять"), attention=True)
OWN = {("journal", 0): _("Уборка журнала")}  # the engine's own task, as people call it here
LEFT = State("idle", _("Нет в настройках"))
STUCK = _("Эта программа не может записать в базу движка и задач не выполняет")
LEFT_SHOWN_MS = DAY_MS  # for so long a task is still shown that the settings do not name any more
NOBODY_TROUBLE = Trouble(
    _("Срок прошёл, а задачу никто не взял"),
    _("Запустите программу под ролью «Администратор» (или «Директор») на любом компьютере филиала."),
)
OUTGROWN_TROUBLE = Trouble(
    _("Задачу выполняют только программы новой версии, а их нет на связи"),
    _("Обновите эту программу."),
)
LATE_TROUBLE = Trouble(
    _("Задача не уложилась в отведённое время и была остановлена"),
    _("Пока ничего: запустится по расписанию. Если повторяется, проверьте связь с базой и с сайтом."),
)
FAILED_TROUBLE = Trouble(
    _("Задача прервалась из-за неожиданной ошибки"),
    _("Нажмите «Запустить». Если повторится, пришлите разработчику журнал программы."),
)


def state_of(slot: SlotView, last: LastRun | None, now_ms: int) -> State:
    """Return the state of a task: what a person should think of it at a glance."""
    if slot.paused:
        return PAUSED
    known = WORDS.get(last.outcome, NEVER) if last else NEVER
    if slot.running:
        return State("bad" if known.attention else "busy", _("Выполняется"), known.attention)
    if now_ms - slot.eligible_ms > OVERDUE_MS and not _is_lacking(last):
        return NOBODY
    if known is WORDS[Status.LATER] and slot.attempt >= STUBBORN:
        return State("bad", _("Не получается"), attention=True)
    return known


def is_left(kind: str, scope: int, eligible_ms: int, wanted: Collection[tuple[str, int]] | None, now_ms: int) -> bool:
    """Say whether nobody has taken a task that is not ``wanted`` by the settings any more; None = not known."""
    return wanted is not None and (kind, scope) not in wanted and now_ms - eligible_ms > OVERDUE_MS


def _is_lacking(last: LastRun | None) -> bool:
    """Say whether somebody has tried, and only lacks something: it stays due for any computer that does not."""
    return last is not None and last.outcome == Status.ASK and of_note(last.note)[0] in LACKING


def trouble_of(
    slot: SlotView, last: LastRun | None, state: State, *, outgrown: bool = False
) -> tuple[Trouble | None, str]:
    """Return the words for what is wrong with a task, and the rest of its note; nothing where all is well.

    ``outgrown`` = this program is too old for the task.
    """
    if state is NOBODY:
        return OUTGROWN_TROUBLE if outgrown else NOBODY_TROUBLE, ""
    if state.kind not in ("bad", "warn") or last is None:
        return None, ""
    trouble, detail = of_note(last.note or slot.last_error or "")
    if trouble is None and last.outcome == Status.LATE:
        trouble = LATE_TROUBLE
    if trouble is None and last.outcome == Status.FAILED:
        trouble = FAILED_TROUBLE
    return trouble, detail


def stuck_of(error: Exception) -> Trouble:
    """Return the words for a client that gets no answer from the limiter, though its page can be read."""
    told = str(error) if isinstance(error, Unavailable) else ""  # anything else may quote a statement
    return Trouble(STUCK, getattr(error, "hint", "") or DATABASE.todo, told)


def counts_of(text: str | None) -> dict[str, int]:
    """Return a run's counts; none where the column holds something else."""
    try:
        counts = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return {str(name): n for name, n in counts.items() if isinstance(n, int)} if isinstance(counts, dict) else {}
