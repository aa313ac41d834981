"""``identsync calendar purge``: everything of ours is deleted on the other side, now, and what stays is told."""

import asyncio
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from identsync.cli.calendars import Desk
from identsync.cli.running import run_now
from identsync.cli.words import log_to_stderr, say
from identsync.errors import IdentsyncError
from identsync.flows.http import Http
from identsync.integrations.calendar import accounts, books, closed, leaving
from identsync.integrations.calendar.leaving import Held
from identsync.integrations.calendar.task import task_of
from identsync.language import _, said

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.integrations.calendar.books import Link

PROGRESS_S = 5.0
AGAIN_S = 2.0
NAMED = 10  # reasons that are listed


def purge(here: Desk, doctor: int | None, *, yes: bool, wait_s: float) -> bool:
    """Empty the calendars of a destination, or one doctor's; True where nothing of ours is left."""
    log_to_stderr(here.settings.client.log)
    doctors = _concerned(here, doctor)
    if not doctors:
        say(_("Удалять нечего: здесь ничего нашего нет."))
    else:
        count = len(_held(here, doctors))
        question = _("Календарей: {doctors}, событий: {count}. Удалить всё?", doctors=len(doctors), count=count)
        if not yes and not typer.confirm(question, err=True):
            return False
        with here.store.write() as connection:
            leaving.begin(connection, here.name, here.destination, doctors, here.store.now_ms())
            if doctor is None:
                leaving.shut(connection, here.name, here.clinic.staff(), here.store.now_ms())
        _empty(here, doctors, time.monotonic() + wait_s)
    return _told(here, doctors) & asyncio.run(_accounts_given_up(here, doctor))


def _concerned(here: Desk, doctor: int | None) -> set[int]:
    """Return the doctors who have something there, or whose calendar is kept."""
    with here.store.read() as connection:
        links = books.links(connection, here.name)
        held = leaving.held(connection, here.name, here.destination)
    found = {link.doctor for link in links.values() if link.state != "off"} | {one.doctor for one in held}
    return found if doctor is None else found & {doctor}


def _held(here: Desk, doctors: Collection[int]) -> list[Held]:
    with here.store.read() as connection:
        return leaving.held(connection, here.name, here.destination, doctors)


def _staying(here: Desk, doctors: Collection[int]) -> "list[Link]":
    with here.store.read() as connection:
        return [link for link in books.links(connection, here.name).values() if link.doctor in doctors]


# -- the work --------------------------------------------------------------------------------------------------------


def _empty(here: Desk, doctors: Collection[int], until: float) -> None:
    """Run the task of each branch concerned until nothing is left, or nothing more happens."""
    branches = {branch.id: branch for branch in here.clinic.branches()}
    with _progress(here, doctors):
        while True:
            before = _left(here, doctors)
            elsewhere = [scope for scope in sorted(before) if not _ran(here, scope, branches)]
            after = _left(here, doctors)
            if not after or (after == before and not elsewhere) or time.monotonic() > until:
                return
            if elsewhere:
                time.sleep(AGAIN_S)


def _left(here: Desk, doctors: Collection[int]) -> dict[int, int]:
    """Return how much is left by branch: events, and calendars that have not taken leave."""
    left: dict[int, int] = {}
    for one in _held(here, doctors):
        left[one.scope] = left.get(one.scope, 0) + 1
    for link in _staying(here, doctors):
        if link.state == "leaving":
            left[link.scope] = left.get(link.scope, 0) + 1
    return left


def _ran(here: Desk, scope: int, branches: "dict[int, Branch]") -> bool:
    """Run the task of a branch, or of a closed one's heir, under the limiter; False where another client does it."""
    if scope not in branches:
        say(_("филиала {scope} больше нет в клинике", scope=scope))
    runs = scope if scope in branches else closed.heir(here.destination, branches)
    if runs is None:
        return True
    task = task_of(here.name, here.destination, branches[runs])
    return run_now(here.settings, here.store, here.clinic, task) is not None


@contextmanager
def _progress(here: Desk, doctors: Collection[int]) -> Iterator[None]:
    """Say every few seconds how much is left."""
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(PROGRESS_S):
            say(_("Осталось событий: {count}", count=len(_held(here, doctors))))

    thread = threading.Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# -- what is told ----------------------------------------------------------------------------------------------------


def _told(here: Desk, doctors: Collection[int]) -> bool:
    """Say what is left, and why; True where nothing is."""
    held, links = _held(here, doctors), _staying(here, doctors)
    stay = [link for link in links if link.state != "off" or (link.own and link.address and link.problem)]
    for link in stay:
        say(
            _(
                "Врач {doctor}: {problem}",
                doctor=link.doctor,
                problem=said(link.problem or "") or _("ещё не всё удалено"),
            )
        )
    for reason in _reasons(held):
        say(f"  • {reason}")
    if held:
        say(_("Осталось событий: {count}. Повторите команду, когда причина устранена.", count=len(held)))
    elif not stay and doctors:
        say(_("Удалено всё, что туда было записано."))
    return not held and not stay


def _reasons(held: Sequence[Held]) -> list[str]:
    return list(dict.fromkeys(said(one.answer) for one in held if one.answer))[:NAMED]


async def _accounts_given_up(here: Desk, doctor: int | None) -> bool:
    """Forget the accounts in which nothing is kept any more; Google is told so."""
    good = True
    async with Http() as http:
        for account in accounts.unused(here.store, here.name):
            if doctor not in {None, account.doctor}:
                continue
            try:
                await accounts.give_up(here.store, http, here.name, here.destination, account)
            except IdentsyncError as error:
                good = False
                say(_("Доступ врача {doctor} у нас удалён, но не отозван: {error}", doctor=account.doctor, error=error))
                say("  → " + _("отзовите его сами: myaccount.google.com/permissions"))
    return good
