"""How Linux keeps a secret: a file of mode 0600 in a folder of mode 0700. POSIX only."""

import os
import stat
from pathlib import Path

from identsync.places import Places, Scope

SEAL = {Scope.USER: "mode0600", Scope.MACHINE: "mode0600"}


def protect(value: bytes, _about: bytes, _scope: Scope) -> bytes:
    """Return what is written: the value itself, the file's mode keeps it."""
    return value


def unprotect(kept: bytes, _about: bytes) -> bytes:
    """Return the value."""
    return kept


def private_folder(folder: Path, _scope: Scope) -> None:
    """Make the folder, for its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        os.chmod(folder, 0o700)


def furnish(here: Places) -> None:
    """Make all folders of a scope; data are of patients. OSError."""
    for folder, mode in ((here.settings.parent, 0o755), (here.logs, 0o755), (here.data, 0o700)):
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    private_folder(here.secrets, here.scope)


def is_open_to_others(file: Path) -> bool:
    """Tell whether somebody beside the owner may read or change the file."""
    return bool(file.stat().st_mode & 0o077)
