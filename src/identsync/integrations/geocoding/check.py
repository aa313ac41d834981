"""``identsync check``: every provider is asked where the first branch is."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from identsync.errors import IdentsyncError, Problem
from identsync.integrations.geocoding.place import Found, Geocoder, Precision, Question
from identsync.integrations.geocoding.settings import CLOUD, Provider
from identsync.language import _

if TYPE_CHECKING:
    from identsync.clinic.source import ClinicSource

ANYWHERE = Question(0, "Москва", city="Москва")
LOW = 50
"""Roubles: some hundred addresses."""


async def check(settings: Mapping[str, Provider], context: Any) -> list[Problem]:
    """Ask every provider for one known place; returns what is wrong with each, never raises."""
    known = _branch(context.clinic) if context.clinic is not None else None
    problems: list[Problem] = []
    for name, provider in settings.items():
        problems += await _try(f"geocoding.{name}", provider, known)
    return problems


def _branch(clinic: "ClinicSource") -> Question | None:
    """Give the first branch whose address tells its street."""
    from identsync.core.address import parse
    from identsync.integrations.geocoding.cities import cities

    branches = clinic.branches()
    home = cities(clinic, branches)
    for branch in branches:
        told = parse(branch.address or branch.name, home.get(branch.id, ""))
        if told.street:
            street = f"{told.street_kind} {told.street}".strip()
            return Question(-branch.id, told.text, told.region, told.city or told.place, street, told.house)
    return None


async def _try(where: str, provider: Provider, known: Question | None) -> list[Problem]:
    wire = import_module(f"identsync.integrations.geocoding.wire.{provider.kind}")
    try:
        async with wire.open(provider, _at_once) as geocoder:
            [found] = await geocoder.ask([known or ANYWHERE])
            return [*_missed(where, provider, known, found), *await _money(where, geocoder)]
    except IdentsyncError as error:
        return [Problem(where, f"{error} {error.raw[:200]}".strip(), error.hint)]


def _missed(where: str, provider: Provider, known: Question | None, found: Found) -> list[Problem]:
    """Say that a branch is not found to its street: what is not known of it will not be of patients."""
    if known is None or found.precision >= Precision.STREET:
        return []
    hint = _("проверьте адрес филиала в клинике")
    if provider.kind not in CLOUD:
        hint = _("загружена ли в службу карта вашего региона? И проверьте адрес филиала в клинике")
    return [Problem(where, _("филиал не найден: {address}", address=known.text), hint)]


async def _money(where: str, geocoder: Geocoder) -> list[Problem]:
    """Say that the money will soon be gone, where that can be asked."""
    ask = getattr(geocoder, "balance", None)
    try:
        left = None if ask is None else await ask()
    except IdentsyncError:
        return []  # it answers questions: that is what counts
    if left is None or left >= LOW:
        return []
    return [Problem(where, _("на счёте осталось {n} ₽", n=int(left)), _("пополните счёт"))]


async def _at_once() -> None:
    """Wait for nothing: one question is no pace."""
