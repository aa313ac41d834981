"""What a person can order on the page: pause a calendar, look at it again, send it anew, change its address, allow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from identsync.engine.integration import PageContext
from identsync.errors import AskPerson
from identsync.flows.mirror import approve, doubt, kept, send_again
from identsync.integrations.calendar import books, feed
from identsync.integrations.calendar.books import Link
from identsync.integrations.calendar.chosen import stream_of
from identsync.integrations.calendar.gate import release
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.leaving import hasten
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.store import slots


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    destination: CalendarDestination
    scope: int

    @property
    def stream(self) -> str:
        return stream_of(self.name)


def allow(context: PageContext, form: Mapping[str, str]) -> str:
    """Let a stopped branch, or one doctor's calendar, take the smaller number of events, once."""
    place = _place(context, form)
    stream, scope, part = place.stream, place.scope, form.get("doctor")
    if not slots.order(context.store, stream, scope, lambda connection: approve(connection, stream, scope, part)):
        return _("Решение уже не нужно.")
    return _("Разрешено. Отправится через несколько секунд.")


def everything(context: PageContext, form: Mapping[str, str]) -> str:
    """Send all events of the branch anew, whatever is thought to be there."""
    place = _place(context, form)

    def write(connection: Connection) -> None:
        send_again(connection, place.stream, place.scope)
        release(connection, place.name)

    slots.order(context.store, place.stream, place.scope, write)
    return _("Все календари филиала отправятся заново.")


def pause(context: PageContext, form: Mapping[str, str]) -> str:
    """Let a doctor's calendar stand as it is."""
    _set(context, form, "paused", lambda link: books.pausable(link.state))
    return _("Календарь на паузе: остаётся как есть.")


def resume(context: PageContext, form: Mapping[str, str]) -> str:
    """Let a doctor's calendar be kept again."""
    _set(context, form, "on", lambda link: link.state == "paused")
    return _("Продолжено. Календарь сверится через несколько секунд.")


def look(context: PageContext, form: Mapping[str, str]) -> str:
    """Try a refused calendar again, or compare one with what really lies there."""
    _set(context, form, "on", lambda link: link.state in {"on", "refused"})
    return _("Календарь сверится через несколько секунд.")


def again(context: PageContext, form: Mapping[str, str]) -> str:
    """Send all events of one doctor anew."""
    place, link = _link(context, form)

    def write(connection: Connection) -> None:
        hasten(connection, place.name, place.destination, [link.doctor])
        doubt(connection, place.stream, link.scope, _keys(connection, place, link))

    slots.order(context.store, place.stream, link.scope, write)
    return _("Календарь отправится заново через несколько секунд.")


def rotate(context: PageContext, form: Mapping[str, str]) -> str:
    """Give a doctor's feed a new address; the old one ends."""
    place, link = _link(context, form)
    if place.destination.kind != "feed":
        raise AskPerson(_("Новая ссылка бывает только у подписки."))

    def write(connection: Connection) -> None:
        if not feed.rotate(connection, place.name, link.doctor, context.now_ms):
            raise AskPerson(_("У этого врача здесь нет календаря."))

    slots.order(context.store, place.stream, link.scope, write)
    return _("Ссылка новая. Старая перестанет работать через несколько секунд.")


def _keys(connection: Connection, place: _Place, link: Link) -> list[int]:
    if place.destination.kind == "feed":
        return [link.doctor]
    packed = kept(connection, place.stream, link.scope)
    return [key for key, payload in packed.items() if Kept.unpack(payload).doctor == link.doctor]


def _set(context: PageContext, form: Mapping[str, str], state: str, fits: Callable[[Link], bool]) -> None:
    place, link = _link(context, form)
    if not fits(link):
        raise AskPerson(_("Состояние календаря уже другое: посмотрите ещё раз."))

    def write(connection: Connection) -> None:
        books.set_state(connection, place.name, link.doctor, state, context.now_ms)
        if state == "on":
            hasten(connection, place.name, place.destination, [link.doctor])

    slots.order(context.store, place.stream, link.scope, write)


def _place(context: PageContext, form: Mapping[str, str]) -> _Place:
    name, scope = form.get("to", ""), form.get("branch", "")
    if name not in (context.settings or {}):
        raise AskPerson(_("Таких календарей в настройках нет."))
    return _Place(name, context.settings[name], int(scope) if scope.isdecimal() else 0)


def _link(context: PageContext, form: Mapping[str, str]) -> tuple[_Place, Link]:
    place, doctor = _place(context, form), form.get("doctor", "")
    with context.store.read() as connection:
        link = books.links(connection, place.name).get(int(doctor) if doctor.isdecimal() else 0)
    if link is None:
        raise AskPerson(_("У этого врача здесь нет календаря."))
    return place, link
