"""The ways a client lives and ends: beside another program, by signals, two of them on one computer."""

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients import READY_S, asked, client, environment, journals, left_behind  # type: ignore[import-not-found]
from sqlalchemy import Engine, event
from warm import Cli

from identsync.client import Client
from identsync.engine.integration import Role
from identsync.errors import ContractError, IdentsyncError, NoSecret
from identsync.service import life
from identsync.service.journal import KEPT, SESSIONS, Journal, Terminal, of_session
from identsync.service.life import Ending
from identsync.service.rights import closing, is_open, program_folder
from identsync.settings import Settings, load

SEAT = "SELECT holder FROM task_slot WHERE kind = 'seat' AND scope = 1"
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.mark.processes
def test_a_client_ends_with_the_program_beside_it(folder: Path) -> None:
    beside = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with client(folder, "--with-parent", str(beside.pid), "--role", "director") as (process, ready):
        assert ready["url"].startswith("http://")
        beside.kill()
        beside.wait()
        assert process.wait(60) == 0
    assert beside.stdin is not None
    beside.stdin.close()
    assert left_behind(folder) == [(0, 0)]
    [(name, told)] = journals(folder).items()
    assert name == f"client-{process.pid}.log"
    assert "role=DIRECTOR" in told
    assert "Задачи переданы" in told


def test_a_program_that_is_not_there_is_told_where_it_can_be_read(folder: Path) -> None:
    command = [sys.executable, "-m", "identsync", "run", "--with-parent", str(2**22 + 1)]  # above Linux's highest
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, check=False)
    assert done.returncode == 2
    assert f"нет такого процесса: {2**22 + 1}" in "".join(journals(folder).values())


@pytest.fixture
def at_a_terminal() -> Iterator[None]:
    """SIGHUP is heard, though the suite itself may have been started by nohup, which all its processes inherit."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@posix
@pytest.mark.processes
@pytest.mark.usefixtures("at_a_terminal")
def test_a_closed_terminal_ends_a_client_cleanly(folder: Path) -> None:
    with client(folder) as (process, _ready):
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
        assert "Задачи переданы" in process.stderr.read()
    assert left_behind(folder) == [(0, 0)]


def test_the_page_of_a_client_opens(folder: Path) -> None:
    with client(folder) as (_process, ready), urllib.request.urlopen(ready["url"], timeout=READY_S) as page:
        assert page.status == 200
        assert "Обзор" in page.read().decode()


@pytest.mark.processes
def test_a_secret_that_this_computer_lacks_is_told_at_the_start(folder: Path) -> None:
    file = folder / "identsync.toml"
    room = '[leads.site]\nurl = "http://127.0.0.1:1"\nkey = "secret:no-such-key"\n'
    file.write_text(file.read_text("utf-8") + room, encoding="utf-8")
    with client(folder) as (process, ready):
        assert ready["url"]
        assert process.stdin is not None
        process.stdin.close()
        assert process.stderr is not None
        words = process.stderr.read()
    assert "[leads.site] key: secret:no-such-key: такой секрет не записан" in words


def test_two_copies_on_one_computer_are_two_clients(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = folder / "identsync.toml"
    file.write_text(file.read_text("utf-8").replace("port = 0", f"port = {port}"), encoding="utf-8")
    beside = str(os.getpid())
    with (
        client(folder, "--with-parent", beside) as (one, first),
        client(folder, "--with-parent", beside) as (_, second),
    ):
        assert first["client"] != second["client"]
        assert first["url"] != second["url"]
        assert len(journals(folder)) == 2
        until = time.monotonic() + 60
        while len(asked(folder, "SELECT client FROM presence WHERE scope = 1")) < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert asked(folder, SEAT) == [(first["client"],)]
        one.stdin.close()  # the first ends: the second leads at once
        assert one.wait(60) == 0
        until = time.monotonic() + 60
        while asked(folder, SEAT) != [(second["client"],)]:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert asked(folder, "SELECT count(*) FROM run_log") != [(0,)]
    assert asked(folder, "SELECT kind, scope, due_ms FROM run_log GROUP BY 1, 2, 3 HAVING count(*) > 1") == []
    assert left_behind(folder) == [(0, 0)]


@posix
def test_linux_has_systemd_instead_of_a_windows_service(cli: Cli, folder: Path) -> None:
    told = cli("service", "install")
    assert told.returncode == 2
    assert "systemd" in told.stderr
    unit = cli("service", "unit", "--role", "director").stdout
    assert f'run --settings "{folder / "identsync.toml"}" --role director' in unit
    assert "RestartPreventExitStatus=2" in unit


async def test_a_thread_that_may_not_return_waits_for_the_hand_over() -> None:
    ending = Ending()
    closing = asyncio.create_task(asyncio.to_thread(ending.ask_and_wait))  # as the console's handler does
    assert await ending.asked()
    assert ending.hurried
    assert not closing.done()
    ending.over()
    await closing


class Recovering(sqlite3.ProgrammingError):
    """What SQL Server's driver says in the morning, in the class that a mistake in a statement has."""

    def __init__(self) -> None:
        super().__init__("42000", "[42000] Cannot open database. The login failed. (4060) (SQLDriverConnect)")


