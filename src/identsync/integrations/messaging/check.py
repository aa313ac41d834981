"""``identsync check``: every channel is tried without sending anything."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from identsync.errors import IdentsyncError, Problem
from identsync.flows.sending import Receipt
from identsync.integrations.messaging.message import Gateway, Reply
from identsync.integrations.messaging.settings import Channel
from identsync.language import _


async def check(settings: Mapping[str, Channel], context: Any) -> list[Problem]:  # noqa: ARG001  the rooms' signature
    """Log in to every channel and ask for the money left; returns what is wrong with each, never raises."""
    found = [await _try(name, channel) for name, channel in settings.items()]
    return [problem for problem in found if problem is not None]


async def _try(name: str, channel: Channel) -> Problem | None:
    where = f"messaging.{name}"
    try:
        wire = import_module(f"identsync.integrations.messaging.wire.{channel.kind}")
        if channel.kind == "email":
            found: Problem | None = await wire.probe(channel)
            return found and Problem(where, found.what, found.hint)
        gateway: Gateway = wire.open(channel, _at_once, _nobody, _nobody)
        async with gateway:
            balance = await gateway.balance()
    except IdentsyncError as error:
        return Problem(where, f"{error} {error.raw[:200]}".strip(), error.hint)
    if balance is not None and balance.kopecks is not None and balance.kopecks < channel.low_balance * 100:
        words = _("на счёте осталось {n} ₽", n=balance.kopecks // 100)
        return Problem(where, words, _("пополните счёт, или измените low_balance"))
    return None


async def _at_once() -> None:
    """Wait for nothing: one question is no pace."""


async def _nobody(_told: Sequence[Receipt] | Sequence[Reply]) -> None:
    """Take nothing: whoever pushes keeps what is not acknowledged."""
    raise IdentsyncError("not now")
