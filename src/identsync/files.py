r"""Files as a Windows computer has them: busy for a moment, deep in long folders, cut short by a crash.

An antivirus, an editor or a backup may hold a file for a while: every call here waits patiently, then raises
``FileBusy``. Paths over 260 characters get the prefix ``\\?\`` where Windows wants it.
"""

import codecs
import contextlib
import errno
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from identsync.language import _

PATIENCE_S = 5.0
_LOCKED = (32, 33)  # ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
_DENIED = 5  # ERROR_ACCESS_DENIED: also said of a file that is just being replaced
_DENIED_PATIENCE_S = 1.0
_GENERIC_READ, _SHARED, _OPEN_EXISTING = 0x80000000, 7, 3
_LONG = 240  # CreateDirectory takes 12 characters less than the 260 of a file
_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_T = TypeVar("_T")


class FileBusy(OSError):
    """Another program held the file all the time."""


def read(file: Path, most: int) -> bytes:
    """Return at most ``most`` + 1 bytes of a file; FileBusy, OSError."""

    def act() -> bytes:
        try:
            with reachable(file).open("rb") as stream:
                return stream.read(most + 1)
        except PermissionError as error:
            raise _with_code(error, reachable(file)) from None

    return patiently(act)


def text(content: bytes) -> str:
    """Return what an editor wrote: UTF-8 with or without a mark, or UTF-16 with its mark (PowerShell's ``>``).

    UnicodeDecodeError for anything else: a code page is never guessed.
    """
    return content.decode(next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8-sig"))


def write(file: Path, content: bytes, *, everyone: bool = False) -> None:
    """Replace a file at once or not at all; its folder must exist. FileBusy, OSError.

    It is readable for its owner only or, where the system has modes, for ``everyone``: a web server is another user.
    """
    place = reachable(file)
    handle, name = tempfile.mkstemp(prefix="new-", suffix=".tmp", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if everyone and sys.platform != "win32":  # there the folder's own list says who may read
            os.chmod(name, 0o644)
        patiently(lambda: os.replace(name, place))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def remove(file: Path) -> bool:
    """Remove a file; False where there was none. FileBusy, OSError."""
    try:
        patiently(reachable(file).unlink)
    except FileNotFoundError:
        return False
    return True


def patiently(act: Callable[[], _T], patience_s: float = PATIENCE_S, wait: Callable[[float], None] = time.sleep) -> _T:
    """Return what ``act`` returns; while Windows says that the file is busy try again, then FileBusy."""
    pause, waited = 0.02, 0.0
    while True:
        try:
            return act()
        except OSError as error:
            if waited >= _patience(error, patience_s):
                if getattr(error, "winerror", None) in _LOCKED:
                    raise FileBusy(errno.EBUSY, "busy", error.filename) from error
                raise
        wait(pause)
        waited, pause = waited + pause, min(pause * 2, 0.5)


def reachable(path: Path) -> Path:
    r"""Return the path as Windows takes it whatever its length: an absolute one with ``\\?\``; elsewhere the same."""
    return Path(extended(os.path.abspath(path))) if sys.platform == "win32" else path


def extended(path: str) -> str:
    r"""Return an absolute path of Windows with ``\\?\`` before it where it is long."""
    if len(path) < _LONG or path.startswith("\\\\?\\"):
        return path
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path


def reason(error: OSError) -> tuple[str, str]:
    """Return in words (what, what to do) why a file could not be read or written."""
    if isinstance(error, FileBusy):
        return _("файл всё время занят другой программой"), _(
            "закройте его в редакторе; исключите папку из проверки антивирусом"
        )
    if isinstance(error, PermissionError):
        return _("нет прав на файл или папку"), _("запустите от имени администратора или того, кто его создал")
    if error.errno == errno.ENOSPC:
        return _("на диске нет места"), _("освободите место и повторите")
    return error.strerror or type(error).__name__, _("проверьте путь и диск")


def _with_code(error: OSError, file: Path) -> OSError:
    """Python opens files by the C library, which says EACCES for locked and for denied: ask Windows itself which."""
    if sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.CreateFileW.restype = wintypes.HANDLE
        kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
        handle = kernel32.CreateFileW(str(file), _GENERIC_READ, _SHARED, None, _OPEN_EXISTING, 0, None)
        refused = handle == wintypes.HANDLE(-1).value
        error = ctypes.WinError(ctypes.get_last_error() if refused else _LOCKED[0])  # or it has just been let go
        if not refused:
            kernel32.CloseHandle(handle)
    return error


def _patience(error: OSError, patience_s: float) -> float:
    code = getattr(error, "winerror", None)
    if code in _LOCKED:
        return patience_s
    return min(patience_s, _DENIED_PATIENCE_S) if code == _DENIED else 0.0
