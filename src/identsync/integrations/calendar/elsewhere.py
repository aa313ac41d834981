"""Calendars that lie elsewhere than the settings say now: on another server, or in another account of the clinic.

Neither events nor a password go anywhere by a mere change of ``url`` or ``user``: nothing is written, and nothing
forgotten, before a person has said what becomes of what lies there.
"""

from urllib.parse import urlsplit

from identsync.errors import AskPerson
from identsync.integrations.calendar.books import CLINIC, Account
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wire.dav import host_of
from identsync.integrations.calendar.wire.discovery import may_see_the_password, starts
from identsync.language import keyed as _


def asked_at(name: str, destination: CalendarDestination, account: Account | None, whose: int, address: str) -> str:
    """Return where an account is asked now; AskPerson where the settings name another one, or another server."""
    if whose == CLINIC and account is not None and account.login != destination.user:
        raise another_account(name)
    assert destination.url is not None
    found = placed(destination.url, address)
    if found is None:
        raise another_server(name, whose, address)
    return found


def placed(url: str, address: str) -> str | None:
    """Return a calendar's address as it is asked under the ``url`` of the settings; None: it is on another server."""
    for start in (url, *starts(url)):
        if may_see_the_password(start, address):
            return address
        if _secured(start, address):
            here = urlsplit(start)
            return urlsplit(address)._replace(scheme=here.scheme, netloc=here.netloc).geturl()
    return None


def _secured(url: str, address: str) -> bool:
    """Say whether that is the same host, which is asked by https now."""
    here, there = urlsplit(url), urlsplit(address)
    return here.hostname == there.hostname and here.scheme == "https" and may_see_the_password(address, url)


def another_server(name: str, whose: int, address: str) -> AskPerson:
    """Return the error of an address that the settings' url has nothing to do with."""
    words = _(
        "календари лежат на другом сервере, {host}. Если он есть, верните его в url, тогда identsync calendar purge "
        "{name} удалит их. Если его больше нет: {command}",
        host=host_of(address), name=name, command=_command(name, whose),
    )  # fmt: skip
    return AskPerson(words)


def another_account(name: str) -> AskPerson:
    """Return the error of a clinic's account that is not the one of the settings."""
    words = _(
        "календари лежат в прежней учётной записи клиники. Чтобы удалить их, верните прежние user и password, тогда "
        "identsync calendar purge {name} удалит их. Чтобы оставить их там: {command}",
        name=name, command=_command(name, CLINIC),
    )  # fmt: skip
    return AskPerson(words)


def _command(name: str, whose: int) -> str:
    return f"identsync calendar connect {name}{f' --doctor {whose}' if whose else ''} --yes"
