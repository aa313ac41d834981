r"""Files as a Windows computer has them: busy for a moment, deep in long folders, cut short by a crash.

An antivirus, an editor or a backup may hold a file for a while: every call here waits patiently, then raises
``FileBusy``. Paths over 260 characters get the prefix ``\\?\`` where Windows wants it.
"""

import codecs
import contextlib
import errno
import os
import secrets
import sys
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
        with open(reachable(file), "rb", opener=_sharing) as stream:
            return stream.read(most + 1)

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
    new = place.with_name(f"new-{secrets.token_hex(8)}.tmp")  # mkstemp tries 10,000 names where Windows denies one
    try:
        with open(new, "xb", opener=_private) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if everyone and sys.platform != "win32":  # there the folder's own list says who may read
            new.chmod(0o644)
        patiently(lambda: _replaced(new, place))
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
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


def _sharing(path: str, flags: int) -> int:
    """Open for reading so that a writer may replace the file meanwhile; Windows' C library would not let it.

    Windows itself also says whether a file is locked or denied; the C library says EACCES for both.
    """
    if sys.platform == "win32":
        import ctypes
        import msvcrt
        from ctypes import wintypes

        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.CreateFileW.restype = wintypes.HANDLE
        handle = kernel32.CreateFileW(path, _GENERIC_READ, _SHARED, None, _OPEN_EXISTING, 0, None)
        if handle == wintypes.HANDLE(-1).value:
            code = ctypes.get_last_error()
            raise OSError(None, ctypes.FormatError(code).strip(), path, code)
        return msvcrt.open_osfhandle(handle, flags)
    else:  # noqa: RET505  the type checker sees one half of it on each system
        return os.open(path, flags)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _replaced(new: Path, place: Path) -> None:
    """Put ``new`` in the place of a file; "denied" means that somebody reads it: the folder has taken ``new``."""
    try:
        os.replace(new, place)
    except PermissionError as error:
        if getattr(error, "winerror", None) == _DENIED and os.access(place, os.W_OK):
            raise OSError(None, error.strerror, str(place), _LOCKED[0]) from error
        raise


def _patience(error: OSError, patience_s: float) -> float:
    code = getattr(error, "winerror", None)
    if code in _LOCKED:
        return patience_s
    return min(patience_s, _DENIED_PATIENCE_S) if code == _DENIED else 0.0
