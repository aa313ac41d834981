"""The entry in Windows' list of services: made, started, asked, stopped and removed through its control manager."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pywintypes
import servicemanager
import win32evtlogutil
import win32security
import win32service

from identsync.errors import Stop, Unavailable
from identsync.language import _
from identsync.service.entry import Entry, Found
from identsync.service.rights import is_open, program_folder

assert sys.platform == "win32"  # for the type checker

ACCESS_DENIED, INVALID_LEVEL, RUNS_ALREADY, NOT_THERE, NOT_ACTIVE, MARKED, EXISTS = 5, 124, 1056, 1060, 1062, 1072, 1073
RESTARTS_S = (60, 300, 900)
"""When Windows starts the service again after its process has died: the first, the second, each later time."""
FORGET_S = 86_400
SHUTDOWN_S = 20
WAIT_S, POLL_S = 60.0, 0.2
STATES = {
    win32service.SERVICE_STOPPED: "stopped",
    win32service.SERVICE_START_PENDING: "starting",
    win32service.SERVICE_STOP_PENDING: "stopping",
    win32service.SERVICE_RUNNING: "running",
}


def install(entry: Entry) -> list[str]:
    """Make the entry, or change the one there is; return in words what this Windows did not take. Stop: no rights."""
    with _scm(win32service.SC_MANAGER_CREATE_SERVICE) as scm:
        service = _made(scm, entry)
        try:
            refused = list(_described(service))
        finally:
            win32service.CloseServiceHandle(service)
        win32evtlogutil.AddSourceToRegistry(entry.name, servicemanager.__file__, "Application")
    return refused


def start(name: str) -> None:
    """Start and wait until it runs; Stop where it has ended instead: its journal and the event log say why."""
    with _service(name, win32service.SERVICE_START | win32service.SERVICE_QUERY_STATUS) as service:
        with _except(RUNS_ALREADY):
            win32service.StartService(service, None)
        if _settled(service) != win32service.SERVICE_RUNNING:
            hint = _("причина - в журнале событий Windows (Приложение, источник {name})", name=name)
            raise Stop(_("служба не запустилась"), hint=hint)


def stop(name: str) -> None:
    """Stop and wait until it has handed its tasks over."""
    with _service(name, win32service.SERVICE_STOP | win32service.SERVICE_QUERY_STATUS) as service:
        with _except(NOT_ACTIVE):
            win32service.ControlService(service, win32service.SERVICE_CONTROL_STOP)
        _settled(service)


def remove(name: str) -> None:
    """Stop the service, take its entry away and wait until Windows has let it go; Stop where a program holds it."""
    with suppress(Stop):  # it is being removed anyway: an entry that does not stop goes with its process
        stop(name)
    with _service(name, win32service.SERVICE_ALL_ACCESS) as service, _except(MARKED):
        win32service.DeleteService(service)
    with suppress(pywintypes.error):
        win32evtlogutil.RemoveSourceFromRegistry(name, "Application")
    until = time.monotonic() + WAIT_S
    while found(name) is not None:
        if time.monotonic() > until:
            hint = _("закройте окно «Службы» и другие программы, которые её показывают")
            raise Stop(_("служба остановлена, но её запись ещё занята"), hint=hint)
        time.sleep(POLL_S)


def found(name: str) -> Found | None:
    """Return what Windows says of a service, None where there is none."""
    try:
        with _service(name, win32service.SERVICE_QUERY_STATUS | win32service.SERVICE_QUERY_CONFIG) as service:
            now = win32service.QueryServiceStatusEx(service)
            how = win32service.QueryServiceConfig(service)
    except NoService:
        return None
    state = STATES.get(now["CurrentState"], "other")
    failed = now["ServiceSpecificExitCode"] or (now["Win32ExitCode"] if now["Win32ExitCode"] != 1077 else 0)
    return Found(state, now["ProcessId"] or None, failed, how[3], how[7])


class NoService(Stop):
    """There is no service of this name."""


def _made(scm: Any, entry: Entry) -> Any:
    kind, when, error = (
        win32service.SERVICE_WIN32_OWN_PROCESS,
        win32service.SERVICE_AUTO_START,
        win32service.SERVICE_ERROR_NORMAL,
    )
    line, access = command(entry), win32service.SERVICE_ALL_ACCESS
    rest = (None, 0, None, entry.account, None)  # group, tag, dependencies, account, its password
    try:
        return win32service.CreateService(scm, entry.name, entry.display, access, kind, when, error, line, *rest)
    except pywintypes.error as problem:
        if problem.winerror != EXISTS:
            raise
    service = win32service.OpenService(scm, entry.name, access)
    win32service.ChangeServiceConfig(service, kind, when, error, line, *rest, entry.display)
    return service


def command(entry: Entry) -> str:
    """Return the command line of the service's process.

    A virtual environment's python.exe starts the real one as its child, which Windows does not take for the service:
    the real one is named here, and host.py finds the packages by its own place.
    """
    words = [_python(), "-I", str(Path(__file__).with_name("host.py")), entry.name, str(entry.settings)]
    return subprocess.list2cmdline([*words, *([entry.role] if entry.role else [])])


def open_program() -> Path | None:
    """Return the folder of the program where ordinary people may change it; None where it is closed."""
    folders = (program_folder(Path(_python())), Path(sys.prefix))  # the second: a virtual environment
    return next((folder for folder in folders if is_open(_allowed(folder))), None)


def _python() -> str:
    return getattr(sys, "_base_executable", None) or sys.executable


def _allowed(path: Path) -> list[tuple[str, int]] | None:
    found = win32security.GetFileSecurity(str(path), win32security.DACL_SECURITY_INFORMATION)
    listed = found.GetSecurityDescriptorDacl()
    if listed is None:
        return None
    entries = [listed.GetAce(place) for place in range(listed.GetAceCount())]
    allowing = [each for each in entries if each[0][0] == win32security.ACCESS_ALLOWED_ACE_TYPE]
    return [(win32security.ConvertSidToStringSid(who), mask) for _kind, mask, who in allowing]


def _described(service: Any) -> Iterator[str]:
    """Say what it is, start it after the others, again when its process dies, give it time at shutdown."""
    restarts = [(win32service.SC_ACTION_RESTART, seconds * 1000) for seconds in RESTARTS_S]
    again = {"ResetPeriod": FORGET_S, "RebootMsg": "", "Command": "", "Actions": restarts}
    about = _("Обмен клиники с внешними сервисами. Состояние и журнал покажет команда identsync service status.")
    for what, kind, value in (
        (_("описание"), win32service.SERVICE_CONFIG_DESCRIPTION, about),
        (_("отложенный запуск"), win32service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, True),
        (_("перезапуск после сбоя"), win32service.SERVICE_CONFIG_FAILURE_ACTIONS, again),
        (_("время при выключении"), win32service.SERVICE_CONFIG_PRESHUTDOWN_INFO, SHUTDOWN_S * 1000),
    ):
        try:
            win32service.ChangeServiceConfig2(service, kind, value)
        except pywintypes.error as error:
            if error.winerror != INVALID_LEVEL:  # Wine 8 knows no delayed start
                raise
            yield what


def _settled(service: Any) -> int:
    """Wait until the service neither starts nor stops any more; return its state."""
    until = time.monotonic() + WAIT_S
    pending = {win32service.SERVICE_START_PENDING, win32service.SERVICE_STOP_PENDING}
    while (state := win32service.QueryServiceStatus(service)[1]) in pending:
        if time.monotonic() > until:
            raise Unavailable(_("служба не отвечает {seconds} с", seconds=round(WAIT_S)), sent=True)
        time.sleep(POLL_S)
    return int(state)


@contextmanager
def _scm(access: int) -> Iterator[Any]:
    with _in_words():
        scm = win32service.OpenSCManager(None, None, access)
        try:
            yield scm
        finally:
            win32service.CloseServiceHandle(scm)


@contextmanager
def _service(name: str, access: int) -> Iterator[Any]:
    with _scm(win32service.SC_MANAGER_CONNECT) as scm:
        service = win32service.OpenService(scm, name, access)
        try:
            yield service
        finally:
            win32service.CloseServiceHandle(service)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except pywintypes.error as error:
        if error.winerror == NOT_THERE:
            raise NoService(_("служба не установлена"), hint="identsync service install") from None
        if error.winerror == ACCESS_DENIED:
            hint = _("откройте командную строку от имени администратора")
            raise Stop(_("Windows не разрешает менять службы"), hint=hint) from None
        raise Stop(f"{error.funcname}: {error.strerror} ({error.winerror})") from None


@contextmanager
def _except(code: int) -> Iterator[None]:
    try:
        yield
    except pywintypes.error as error:
        if error.winerror != code:
            raise
