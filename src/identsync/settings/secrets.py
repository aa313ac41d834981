"""The secrets that the settings name: which of them this computer lacks, and whose they are."""

from collections.abc import Iterator
from typing import Any

from identsync import places
from identsync.errors import IdentsyncError, NoSecret, Problem
from identsync.language import _
from identsync.places import Scope
from identsync.settings.records import Settings
from identsync.values import is_reference, secret
from identsync.vault import vault


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
