"""The process of the Windows service: a client that the service control manager starts and stops.

It says its start, its end and what a person must repair in the event log (Application, the service's name); all else
stands in its journal. Wrong settings end it with exit code 2 and Windows leaves it; for wrong views of the clinic and
a missing secret it waits; when the process dies, Windows starts it again.
"""

import asyncio
import os
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import servicemanager
import win32api
import win32service

from identsync import files, places
from identsync.engine.integration import Role
from identsync.errors import ContractError, IdentsyncError, NotHere, Stop
from identsync.language import _, speak
from identsync.service.journal import Journal, log_to
from identsync.service.life import Ending, live
from identsync.settings import Settings, load

assert sys.platform == "win32"  # for the type checker

OWN_CODE = 1066  # ERROR_SERVICE_SPECIFIC_ERROR: the other field holds the code
WRONG = 2
START_MS, STOP_MS = 60_000, 20_000
LOGOFF = 5
MOST_LETTERS = 8_000
"""An event takes 31,839 letters; nobody reads that."""
STOPS = {win32service.SERVICE_CONTROL_STOP, win32service.SERVICE_CONTROL_PRESHUTDOWN}


def serve(arguments: list[str]) -> None:
    """Be the service NAME with SETTINGS and perhaps ROLE, until Windows stops it.

    Windows gives a process 30 seconds to answer and then says no more than that it has not: what takes time or may
    fail, the client's modules and the journal too, comes after the answer.
    """
    name, settings, *role = arguments
    speak()
    # Somebody logs off: that is no end of a service, but a console program would be ended by it.
    win32api.SetConsoleCtrlHandler(lambda event: event >= LOGOFF, True)
    servicemanager.Initialize(name, servicemanager.__file__)
    servicemanager.PrepareToHostSingle(partial(_hosted, Path(settings), role[0] if role else None))
    servicemanager.StartServiceCtrlDispatcher()


def _hosted(settings: Path, role: str | None, arguments: list[str]) -> "Service":
    service = Service(settings, role, arguments)
    sys.stdout = sys.stderr = _journal(places.machine().logs / f"{arguments[0]}.log")
    return service


def _journal(file: Path) -> Any:
    """Open the journal; where it cannot be, the event log says why, and the service does its work without one."""
    try:
        return Journal(file)
    except OSError as error:
        what, hint = files.reason(error)
        servicemanager.LogErrorMsg(
            _("Журнала службы не будет: {file}: {what} ({hint})", file=file, what=what, hint=hint)
        )
        return open(os.devnull, "w", encoding="utf-8")


class Service:
    """What pywin32 calls: made with the service's arguments, ``SvcRun`` once, control codes from another thread."""

    def __init__(self, settings: Path, role: str | None, arguments: list[str]) -> None:
        self._settings = settings
        self._role = role
        self._ending: Ending | None = None
        self._point = 0
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._handle = servicemanager.RegisterServiceCtrlHandler(arguments[0], self._told, True)

    def SvcRun(self) -> None:  # noqa: N802  pywin32's name
        """Run from start to end, and tell Windows each step."""
        self._state(win32service.SERVICE_START_PENDING, START_MS)
        code = 0
        try:
            self._run()
        except IdentsyncError as error:
            code = WRONG if isinstance(error, Stop) else 1
            event(servicemanager.LogErrorMsg, sentence(error, _("Служба не работает. Исправьте и запустите её снова:")))
        except BaseException as error:
            crash(error)
        self._state(win32service.SERVICE_STOPPED, 0, code)
        if code:
            os._exit(code)  # or pywin32 says "stopped" once more, without the code

    def _run(self) -> None:
        from identsync.client import loop_factory

        settings = load(self._settings)
        role = Role[(self._role or settings.client.role).upper()]
        log_to(sys.stderr, settings.client.log)
        with asyncio.Runner(loop_factory=loop_factory(settings.client.loop)) as runner:
            runner.run(self._live(settings, role))

    async def _live(self, settings: Settings, role: Role) -> None:
        from identsync.client import Client

        self._ending = ending = Ending()
        self._state(win32service.SERVICE_RUNNING)
        client = Client(settings, role=role)

        def started() -> None:
            place = {"branch": client.branch, "url": client.url or "-"}
            event(servicemanager.LogInfoMsg, _("Служба работает: филиал {branch}, страница {url}.", **place))

        def wrong(error: ContractError | NotHere) -> None:
            waiting = _("Служба ждёт, пока это не исправят, и тогда начнёт работу сама:")
            event(servicemanager.LogErrorMsg, sentence(error, waiting))

        await live(client, ending, say=say, started=started, wrong=wrong)
        event(servicemanager.LogInfoMsg, _("Служба остановлена, задачи переданы другим программам."))

    def _told(self, control: int, _kind: int, _data: Any) -> int:
        if control in STOPS and self._ending is not None:
            self._state(win32service.SERVICE_STOP_PENDING, STOP_MS)
            self._ending.ask(hurried=control == win32service.SERVICE_CONTROL_PRESHUTDOWN)
            threading.Thread(target=self._still_stopping, name="stopping", daemon=True).start()
        return 0

    def _still_stopping(self) -> None:
        """Ask Windows for more time while a database that does not answer, or is being brought up to date, is left."""
        while not self._ended.wait(STOP_MS / 2_000):
            self._state(win32service.SERVICE_STOP_PENDING, STOP_MS)

    def _state(self, state: int, wait_ms: int = 0, code: int = 0) -> None:
        with self._turn:
            if not self._ended.is_set():  # nothing is told after the end
                self._tell(state, wait_ms, code)
            if state == win32service.SERVICE_STOPPED:
                self._ended.set()

    def _tell(self, state: int, wait_ms: int, code: int) -> None:
        self._point = self._point + 1 if wait_ms else 0
        running = state == win32service.SERVICE_RUNNING
        takes = win32service.SERVICE_ACCEPT_STOP | win32service.SERVICE_ACCEPT_PRESHUTDOWN if running else 0
        kind = win32service.SERVICE_WIN32_OWN_PROCESS
        status = (kind, state, takes, OWN_CODE if code else 0, code, self._point, wait_ms)
        win32service.SetServiceStatus(self._handle, status)


def say(text: str) -> None:
    """Write a sentence into the journal."""
    print(text, file=sys.stderr)  # noqa: T201  the journal


def event(log: Any, text: str) -> None:
    """Say it in the event log and in the journal."""
    say(text)
    log(text[:MOST_LETTERS])


def sentence(error: IdentsyncError, head: str) -> str:
    """Return an error with what to do about it below ``head``; of wrong settings or views every mistake."""
    problems = getattr(error, "problems", ())
    lines = [
        f"{problem.where}: {problem.what}" + (f" ({problem.hint})" if problem.hint else "") for problem in problems
    ]
    lines = lines or [str(error), *([error.hint] if error.hint else [])]
    return "\n".join([head, *lines])


def crash(error: BaseException) -> None:
    """Say what class of error it was, its place in the journal, and die: Windows starts a dead service again."""
    import traceback

    say("".join(traceback.format_tb(error.__traceback__)))  # no values: they may be a patient's
    event(servicemanager.LogErrorMsg, _("Сбой службы: {error}. Windows запустит её снова.", error=type(error).__name__))
    os._exit(1)
