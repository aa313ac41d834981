"""What people call the clients: each start of the program writes its computer's name once, shown and never used."""

import secrets
import socket
from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, insert, select, update

from identsync.store.migrations import NEWEST
from identsync.store.slots import clock
from identsync.store.tables import client

NAME = 64  # characters of a computer's name
_AT_ONCE = 500


def new_id() -> str:
    """Make an id for one start of the program: random, and behind a dot the newest revision that it knows.

    So its presence tells the version too, in a database restored from a backup that has no row of this client.
    """
    return f"{secrets.token_hex(14)}.{NEWEST}"


def revision_of(client_id: str) -> str | None:
    """Return the revision that a client's id tells; None for ids of before, which tell none."""
    return client_id.partition(".")[2] or None


def here() -> str:
    """Return what people call this computer, on every page and in every note."""
    return socket.gethostname()[:NAME]


def introduce(connection: Connection, client_id: str, computer: str | None = None) -> None:
    """Write down on which computer a client runs (this one unless given); once for each client id."""
    name = (computer or here())[:NAME]
    row = {"client": client_id, "computer": name, "started_ms": clock(connection), "revision": NEWEST}
    connection.execute(insert(client).values(row))


def rehearse(connection: Connection) -> None:
    """Write, change and delete a client that nobody sees: whoever can do that has the rights, and room on the disk."""
    client_id = secrets.token_hex(16)
    introduce(connection, client_id)
    mine = client.c.client == client_id
    connection.execute(update(client).where(mine).values(revision=NEWEST))
    connection.execute(delete(client).where(mine))


def is_outgrown(connection: Connection) -> bool:
    """Say whether a newer version of this program has worked on these tables."""
    newest: str | None = connection.execute(select(func.max(client.c.revision))).scalar()
    return newest is not None and newest > NEWEST


def computers(connection: Connection, clients: Iterable[str]) -> dict[str, str]:
    """Return the computers' names by client id; clients that are not known are left out."""
    wanted = sorted(set(clients))
    found: dict[str, str] = {}
    for at in range(0, len(wanted), _AT_ONCE):
        some = select(client.c.client, client.c.computer).where(client.c.client.in_(wanted[at : at + _AT_ONCE]))
        found.update((who, computer) for who, computer in connection.execute(some))
    return found