async def test_databases_that_are_in_recovery_at_the_start_are_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(folder / "identsync.db", folder / "clinic.db")
    settings = folder / "identsync.toml"
    settings.write_text(settings.read_text() + '[clinic]\nurl = "sqlite:///clinic.db"\n')
    monkeypatch.setattr(life, "FIRST_RETRY_S", 0.01)
    refused, said = set[str](), list[str]()

    def refuse(_dialect: Any, _record: Any, cargs: tuple[str], _cparams: Any) -> None:
        name = Path(cargs[0]).name
        if name not in refused:
            refused.add(name)
            raise Recovering

    event.listen(Engine, "do_connect", refuse)
    try:
        ending = Ending()
        await life.live(Client(settings), ending, say=said.append, started=ending.ask)
    finally:
        event.remove(Engine, "do_connect", refuse)
    assert refused == {"identsync.db", "clinic.db"}
    waits = [text for text in said if text.startswith("Пока не начать")]
    assert ["нет такой базы, или она не открыта" in text for text in waits] == [True, True]


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ("administrator", "[leads.site] key: secret:no-such-key: такой секрет не записан"),
        ("doctor", "Программы врачей"),
    ],
)
async def test_a_service_says_what_it_will_not_do(folder: Path, role: str, told: str) -> None:
    """It lives by the same words as a client in a console: it said «работает», and nothing of it."""
    settings, ending, said = folder / "identsync.toml", Ending(), list[str]()
    room = '[leads.site]\nurl = "http://127.0.0.1:1"\nkey = "secret:no-such-key"\n'
    settings.write_text(settings.read_text("utf-8") + room, encoding="utf-8")
    await life.live(Client(settings, role=Role[role.upper()]), ending, say=said.append, started=ending.ask)
    assert any(told in line for line in said)


async def test_a_start_that_waits_says_what_to_do_once_and_in_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "FIRST_RETRY_S", 0.01)
    settings = folder / "identsync.toml"
    settings.write_text(settings.read_text().replace("identsync.db", "no/such/folder/x.db"))
    ending, said = Ending(), list[str]()

    def say(sentence: str) -> None:
        said.append(sentence)
        if sum(text.startswith("Пока не начать") for text in said) == 3:
            ending.ask()

    await life.live(Client(settings), ending, say=say, started=ending.ask)
    assert sum(text.startswith("Что делать: проверьте путь") for text in said) == 1
    assert not [text for text in said if "Error" in text or "lost" in text]


async def test_a_program_that_nobody_sits_at_waits_for_the_clinics_views_to_be_mended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "FIRST_RETRY_S", 0.01)
    settings = folder / "identsync.toml"
    shutil.copy(folder / "identsync.db", folder / "clinic.db")
    settings.write_text(settings.read_text() + '[clinic]\nurl = "sqlite:///clinic.db"\n')
    with sqlite3.connect(folder / "clinic.db") as clinic:
        clinic.execute("ALTER TABLE clinic_branch RENAME TO branch")
    with pytest.raises(ContractError):
        await life.live(Client(settings), Ending(), say=print, started=lambda: None)

    class Mending(Ending):
        tries = 0

        async def asked(self, within_s: float | None = None) -> bool:
            self.tries += 1
            if self.tries == 6:  # between two of them
                with sqlite3.connect(folder / "clinic.db") as clinic:
                    clinic.execute("ALTER TABLE branch RENAME TO clinic_branch")
            return await super().asked(within_s)

    ending, told = Mending(), list[ContractError]()
    await life.live(Client(settings), ending, say=print, started=ending.ask, wrong=told.append)
    [error] = told
    assert "clinic_branch" in {problem.where for problem in error.problems}


