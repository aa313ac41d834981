"""How tests speak to a gateway over HTTP: settings, one run, a message, what was really taken."""

import asyncio
import secrets
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from identsync import errors
from identsync.demo.gateway.desk import SENDER, USER
from identsync.demo.gateway.process import GatewayProcess
from identsync.integrations.messaging.message import Message, Missing
from identsync.integrations.messaging.settings import Channel

TO = "+79450000001"


def channel(gateways: GatewayProcess, kind: str, **how: Any) -> Channel:
    usual = {"url": gateways.url(kind), "user": USER, "password": "env:TEST_SMS", "sender": SENDER, "timeout": 2_000}
    return Channel(kind=kind, **(usual | how))  # type: ignore[arg-type]


async def nothing(*_: Any) -> None:
    return None


def run(
    settings: Channel,
    work: Callable[[Any], Any],
    permit: Callable[[], Any] = nothing,
    replies: Callable[[Any], Any] = nothing,
) -> Any:
    async def inside() -> Any:
        wire = import_module(f"identsync.integrations.messaging.wire.{settings.kind}")
        async with wire.open(settings, permit, nothing, replies) as gateway:
            return await work(gateway)

    return asyncio.run(inside())


async def judged(gateway: Any, one: Message) -> Any:
    """Submit; give the verdict, or the error that stands for one."""
    try:
        return await gateway.submit(one)
    except errors.IdentsyncError as error:
        return error


def message(text: str = "", to: str = TO, **how: Any) -> Message:
    usual = {"token": secrets.token_hex(16), "until_ms": 2**50, "sender": SENDER, "text": text or secrets.token_hex(8)}
    return Message(**({"to": to} | usual | how))


def missing(one: Message) -> Missing:
    return Missing(one.token, one.to, one.text, time.time_ns() // 1_000_000)


def taken(gateways: GatewayProcess, one: Message) -> list[dict[str, Any]]:
    return [each for each in gateways.messages() if each["text"] == one.text]
