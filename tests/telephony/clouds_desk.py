"""How tests speak to a cloud PBX: its stand-in, a line's settings, one run, somebody who listens."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import pytest

from identsync import errors
from identsync.demo.cloudpbx.desk import KEY, NUMBER, USER
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.flows.intake import Window
from identsync.integrations.telephony.call import Call, Command
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import mango

TO = "+79160000002"
WRONG = "not-the-key-at-all"


@pytest.fixture(scope="module")
def cloud_process() -> Iterator[CloudProcess]:
    with CloudProcess() as process:
        yield process


@pytest.fixture
def clouds(cloud_process: CloudProcess, monkeypatch: pytest.MonkeyPatch) -> CloudProcess:
    """The cloud PBXs on a new day, UIS with more points than one can spend; their key is in TEST_PBX."""
    cloud_process.clear()
    cloud_process.options(limits={"uis_minute": 10**6, "uis_day": 10**8})
    monkeypatch.setenv("TEST_PBX", KEY)
    monkeypatch.setenv("TEST_WRONG", WRONG)
    mango._rests.clear()
    monkeypatch.setattr(mango.Mango, "pauses_s", (0.01,))
    return cloud_process


def line(clouds: CloudProcess, kind: str, **how: Any) -> Line:
    """Settings of a line; it polls without rest."""
    usual = {"user": USER, "password": "env:TEST_PBX", "number": NUMBER, "timeout": 2_000, "poll": 10, "inside": 4}
    if kind == "uis":
        usual |= {"url": clouds.url("uis/call/v4.0"), "data_url": clouds.url("uis/data/v2.0")}
    else:
        usual |= {"url": clouds.url(kind)}
    return Line(kind=kind, **(usual | how))  # type: ignore[arg-type]


async def permitted() -> None:
    return None


def opened(settings: Line, permit: Callable[[], Any] = permitted) -> Any:
    """Open the exchange of a line: an async context manager."""
    return import_module(f"identsync.integrations.telephony.wire.{settings.kind}").open(settings, permit)


def command(extension: str = "101", to: str = TO) -> Command:
    return Command(secrets.token_hex(16), extension, to)


async def judged(exchange: Any, one: Command) -> Any:
    """Dial; give the verdict, or the error that stands for one."""
    try:
        return await exchange.dial(one)
    except errors.IdentsyncError as error:
        return error


def lately(ms: int = 3_600_000) -> Window:
    """The last hour, and what is open before us."""
    now = time.time_ns() // 1_000_000
    return Window(now - ms, now + 60_000, last=True)


async def history(exchange: Any, window: Window | None = None, limit: int = 500) -> list[Call]:
    """Fetch every page and read it; a row with flaws fails."""
    rows: list[Any] = []
    while page := await exchange.fetch(window or lately(), limit, len(rows)):
        rows += page
        if len(page) < limit:
            break
    calls = [exchange.parse(row) for row in rows]
    assert all(isinstance(call, Call) for call in calls), calls
    return calls


class Heard:
    """What a listener was told: every whole list, in order."""

    def __init__(self) -> None:
        self._news: asyncio.Queue[list[Call]] = asyncio.Queue()
        self.told: list[list[Call]] = []

    async def __call__(self, calls: Sequence[Call], whole: bool) -> None:
        assert whole
        self.told.append(list(calls))
        self._news.put_nowait(list(calls))

    async def until(self, wanted: Callable[[list[Call]], Any]) -> list[Call]:
        """Wait for a list like that."""
        while not wanted(calls := await self._news.get()):
            pass
        return calls


@contextlib.asynccontextmanager
async def listening(exchange: Any) -> AsyncIterator[Heard]:
    """Listen while the block runs; what ends the listener ends the block."""
    heard = Heard()
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(exchange.listen(heard))
            yield heard
            task.cancel()
    except* errors.IdentsyncError as several:
        raise several.exceptions[0] from None
