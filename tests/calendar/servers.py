"""Calendar servers as processes: real Radicale and Xandikos from PyPI (GPL: run, never imported), and the strict stub.

``server`` is each of them in turn, one process of each for the session: Radicale alone needs a second to start. A test
makes a calendar of its own there, see ``calendar``.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from identsync.demo.caldav.process import CalDavProcess
from identsync.flows.http import Http
from identsync.integrations.calendar.event import Event, Name
from identsync.integrations.calendar.wire import ical
from identsync.integrations.calendar.wire.caldav import CalDav
from identsync.integrations.calendar.wire.dav import Dav
from identsync.integrations.calendar.wire.discovery import discover, make_calendar

USER, PASSWORD = "doctor@clinic.example", "pass:wörd"
START = 1_800_000_000_000
_STARTS_WITHIN = 60.0
# Its standard input ends with whoever started it, however that happens: who is killed says no farewell.
GUARD = 'read _; kill -TERM -"$0" 2>/dev/null; rm -rf "$1"'
_numbers = count(1)


@dataclass
class Server:
    """A running server: where discovery begins, and whether it asks for a password."""

    name: str
    url: str
    guarded: bool = True
    stub: CalDavProcess | None = None
    home: str = ""


@dataclass
class Outside:
    """A calendar of this test's own on a server, seen by the wire and by a person with another program."""

    server: Server
    dav: Dav
    wire: CalDav
    asked: list[None] = field(default_factory=list)

    async def put(self, resource: str, body: bytes) -> None:
        """Let a person store something, whatever was there."""
        await self.dav.ask("PUT", self.wire.url + resource, {"Content-Type": "text/calendar"}, body)

    async def delete(self, resource: str) -> None:
        """Let a person delete something."""
        await self.dav.ask("DELETE", self.wire.url + resource)


def name(number: int, generation: int = 1) -> Name:
    """Return a name like those of the engine: 32 characters of 0-9a-v."""
    return Name(f"{number:032d}", generation)


def event(number: int, summary: str = "Занято", **change: object) -> Event:
    """Return the event that goes under :func:`name`."""
    start = START + number * 1_800_000
    return Event(name(number).name, start, start + 900_000, summary, changed_ms=START, **change)  # type: ignore[arg-type]


def foreign(uid: str, summary: str = "Отпуск") -> bytes:
    """Return an event that a person made."""
    return ical.dump(name(999), event(999, summary)).replace(str(name(999)).encode(), uid.encode())


async def permit() -> None:
    """Let every request go."""


def missing(*modules: str) -> None:
    """Skip where a server is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (uv sync installs it with the dev group)")


@pytest.fixture(scope="session")
def radicale() -> Iterator[Server]:
    """Radicale for the session."""
    missing("radicale", "waitress")
    with running_radicale() as server:
        yield server


@contextlib.contextmanager
def running_radicale() -> Iterator[Server]:
    """Radicale behind waitress: its own front end closes every connection."""
    with room() as folder:
        (folder / "users").write_text(f"{USER}:{PASSWORD}\n", encoding="utf-8")
        (folder / "config").write_text(
            f"[auth]\ntype = htpasswd\nhtpasswd_filename = {folder / 'users'}\nhtpasswd_encryption = plain\ndelay = 0\n"
            f"[rights]\ntype = owner_only\n[storage]\nfilesystem_folder = {folder / 'data'}\n"
            f"[logging]\nlevel = warning\n",
            encoding="utf-8",
        )
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "waitress",
            f"--listen=127.0.0.1:{port}",
            "--threads=8",
            "radicale:application",
        ]
        with running(command, port, folder, RADICALE_CONFIG=str(folder / "config")):
            yield Server("radicale", f"http://127.0.0.1:{port}/")


@pytest.fixture(scope="session")
def xandikos() -> Iterator[Server]:
    """Xandikos as it comes; it asks for no password without TLS."""
    missing("xandikos")
    with room() as folder:
        port = free_port()
        where = ["--listen-address", "127.0.0.1", "--port", str(port), "--directory", str(folder / "data")]
        state = ["--state-dir", str(folder / "state"), "--no-detect-systemd"]
        user = ["--defaults", "--current-user-principal", "/user/"]
        with running([sys.executable, "-m", "xandikos", "serve", *where, *state, *user], port, folder):
            yield Server("xandikos", f"http://127.0.0.1:{port}/", guarded=False)


@pytest.fixture(scope="session")
def strict() -> Iterator[CalDavProcess]:
    """The stub, one process for the session."""
    with CalDavProcess(users={USER: PASSWORD}) as process:
        yield process


@pytest.fixture
def stub(strict: CalDavProcess) -> Iterator[CalDavProcess]:
    """The stub, well-behaved at the beginning of each test, without calendars of other tests."""
    yield strict
    strict.reset()


SERVERS = (*os.environ.get("IDENTSYNC_TEST_CALENDARS", "").split(),) or ("radicale", "xandikos", "stub")
"""On which the scenarios run; IDENTSYNC_TEST_CALENDARS names others instead, those of debian_servers.py."""


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each server in turn."""
    made = request.getfixturevalue(request.param)
    return made if isinstance(made, Server) else Server("stub", made.url, stub=made)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """A client of this test's own."""
    async with Http() as http:
        yield http


@pytest.fixture
async def outside(server: Server, http: Http) -> AsyncIterator[Outside]:
    """A new calendar on each server; gone after the test, for some servers have a UID only once in an account."""
    made = await new_calendar(server, http)
    yield made
    if server.stub is None:
        await made.dav.ask("DELETE", made.wire.url, passing={404})


@pytest.fixture
async def spiteful(stub: CalDavProcess, http: Http) -> Outside:
    """A new calendar on the stub."""
    return await new_calendar(Server("stub", stub.url, stub=stub), http)


async def new_calendar(server: Server, http: Http) -> Outside:
    """Find the home of calendars and make one there."""
    asked: list[None] = []

    async def counting() -> None:
        asked.append(None)

    dav = Dav(http, USER, PASSWORD, counting)
    server.home = server.home or (await discover(dav, server.url)).homes[0]
    url = await make_calendar(dav, server.home, f"test-{next(_numbers)}", "Врач", "#2266cc")
    asked.clear()
    return Outside(server, dav, CalDav(dav, url), asked)


# -- processes ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def room() -> Iterator[Path]:
    """Yield a new folder, in memory where there is one: servers sync each event to the disk."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="identsync-caldav-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(command: Sequence[str], port: int, folder: Path, **environment: str) -> Iterator[None]:
    """Run a server, with all the processes that it starts, from when it listens to the end of the block."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, "HOME": str(folder), **environment},
            start_new_session=True,
        )
    with _guarded(process, folder):
        try:
            _until_it_listens(process, port, log)
            yield
        finally:
            _end(process)


@contextlib.contextmanager
def _guarded(process: "subprocess.Popen[bytes]", folder: Path) -> Iterator[None]:
    """Let a server end, and its folder go, even where this process is killed within the block."""
    if not hasattr(os, "killpg"):
        yield
        return
    command = ["sh", "-c", GUARD, str(process.pid), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        yield


def _end(process: "subprocess.Popen[bytes]") -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # PHP does not end those that it has started
    else:
        process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until_it_listens(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
                break
        else:
            return
    raise RuntimeError(f"the calendar server did not start: {log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
