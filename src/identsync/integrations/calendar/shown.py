"""How the calendars of one branch stand, as the page shows them: what each doctor has there, what differs, what waits.

One branch and one destination at a time: the clinic is read for the doctors who are at home there and for nobody else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from identsync.engine.integration import PageContext
from identsync.flows.mirror_book import Book, Brakes, brakes, load
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import CLINIC, Account, Link
from identsync.integrations.calendar.chosen import GONE, at_home, stream_of, wish_of
from identsync.integrations.calendar.compared import Compared, Difference, compare, compare_feeds, kept_of
from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.keeping import REPAIRS, Kept
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wanted import Wanted, read
from identsync.spans import DAY_MS
from identsync.store import slots
from identsync.store.lists import portions
from identsync.store.tables import mirror_item

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, Doctor

TRIES = 3  # failed tries of an event after which a person may want to know
NEAREST = 5  # differences of a doctor that are shown by name
NO_KEY = bytes(32)  # before the first run: names do not matter to what is shown


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class State:
    """A doctor's calendar in a word: kind of the chip, the word, what it means or what to do about it."""

    name: str
    kind: str
    word: str
    meaning: str = ""


ABSENT = _("У врача нет учётной записи. Подключить: identsync calendar connect")
STATES = {
    state.name: state
    for state in (
        State("refused", "bad", _("Отказано")),
        State("braked", "bad", _("Ждёт решения"), _("Событий стало подозрительно мало: ничего не отправляется.")),
        State("rejected", "warn", _("Принято не всё"), _("Сервер не принимает некоторые события.")),
        State("stuck", "warn", _("Не получается"), _("Несколько попыток не удались. Пробуем дальше сами.")),
        State("filling", "busy", _("Заполняется"), _("Сначала ближайшие дни.")),
        State("updating", "busy", _("Обновляется"), _("Изменения уйдут при ближайшей сверке.")),
        State("making", "busy", _("Создаётся"), _("Календарь появится при ближайшей сверке.")),
        State("leaving", "busy", _("Удаляется"), _("Всё, что мы туда записали, удаляется.")),
        State("paused", "idle", _("На паузе"), _("Календарь остаётся как есть, пока его не продолжат.")),
        State(
            "absent", "idle", _("Не подключён"), _("У врача нет учётной записи. Подключить: identsync calendar connect")
        ),
        State("off", "idle", _("Отключён"), _("Календарь больше не ведётся.")),
        State("ok", "ok", _("В порядке")),
    )
}
ORDER = list(STATES)


@dataclass(slots=True)
class Line:
    """A doctor of the page."""

    doctor: "Doctor"
    link: Link | None
    state: State = STATES["ok"]
    wanted: int = 0  # events
    there: int = 0
    differences: list[Difference] = field(default_factory=list)
    stubborn: int = 0

    @property
    def in_step(self) -> int:
        """How many of the wanted events are there as they shall be."""
        return self.wanted - sum(one.kind != "remove" for one in self.differences)

    @property
    def rejected(self) -> int:
        """How many events the other side does not take."""
        return sum(one.state == "rejected" for one in self.differences)

    def upcoming(self, now_ms: int) -> Difference | None:
        """Return the nearest difference that is not past."""
        return next((one for one in self.differences if one.start_ms >= now_ms), None)

    def shortlist(self, now_ms: int) -> list[Difference]:
        """Return the few differences that are worth naming: what was refused, then the nearest to come."""
        ranked = sorted(
            self.differences, key=lambda one: (one.state != "rejected", one.start_ms < now_ms, one.start_ms)
        )
        return ranked[:NEAREST]

    def until(self, now_ms: int) -> int | None:
        """Return when the next event begins that is not there yet: up to then a first fill is done."""
        coming = (one.start_ms for one in self.differences if one.kind != "remove" and one.start_ms >= now_ms)
        return min(coming, default=None)


@dataclass(slots=True)
class Picture:
    """Everything of one destination and one branch."""

    name: str
    destination: CalendarDestination
    branch: "Branch"
    now_ms: int
    doctors: dict[int, "Doctor"]
    links: dict[int, Link]
    accounts: dict[int, Account]
    book: Book
    brakes: Brakes
    slot: slots.SlotView | None
    wanted: Wanted
    compared: Compared
    shared: Mapping[int, str] = field(default_factory=dict)  # doctors: another destination that keeps their calendar
    lines: list[Line] = field(default_factory=list)

    def account_of(self, doctor: int) -> Account | None:
        """Return the account a doctor's calendar is in; None where he has none, or it stands in the settings."""
        return self.accounts.get(doctor) or self.accounts.get(CLINIC)

    @property
    def filling(self) -> tuple[int, int, int | None] | None:
        """Of a first fill: events that are there, all of them, up to when it is done; None where there is none."""
        new = [line for line in self.lines if line.state.name == "filling"]
        if not new:
            return None
        until = min((at for line in new if (at := line.until(self.now_ms)) is not None), default=None)
        return sum(line.in_step for line in new), sum(line.wanted for line in new), until


