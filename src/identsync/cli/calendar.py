"""``identsync calendar``: calendars of doctors connected, shown, paused, emptied; imports are late."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from identsync import places
from identsync.cli import DONE, PROBLEMS
from identsync.cli.grammar import Commands
from identsync.cli.words import say
from identsync.language import _

CLINIC = 0
Name = Annotated[str, typer.Argument(metavar=_("ИМЯ"), help=_("имя назначения: то, что в настройках после calendar."))]
DoctorId = Annotated[int, typer.Option("--doctor", min=0, help=_("номер врача"))]
OneOrAll = Annotated[int | None, typer.Option("--doctor", min=1, help=_("только у этого врача"))]
File = Annotated[Path | None, typer.Option("--settings", "-s", readable=False, help=_("файл настроек"))]
Yes = Annotated[bool, typer.Option("--yes", "-y", help=_("не переспрашивать"))]


def commands() -> typer.Typer:
    """Return the group of commands, described in the chosen language."""
    app = Commands(help=_("Календари врачей"))
    app.command("list", help=_("Показать назначения, врачей и что с их календарями"))(show)
    app.command(help=_("Подключить учётную запись врача или Google клиники"))(connect)
    app.command(help=_("Удалить всё, что было туда записано"))(purge)
    app.command(help=_("Оставить календарь врача как есть, пока его не продолжат"))(pause)
    app.command(help=_("Продолжить: после паузы, отказа или отключения"))(resume)
    app.command(help=_("Дать подписке врача другой адрес; прежний перестаёт работать"))(rotate)
    return app


def show(
    settings: File = None, json: Annotated[bool, typer.Option("--json", help=_("ответ одним объектом JSON"))] = False
) -> None:
    """Show every destination and every doctor who has, or had, a calendar there."""
    from identsync.cli.calendars import told

    told(places.settings_file(settings), json=json)


def connect(
    name: Name,
    doctor: DoctorId = CLINIC,
    user: Annotated[str | None, typer.Option("--user", help=_("логин; без него спросит"))] = None,
    calendar: Annotated[
        str | None, typer.Option("--calendar", help=_("адрес календаря, в который писать; без него создаст свой"))
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help=_("открыть страницу Google самому"))] = True,
    yes: Yes = False,
    settings: File = None,
) -> None:
    """Take in an account: its password is asked for without showing it, never taken from the command line."""
    from identsync.cli import joining
    from identsync.cli.calendars import desk

    with ExitStack() as stack:
        here = desk(stack, settings, name)
        if here.destination.kind == "google":
            joining.google(here, doctor, browser=browser, yes=yes)
        else:
            joining.caldav(here, doctor, user, calendar, yes=yes)


def purge(
    name: Name,
    doctor: OneOrAll = None,
    yes: Yes = False,
    wait: Annotated[
        float, typer.Option(min=0, help=_("сколько секунд ждать, пока работу ведёт другая программа"))
    ] = 600.0,
    settings: File = None,
) -> None:
    """Delete everything that was ever written there; exit code 0 only where nothing is left."""
    from identsync.cli.calendars import desk
    from identsync.cli.leaving import purge as purged

    with ExitStack() as stack:
        raise typer.Exit(DONE if purged(desk(stack, settings, name), doctor, yes=yes, wait_s=wait) else PROBLEMS)


def pause(name: Name, doctor: OneOrAll = None, settings: File = None) -> None:
    """Let calendars stand still."""
    _turn(name, doctor, "paused", settings)


def resume(name: Name, doctor: OneOrAll = None, settings: File = None) -> None:
    """Go on with calendars."""
    _turn(name, doctor, "on", settings)


def rotate(name: Name, doctor: DoctorId, settings: File = None) -> None:
    """Give a feed another address; the address itself is shown on the page only."""
    from identsync.cli.calendars import desk
    from identsync.integrations.calendar import feed

    with ExitStack() as stack:
        here = desk(stack, settings, name)
        if here.destination.kind != "feed":
            say(_("Адрес меняют только у подписок (feed)."))
            raise typer.Exit(PROBLEMS)
        with here.store.write() as connection:
            done = feed.rotate(connection, name, doctor, here.store.now_ms())
    _end(done, doctor, _("Новый адрес - на странице «Календари»; прежний исчезнет, как только выполнится задача."))


def _turn(name: str, doctor: int | None, state: str, file: Path | None) -> None:
    from identsync.cli.calendars import desk, state_word
    from identsync.integrations.calendar import books
    from identsync.integrations.calendar.leaving import hasten

    with ExitStack() as stack:
        here = desk(stack, file, name)
        with here.store.write() as connection:
            links = books.links(connection, name).values()
            known = {one.doctor: one.state for one in links if doctor in {None, one.doctor}}
            fits = _fits(state, known, one=doctor is not None)
            chosen = [one for one, now in known.items() if now in fits]
            for one in chosen:
                books.set_state(connection, name, one, state, here.store.now_ms())
            if state == "on":
                hasten(connection, name, here.destination, chosen)
    if doctor in known and known[doctor] not in {*fits, state}:
        say(_("Врач {doctor}: {state}, так его не переключить.", doctor=doctor, state=state_word(known[doctor])))
        raise typer.Exit(PROBLEMS)
    _end(bool(known), doctor, _("Календарей: {count}, теперь {state}.", count=len(chosen), state=state_word(state)))


def _fits(state: str, known: Mapping[int, str], *, one: bool) -> set[str]:
    """Return the states from which calendars are put into another one.

    A purge that is on its way is not undone so, and who had left comes back by his number only, or with everybody.
    """
    from identsync.integrations.calendar import books

    if state == "paused":
        return {one for one in books.STATES if books.pausable(one)}
    back = one or set(known.values()) == {"off"}
    return {"paused", "refused", "off"} if back else {"paused", "refused"}


def _end(done: bool, doctor: int | None, good: str) -> None:
    if done:
        say(good)
    elif doctor is None:
        say(_("Календарей здесь ещё нет."))
    else:
        say(_("У врача {doctor} здесь нет календаря.", doctor=doctor))
    raise typer.Exit(DONE if done else PROBLEMS)
