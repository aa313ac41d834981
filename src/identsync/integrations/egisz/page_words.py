"""How the room's states look on its page: words, colours, what each means and what happens next."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from identsync.engine.integration import PageContext
from identsync.engine.pages import full_name
from identsync.errors import IdentsyncError

ATTENTION_MOST = 999


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class State:
    """How a state looks: its word, the kind of its chip, what it means."""

    name: str
    title: str
    kind: str
    meaning: str


STATES: Mapping[str, State] = {
    state.name: state
    for state in (
        State("missing", _("не готов"), "warn", _("Не отправляется: чего-то не хватает. Что и где исправить, ниже.")),
        State("signing", _("ждёт подписи"), "warn", _("Не отправлен: нет подписи врача или клиники.")),
        State("ready", _("готов"), "idle", _("Всё есть, уйдёт при ближайшем запуске.")),
        State("later", _("ждёт повтора"), "busy", _("N3 не отвечает или просит подождать. Уйдёт само.")),
        State(
            "unknown", _("исход неизвестен"), "warn",
            _("Отправлялось, ответа не было. Уйдёт само ещё раз под тем же номером: второго не появится."),
        ),
        State(
            "unsure", _("исход неизвестен"), "warn",
            _("Отправлялось, ответа не было: могло дойти, а могло и нет. Сама программа документ не повторит."),
        ),
        State("taken", _("принят N3"), "ok", _("N3 принял. Зарегистрировано ли в РЭМД, он не сообщает.")),
        State("warned", _("принят с предупреждениями"), "warn", _("N3 о чём-то предупредил, но, похоже, принял.")),
        State(
            "rejected", _("отклонён"), "bad",
            _("N3 отказал. Исправьте, на что он жалуется: исправленное уйдёт само. Если нечего, отправьте снова."),
        ),
        State("registered", _("зарегистрирован в РЭМД"), "ok", _("Номер регистрации записал сотрудник.")),
        State("cancelling", _("аннулируется"), "busy", _("В клинике случай отменён, N3 этого ещё не подтвердил.")),
        State("cancelled", _("аннулирован"), "idle", _("В клинике отменён, удалён или снова открыт, и у N3 его нет.")),
        State(
            "gone", _("пропал из клиники"), "warn",
            _("У N3 он есть, а у этой организации в базе клиники больше нет. Сам он отменён не будет."),
        ),
    )
}  # fmt: skip
WHAT: Mapping[str, str] = {"case": _("случай"), "document": _("документ"), "patient": _("карта пациента")}
FATES: Mapping[str, tuple[str, str]] = {
    "taken": ("ok", _("принято")),
    "warned": ("warn", _("предупреждение")),
    "there": ("info", _("такой уже есть")),
    "refused": ("bad", _("отказ")),
    "lost": ("warn", _("ответа нет")),
    "later": ("busy", _("позже")),
    "person": ("info", _("решил человек")),
}
"""How the end of a request looks."""
OPERATIONS: Mapping[str, str] = {
    "AddPatient": _("новая карта пациента"),
    "UpdatePatient": _("карта пациента, как она теперь"),
    "AddCase": _("новый случай"),
    "UpdateCase": _("случай, как он теперь"),
    "CreateCase": _("случай, ещё открытый"),
    "AddStepToCase": _("ещё одно посещение"),
    "CloseCase": _("закрытие случая"),
    "CancelCase": _("отмена случая"),
    "AddMedRecord": _("документ"),
}
"""What was asked of N3, by the name of its operation."""
DECISIONS: Mapping[str, str] = {
    "resend": _("отправить снова"),
    "arrived": _("дошёл до N3"),
    "not_arrived": _("не дошёл до N3"),
    "number": _("номер РЭМД"),
    "cancel": _("аннулировать в N3"),
}


def state_of(what: str, state: str, number: str | None) -> State:
    """Return how a row looks; registered only where its number is known."""
    if number and state in ("taken", "warned"):
        return STATES["registered"]
    if state == "unknown" and what == "document":
        return STATES["unsure"]
    return STATES.get(state) or State(state, state, "idle", "")


def who(context: PageContext) -> str:
    """Return who acts, as the journal keeps it."""
    return context.user or _("сотрудник")


@dataclass(frozen=True, slots=True)
class Clinic:
    """Names and zones of the clinic; ``silent`` = its database does not answer, and numbers stand for names."""

    people: Mapping[int, str]
    doctors: Mapping[int, str]
    branches: Mapping[int, str]
    zones: Mapping[int, str]
    silent: bool = False

    def zone(self, branch: int) -> str:
        """Return the zone of a branch; 0 = the first one's."""
        return self.zones.get(branch) or next(iter(self.zones.values()), "UTC")


def clinic_of(context: PageContext, patients: Iterable[int]) -> Clinic:
    """Return the names that the page shows: of these patients, of all doctors and branches."""
    try:
        branches = context.clinic.branches()
        doctors = {doctor.id: doctor.name for doctor in context.clinic.staff()}
        found = context.clinic.patients(set(patients))
    except IdentsyncError:
        return Clinic({}, {}, {}, {}, silent=True)
    people = {each.id: full_name(each) for each in found.values()}
    named = {branch.id: branch.name for branch in branches}
    return Clinic(people, doctors, named, {branch.id: branch.zone for branch in branches})


def zones_of(settings: Mapping[str, Any], clinic: Clinic) -> dict[str, str]:
    """Return the zone of each organisation: its first branch's."""
    return {name: clinic.zone(each.branches[0] if each.branches else 0) for name, each in settings.items()}
