"""A network under update: starts and ends programs of two versions on one database, and reads its journal."""

import os
import queue
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from identsync.demo.checker import JournalRow
from identsync.store import Store, open_store
from identsync.store.tables import run_log, task_slot
from nursery import TESTS, Nursery


@dataclass(slots=True, eq=False)
class Program:
    """One process; ``client`` is its random id, known once it works; ``refused`` why it did not start."""

    number: int
    version: str
    log: Path
    pid: int = 0
    client: str = ""
    code: int | None = None
    refused: str = ""
    told: bool = False


class Programs(Nursery):
    """A nursery of programs of one version."""

    def __init__(self, version: str, path: Path) -> None:
        self._version = version
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.programs: list[Program] = []
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(TESTS)])}
        super().__init__("update.program", environment, self._said.put)

    def start(self, url: str, folder: Path) -> Program:
        number = len(self.programs)
        program = Program(number, self._version, folder / f"client-{number}.log")
        self.programs.append(program)
        self.bear({"number": number, "url": url, "folder": str(folder)})
        return program

    def listen(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._note(self._said.get_nowait())

    def _note(self, said: dict[str, Any]) -> None:
        if "ended" in said:
            next(p for p in self.programs if p.pid == said["ended"]).code = said["code"]
            return
        program = self.programs[said["number"]]
        program.pid = said.get("born", program.pid)
        program.client = said.get("client", program.client)
        program.refused = said.get("refused", program.refused)


@dataclass(slots=True, eq=False)
class House:
    """One database, its programs, old and new."""

    url: str
    folder: Path
    nurseries: dict[str, Programs]
    programs: list[Program] = field(default_factory=list)
    phases: dict[str, int] = field(default_factory=dict)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = open_store(self.url)
        self.folder.mkdir()

    def start(self, version: str) -> Program:
        folder = self.folder / version
        folder.mkdir(exist_ok=True)
        self.programs.append(self.nurseries[version].start(self.url, folder))
        return self.programs[-1]

    def end(self, program: Program, number: int = signal.SIGTERM) -> None:
        program.told = True
        with suppress(ProcessLookupError):
            os.kill(program.pid, number)

    def mark(self, phase: str) -> None:
        """Note the database's time at which a phase began."""
        self.phases[phase] = self.store.now_ms()

    def rows(self) -> list[JournalRow]:
        r = run_log.c
        fields = (r.kind, r.scope, r.fence, r.holder, r.started_ms, r.finished_ms, r.outcome)
        with self.store.read() as connection:
            return [JournalRow(*row) for row in connection.execute(select(*fields)).all()]

    def newest(self) -> dict[tuple[str, int], int]:
        t = task_slot.c
        with self.store.read() as connection:
            rows = connection.execute(select(t.kind, t.scope, t.fence).where(t.kind.not_in(("seat", "journal"))))
            return {(kind, scope): fence for kind, scope, fence in rows}

    def good(self, kind: str, version: str | None = None, since: str | None = None) -> int:
        """How many good runs of a task began since a phase, on programs of that version."""
        clients = {p.client for p in self.programs if version in (None, p.version)}
        after = self.phases[since] if since else 0
        rows = [row for row in self.rows() if row.kind == kind and row.outcome == "ok" and row.started_ms >= after]
        return sum(row.holder in clients for row in rows)


def until(done: Callable[[], bool], nurseries: dict[str, Programs], what: str, seconds: float = 40.0) -> None:
    """Wait until something is so; a program that nobody ended must not end."""
    limit = time.monotonic() + seconds
    while True:
        for nursery in nurseries.values():
            nursery.listen()
            for program in nursery.programs:
                died = program.code is not None and not program.told and not program.refused
                assert not died, f"{program.log} ended with {program.code}: {program.log.read_text()[-2000:]}"
        if done():
            return
        assert time.monotonic() < limit, f"not in {seconds} s: {what}"
        time.sleep(0.05)
