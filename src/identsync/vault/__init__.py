"""Secrets of this computer, one file each: sealed by DPAPI on Windows, of mode 0600 elsewhere.

A file is one line ``identsync-secret 1 SEAL SHA256`` and what ``protect`` made of the value. The hash tells a damaged
file from one that somebody else sealed. What is sealed is bound to the product and to the secret's name: one file put
in another's place does not open. Writing replaces the file at once: of several writers the last one wins.
"""

import contextlib
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from identsync import files, places
from identsync.errors import AskPerson, NoSecret
from identsync.language import _
from identsync.places import Places, Scope

if sys.platform == "win32":
    from identsync.vault import windows as system
else:
    from identsync.vault import posix as system

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
MOST = 65_536  # bytes of a value
_MAGIC = b"identsync-secret"
_MOST_FILE = 2 * MOST
_PREFIX, _SUFFIX = "secret-", ".dat"  # with a prefix: con, nul and the like are no names of files on Windows
_HALF_WRITTEN_S = 3600


@dataclass(frozen=True, slots=True)
class Entry:
    """A secret without its value: ``trouble`` says why it cannot be read here, '' where it can."""

    name: str
    scope: Scope
    written_ms: int
    trouble: str


class Vault:
    """The secrets of one scope. Names are ASCII and, as files on Windows are, the same in small and large letters.

    Whatever cannot be read or written is an AskPerson in words; no error, log line or repr holds a value.
    """

    def __init__(self, folder: Path, scope: Scope) -> None:
        self.folder = folder
        self.scope = scope

    def check(self, name: str) -> None:
        """Raise AskPerson where a secret cannot have this name."""
        self._file(name)

    def get(self, name: str) -> str | None:
        """Return the value; None where there is no such secret here. AskPerson where this process may not have it."""
        file = self._file(name)
        try:
            content = files.read(file, _MOST_FILE)
            is_open = system.is_open_to_others(file)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise self._denied(name) from error
        except OSError as error:
            raise _wrong(name, *files.reason(error)) from error
        if is_open:
            hint = _("закройте его: chmod 600 {file}", file=file)
            raise _wrong(name, _("файл секрета открыт другим пользователям"), hint)
        return self._opened(name, content)

    def set(self, name: str, value: str) -> None:
        """Keep the value, instead of an earlier one; ValueError for an empty or too long value."""
        content = value.encode()
        if not 0 < len(content) <= MOST:
            raise ValueError(len(content))
        file = self._file(name)
        try:
            system.private_folder(self.folder, self.scope)
            kept = system.protect(content, _about(name), self.scope)
            self._sweep()
            files.write(file, _line(kept, system.SEAL[self.scope]) + kept)
        except OSError as error:
            raise _wrong(name, *self._reason(error)) from error

    def remove(self, name: str) -> bool:
        """Forget the secret; False where there was none."""
        try:
            return files.remove(self._file(name))
        except OSError as error:
            raise _wrong(name, *self._reason(error)) from error

    def is_closed(self) -> bool:
        """Tell whether nobody but an administrator can say what is here."""
        try:
            os.scandir(files.reachable(self.folder)).close()
        except PermissionError:
            return True
        except OSError:
            return False
        return False

    def entries(self) -> Iterator[Entry]:
        """Yield what is here, by name; files that are none of ours are passed over."""
        try:
            found = sorted(files.reachable(self.folder).glob(f"{_PREFIX}*{_SUFFIX}"))
        except OSError:
            return
        for file in found:
            name = file.name[len(_PREFIX) : -len(_SUFFIX)]
            with contextlib.suppress(FileNotFoundError):  # removed this moment
                if NAME.fullmatch(name):
                    yield Entry(name, self.scope, int(file.stat().st_mtime * 1000), self._trouble(name))

    def _trouble(self, name: str) -> str:
        try:
            self.get(name)
        except AskPerson as error:
            return str(error).partition(": ")[2]
        return ""

    def _file(self, name: str) -> Path:
        if NAME.fullmatch(name) is None:
            raise AskPerson(
                _("так секрет назвать нельзя"), hint=_("латинские буквы, цифры, - и _, не больше 64 знаков")
            )
        return self.folder / f"{_PREFIX}{name.lower()}{_SUFFIX}"

    def _opened(self, name: str, content: bytes) -> str:
        """Judge a file from its first line; only a file that is whole is given to the system to be opened."""
        line, _newline, kept = content.partition(b"\n")
        words = line.split(b" ")
        again = _("запишите секрет заново: {command}", command=self._command(name))
        if len(words) != 4 or words[0] != _MAGIC:
            raise _wrong(name, _("это не файл секрета identsync"), again)
        if words[1] != b"1":
            raise _wrong(name, _("секрет записан более новой версией"), _("обновите эту программу"))
        if len(content) > _MOST_FILE or words[3].decode("ascii", "replace") != hashlib.sha256(kept).hexdigest():
            raise _wrong(name, _("файл секрета повреждён"), again)
        if words[2].decode("ascii", "replace") not in system.SEAL.values():
            raise _wrong(name, _("секрет записан в другой системе"), again)
        try:
            return system.unprotect(kept, _about(name)).decode()
        except (OSError, UnicodeDecodeError):  # from None: the latter's text quotes the bytes
            raise self._foreign(name) from None

    def _denied(self, name: str) -> NoSecret:
        """The file, or its folder: then nobody can tell whether there is such a secret."""
        if self.scope is Scope.USER:
            return self._foreign(name)
        what = _("у этого пользователя не записан, а секреты службы ему недоступны")
        own = f"identsync secret set {name}"
        hint = _("откройте консоль от имени администратора; а для работы в своём сеансе: {command}", command=own)
        return _wrong(name, what, hint)

    def _foreign(self, name: str) -> NoSecret:
        if self.scope is Scope.MACHINE:
            again = _("запишите секрет заново: {command}", command=self._command(name))
            return _wrong(name, _("записан на другом компьютере"), again)
        what = _("записан другим пользователем или на другом компьютере")
        hint = _("запишите его от имени того, кто запускает программу: {command}", command=self._command(name))
        return _wrong(name, what, hint)

    def _reason(self, error: OSError) -> tuple[str, str]:
        if self.scope is Scope.MACHINE and isinstance(error, PermissionError):
            return _("секреты службы меняет только администратор"), _(
                "откройте командную строку от имени администратора"
            )
        return files.reason(error)

    def _command(self, name: str) -> str:
        return f"identsync secret set {name}" + (" --machine" if self.scope is Scope.MACHINE else "")

    def _sweep(self) -> None:
        """Remove what a writer that was killed left behind; a younger file may be another writer's."""
        for file in files.reachable(self.folder).glob("new-*.tmp"):
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < time.time() - _HALF_WRITTEN_S:
                    file.unlink()


def vault(scope: Scope) -> Vault:
    """Return the secrets of this user, or of the computer."""
    return Vault((places.machine() if scope is Scope.MACHINE else places.user()).secrets, scope)


def furnish(scope: Scope) -> Places:
    """Make the folders of settings, secrets, data and logs with the rights they need; AskPerson where denied."""
    here = places.machine() if scope is Scope.MACHINE else places.user()
    try:
        system.furnish(here)
    except OSError as error:
        what, hint = files.reason(error)
        raise AskPerson(f"{here.settings.parent}: {what}", hint=hint) from error
    return here


def find(name: str) -> tuple[str, Scope] | None:
    """Return a secret and whose it is: this user's own first, then the computer's; None where neither has it."""
    for scope in Scope:
        value = vault(scope).get(name)
        if value is not None:
            return value, scope
    return None


def _about(name: str) -> bytes:
    return b"identsync secret 1\0" + name.lower().encode("ascii")


def _line(kept: bytes, seal: str) -> bytes:
    return b" ".join((_MAGIC, b"1", seal.encode(), hashlib.sha256(kept).hexdigest().encode())) + b"\n"


def _wrong(name: str, what: str, hint: str) -> NoSecret:
    return NoSecret(f"secret:{name}: {what}", hint=hint)
