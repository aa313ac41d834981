r"""Where settings, secrets, data and logs lie: the one module that decides it.

======== ================================ ===========================================================
what     of the service (the computer)    of a session (its user)
======== ================================ ===========================================================
Windows  ``%PROGRAMDATA%\identsync``      ``%LOCALAPPDATA%\identsync``
Linux    ``/etc/identsync``,              ``$XDG_CONFIG_HOME``, ``$XDG_DATA_HOME``, ``$XDG_STATE_HOME``
         ``/var/{lib,log}/identsync``     (``~/.config``, ``~/.local/share``, ``~/.local/state``)
======== ================================ ===========================================================
"""

import enum
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = "identsync.toml"
VARIABLE = "IDENTSYNC_SETTINGS"
_NAME = "identsync"


class Scope(enum.StrEnum):
    """Whose a place is."""

    USER = "user"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Places:
    """The settings file and the folders of one scope; nothing of it has to exist."""

    scope: Scope
    settings: Path
    secrets: Path
    data: Path
    logs: Path


def machine(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Places:
    """Return the places of the whole computer: what a service uses."""
    if platform == "win32":
        return _one_folder(Scope.MACHINE, Path(environment.get("PROGRAMDATA") or "C:/ProgramData"))
    etc = Path("/etc") / _NAME
    return Places(Scope.MACHINE, etc / FILE, etc / "secrets", Path("/var/lib") / _NAME, Path("/var/log") / _NAME)


def user(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Places:
    """Return the places of this user: what a client in a session uses."""
    if platform == "win32":
        local = environment.get("LOCALAPPDATA")
        return _one_folder(Scope.USER, Path(local) if local else Path.home() / "AppData" / "Local")
    config = _xdg(environment, "XDG_CONFIG_HOME", ".config")
    data = _xdg(environment, "XDG_DATA_HOME", ".local/share")
    state = _xdg(environment, "XDG_STATE_HOME", ".local/state")
    return Places(Scope.USER, config / FILE, data / "secrets", data, state / "logs")


def settings_file(given: str | Path | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the settings file to read: the given one, IDENTSYNC_SETTINGS, else the first there is of ``searched``.

    Where there is none it is the one of the current folder, so that the error names what ``identsync init`` makes.
    """
    named = given or environment.get(VARIABLE)
    if named:
        return Path(named)
    return next((place for place in searched(environment) if _is_there(place)), Path(FILE))


def searched(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where a settings file is looked for, in this order: current folder, user, computer."""
    return Path(FILE), user(environment).settings, machine(environment).settings


def _one_folder(scope: Scope, above: Path) -> Places:
    folder = above / _NAME
    return Places(scope, folder / FILE, folder / "secrets", folder / "data", folder / "logs")


def _xdg(environment: Mapping[str, str], variable: str, usual: str) -> Path:
    """Relative paths are to be ignored (XDG Base Directory Specification 0.8)."""
    named = Path(environment.get(variable, ""))
    return (named if named.is_absolute() else Path.home() / usual) / _NAME


def _is_there(file: Path) -> bool:
    """A file that may not be looked at is there: reading it will say why it cannot be read."""
    try:
        return file.is_file()
    except PermissionError:
        return True