async def test_a_program_that_nobody_sits_at_waits_for_its_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "FIRST_RETRY_S", 0.01)
    settings = load(folder / "identsync.toml")
    given = iter([NoSecret("secret:database: none", hint="set it")] * 3)

    def url(_: Settings) -> str:
        for error in given:
            raise error
        return f"sqlite:///{(folder / 'identsync.db').as_posix()}"

    monkeypatch.setattr(Settings, "database_url", url)
    ending, told = Ending(), list[IdentsyncError]()
    await life.live(Client(settings), ending, say=print, started=ending.ask, wrong=told.append)
    assert [str(error) for error in told] == ["secret:database: none"]


async def test_an_end_that_is_not_asked_for_is_waited_for_no_longer_than_said() -> None:
    assert not await Ending().asked(0.01)


def test_a_journal_is_put_aside_and_keeps_whole_lines(tmp_path: Path) -> None:
    name = tmp_path / "logs" / "service.log"
    journal = Journal(name, most_bytes=100)
    for number in range(60):
        print(f"строка {number:04}", file=journal)
    journal.close()
    print("после конца", file=journal)
    files = [name, *(name.with_name(f"service.log.{number}") for number in range(1, KEPT + 1))]
    assert sorted(tmp_path.glob("logs/*")) == sorted(files)
    lines = [line for file in reversed(files) for line in file.read_text("utf-8").splitlines()]
    assert lines == [f"строка {number:04}" for number in range(60 - len(lines), 60)]
    assert all(file.stat().st_size < 130 for file in files)


def test_a_journal_that_cannot_be_put_aside_goes_on(tmp_path: Path) -> None:
    name, held = tmp_path / "client.log", tmp_path / f"client.log.{KEPT}"
    held.mkdir()  # stands for a file that Windows does not let go
    (held / "file").touch()
    (tmp_path / f"client.log.{KEPT - 1}").touch()
    journal = Journal(name, most_bytes=1)
    print("раз", file=journal)
    print("два", file=journal)
    journal.close()
    assert name.read_text("utf-8").splitlines() == ["раз", "два"]


def test_a_terminal_that_is_closed_under_a_client_costs_its_words_only(tmp_path: Path) -> None:
    with (tmp_path / "terminal").open("w+", encoding="utf-8") as stream:
        terminal = Terminal(stream)
        print("раз", file=terminal, flush=True)
        assert (tmp_path / "terminal").read_text("utf-8") == "раз\n"
    print("два", file=terminal, flush=True)
    print("три", file=Terminal(None), flush=True)  # pythonw has none at all


def test_journals_of_old_sessions_go(tmp_path: Path) -> None:
    for number in range(SESSIONS + 5):
        file = tmp_path / f"client-{number}.log"
        file.touch()
        os.utime(file, (number, number))
    (tmp_path / "client-0.log.1").touch()
    assert of_session(tmp_path, 999) == tmp_path / "client-999.log"
    assert len(list(tmp_path.iterdir())) == SESSIONS
    assert not (tmp_path / "client-4.log").exists()


# -- who may change what a service runs ----------------------------------------------------------------------------

SYSTEM, ADMINISTRATORS, SIGNED_IN, USERS = "S-1-5-18", "S-1-5-32-544", "S-1-5-11", "S-1-5-32-545"
ALL, MODIFY, READ = 0x1F01FF, 0x1301BF, 0x1200A9


def test_a_program_copied_beside_the_root_of_the_disk_is_open_to_everybody_until_it_is_closed() -> None:
    above = [(ADMINISTRATORS, ALL), (SYSTEM, ALL), (USERS, READ)]
    assert is_open([*above, (SIGNED_IN, MODIFY)])  # what the root of C: gives to a new folder
    assert not is_open(above)  # what Program Files gives
    assert not is_open([(SYSTEM, ALL), (USERS, 0xA0000000)])  # generic read and execute
    assert is_open([(USERS, 0x10000000)])
    assert is_open(None)  # no list at all


def test_the_folder_to_close_is_the_whole_bundle(tmp_path: Path) -> None:
    python = tmp_path / "Клиника" / "python" / "python.exe"
    python.parent.mkdir(parents=True)
    assert program_folder(python) == python.parent
    (python.parent.parent / "identsync.cmd").touch()
    assert program_folder(python) == python.parent.parent
    command = closing(python.parent.parent)
    assert f'"{python.parent.parent}"' in command
    assert f"*{USERS}:(OI)(CI)RX" in command