def picture_of(context: PageContext, name: str, branch: "Branch") -> Picture:
    """Read how the calendars of a destination stand in a branch."""
    destination: CalendarDestination = context.settings[name]
    doctors = at_home(context.clinic, destination, branch.id)
    stream = stream_of(name)
    with context.store.read() as connection:
        links = {doctor: link for doctor, link in books.links(connection, name).items() if doctor in doctors}
        accounts, key = books.accounts(connection, name), books.find_key(connection) or NO_KEY
        book, stopped = load(connection, stream, branch.id), brakes(connection, stream, branch.id)
        slot = next((one for one in slots.overview(connection) if (one.kind, one.scope) == (stream, branch.id)), None)
        present = [doctor for doctor in doctors if doctor not in links or links[doctor].state not in GONE]
        wanted = read(context.clinic, wish_of(destination), branch.id, key, present, context.now_ms)
        feed = destination.kind == "feed"
        found = compare_feeds(connection, book, wanted, present) if feed else compare(connection, book, wanted)
        picture = Picture(
            name, destination, branch, context.now_ms, doctors, links, accounts, book, stopped, slot, wanted, found,
            books.shared(connection, name),
        )  # fmt: skip
        picture.lines = _lines(picture)
        _find_stubborn(connection, picture)
    return picture


def answers_of(connection: Connection, book: Book, keys: Sequence[int]) -> dict[int, str]:
    """Return what the other side said of some events by key."""
    item, said = mirror_item.c, dict[int, str]()
    for portion in portions(keys):
        some = item.key.in_(portion)
        found = select(item.key, item.answer).where(item.stream == book.stream, item.scope == book.scope, some)
        said |= {key: answer for key, answer in connection.execute(found) if answer}
    return said


def keys_of(picture: Picture, doctor: int) -> list[int]:
    """Return the keys of a doctor's events, wanted or only there."""
    mine = [key for key in picture.wanted.columns.keys if picture.wanted.doctor(key) == doctor]
    return mine + [key for key, kept in picture.compared.gone.items() if kept.doctor == doctor]


# -- lines -----------------------------------------------------------------------------------------------------------


def _lines(picture: Picture) -> list[Line]:
    found = picture.compared
    lines = {
        doctor.id: Line(
            doctor, picture.links.get(doctor.id), wanted=found.wanted[doctor.id], there=found.there[doctor.id]
        )
        for doctor in picture.doctors.values()
    }
    for doctor, difference in found.differences:
        if doctor in lines:
            lines[doctor].differences.append(difference)
    for line in lines.values():
        line.differences.sort(key=lambda one: (one.start_ms, one.key))
        line.state = STATES[_state(picture, line)]
    return sorted(lines.values(), key=_urgency)


def _urgency(line: Line) -> tuple[int, str, int]:
    """What waits for a person stands first; the rest by name, so that a doctor is found where he was."""
    rank = ORDER.index(line.state.name) if line.state.kind in {"bad", "warn"} else len(ORDER)
    return rank, line.doctor.name, line.doctor.id


def _state(picture: Picture, line: Line) -> str:
    link, stopped = line.link, bool(picture.brakes.asked)
    if link is None:
        own = picture.destination.of_clinic or picture.account_of(line.doctor.id) is not None
        return "making" if own else "absent"
    if link.state != "on":
        return link.state
    shrunk = picture.brakes.parts.get(str(line.doctor.id))
    if (stopped and line.differences) or (shrunk is not None and shrunk.approved is None):
        return "braked"
    if picture.slot is not None and picture.slot.paused:
        return "paused"
    if not link.address:
        return "making"
    return _progress(line, link)


def _progress(line: Line, link: Link) -> str:
    if line.rejected:
        return "rejected"
    if any(one.attempts >= TRIES for one in line.differences):
        return "stuck"
    if not line.differences:
        return "ok"
    return "filling" if link.synced_ms is None else "updating"


def _find_stubborn(connection: Connection, picture: Picture) -> None:
    """Count the events that somebody edits again and again: only where so many were repaired is it worth a look."""
    for line in picture.lines:
        if line.link is not None and line.link.repaired >= REPAIRS and picture.destination.kind != "feed":
            kept = kept_of(connection, picture.book, keys_of(picture, line.doctor.id))
            line.stubborn = sum(is_stubborn(one, picture.now_ms) for one in kept.values())


def is_stubborn(kept: Kept, now_ms: int) -> bool:
    """Say whether an event was repaired so often today that it is left alone until the day is over."""
    return sum(at > now_ms - DAY_MS for at in kept.repairs) >= REPAIRS


def events_of(picture: Picture, keys: Collection[int]) -> Mapping[int, Event]:
    """Return the events as they go out, of those keys that are wanted."""
    return picture.wanted.events([key for key in keys if key in picture.wanted.columns])
