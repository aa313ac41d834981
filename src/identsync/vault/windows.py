"""How Windows keeps a secret: DPAPI, and a folder that only the right ones may open. Windows only.

``CryptProtectData`` (learn.microsoft.com, dpapi.h): without a flag only the same user opens the data, on this computer
(with roaming profiles: where the profile is); with CRYPTPROTECT_LOCAL_MACHINE everybody on this computer does, so the
folder's access list decides there: SYSTEM and Administrators everything, services (S-1-5-6) read. The owner becomes
Administrators, so that whoever made the folder first cannot give himself rights later.
"""

import ctypes
import sys
from ctypes import wintypes
from pathlib import Path

from identsync.files import reachable
from identsync.places import Places, Scope

assert sys.platform == "win32"

SEAL = {Scope.USER: "dpapi-user", Scope.MACHINE: "dpapi-machine"}
_UI_FORBIDDEN, _LOCAL_MACHINE = 0x1, 0x4
_FILE = 1  # SE_FILE_OBJECT
_OWNER, _DACL, _PROTECTED_DACL = 0x1, 0x4, 0x80000000
_NO_RIGHTS = (5, 1307, 1314)  # ERROR_ACCESS_DENIED, ERROR_INVALID_OWNER, ERROR_PRIVILEGE_NOT_HELD
_OWN = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
_OF_MACHINE = _OWN + "(A;OICI;FRFX;;;SU)"
_SERVED = _OWN + "(A;OICI;0x1301bf;;;SU)"  # modify
_SEEN = "(A;OICI;FRFX;;;BU)"


class _Blob(ctypes.Structure):
    _fields_ = (("size", wintypes.DWORD), ("data", ctypes.c_void_p))


_crypt32 = ctypes.WinDLL("crypt32", use_last_error=True)
_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_blob = ctypes.POINTER(_Blob)
_crypt32.CryptProtectData.argtypes = (
    _blob, wintypes.LPCWSTR, _blob, ctypes.c_void_p, ctypes.c_void_p, wintypes.DWORD, _blob,
)  # fmt: skip
_crypt32.CryptProtectData.restype = wintypes.BOOL
_crypt32.CryptUnprotectData.argtypes = (
    _blob, ctypes.c_void_p, _blob, ctypes.c_void_p, ctypes.c_void_p, wintypes.DWORD, _blob,
)  # fmt: skip
_crypt32.CryptUnprotectData.restype = wintypes.BOOL
_advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW.argtypes = (
    wintypes.LPCWSTR, wintypes.DWORD, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p,
)  # fmt: skip
_advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW.restype = wintypes.BOOL
for _part in (_advapi32.GetSecurityDescriptorOwner, _advapi32.GetSecurityDescriptorDacl):
    _part.restype = wintypes.BOOL
_flag = ctypes.POINTER(wintypes.BOOL)
_place = ctypes.POINTER(ctypes.c_void_p)
_advapi32.GetSecurityDescriptorOwner.argtypes = (ctypes.c_void_p, _place, _flag)
_advapi32.GetSecurityDescriptorDacl.argtypes = (ctypes.c_void_p, _flag, _place, _flag)
_advapi32.SetNamedSecurityInfoW.argtypes = (
    wintypes.LPCWSTR, ctypes.c_int, wintypes.DWORD,
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
)  # fmt: skip
_advapi32.SetNamedSecurityInfoW.restype = wintypes.DWORD
_kernel32.LocalFree.argtypes = (ctypes.c_void_p,)
_kernel32.LocalFree.restype = ctypes.c_void_p


def protect(value: bytes, about: bytes, scope: Scope) -> bytes:
    """Return the value sealed by Windows for this user or this computer; ``about`` is needed to open it. OSError."""
    flags = _UI_FORBIDDEN | (_LOCAL_MACHINE if scope is Scope.MACHINE else 0)
    given, entropy, made = _as_blob(value), _as_blob(about), _Blob()
    done = _crypt32.CryptProtectData(given, "identsync", entropy, None, None, flags, made)
    return _taken(done, made)


def unprotect(kept: bytes, about: bytes) -> bytes:
    """Return the value; OSError where this user on this computer may not open it."""
    given, entropy, made = _as_blob(kept), _as_blob(about), _Blob()
    done = _crypt32.CryptUnprotectData(given, None, entropy, None, None, _UI_FORBIDDEN, made)
    return _taken(done, made)


def private_folder(folder: Path, scope: Scope) -> None:
    """Make the folder; the computer's is closed for everybody but SYSTEM, Administrators and services. OSError.

    A user's folder needs nothing: it lies in his profile, and what is in it opens for him alone.
    """
    place = reachable(folder)
    place.mkdir(parents=True, exist_ok=True)
    if scope is Scope.MACHINE:
        _set_security(str(place), _OF_MACHINE)


def furnish(here: Places) -> None:
    """Make all folders of a scope. OSError.

    Of the computer's a user reads settings and logs, and changes nothing: who changes an address there gets the keys
    sent to it. Data are of patients: for services and administrators.
    """
    for folder in (here.settings.parent, here.data, here.logs):
        reachable(folder).mkdir(parents=True, exist_ok=True)
    if here.scope is Scope.MACHINE:
        _set_security(str(here.settings.parent), _OF_MACHINE + _SEEN)
        _set_security(str(here.data), _SERVED)
        _set_security(str(here.logs), _SERVED + _SEEN)
    private_folder(here.secrets, here.scope)


def is_open_to_others(_file: Path) -> bool:
    """What others may read is sealed."""
    return False


def _set_security(path: str, sddl: str) -> None:
    """Set owner and list, and pass the list on to what lies there already: SetFileSecurity would leave that open."""
    descriptor = ctypes.c_void_p()
    if not _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, 1, descriptor, None):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        owner, listed, flag = ctypes.c_void_p(), ctypes.c_void_p(), wintypes.BOOL()
        _advapi32.GetSecurityDescriptorOwner(descriptor, owner, flag)
        _advapi32.GetSecurityDescriptorDacl(descriptor, flag, listed, flag)
        what = _OWNER | _DACL | _PROTECTED_DACL
        if code := _advapi32.SetNamedSecurityInfoW(path, _FILE, what, owner, None, listed, None):
            raise _refused(code)
    finally:
        _kernel32.LocalFree(descriptor)


def _refused(code: int) -> OSError:
    """Only an elevated administrator may make Administrators the owner: Windows has three codes for that."""
    error = ctypes.WinError(code)
    return PermissionError(*error.args) if code in _NO_RIGHTS else error


def _as_blob(content: bytes) -> _Blob:
    blob = _Blob(len(content))
    blob.kept = ctypes.create_string_buffer(content, len(content))  # lives as long as the structure
    blob.data = ctypes.addressof(blob.kept)
    return blob


def _taken(done: int, made: _Blob) -> bytes:
    """Copy what Windows made and give it back; what was there is overwritten first."""
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        content = ctypes.string_at(made.data, made.size)
        ctypes.memset(made.data, 0, made.size)
        return content
    finally:
        _kernel32.LocalFree(made.data)
