"""What only Windows has: a real service, the console's and the session's end. Run by ``poe windows`` in Wine.

Not to be seen in Wine: delayed start, restart of a dead service, preshutdown, and that Windows itself sends
CTRL_CLOSE_EVENT (Wine ends the programs of a closed console without a word). Nothing of it has run on a real Windows.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import client, environment, left_behind  # type: ignore[import-not-found]

from identsync.client import loop_factory

pytestmark = pytest.mark.skipif(os.name != "nt", reason="Windows' own")

CTRL_CLOSE_EVENT, CTRL_SHUTDOWN_EVENT = 2, 6
WM_QUERYENDSESSION, WM_ENDSESSION = 0x11, 0x16
STOPPED, START_PENDING, STOP_PENDING, RUNNING = 1, 2, 3, 4
SERVICE_CONTROL_PRESHUTDOWN = 15
NAME = f"identsync-test{os.environ.get('PYTEST_XDIST_WORKER', '')}"  # two may be installed beside each other
# Ctrl-C goes to every process of a console: the client gets one of its own, with a starter that lets it pass.
IN_CONSOLE = """
import subprocess, sys, win32api, win32console
try:
    win32console.FreeConsole()
except win32console.error:
    pass
win32console.AllocConsole()
client = subprocess.Popen(
    [sys.executable, "-m", "identsync", "run", "--attached"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
)
client.stdout.readline()
win32api.SetConsoleCtrlHandler(lambda event: True, True)
win32api.GenerateConsoleCtrlEvent(0, 0)
code = client.wait(60)
sys.stdout.buffer.write(client.stderr.read())
sys.exit(code)
"""


def service(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "identsync", "service", *arguments, "--name", NAME]
    env = environment(folder)
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, encoding="utf-8", check=False)


@pytest.fixture
def installed(folder: Path) -> Iterator[Path]:
    """The folder of a service that is installed and has never run; its name is one a clinic may choose."""
    place = folder / "Клиника № 1"
    place.mkdir()
    for name in ("identsync.toml", "identsync.db"):
        shutil.move(folder / name, place / name)
    done = service(place, "install", "--settings", "identsync.toml", "--role", "director")
    assert done.returncode == 0, done.stderr
    yield place
    assert service(place, "remove").returncode == 0
    assert status(place)["state"] == "absent"


def status(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(service(folder, "status", "--json").stdout)
    return found


def test_a_service_works_and_hands_over_when_it_is_stopped(installed: Path) -> None:
    started = service(installed, "start")
    assert started.returncode == 0, started.stderr
    assert status(installed)["state"] == "running"
    assert service(installed, "install", "--settings", "identsync.toml").returncode == 0  # as an update does
    assert service(installed, "stop").returncode == 0
    assert status(installed) | {"command": "", "journal": ""} == {
        "name": NAME, "state": "stopped", "process": None, "failed": 0, "command": "", "journal": "",
    }  # fmt: skip
    assert left_behind(installed) == [(0, 0)]


def test_a_service_with_mistakes_in_its_settings_stays_stopped(installed: Path) -> None:
    (installed / "identsync.toml").write_text("[client]\nbranhc = 1\n", encoding="utf-8")
    started = service(installed, "start")
    assert started.returncode == 2
    assert NAME in started.stderr  # where the reasons are
    assert (status(installed)["state"], status(installed)["failed"]) == ("stopped", 2)
    assert "branhc" in service(installed, "install", "--settings", "identsync.toml").stderr


def test_a_service_of_another_account(installed: Path) -> None:
    import win32service as services

    account = "NT AUTHORITY\\LocalService"
    assert service(installed, "install", "--settings", "identsync.toml", "--account", account).returncode == 0
    manager = services.OpenSCManager(None, None, services.SC_MANAGER_CONNECT)
    opened = services.OpenService(manager, NAME, services.SERVICE_QUERY_CONFIG)
    assert services.QueryServiceConfig(opened)[7] == account
    assert services.QueryServiceConfig2(opened, services.SERVICE_CONFIG_PRESHUTDOWN_INFO) == 20_000
    for handle in (opened, manager):
        services.CloseServiceHandle(handle)


class Told:
    """Stands for the service control manager, which never shuts this computer down: keeps the states it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import servicemanager
        import win32service

        self.states: list[int] = []
        self.events: list[str] = []
        self.spoken = threading.Event()
        self.asked_again = threading.Event()
        monkeypatch.setattr(servicemanager, "RegisterServiceCtrlHandler", lambda *_given: 1)
        monkeypatch.setattr(win32service, "SetServiceStatus", self._state)
        for kind in ("LogInfoMsg", "LogErrorMsg"):
            monkeypatch.setattr(servicemanager, kind, self._event)

    def _state(self, _handle: int, status: tuple[int, ...]) -> None:
        self.states.append(status[1])
        if self.states[-2:] == [STOP_PENDING, STOP_PENDING]:
            self.asked_again.set()

    def _event(self, text: str) -> None:
        self.events.append(text)
        self.spoken.set()


def test_a_shutdown_lets_a_service_hand_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from identsync.service.windows.serving import Service

    monkeypatch.chdir(folder)
    told = Told(monkeypatch)
    running = Service(folder / "identsync.toml", None, [NAME])
    thread = threading.Thread(target=running.SvcRun)
    thread.start()
    assert told.spoken.wait(60)
    assert "Служба работает" in told.events[0]
    running._told(SERVICE_CONTROL_PRESHUTDOWN, 0, None)
    thread.join()
    assert told.states == [START_PENDING, RUNNING, STOP_PENDING, STOPPED]
    assert "Служба остановлена" in told.events[-1]
    assert left_behind(folder) == [(0, 0)]


def test_a_service_that_takes_long_to_stop_asks_for_time_and_says_nothing_after_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from identsync.service.windows import serving

    told = Told(monkeypatch)
    monkeypatch.setattr(serving, "STOP_MS", 2)
    running = serving.Service(folder / "identsync.toml", None, [NAME])
    thread = threading.Thread(target=running._still_stopping)
    thread.start()
    assert told.asked_again.wait(60)
    running._state(STOPPED)
    thread.join()
    running._state(STOP_PENDING, 2)
    assert told.states[-1] == STOPPED
    assert set(told.states[:-1]) == {STOP_PENDING}


def test_a_service_that_breaks_dies_without_a_word_to_windows_which_starts_it_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from identsync.service.windows import serving

    def broken(_file: Path) -> None:
        raise RuntimeError("Иванова 79991234567")

    told, codes = Told(monkeypatch), []
    monkeypatch.setattr(serving, "load", broken)
    monkeypatch.setattr(os, "_exit", codes.append)
    serving.Service(folder / "identsync.toml", None, [NAME]).SvcRun()
    assert codes == [1]
    assert told.states[0] == START_PENDING
    assert told.events == ["Сбой службы: RuntimeError. Windows запустит её снова."]


def test_a_service_without_a_journal_says_why_and_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from identsync.service.windows import serving

    told = Told(monkeypatch)
    (folder / "logs").write_bytes(b"")  # no folder
    with serving._journal(folder / "logs" / "identsync.log") as journal:
        print("nobody hears it", file=journal)
    [said] = told.events
    assert "Журнала службы не будет" in said


def test_a_program_that_others_may_change_is_told_at_its_installation(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from identsync.service.windows import control

    monkeypatch.setattr(control, "_allowed", lambda _path: [("S-1-5-11", 0x1301BF)])
    assert control.open_program() == control.program_folder(Path(control._python()))
    monkeypatch.undo()
    control.open_program()  # this Windows answers


def test_what_lay_in_a_folder_before_it_was_closed_is_closed_too(tmp_path: Path) -> None:
    import win32security

    from identsync.vault import windows

    (tmp_path / "identsync.db").touch()
    windows._set_security(str(tmp_path), windows._SERVED)
    asked = win32security.DACL_SECURITY_INFORMATION
    listed = win32security.GetFileSecurity(str(tmp_path / "identsync.db"), asked).GetSecurityDescriptorDacl()
    known = [win32security.ConvertSidToStringSid(listed.GetAce(n)[2]) for n in range(listed.GetAceCount())]
    assert not {"S-1-1-0", "S-1-5-11", "S-1-5-32-545"} & set(known)


def test_the_loop_is_winloop_unless_the_settings_say_standard() -> None:
    for choice, module in (("fast", "winloop"), ("standard", "asyncio")):
        loop = loop_factory(choice)()
        assert type(loop).__module__.partition(".")[0] == module
        loop.close()


@pytest.mark.parametrize("loop", ["fast", "standard"])
def test_ctrl_c_hands_over(folder: Path, loop: str) -> None:
    choose(folder, loop)
    done = subprocess.run(
        [sys.executable, "-c", IN_CONSOLE], cwd=folder, env=environment(folder), capture_output=True, check=False
    )
    assert "Задачи переданы" in done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0
    assert left_behind(folder) == [(0, 0)]


@pytest.mark.parametrize("event", [CTRL_CLOSE_EVENT, CTRL_SHUTDOWN_EVENT])
def test_a_closed_console_hands_over_before_windows_ends_the_process(folder: Path, event: int) -> None:
    with client(folder) as (process, _ready):
        tell(process, event)
        process.kill()  # as Windows does when the handler has returned
        assert left_behind(folder) == [(0, 0)]


def tell(process: "subprocess.Popen[str]", event: int) -> None:
    """Let a process's handlers hear of an event as the console's server does: a new thread in its CtrlRoutine."""
    import ctypes
    from ctypes import wintypes

    kernel32 = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    place, size, flags = ctypes.c_void_p, ctypes.c_size_t, wintypes.DWORD
    kernel32.CreateRemoteThread.argtypes = (wintypes.HANDLE, place, size, place, place, flags, place)
    kernel32.CreateRemoteThread.restype = wintypes.HANDLE
    kernel32.WaitForSingleObject.argtypes = (wintypes.HANDLE, wintypes.DWORD)
    routine = ctypes.cast(ctypes.WinDLL("kernelbase").CtrlRoutine, place)  # type: ignore[attr-defined]
    thread = kernel32.CreateRemoteThread(int(process._handle), None, 0, routine, event, 0, None)  # type: ignore[attr-defined]
    assert thread
    assert kernel32.WaitForSingleObject(thread, 60_000) == 0


@pytest.mark.parametrize("loop", ["fast", "standard"])
def test_a_log_off_hands_over_before_windows_gets_its_answer(folder: Path, loop: str) -> None:
    import win32gui

    choose(folder, loop)
    with client(folder) as (process, _ready):
        windows = windows_of(process.pid)
        if not windows:
            pytest.skip("this Wine has no display and makes no windows")
        assert win32gui.SendMessage(windows[0], WM_QUERYENDSESSION, 0, 0) == 1
        win32gui.SendMessage(windows[0], WM_ENDSESSION, 1, 0)
        assert left_behind(folder) == [(0, 0)]
        assert process.wait(60) == 0


def choose(folder: Path, loop: str) -> None:
    file = folder / "identsync.toml"
    file.write_text(file.read_text("utf-8").replace("[client]\n", f'[client]\nloop = "{loop}"\n'), encoding="utf-8")


def windows_of(process: int) -> list[int]:
    import win32gui
    import win32process

    found: list[int] = []

    def look(window: int, _: object) -> bool:
        if win32process.GetWindowThreadProcessId(window)[1] == process and win32gui.GetClassName(window) == "identsync":
            found.append(window)
        return True

    win32gui.EnumWindows(look, None)
    return found
