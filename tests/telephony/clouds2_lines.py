"""How tests speak to a cloud whose calls are known when they are over: a line's settings, one run, its calls."""

import asyncio
import secrets
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from identsync import errors
from identsync.demo.cloudpbx.desk import KEY, NUMBER, USER
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.flows.intake import Window
from identsync.integrations.telephony.call import Call, Command
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import zadarma
from identsync.spans import HOUR_MS

from . import clouds_desk

cloud_process = clouds_desk.cloud_process
KINDS = ("zadarma", "megafon", "beeline", "sipuni", "exolve")
TO = "+79160000002"
USERS = {"zadarma": USER, "sipuni": USER, "exolve": "777"}


@pytest.fixture
def clouds(cloud_process: CloudProcess, monkeypatch: pytest.MonkeyPatch) -> CloudProcess:
    """The five clouds, behaving, without calls; their key is in TEST_PBX."""
    cloud_process.clear()
    zadarma._RECENT.clear()
    monkeypatch.setenv("TEST_PBX", KEY)
    monkeypatch.setenv("TEST_WRONG", "not-the-key")
    return cloud_process


def line(clouds: CloudProcess, kind: str, **how: Any) -> Line:
    usual = {"url": clouds.url(kind), "user": USERS.get(kind), "password": "env:TEST_PBX", "timeout": 3_000}
    return Line(kind=kind, **(usual | {"number": NUMBER} | how))  # type: ignore[arg-type]


async def nothing(*_: Any) -> None:
    return None


def run(settings: Line, work: Callable[[Any], Any], permit: Callable[[], Any] = nothing) -> Any:
    async def inside() -> Any:
        wire = import_module(f"identsync.integrations.telephony.wire.{settings.kind}")
        async with wire.open(settings, permit) as exchange:
            return await work(exchange)

    return asyncio.run(inside())


def window(hours: float = 2.0, until_h: float = 0.0) -> Window:
    now = time.time_ns() // 1_000_000
    return Window(now - round(hours * HOUR_MS), now - round(until_h * HOUR_MS), last=True)


def raws(settings: Line, over: Window | None = None, limit: int = 500) -> list[Any]:
    """Every row of a window, page by page as the flow asks for them."""

    async def work(exchange: Any) -> list[Any]:
        rows: list[Any] = []
        asked = over or window()
        while True:
            page = await exchange.fetch(asked, limit, len(rows))
            rows += page
            if len(page) != limit:
                return rows

    found: list[Any] = run(settings, work)
    return found


def history(settings: Line, over: Window | None = None, limit: int = 500) -> list[Call]:
    """Every call of a window; each row must be one."""
    rows = raws(settings, over, limit)

    async def work(exchange: Any) -> list[Any]:
        return [exchange.parse(row) for row in rows]

    calls: list[Call] = run(settings, work)
    assert all(isinstance(call, Call) for call in calls), calls
    return sorted(calls, key=lambda call: call.start_ms)


def command(extension: str = "101", to: str = TO) -> Command:
    return Command(secrets.token_hex(16), extension, to)


async def judged(exchange: Any, one: Command) -> Any:
    """Dial; give the verdict, or the error that stands for one."""
    try:
        return await exchange.dial(one)
    except errors.IdentsyncError as error:
        return error


def extensions(people: Any) -> list[str]:
    return [each.extension for each in people]
