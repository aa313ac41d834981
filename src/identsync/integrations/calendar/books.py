"""What the engine has written down of calendars: accounts, each doctor's link to his calendar, the network's key."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from identsync.store.tables import calendar_account, calendar_link, network_key

CLINIC = 0
"""Stands for the clinic itself where a doctor's number is asked for."""
STATES = ("on", "refused", "paused", "leaving", "off")
KEY_BYTES = 32
PROBLEM = 400  # characters of what a calendar stands still for


@dataclass(frozen=True, slots=True)
class Account:
    """An account of a doctor, or of the clinic (doctor 0); ``sealed`` None: its password stands in the settings."""

    doctor: int
    login: str
    home: str | None
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Link:
    """A doctor's calendar and how it stands; see store.tables.calendar_link."""

    doctor: int
    scope: int
    address: str
    own: bool
    state: str
    problem: str | None = None
    token: str | None = None
    looked_ms: int | None = None
    synced_ms: int | None = None
    repaired: int = 0
    strange: int = 0


_LINK = [column for column in calendar_link.c if column.name not in {"destination", "changed_ms"}]
_CHANGED = [column.name for column in _LINK if column.name not in {"doctor_id", "own"}]
_ONE = and_(calendar_link.c.destination == bindparam("at"), calendar_link.c.doctor_id == bindparam("of"))


def links(connection: Connection, destination: str) -> dict[int, Link]:
    """Return all links of a destination by doctor."""
    found = connection.execute(select(*_LINK).where(calendar_link.c.destination == destination))
    return {row.doctor_id: Link(row[0], row[1], row[2], bool(row[3]), *row[4:]) for row in found}


def left_behind(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Return the destinations with calendars that none of these names stands for any more, and how many they have."""
    link = calendar_link.c
    kept = select(link.destination, func.count()).where(link.state != "off").group_by(link.destination)
    return {name: count for name, count in connection.execute(kept) if name not in names}


def others(connection: Connection, destination: str) -> dict[str, str]:
    """Return by address (see ``bare``) the calendars that other destinations keep, and which of them it is."""
    link = calendar_link.c
    kept = and_(link.destination != destination, link.address != "", link.state != "off")
    found = connection.execute(select(link.address, link.destination).where(kept))
    return {bare(address): name for address, name in found}


def shared(connection: Connection, destination: str) -> dict[int, str]:
    """Return the doctors whose calendar here is kept by another destination too, and which: each deletes the other's.

    It is refused by now; this is of installations that began before.
    """
    known = others(connection, destination)
    kept = {doctor: link.address for doctor, link in links(connection, destination).items() if link.state != "off"}
    return {doctor: known[bare(address)] for doctor, address in kept.items() if bare(address) in known}


def bare(address: str) -> str:
    """Return a calendar's address as two of them are compared."""
    return (address.partition("://")[2] or address).rstrip("/")


def accounts(connection: Connection, destination: str) -> dict[int, Account]:
    """Return the accounts of a destination by doctor, the clinic's under 0."""
    account = calendar_account.c
    columns = (account.doctor_id, account.login, account.home, account.sealed)
    found = connection.execute(select(*columns).where(account.destination == destination))
    return {row[0]: Account(*row) for row in found}


def put_link(connection: Connection, destination: str, link: Link, now_ms: int) -> None:
    """Write a link, new or instead of the doctor's old one."""
    values = {
        "scope": link.scope, "address": link.address, "own": int(link.own), "state": link.state,
        "problem": link.problem, "token": link.token, "looked_ms": link.looked_ms, "synced_ms": link.synced_ms,
        "repaired": link.repaired, "strange": link.strange, "changed_ms": now_ms,
    }  # fmt: skip
    if not set_link(connection, destination, link.doctor, values):
        connection.execute(insert(calendar_link).values(destination=destination, doctor_id=link.doctor, **values))


def set_link(connection: Connection, destination: str, doctor: int, values: Mapping[str, Any]) -> bool:
    """Change some columns of a link; False where there is none."""
    changed = update(calendar_link).where(_ONE).values(values)
    return connection.execute(changed, {"at": destination, "of": doctor}).rowcount > 0


def change_link(connection: Connection, destination: str, old: Link, new: Link, now_ms: int) -> bool:
    """Write what a run has changed of a link as it knew it; False where a person has ordered otherwise meanwhile."""
    link = calendar_link.c
    differs = {name: getattr(new, name) for name in _CHANGED if getattr(new, name) != getattr(old, name)}
    as_known = and_(_ONE, link.address == bindparam("as_address"), link.state == bindparam("as_state"))
    changed = update(calendar_link).where(as_known).values(differs | {"changed_ms": now_ms})
    where = {"at": destination, "of": old.doctor, "as_address": old.address, "as_state": old.state}
    return connection.execute(changed, where).rowcount > 0


def pausable(state: str) -> bool:
    """Say whether a calendar in this state can be put on a pause: one that is on its way out is not kept so."""
    return state in {"on", "refused"}


def set_state(connection: Connection, destination: str, doctor: int, state: str, now_ms: int) -> bool:
    """Put a link into a state; what it stood still for is forgotten, and it is looked at soon."""
    assert state in STATES
    values = {"state": state, "problem": None, "looked_ms": None, "changed_ms": now_ms}
    return set_link(connection, destination, doctor, values)


def put_account(connection: Connection, destination: str, account: Account, now_ms: int) -> None:
    """Write an account, new or instead of the old one."""
    drop_account(connection, destination, account.doctor)
    values = {"login": account.login, "home": account.home, "sealed": account.sealed, "made_ms": now_ms}
    connection.execute(insert(calendar_account).values(destination=destination, doctor_id=account.doctor, **values))


def drop_account(connection: Connection, destination: str, doctor: int) -> None:
    """Forget an account, with what opens it."""
    account = calendar_account.c
    one = and_(account.destination == destination, account.doctor_id == doctor)
    connection.execute(delete(calendar_account).where(one))


def find_key(connection: Connection, name: str = "calendar") -> bytes | None:
    """Return the network's key of that name; None where nobody has needed one yet."""
    found: bytes | None = connection.execute(select(network_key.c.value).where(network_key.c.name == name)).scalar()
    return found


def make_key(connection: Connection, now_ms: int, name: str = "calendar") -> bytes:
    """Return the network's key of that name, made now if need be; of two clients that make it one wins for both."""
    if (found := find_key(connection, name)) is not None:
        return found
    try:
        with connection.begin_nested():
            value = secrets.token_bytes(KEY_BYTES)
            connection.execute(insert(network_key).values(name=name, value=value, made_ms=now_ms))
    except IntegrityError:
        pass
    made = find_key(connection, name)
    assert made is not None
    return made
