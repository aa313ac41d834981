"""``identsync check``: tries everything the settings name, one thing after another, and keeps every problem."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from identsync import integrations, places
from identsync.client import clinic_engine, opened_store
from identsync.engine.integration import Integration, PageContext
from identsync.errors import ContractError, IdentsyncError, NoSecret, Problem, SettingsError, Unavailable
from identsync.language import _
from identsync.places import Scope
from identsync.settings import Settings, secret
from identsync.values import is_reference
from identsync.vault import vault

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


def unread_secrets(settings: Settings) -> Iterator[Problem]:
    """Yield each secret of the settings that this computer does not have or cannot read."""
    for where, reference in references(settings):
        try:
            secret(reference)
        except IdentsyncError as error:
            yield Problem(where, str(error), error.hint)
        else:
            yield from _own_only(settings, where, reference)


def _own_only(settings: Settings, where: str, reference: str) -> Iterator[Problem]:
    """The settings of a service, tried by a person: what Windows opens for that person is closed for the service."""
    place, _colon, name = reference.partition(":")
    if place == "secret" and settings.folder == places.machine().settings.parent.resolve():
        own = vault(Scope.USER).get(name)
        if own is not None:
            yield from _beside_the_services(where, name, own)


def _beside_the_services(where: str, name: str, own: str) -> Iterator[Problem]:
    """Judge a secret of this person by the service's of the same name: the service reads no other."""
    reference, kept = f"secret:{name}", vault(Scope.MACHINE)
    if kept.is_closed():
        what = _("{reference}: записан для этого пользователя; есть ли он у службы, не видно", reference=reference)
        yield Problem(where, what, _("откройте консоль от имени администратора"))
        return
    try:
        services = kept.get(name)
    except NoSecret as error:
        yield Problem(where, str(error), error.hint)
        return
    if services is None:
        what = _("{reference}: записан для этого пользователя, служба его не прочтёт", reference=reference)
        command = f"identsync secret set {name} --machine"
        yield Problem(where, what, _("выполните: {command}", command=command))
    elif services != own:
        what = _("{reference}: у этого пользователя записан свой, другой: служба берёт не его", reference=reference)
        yield Problem(where, what, _("выполните: {command}", command=f"identsync secret remove {name}"))


def references(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield (table and key, reference) of every secret that the settings name."""
    records: list[tuple[str, Any]] = [(name, getattr(settings, name)) for name in ("database", "clinic", "console")]
    for room, table in settings.rooms.items():
        records += [(f"{room}.{name}", record) for name, record in table.items()]
    for name, record in records:
        for key in record.__struct_fields__:
            value = getattr(record, key)
            if isinstance(value, str) and is_reference(value):
                yield f"[{name}] {key}", value


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
