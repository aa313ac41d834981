"""``identsync check``: tries everything the settings name, one thing after another, and keeps every problem."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from identsync import integrations
from identsync.client import clinic_engine, opened_store
from identsync.engine.integration import Integration, PageContext
from identsync.errors import ContractError, IdentsyncError, Problem, SettingsError, Unavailable
from identsync.language import _
from identsync.settings import Settings
from identsync.settings.secrets import unread_secrets

if TYPE_CHECKING:
    from identsync.clinic.source import ClinicSource
    from identsync.store import Store

Say = Callable[[str], None]


async def problems(settings: Settings, say: Say) -> list[Problem]:
    """Return what is wrong with secrets, databases, views, the page's port and every destination.

    ``say`` hears what is being tried. The engine's tables are created or brought up to date on the way.
    """
    secrets = list(unread_secrets(settings))
    found = list(secrets)
    with ExitStack() as stack:
        say(_("База движка…"))
        store = await asyncio.to_thread(_store, settings, stack, found)
        say(_("База клиники…"))
        clinic = await asyncio.to_thread(_clinic, settings, store, stack, found, say)
        found += _port(settings)
        for name, table in settings.rooms.items():
            integration = integrations.load(name)
            say(f"{_(integration.title)}…")
            found += await _room(integration, PageContext(store, clinic, table, "", time.time_ns() // 1_000_000))
        if store is not None:
            from identsync.cli.calendars import left_behind

            for line in left_behind(settings, store):
                say(line)
    return list(dict.fromkeys(one for one in found if one in secrets or not _told(one, secrets)))


def _told(problem: Problem, secrets: Sequence[Problem]) -> bool:
    """Say whether it is of a secret of the same table that is known to be missing: whoever needs it meets it again."""
    return any(one.what == problem.what and one.where.startswith(problem.where) for one in secrets)


def clinic_problems(settings: Settings) -> list[Problem]:
    """Return what is wrong with the clinic's views alone."""
    found: list[Problem] = []
    with ExitStack() as stack:
        _clinic(settings, None, stack, found, lambda _line: None)
    return found


def _store(settings: Settings, stack: ExitStack, found: list[Problem]) -> "Store | None":
    from identsync.cli.clocks import clock_problems
    from identsync.store.clients import rehearse

    try:
        store = opened_store(settings, stack)
        found += clock_problems(settings, store)
        with store.write() as connection:
            rehearse(connection)
    except Exception as error:
        found += explained("[database]", error)
    else:
        return store
    return None


def _clinic(
    settings: Settings, store: "Store | None", stack: ExitStack, found: list[Problem], say: Say
) -> "ClinicSource | None":  # fmt: skip
    if store is None and settings.clinic.url is None and found:
        return None  # the same database, and it has been told already
    from identsync.clinic.contract import check
    from identsync.clinic.source import ClinicSource

    try:
        engine = clinic_engine(settings, stack)
        clinic = ClinicSource(engine, settings.clinic.schema)
        wrong = check(engine, settings.clinic.schema)
        found += wrong or _branch(settings, clinic, say)
    except Exception as error:
        found += explained("[clinic]", error)
        return None
    return None if wrong else clinic


def _branch(settings: Settings, clinic: "ClinicSource", say: Say) -> Iterator[Problem]:
    """Name the branch: a file that was copied from another computer has a branch that is there, and the wrong one."""
    known = {branch.id: branch.name for branch in clinic.branches()}
    here = settings.client
    if here.branch in known:
        say(_("Этот компьютер: филиал {id} ({name}), {role}", id=here.branch, name=known[here.branch], role=here.role))
    else:
        what = _("в клинике нет филиала {id}", id=here.branch)
        yield Problem(
            "[client] branch", what, _("есть филиалы: {known}", known=", ".join(map(str, list(known)[:20])) or "-")
        )


def _port(settings: Settings) -> Iterator[Problem]:
    from identsync.console.server import listen

    try:
        listen(settings.console.host, settings.console.port).close()
    except Unavailable as error:
        yield Problem("[console] port", str(error), error.hint)


async def _room(integration: Integration, context: PageContext) -> Sequence[Problem]:
    if integration.check is None:
        return ()
    try:
        found = await integration.check(context.settings, context)
    except Exception as error:
        return explained(f"[{integration.name}]", error)
    return [replace(one, where=_as_in_the_file(one.where)) for one in found]


def _as_in_the_file(where: str) -> str:
    """Spell 'leads.site' and 'leads.site key' with the brackets that stand in the settings."""
    table, space, key = where.partition(" ")
    return where if where.startswith("[") else f"[{table}]{space}{key}"


def explained(where: str, error: Exception) -> Sequence[Problem]:
    """Turn whatever went wrong into problems; a driver's text is not shown, it may quote a password or a row."""
    if isinstance(error, SettingsError | ContractError):
        return error.problems
    if isinstance(error, IdentsyncError):
        return [Problem(where, str(error), error.hint)]
    from identsync.store.failures import unreached

    cause = getattr(error, "orig", None) or error
    if known := unreached(cause):
        return [Problem(where, *known)]
    return [Problem(where, _("не получилось: {kind}", kind=type(cause).__name__), _("проверьте адрес, права и сеть"))]


def report(line: str) -> None:
    """Say what is being tried."""
    from identsync.cli.words import say

    say(line)
