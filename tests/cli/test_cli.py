"""The command line as people use it: real processes, words instead of tracebacks, exit codes."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from warm import Cli

from identsync.demo.site.process import SiteProcess
from identsync.engine.integration import Role
from identsync.store import open_store
from identsync.store.clients import introduce

DEMO_KEY = {"SITE_KEY": "demo-key"}


def with_rooms(folder: Path, url: str) -> None:
    rooms = "".join(f'[{room}.site]\nurl = "{url}"\nkey = "env:SITE_KEY"\n' for room in ("timetable", "leads"))
    file = folder / "identsync.toml"
    file.write_text(file.read_text(encoding="utf-8") + rooms, encoding="utf-8")


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (("clinic", "views", "--profile", "idnt"), 2),
        (("version", "--lang", "de"), 2),
        (("database", "setup", "--output", "no/such/folder/setup.sql"), 1),
        (("init", f"{__file__}/setup.sql"), 1),  # no folder
    ],
)
def test_a_slip_of_the_hand_is_told_in_words(cli: Cli, typed: tuple[str, ...], code: int) -> None:
    told = cli(*typed)
    assert told.returncode == code
    assert "Traceback" not in told.stderr
    assert any(word in told.stderr for word in ("есть ident", "есть ru, en", "setup.sql"))


@pytest.mark.parametrize(
    ("typed", "russian", "english"),
    [
        ("onec x", "нет такой команды: onec; есть init", "no such command: onec; there are init"),
        ("once", "не указано: ЗАДАЧА", "missing: TASK"),
        ("doctor", "не указано: --database", "missing: --database"),
        ("once x y", "лишнее: y", "not expected: y"),
        (
            "once x --brnch 1",
            "нет такого ключа: --brnch; похожие: --branch",
            "no such option: --brnch; alike: --branch",
        ),
        ("once x --branch -1", "--branch: нужно целое число не меньше 0", "--branch takes a whole number, at least 0"),
        ("once x --branch", "после --branch нужно значение", "--branch needs a value"),
        ("status --json=1", "--json пишется без значения", "--json takes no value"),
        ("database setup --dialect ora", "нужно одно из: mssql, postgresql", "takes one of: mssql, postgresql"),
        ("run --role boss", "--role: нужно одно из: administrator, director", "--role takes one of: administrator"),
        ("run --branch x", "--branch: нужно целое число", "--branch takes a whole number"),
        ("run x", "лишнее: x", "not expected: x"),
    ],
)
def test_what_was_typed_wrong_is_told_in_the_readers_language(cli: Cli, typed: str, russian: str, english: str) -> None:
    for language, told, usage in (("ru", russian, "Как вызвать: identsync"), ("en", english, "Usage: identsync")):
        refused = cli(*typed.split(), IDENTSYNC_LANG=language, COLUMNS="80")
        assert refused.returncode == 2
        first, second, *_rest = refused.stderr.splitlines()
        assert told in first
        assert second.startswith(usage)


@pytest.mark.parametrize("command", ["", "once", "run", "secret set", "database setup", "calendar connect", "init"])
def test_help_speaks_the_readers_language_alone(cli: Cli, command: str) -> None:
    help_ = cli(*command.split(), "--help", COLUMNS="100").stdout
    assert "Показать эту справку" in help_
    assert not re.search(r"usage|show this|options|arguments|<\w+>", help_, re.IGNORECASE)
    assert "Show this help" in cli(*command.split(), "--help", IDENTSYNC_LANG="en").stdout


def test_a_new_file_then_a_check(cli: Cli, tmp_path: Path) -> None:
    assert cli("init").returncode == 0
    again = cli("init")
    assert again.returncode == 1
    assert "--force" in again.stderr
    checked = cli("check")
    assert checked.returncode == 1
    assert "clinic_branch" in checked.stderr  # the views are missing: every one is told
    assert "clinic_patient" in checked.stderr
    assert "Traceback" not in checked.stderr


def test_bad_settings_stop_the_start_with_every_mistake(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "identsync.toml").write_text('[client]\nbranhc = 1\n[leads.a]\nkey = "secret-key"\n', encoding="utf-8")
    for command in (["run"], ["check"], ["status"], ["once", "leads/a"]):
        told = cli(*command)
        assert told.returncode == 2
        for where in ("[client] branhc", "[client] branch", "[database]", "[leads.a] url", "[leads.a] key"):
            assert where in told.stderr
        assert "secret-key" not in told.stderr
        assert "Traceback" not in told.stderr


def test_check_tries_everything_and_lists_all_problems_together(cli: Cli, folder: Path) -> None:
    with_rooms(folder, "http://127.0.0.1:1/x")
    told = cli("check", "--json")
    problems = {problem["where"] for problem in json.loads(told.stdout)["problems"]}
    assert told.returncode == 1
    assert {"[timetable.site] key", "[leads.site] key"} == problems  # a missing secret is told once
    unreachable = json.loads(cli("check", "--json", **DEMO_KEY).stdout)["problems"]
    assert len(unreachable) == 2  # one for each room: nobody answers there
    with SiteProcess() as site:
        (folder / "identsync.toml").write_text(
            (folder / "identsync.toml").read_text(encoding="utf-8").replace("http://127.0.0.1:1/x", site.url),
            encoding="utf-8",
        )
        refused = cli("check", SITE_KEY="wrong")
        assert refused.returncode == 1
        assert "2" in refused.stderr.split("проблем: ")[1][:2]
        good = cli("check", **DEMO_KEY)
    assert good.returncode == 0, good.stderr
    assert "Всё в порядке" in good.stderr
    with closing(sqlite3.connect(folder / "identsync.db")) as database:
        [[name]] = database.execute("SELECT name FROM clinic_branch")
    assert f"филиал 1 ({name}), administrator" in good.stderr  # whose settings were copied sees that they are another's


def test_check_writes_into_the_engines_database_too(cli: Cli, folder: Path) -> None:
    """Who may only read, or has no room on the disk, was told that all is well, and nothing ran."""
    assert cli("check").returncode == 0
    with closing(sqlite3.connect(folder / "identsync.db")) as database:
        refusing = "CREATE TRIGGER refusing BEFORE DELETE ON client BEGIN SELECT RAISE(FAIL, 'no'); END"
        assert database.execute("SELECT count(*) FROM client").fetchone() == (0,)
        database.execute(refusing)
    told = cli("check", "--json")
    assert told.returncode == 1
    assert [one["where"] for one in json.loads(told.stdout)["problems"]] == ["[database]"]


def test_once_and_status(cli: Cli, folder: Path) -> None:
    with SiteProcess("--bad-share", "0") as site:
        site.make(3)
        with_rooms(folder, site.url)
        done = cli("once", "leads/site", **DEMO_KEY)
        assert done.returncode == 0, done.stderr
        assert cli("once", "timetable/site", **DEMO_KEY).returncode == 0
        assert site.books()["timetables_confirmed"] == 1
        idle = cli("once", "timetable/site", SITE_KEY="wrong")
        assert "ничего не изменилось, ничего не отправлено" in idle.stderr, "nobody was asked, so nobody refused"
        refused = cli("once", "leads/site", SITE_KEY="wrong")
        assert refused.returncode == 1
        assert "не приняла наш ключ" in refused.stderr
        assert "Что делать: Проверьте ключ" in refused.stderr
        told = [line for line in refused.stderr.splitlines() if not line.startswith("timestamp=")]
        assert not any("Refused" in line for line in told)
        shown = cli("status", COLUMNS="80").stdout
        assert "• leads/site, вся сеть: Другая сторона не приняла наш ключ или права; GET 127.0.0.1" in shown
    state = json.loads(cli("status", "--json").stdout)
    assert {slot["kind"] for slot in state["slots"]} >= {"leads/site", "timetable/site"}
    table = cli("status", COLUMNS="160")
    assert table.returncode == 0
    assert "leads/site" in table.stdout
    assert state["crews"] == []  # nobody holds a seat: `once` needs none
    with closing(sqlite3.connect(folder / "identsync.db")) as database, database:
        database.execute(
            "UPDATE task_slot SET kind='leads/left', eligible_ms=eligible_ms-3600000 WHERE kind LIKE 'l%/site'"
        )
    left = cli("status", COLUMNS="160").stdout
    assert re.search(r"leads/left .*нет в настройках", left)
    assert "ключ" not in left, "what a task last failed of is nobody's trouble once it is taken away"
    unknown = cli("once", "leads/other")
    assert unknown.returncode == 2
    assert "leads/site" in unknown.stderr


def test_status_says_who_leads_who_is_next_and_that_a_director_stands_in(cli: Cli, folder: Path) -> None:
    store = open_store(f"sqlite:///{folder / 'identsync.db'}")
    store.migrate()
    with store.write() as connection:
        introduce(connection, "d1", "Кабинет-1")
        introduce(connection, "d2", "Кабинет-2")
        connection.execute(text("UPDATE client SET revision='9999' WHERE client='d2'"))  # of a newer version
    for client in ("d1", "d2"):
        store.limiter().seat(1, client, int(Role.DIRECTOR), lease_ms=600_000, presence_ttl_ms=3_600_000)
    store.close()
    told = json.loads(cli("status", "--json").stdout)
    assert told["outgrown"]
    [crew] = told["crews"]
    assert (crew["scope"], crew["standing"], crew["holder"]["computer"]) == (1, "stand_in", "Кабинет-1")
    assert [(heir["computer"], heir["role"], heir["within_ms"]) for heir in crew["heirs"]] == [
        ("Кабинет-2", "director", 675_000)
    ]
    said = cli("status", COLUMNS="170").stdout
    for word in ("Кабинет-1", "Кабинет-2", "Дд", "675 с", "подменяет директор", "обновите эту программу"):
        assert word in said
    assert "stands in" in cli("status", COLUMNS="170", IDENTSYNC_LANG="en").stdout
    assert cli("status", PYTHONIOENCODING="cp1251").returncode == 0  # an old Windows console


def test_a_branch_that_the_clinic_does_not_have(cli: Cli, folder: Path) -> None:
    told = cli("run", "--branch", "7")
    assert told.returncode == 2
    assert "7" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_doctors_client_says_why_it_does_nothing(cli: Cli, folder: Path) -> None:
    told = cli("run", "--role", "doctor")
    assert told.returncode == 0
    assert "врач" in told.stderr
    assert "doctor" not in told.stderr
    file = folder / "identsync.toml"
    file.write_text(file.read_text("utf-8").replace("branch = 1", 'branch = 1\nrole = "doctor"'), encoding="utf-8")
    told = cli("once", "journal")
    assert told.returncode == 2
    assert "Программы врачей" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.processes
@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT", "stdin"])
def test_run_stays_small_and_hands_over(cli: Cli, folder: Path, signal_name: str) -> None:
    import signal

    if os.name == "nt" and signal_name != "stdin":
        pytest.skip("signals of POSIX")
    with SiteProcess() as site:
        with_rooms(folder, site.url)
        assert cli("status").returncode == 0  # makes the tables, as the first start of all does
        process = subprocess.Popen(
            [sys.executable, "-m", "identsync", "run", "--attached"],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            env=os.environ | DEMO_KEY | {"IDENTSYNC_LANG": "ru"},
        )  # fmt: skip
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["url"].startswith("http://127.0.0.1:")
        until = time.monotonic() + 60
        while site.books()["timetables_confirmed"] < 1 and time.monotonic() < until:
            time.sleep(0.05)
        assert site.books()["timetables_confirmed"] == 1
        megabytes = psutil.Process(process.pid).memory_info().rss / 1e6
        if signal_name == "stdin":
            assert process.stdin is not None
            process.stdin.close()
        else:
            process.send_signal(getattr(signal, signal_name))
        process.wait(60)
        assert process.stderr is not None
        told = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        if process.stdin is not None:
            process.stdin.close()
    assert process.returncode == 0, told
    assert "Задачи переданы" in told
    assert "Traceback" not in told
    assert megabytes < (80 if os.name != "nt" else 120)  # Wine's own libraries count there: 98 to 101 measured
    import sqlite3

    with sqlite3.connect(folder / "identsync.db") as connection:
        held = connection.execute("SELECT count(*) FROM task_slot WHERE holder IS NOT NULL").fetchone()[0]
        present = connection.execute("SELECT count(*) FROM presence").fetchone()[0]
    connection.close()
    assert (held, present) == (0, 0)  # handed over, at once


def test_views_are_printed_for_a_person(cli: Cli) -> None:
    for dialect in ("mssql", "postgresql", "sqlite"):
        told = cli("clinic", "views", "--dialect", dialect, "--profile", "ident")
        assert told.returncode == 0, told.stderr
        assert "clinic_appointment" in told.stdout


def test_an_administrator_gets_what_he_has_to_run(cli: Cli, folder: Path) -> None:
    setup = ("database", "setup", "--login", "clinic\\sync]", "--views", "ident")
    told = cli(*setup)
    assert told.returncode == 0, told.stderr
    assert "CREATE USER [clinic\\sync]]]" in told.stdout
    assert "clinic_appointment" not in told.stdout, "another database, another text"
    assert "--part clinic" in told.stdout
    reading = cli(*setup, "--part", "clinic").stdout
    assert "CREATE USER [clinic\\sync]]]" in reading
    assert "GRANT SELECT ON [ident].clinic_appointment" in reading
    assert "CREATE DATABASE" not in reading
    written = cli(*setup, "--output", "для БД.sql")
    assert (written.stdout, "для БД.sql" in written.stderr) == ("", True)
    assert (folder / "для БД.sql").read_text(encoding="utf-8-sig") == told.stdout
    fixed = cli("database", "setup", "--dialect", "postgresql", "--fixed").stdout
    assert fixed.index("CREATE TABLE identsync.task_slot") < fixed.index("ON ALL TABLES IN SCHEMA")
    wrong = cli("database", "tables", "--since", "9")
    assert wrong.returncode == 2
    assert "0001" in wrong.stderr


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    command = [sys.executable, "-m", "identsync", "clinic", "views", "--dialect", "mssql", "--profile", "ident"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_clinic_check(cli: Cli, folder: Path) -> None:
    assert cli("clinic", "check").returncode == 0
    import sqlite3

    connection = sqlite3.connect(folder / "identsync.db")
    connection.execute("ALTER TABLE clinic_patient DROP COLUMN email")
    connection.execute("DROP TABLE clinic_shift")
    connection.commit()
    connection.close()
    told = cli("clinic", "check")
    assert told.returncode == 1
    assert "clinic_patient.email" in told.stderr
    assert "clinic_shift" in told.stderr


def test_version_and_language(cli: Cli) -> None:
    from identsync import __version__

    assert cli("version").stdout.strip() == __version__
    assert "Commands" in cli("--lang", "en", "--help").stdout
    assert "Work until stopped" in cli("--lang", "en", "--help").stdout
    assert "Работать" in cli("--help").stdout


def test_doctor_tries_the_limiter_and_writes_a_report_to_mail(cli: Cli, folder: Path) -> None:
    told = cli("doctor", "--database", "--seconds", "1", "--report", "report.txt", "--json", IDENTSYNC_LANG="en")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["passed"] is True
    report = (folder / "report.txt").read_text(encoding="utf-8")
    assert "Result: fit for use" in report
    assert "Everybody wants one task" in report
    assert str(folder) not in report  # neither paths nor names leave the clinic
