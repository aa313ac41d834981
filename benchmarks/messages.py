"""SMS: cutting and encoding texts; ten thousand by SMPP, a window of ten, to an independent server on loopback."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.harness import OURS, Result, Work, measure, optional
from identsync.core.texts import split
from identsync.engine.worker import Worker
from identsync.flows.outbox import Draft, Ready, Row, outbox, plan
from identsync.flows.sending import Verdict
from identsync.integrations.messaging.message import Message
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.task import announced
from identsync.integrations.messaging.wire import smpp
from identsync.store import Store, open_store

WINDOW = 10
TEXT = "Анна, ждём вас завтра в 10:30, ул. Лесная, 5"
TEXTS = (TEXT, TEXT * 4, "Anna, see you tomorrow at 10:30", "Your code is 1234 {ok} " * 12, "😀" * 100)
KEY = "IDENTSYNC_BENCH_SMPP"
UNTIL = 4_000_000_000_000


def run(*, quick: bool) -> Iterator[Result]:
    """Measure the texts, then the sending."""
    yield from texts(20 if quick else 200)
    yield from sending(1_000 if quick else 10_000, 2 if quick else 5)


def texts(rounds: int) -> Iterator[Result]:
    """Encode and split; smpplib cuts emoji and escapes in two, so what it gives is not always right."""
    many = TEXTS * rounds
    contenders: dict[str, Work] = {OURS: lambda: [split(text) for text in many]}
    optional(contenders, "smpplib", lambda: _smpplib(many))
    yield from measure("messages", f"encode and split {len(many):,} texts", contenders, items=len(many), runs=5)


def _smpplib(many: tuple[str, ...]) -> Work:
    from smpplib import gsm

    return lambda: [gsm.make_parts(text) for text in many]


def sending(count: int, runs: int) -> Iterator[Result]:
    """Send by smpp34's own client, by our gateway alone, and by the whole outbox with an SQLite file."""
    os.environ[KEY] = "secret"
    with _server() as port, _store() as store:
        contenders: dict[str, Work] = {}
        optional(contenders, "smpp34 client", lambda: _peer(port, count))
        contenders["our gateway alone"] = lambda: asyncio.run(_gateway(port, count))
        contenders[OURS] = lambda: asyncio.run(_outbox(store, port))
        case = f"{count:,} SMS by SMPP, window {WINDOW}"
        yield from measure(
            "messages", case, contenders, items=count, runs=runs, prepare=lambda: _planned(store, count), slow=60
        )


def _peer(port: int, count: int) -> Work:
    import smpp34

    async def send() -> None:
        client = smpp34.Client("127.0.0.1", port, "clinic", "secret", bind_type="TRX", window_size=WINDOW)
        smsc = await client.connect()
        text = TEXT.encode("utf-16-be")

        async def one() -> None:
            told = await smsc.submit_sm("79450000001", text, source_addr="Clinic", data_coding=8, registered_delivery=1)
            assert told.is_success

        await _many(count, one)
        await smsc.unbind()
        await client.stop()

    return lambda: asyncio.run(send())


def _channel(port: int) -> Channel:
    return Channel(kind="smpp", host="127.0.0.1", port=port, user="clinic", password=f"env:{KEY}", sender="Clinic")


def _open(port: int) -> Any:
    return smpp.open(_channel(port), _nothing, _nothing, _nothing)  # type: ignore[arg-type]


async def _nothing(*_told: Any) -> None:
    return None


async def _gateway(port: int, count: int) -> None:
    async with _open(port) as gateway:

        async def one() -> None:
            await gateway.submit(Message(token="", to="+79450000001", text=TEXT, until_ms=UNTIL, sender="Clinic"))

        await _many(count, one)


async def _many(count: int, one: Callable[[], Awaitable[None]]) -> None:
    left = iter(range(count))

    async def work() -> None:
        for _number in left:
            await one()

    await asyncio.gather(*(work() for _each in range(WINDOW)))


@contextmanager
def _store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'outbox.db'}")
        store.migrate()
        yield store
        store.close()


def _planned(store: Store, count: int) -> None:
    now = store.now_ms()
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM outbox")
        drafts = [Draft(key=f"{number}", due_ms=now, until_ms=now + 3_600_000) for number in range(count)]
        plan(connection, "messaging/sms", 0, drafts, now)


class _Run:
    """What the outbox needs of a run, with a real database and its own thread, but no limiter."""

    scope, lost = 0, False
    fence, task = SimpleNamespace(number=1), SimpleNamespace(interval_ms=60_000)

    def __init__(self, store: Store) -> None:
        self.store, self.worker = store, Worker()

    async def read(self, fn: Callable[[Any], Any]) -> Any:
        return await self.worker.call(lambda: _within(self.store.read(), fn), self)

    async def write(self, fn: Callable[[Any], Any], *, aside: bool = False) -> Any:
        return await self.worker.call(lambda: _within(self.store.write(), fn), self)

    def progress(self, **counts: int) -> None:
        """Tell nobody."""

    def now_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000 + self.offset

    offset = 0


def _within(transaction: Any, fn: Callable[[Any], Any]) -> Any:
    with transaction as connection:
        return fn(connection)


class _Sender:
    """Rows as they are, without asking a clinic: what deciding costs is in `reminders`."""

    look, batch, window = 400, announced(WINDOW, 10_000), WINDOW

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway

    async def prepare(self, rows: Any) -> list[Ready[Row]]:
        return [Ready(row, "smpp", "+79450000001", row) for row in rows]

    async def submit(self, ready: Ready[Row]) -> Verdict:
        message = Message(token=ready.token, to=ready.address, text=TEXT, until_ms=UNTIL, sender="Clinic")
        verdict: Verdict = await self.gateway.submit(message)
        return verdict

    def announce(self, connection: Any, taken: Any) -> None:
        """Nothing beside the outbox."""

    def settle(self, connection: Any, ended: Any) -> None:
        """Nothing beside the outbox."""


async def _outbox(store: Store, port: int) -> None:
    run = _Run(store)
    run.offset = store.now_ms() - run.now_ms()
    async with _open(port) as gateway:
        outcome = await outbox(run, "messaging/sms", _Sender(gateway))  # type: ignore[arg-type]
    run.worker.close()
    assert outcome.counts["left"] == outcome.counts["unknown"] == 0, outcome


@contextmanager
def _server() -> Iterator[int]:
    """Run smpp34's server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.messages"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()


async def _serve() -> None:
    import socket

    import smpp34

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = smpp34.Server("127.0.0.1", port, inbound_capacity=10_000)
    await server.start()
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(loop.stop)), daemon=True).start()
    number = 0
    while True:
        event = await server.next()
        if isinstance(event, smpp34.SubmitSmEvent):
            number += 1
            event.accept(str(number))


if __name__ == "__main__":
    with suppress(RuntimeError):  # the loop is stopped with the parent's pipe
        asyncio.run(_serve())
