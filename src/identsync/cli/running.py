"""``identsync run`` and ``identsync once``: a client with signals, a journal on standard error and a clean end."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from identsync import integrations, places
from identsync.cli.options import options
from identsync.cli.words import log_to_stderr, say
from identsync.client import Client, loop_factory, opened_clinic, opened_store
from identsync.engine.integration import Outcome, Role, Status, Task
from identsync.errors import Problem, SettingsError
from identsync.language import _, said, spoken
from identsync.service.life import Ending, doctors, live, told
from identsync.settings import Settings, load

if TYPE_CHECKING:
    from identsync.clinic.source import ClinicSource
    from identsync.store import Store


def run(arguments: Sequence[str]) -> None:
    """Read the options of ``identsync run`` and run the client."""
    given = options(arguments)
    if given.with_parent is not None:
        _write_to_file()
    run_client(
        load(places.settings_file(given.settings)), role=given.role, branch=given.branch, attached=given.attached,
        parent=given.with_parent,
    )  # fmt: skip


def run_client(
    settings: Settings, *, role: str | None, branch: int | None, attached: bool = False, parent: int | None = None
) -> None:
    """Run a client until it is told to end (service.life.told); then hand its tasks over.

    It ends with the process ``parent`` too and, ``attached``, with standard input.
    """
    chosen = Role[(role or settings.client.role).upper()]
    if chosen is Role.DOCTOR:
        say(doctors())
        return
    _spare_terminals()
    _spare_arenas()
    log_to_stderr(settings.client.log)
    client = Client(settings, role=chosen, branch=branch)
    with asyncio.Runner(loop_factory=loop_factory(settings.client.loop)) as runner:
        runner.run(_until_told(client, attached, parent))


async def _until_told(client: Client, attached: bool, parent: int | None) -> None:
    ending = Ending()

    def started() -> None:
        place = {"branch": client.branch, "name": client.branch_name, "url": client.url or "-"}
        say(_("Работаю: филиал {branch} ({name}), страница {url}. Остановить: Ctrl-C.", **place))
        if attached:  # for the program that started us
            print(json.dumps({"client": client.id, "url": client.url}), flush=True)  # noqa: T201

    with told(ending, parent):
        if attached:
            _watch_input(ending)
        await live(client, ending, say=say, started=started)


def _write_to_file() -> None:
    """Nobody reads the words of a program without a window: they go into a journal of its own."""
    from identsync.service.journal import Journal, of_session

    with suppress(OSError):  # no such folder to be had: words that are lost are no reason not to work
        sys.stderr = Journal(of_session(places.user().logs, os.getpid()))


def _watch_input(ending: Ending) -> None:
    """Stop at the end of standard input: a client that was started by a program never outlives it."""

    def wait() -> None:
        with suppress(OSError):
            while os.read(0, 4096):  # not sys.stdin: the interpreter's end would wait for its lock
                pass
        ending.ask()

    threading.Thread(target=wait, name="attached", daemon=True).start()


def run_once(settings: Settings, kind: str, scope: int | None) -> Sequence[Outcome | None]:
    """Run the task in each of its scopes, or in the one asked for; None = another client holds it now."""
    if settings.client.role == Role.DOCTOR.name.lower():
        hint = _("запустите её на компьютере администратора или директора, или укажите в настройках другую роль")
        raise SettingsError([Problem("[client] role", doctors(), hint)])
    log_to_stderr(settings.client.log)
    with ExitStack() as stack:
        store, clinic = opened_store(settings, stack), opened_clinic(settings, stack)
        rooms = integrations.loaded(settings.rooms)
        known = list(integrations.tasks_of(rooms, clinic.branches()))
        chosen = [task for task in known if task.kind == kind and scope in {None, task.scope}]
        if not chosen:
            kinds = ", ".join(sorted({task.kind for task in known})) or "-"
            raise SettingsError([Problem(kind, _("нет такой задачи"), _("есть: {kinds}", kinds=kinds))])
        return [run_now(settings, store, clinic, task) for task in chosen]


def run_now(settings: Settings, store: "Store", clinic: "ClinicSource", task: Task) -> Outcome | None:
    """Run one task now and say how it ended; None = another client holds it now."""
    with asyncio.Runner(loop_factory=loop_factory(settings.client.loop)) as runner:
        return runner.run(_once(settings, store, clinic, task))


async def _once(settings: Settings, store: "Store", clinic: "ClinicSource", task: Task) -> Outcome | None:
    from identsync.engine.loop import Engine

    role = Role[settings.client.role.upper()]
    engine = Engine(store=store, clinic=clinic, tasks=[task], role=role, branch=task.scope or settings.client.branch)
    outcome = await engine.run_once(task.kind, task.scope)
    if not isinstance(outcome, Outcome):
        say(_("{kind}, филиал {scope}: не сейчас ({why})", kind=task.kind, scope=task.scope, why=outcome))
        return None
    for line in _ended(task, outcome):
        say(line)
    return outcome


def _ended(task: Task, outcome: Outcome) -> Iterator[str]:
    """Say how a run ended, '{task}, {where}: {how}; {counts}; {note}', and what a person does about it."""
    from identsync.console.i18n import catalog
    from identsync.console.troubles import of_note
    from identsync.console.words import said_counts

    how = {
        Status.OK: _("выполнено"),
        Status.PARTIAL: _("принято не всё"),
        Status.LATER: _("повторится само"),
        Status.ASK: _("нужно решение человека"),
        Status.LATE: _("не успела и остановлена"),
        Status.LOST: _("перешла к другой программе"),
        Status.RELEASED: _("не закончена и передана"),
    }.get(outcome.status, _("не удалась"))
    where = _("филиал {scope}", scope=task.scope) if task.scope else _("вся сеть")
    speech = catalog(spoken())
    trouble, note = of_note(said(outcome.note))
    why = speech(trouble.title) if trouble else _idle(outcome)
    counts = ", ".join(said_counts(speech, outcome.counts))
    yield f"{task.kind}, {where}: " + "; ".join(filter(None, (how, counts, why, note)))
    if trouble and trouble.todo:
        yield _("Что делать: {hint}", hint=speech(trouble.todo))


def _idle(outcome: Outcome) -> str:
    """Say that nobody was asked anything, where all that is wanted had been confirmed before."""
    busy = any(count for name, count in outcome.counts.items() if name != "desired")
    if outcome.status is Status.OK and outcome.counts.get("desired") and not busy:
        return _("с прошлого раза ничего не изменилось, ничего не отправлено")
    return ""


def _spare_arenas() -> None:
    """Give glibc's malloc one arena instead of one a thread: 3 MB of every client. Nothing to do elsewhere."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(-8, 1)  # M_ARENA_MAX


def _spare_terminals() -> None:
    """Let structlog and httpx do without what they import to draw in terminals: 20 MB and 0.3 s of every client.

    Both treat these packages as optional; a name that is None in ``sys.modules`` is one that is not installed. httpx
    would do without click too, but the page's web server does not.
    """
    for name in ("rich", "pygments", "colorama"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
