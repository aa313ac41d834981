"""How Windows tells a program in a session that it is over: console, log-off, shutdown, another program's end.

A console program that has loaded user32 (pywin32 does) is not told of log-off and shutdown through its console, and
one started without a console by the clinic's program has none: a window that nobody sees is told instead.
"""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import wintypes
from typing import Any

from identsync.errors import Problem, SettingsError
from identsync.language import _
from identsync.service.life import Ending

assert sys.platform == "win32"  # for the type checker

CTRL_C, CTRL_BREAK = 0, 1
WM_CLOSE, WM_QUERYENDSESSION, WM_ENDSESSION = 0x10, 0x11, 0x16
SYNCHRONIZE = 0x00100000
ACCESS_DENIED = 5
WINDOW = "identsync"

_HANDLER = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.SetConsoleCtrlHandler.argtypes = (ctypes.c_void_p, wintypes.BOOL)
_handlers: list[Any] = []
"""Windows may still be calling one that was taken out."""


@contextmanager
def told(ending: Ending, parent: int | None) -> Iterator[None]:
    """See life.told: Ctrl-C, Ctrl-Break, the console's window closed, log-off, shutdown."""
    if parent is not None:
        _watch(parent, ending)

    def asked(event: int) -> bool:
        if event in {CTRL_C, CTRL_BREAK}:
            ending.ask()
        else:  # closed: when this thread returns, Windows ends the process
            ending.ask_and_wait()
        return True

    window = HiddenWindow(ending)
    handler = _HANDLER(asked)
    _handlers.append(handler)
    _handle(None, False)  # a starter may have had Ctrl-C ignored, which is inherited
    _handle(handler, True)
    try:
        yield
    finally:
        _handle(handler, False)
        window.close()


def _handle(handler: Any, add: bool) -> None:
    """Add or remove a handler; where Windows waits for a running one pywin32 would keep Python locked."""
    if not _kernel32.SetConsoleCtrlHandler(handler, add):
        raise ctypes.WinError(ctypes.get_last_error())


def _watch(process: int, ending: Ending) -> None:
    """Ask for the end when that process has ended."""
    import pywintypes
    import win32api
    import win32event

    try:
        handle = win32api.OpenProcess(SYNCHRONIZE, False, process)
    except (pywintypes.error, OverflowError) as error:
        if getattr(error, "winerror", None) == ACCESS_DENIED:
            words = _("за процессом {id} нельзя следить: он другого пользователя", id=process)
        else:
            words = _("нет такого процесса: {id}", id=process)
        raise SettingsError([Problem("--with-parent", words)]) from None

    def wait() -> None:
        win32event.WaitForSingleObject(handle, win32event.INFINITE)
        ending.ask()

    threading.Thread(target=wait, name="parent", daemon=True).start()


class HiddenWindow:
    """A window of this process that is never shown, in a thread of its own; it hears of log-off and shutdown."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending
        self._handle: Any = None
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._live, name="session", daemon=True)
        self._thread.start()
        self._open.wait()

    def close(self) -> None:
        """Close the window and end its thread."""
        import win32gui

        if self._handle is not None:
            win32gui.PostMessage(self._handle, WM_CLOSE, 0, 0)
            self._thread.join(1)

    def _live(self) -> None:
        import win32gui

        try:
            self._handle = self._made()
        except win32gui.error:
            return  # a session that shows no windows ends in other ways
        finally:
            self._open.set()
        win32gui.PumpMessages()

    def _made(self) -> Any:
        import win32gui

        look = win32gui.WNDCLASS()
        look.lpszClassName = WINDOW
        look.lpfnWndProc = {
            WM_QUERYENDSESSION: lambda *_message: 1,
            WM_ENDSESSION: self._session_ends,
            WM_CLOSE: self._closed,
        }
        return win32gui.CreateWindow(win32gui.RegisterClass(look), WINDOW, 0, 0, 0, 0, 0, 0, 0, look.hInstance, None)

    def _session_ends(self, _window: int, _message: int, ends: int, _reason: int) -> int:
        if ends:
            self._ending.ask_and_wait()  # Windows waits for this answer, then ends the process
        return 0

    def _closed(self, window: int, _message: int, _one: int, _other: int) -> int:
        import win32gui

        win32gui.DestroyWindow(window)
        win32gui.PostQuitMessage(0)
        return 0
