"""Who may change the program of a service: whoever may does on this computer what the service's account can."""

from collections.abc import Iterable
from pathlib import Path

EVERYBODY = {
    "S-1-1-0": "Everyone",
    "S-1-5-4": "Interactive",
    "S-1-5-11": "Authenticated Users",
    "S-1-5-32-545": "Users",
    "S-1-5-32-546": "Guests",
}
CHANGES = 0x500D0056
"""Write, append, write attributes, delete, delete a child, change the list or the owner, generic write and all."""

_CLOSED = (("S-1-5-18", "F"), ("S-1-5-32-544", "F"), ("S-1-5-32-545", "RX"))


def is_open(allowed: Iterable[tuple[str, int]] | None) -> bool:
    r"""Tell whether an access list lets ordinary people change things; None = a file without a list, open to all.

    ``allowed`` are (security identifier, mask) of its entries, those for children too. A folder made in ``C:\`` gets
    from there that every authenticated user may modify what is in it.
    """
    return allowed is None or any(who in EVERYBODY and mask & CHANGES for who, mask in allowed)


def program_folder(python: Path) -> Path:
    """Return the folder that holds the program: that of its Python or, of a copied bundle, the one with its scripts."""
    above = python.parent.parent
    return above if (above / "identsync.cmd").is_file() else python.parent


def closing(folder: Path) -> str:
    """Return the command that leaves changes to the system and administrators, and reading to all."""
    keep = " ".join(f"*{who}:(OI)(CI){what}" for who, what in _CLOSED)
    return f'icacls "{folder}" /inheritance:r /grant:r {keep}'
