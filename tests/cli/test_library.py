"""The engine inside another program: the README's example, the context managers, what they leave behind."""

import asyncio
import contextlib
import re
import sys
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from identsync import Client, Role
from identsync.demo.site.process import SiteProcess
from identsync.errors import SettingsError
from identsync.settings import parse

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def settled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as the current one, its file with one site that has a lead to give."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SITE_KEY", "demo-key")
    return folder / "identsync.toml"


def add_rooms(file: Path, url: str) -> None:
    rooms = "".join(f'[{room}.site]\nurl = "{url}"\nkey = "env:SITE_KEY"\n' for room in ("timetable", "leads"))
    file.write_text(file.read_text(encoding="utf-8") + rooms, encoding="utf-8")


def test_the_example_of_the_readme_works(settled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 1
    assert len(code[0].strip().splitlines()) <= 10
    with SiteProcess() as site:
        add_rooms(settled, site.url)
        exec(compile(code[0], "README.md", "exec"), {})
    told = capsys.readouterr().out
    assert "http://127.0.0.1:" in told
    assert "leads/site every 120 s" in told


def wait_for_timetable(site: SiteProcess) -> None:
    until = time.monotonic() + 60
    while not site.books()["timetables_confirmed"]:
        assert time.monotonic() < until
        time.sleep(0.05)


async def test_a_client_in_a_loop_runs_its_tasks(settled: Path) -> None:
    with SiteProcess() as site:
        add_rooms(settled, site.url)
        async with Client(settled, role=Role.ADMINISTRATOR) as client:
            assert {task.kind for task in client.tasks} == {"timetable/site", "leads/site", "leads/old.forget"}
            assert client.url
            await asyncio.to_thread(wait_for_timetable, site)
            assert client.snapshot().client == client.id
        assert client.id is None
        assert client.url is None


async def test_a_page_that_fails_says_so_and_leaves_its_visitor(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "identsync.console.site", None)
    said: list[str] = []
    with capture_logs() as told:
        async with Client(settled) as client:
            client.say = said.append
            assert client.url
            port = int(client.url.rstrip("/").rpartition(":")[2])
            with contextlib.suppress(ConnectionError):  # some systems end such a connection as if all were well
                assert await asyncio.wait_for(visited(port), 60) == b""
            with pytest.raises(ConnectionRefusedError):
                await visited(port)
            assert client.url is None
            assert client.snapshot().client == client.id
    assert any("Страницы больше нет: не хватает модуля identsync.console.site" in text for text in said)
    assert [line["module"] for line in told if line["event"] == "console.ended"] == ["identsync.console.site"]


async def visited(port: int) -> bytes:
    """The whole answer to one request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


def test_a_client_in_a_thread_leaves_no_thread_behind(settled: Path) -> None:
    before = set(threading.enumerate())
    with Client(settled, console=False).in_thread() as client:
        assert client.url is None
        assert client.id
    assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before
    with pytest.raises(SettingsError), Client(settled, branch=9).in_thread():
        pass
    assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before


async def test_a_doctors_client_opens_nothing() -> None:
    settings = parse('[client]\nbranch = 1\n[database]\nurl = "sqlite:///no/such/folder/x.db"\n')
    async with Client(settings, role=Role.DOCTOR) as client:
        assert (client.id, client.url, client.snapshot(), client.tasks) == (None, None, None, ())
