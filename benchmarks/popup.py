"""From the event on the socket of a PBX to the caller's card in Chromium: the PBX, a client, its console, a browser.

The clock starts before the PBX is told to let somebody call, and stops when the number is in the page. Beside it: the
same call until the row is committed (the engine alone), and the round trip to the PBX's back door (the floor).
"""

import asyncio
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, func, select

from benchmarks.harness import OURS, Result

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
PATIENTS = 1_000
WATCH = """digits => {
  window.seen = new Promise((done, failed) => {
    setTimeout(() => failed(new Error("no card in half a minute: " + document.body.innerText)), 30000);
    const look = () => document.body.innerText.replaceAll(/[^0-9]/g, "").includes(digits)
      ? done(Date.now()) : requestAnimationFrame(look);
    look();
  });
}"""


@contextmanager
def attended(store_url: str, clinic: Any, line: Any) -> Iterator[None]:
    """A client that attends the line, in a thread of its own."""
    from identsync.engine.integration import Role
    from identsync.engine.loop import Engine
    from identsync.engine.loops import new_loop
    from identsync.integrations.telephony.task import tasks
    from identsync.store import open_store

    store, stop = open_store(store_url), threading.Event()

    async def work() -> None:
        engine = Engine(store=store, clinic=clinic, tasks=tasks({"pbx": line}, []), role=Role.ADMINISTRATOR, branch=1)
        await engine.start()
        await asyncio.to_thread(stop.wait)
        await engine.stop(2)

    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(work())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        store.close()


def run(*, quick: bool) -> Iterator[Result]:
    """Measure on every database there is."""
    from benchmarks.round import databases

    calls = 20 if quick else 150
    with databases() as urls:
        for dialect, url in urls.items():
            yield from _measured(dialect, url, calls)


def _measured(dialect: str, url: str, calls: int) -> Iterator[Result]:
    from browser import ARGUMENTS, BROWSERS, open_browser, serving
    from identsync.clinic.source import ClinicSource
    from identsync.console.server import Console
    from identsync.demo.clinic.generate import GeneratorSettings, generate
    from identsync.demo.pbx.peer import KEY, USER
    from identsync.demo.pbx.process import PbxProcess
    from identsync.integrations.telephony import INTEGRATION
    from identsync.integrations.telephony.settings import Line
    from identsync.store import open_store

    os.environ["IDENTSYNC_BENCH_AMI"] = KEY
    with tempfile.TemporaryDirectory() as folder, PbxProcess() as pbx:
        engine, store = create_engine(f"sqlite:///{folder}/clinic.db"), open_store(url)
        store.migrate()
        generate(engine, GeneratorSettings(branches=1, doctors=10, days=20))
        clinic = ClinicSource(engine)
        line = Line(kind="asterisk", host="127.0.0.1", port=pbx.ami, user=USER, password="env:IDENTSYNC_BENCH_AMI")
        pbx.phones(**{"101": {}, "102": {}})
        with (
            attended(url, clinic, line),
            serving(lambda: Console(store, clinic, rooms=[(INTEGRATION, {"pbx": line})], port=0)) as console,
            closing(BROWSERS),
        ):
            page = open_browser(ARGUMENTS).new_page(viewport={"width": 1366, "height": 768})
            page.goto(f"{console.url}overview")
            times = [_one(pbx, store, page, number) for number in range(calls + 5)][5:]
        store.close()
        engine.dispose()
    for name, share in (("median", 50), ("p95", 95)):
        for at, contender in enumerate(("floor:back door", "until the row is committed", OURS)):
            took = statistics.quantiles((each[at] for each in times), n=100)[share - 1]
            yield {
                "benchmark": "popup", "case": f"{name}, {dialect}", "contender": contender, "seconds": took,
                "runs": len(times), "items": 1, "bytes": 0, "peak_bytes": 0,
            }  # fmt: skip


def _one(pbx: Any, store: Any, page: Any, number: int) -> tuple[float, float, float]:
    """Let somebody call; return the seconds until the PBX has said so, until it is written, until it is seen."""
    from identsync.store.tables import phone_call

    digits, before = f"945{number:07d}", _rows(store, phone_call)
    page.evaluate(WATCH, digits)
    began = time.time()
    key = pbx.call(f"7{digits}", ["101", "102"])
    told = time.time()
    _until(lambda: _rows(store, phone_call) > before)
    written = time.time()
    seen = page.evaluate("() => window.seen") / 1000
    pbx.hang_up(key)
    _until(lambda: _going(store, phone_call) == 0)
    return told - began, written - began, seen - began


def _rows(store: Any, table: Any) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _going(store: Any, table: Any) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).where(table.c.ended_ms.is_(None))).scalar_one())


def _until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError("the call was not written down")
        time.sleep(0.002)
