"""``identsync calendar`` as people use it: real processes against a strict calendar server and a strict Google."""

import http.client
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from servers import PASSWORD, USER, foreign  # type: ignore[import-not-found]
from sqlalchemy import text

from identsync.cli import leaving, main, running, words
from identsync.demo.caldav.process import CalDavProcess
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.google.process import GoogleProcess
from identsync.integrations.calendar import books
from identsync.store import open_store, slots
from identsync.store.connect import database_url, store_engine

SEAL = "общий ключ всей сети клиник"
ENVIRONMENT = {"IDENTSYNC_LANG": "ru", "IDENTSYNC_SETTINGS": "identsync.toml", "SEAL": SEAL, "CLINIC": PASSWORD}
OWNER = "doctor@example.com"
TODAY = time.time_ns() // 86_400_000_000_000


@dataclass
class Clinic:
    """A folder with settings and a clinic of one branch with two doctors beside them."""

    folder: Path
    patch: pytest.MonkeyPatch
    shown: pytest.CaptureFixture[str]

    def settings(self, table: str) -> None:
        text = '[client]\nbranch = 1\nlog = "error"\n[database]\nurl = "sqlite:///identsync.db"\n[console]\nport = 0\n'
        (self.folder / "identsync.toml").write_text(f"{text}[calendar.own]\n{table}\n", encoding="utf-8")

    def __call__(self, *arguments: str, given: str = "", **environment: str) -> tuple[int, str]:
        """Run a command with a text on its standard input; return exit code and all it said."""
        with self.patch.context() as patch:
            patch.chdir(self.folder)
            for name, value in (ENVIRONMENT | environment).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()), "utf-8"))
            for module in (running, leaving):
                patch.setattr(module, "log_to_stderr", lambda _level: None)  # the journal here is the suite's own
            patch.setattr(words, "log_to_stderr", lambda _level: None)
            with pytest.raises(SystemExit) as ended:
                main(list(arguments))
        out, said = self.shown.readouterr()
        assert PASSWORD not in out + said
        return int(ended.value.code or 0), out + said

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Run a command as a process."""
        pipes: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [sys.executable, "-m", "identsync", *arguments],
            cwd=self.folder, encoding="utf-8", env=os.environ | ENVIRONMENT | environment, **pipes,
        )  # fmt: skip

    def listed(self) -> dict[int, dict[str, Any]]:
        code, out = self("calendar", "list", "--json")
        assert code == 0
        [destination] = json.loads(out[out.index("{\n") :])["destinations"]
        return {doctor["doctor"]: doctor for doctor in destination["doctors"]}

    def read(self, fn: Callable[[Any], Any]) -> Any:
        store = open_store(f"sqlite:///{self.folder / 'identsync.db'}")
        try:
            with store.read() as connection:
                return fn(connection)
        finally:
            store.close()


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Clinic:
    engine = store_engine(database_url(f"sqlite:///{tmp_path / 'identsync.db'}"))
    generate(engine, GeneratorSettings(branches=1, doctors=2, days=4, seed=1, first_day=TODAY - 1))
    engine.dispose()
    return Clinic(tmp_path, monkeypatch, capsys)


@pytest.fixture
def own(clinic: Clinic, stub: CalDavProcess) -> Clinic:
    """Doctors connect accounts of their own."""
    clinic.settings(f'kind = "caldav"\nurl = "{stub.url.rstrip("/")}"\nseal = "env:SEAL"\nrate = 500.0')
    return clinic


def there(stub: CalDavProcess) -> dict[str, str]:
    """Every event on the server: its text by uid."""
    return {item["uid"]: item["body"] for one in stub.calendars() for item in one["items"].values()}


def test_a_doctor_is_connected_filled_listed_and_taken_away_again(own: Clinic, stub: CalDavProcess) -> None:
    code, said = own("calendar", "connect", "own", "--doctor", "1", "--user", USER, given=PASSWORD + "\n")
    assert code == 0, said
    assert "Пароль видели: 127.0.0.1" in said
    [account] = own.read(lambda connection: books.accounts(connection, "own")).values()
    assert account.login == USER
    assert PASSWORD.encode() not in account.sealed
    assert len(stub.calendars()) == 1
    code, said = own("once", "calendar/own")
    assert code == 0, said
    assert len(there(stub)) > 10
    doctor = own.listed()[1]
    assert (doctor["state"], doctor["account"], doctor["own_account"]) == ("on", USER, True)
    assert doctor["synced_ms"]
    assert "ведётся" in own("calendar", "list")[1]
    code, said = own("calendar", "purge", "own", "--doctor", "1", "--yes")
    assert code == 0, said
    assert "Удалено всё" in said
    assert stub.calendars() == [], "the calendar of our making bears the doctor's name"
    assert own.listed()[1]["state"] == "off"
    assert own.read(lambda connection: books.accounts(connection, "own")) == {}
    assert stub.books()["foreign touched"] == 0
    code, said = own("calendar", "purge", "own", "--yes")
    assert (code, "нечего" in said) == (0, True)
    assert own("once", "calendar/own")[0] == 0
    assert stub.calendars() == []


def test_a_wrong_password_is_told_with_advice_and_leaves_nothing(own: Clinic, stub: CalDavProcess) -> None:
    code, said = own("calendar", "connect", "own", "--doctor", "1", "--user", USER, given="wrong\n")
    assert code == 1
    assert "401" in said
    assert "пароль приложения" in said
    assert own.listed() == {}
    assert stub.calendars() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["connect", "other", "--doctor", "1"], "есть: own"),
        (["connect", "own"], "--doctor"),
        (["connect", "own", "--doctor", "77"], "есть врачи: 1, 2"),
        (["connect", "own", "--doctor", "1"], "--user"),
        (["rotate", "own", "--doctor", "1"], "feed"),
        (["pause", "own", "--doctor", "1"], "нет календаря"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(own: Clinic, arguments: list[str], words: str) -> None:
    code, said = own("calendar", *arguments)
    assert code in {1, 2}
    assert words in said


def test_nobody_types_a_password_that_could_not_be_sealed(own: Clinic) -> None:
    code, said = own("calendar", "connect", "own", "--doctor", "1", "--user", USER, given=PASSWORD, SEAL="short")
    assert code == 1
    assert "16" in said


def test_a_new_password_of_the_same_account_goes_on_with_the_same_calendar(own: Clinic, stub: CalDavProcess) -> None:
    connect = ("calendar", "connect", "own", "--doctor", "1", "--user", USER)
    assert own(*connect, given=PASSWORD)[0] == 0
    own("once", "calendar/own")
    written = stub.books()["created"]
    stub.ask("POST", "users", {USER: "another password"})
    try:
        own("once", "calendar/own")
        assert own.listed()[1]["state"] in {"on", "refused"}
        code, said = own("calendar", "purge", "own", "--yes")
        assert code == 1, said
        assert "401" in said
        assert len(there(stub)) == written, "it says so because it is all still there"
        assert own(*connect, given="another password")[0] == 0
        assert own("once", "calendar/own")[0] == 0
        assert own.listed()[1]["state"] == "on"
        assert stub.books()["created"] == written
        assert own("calendar", "purge", "own", "--yes")[0] == 0
    finally:
        stub.ask("POST", "users", {USER: PASSWORD})
    assert there(stub) == {}


def test_in_a_calendar_of_the_doctors_own_only_ours_comes_and_goes(own: Clinic, stub: CalDavProcess) -> None:
    url = stub.calendar("private", name="Личное")
    stub.person("put", "private", "holiday.ics", body=foreign("holiday").decode())
    connect = ("calendar", "connect", "own", "--doctor", "1", "--user", USER, "--calendar")
    code, said = own(*connect, url + "none/", given=PASSWORD)
    assert (code, url in said) == (1, True)
    assert own(*connect, url, given=PASSWORD)[0] == 0
    own("once", "calendar/own")
    assert len(there(stub)) > 10
    code, said = own("calendar", "purge", "own", "--yes")
    assert code == 0, said
    assert set(there(stub)) == {"holiday"}
    assert stub.books()["foreign touched"] == 0


def test_another_account_does_not_leave_events_behind_unasked(own: Clinic, stub: CalDavProcess) -> None:
    connect = ("calendar", "connect", "own", "--doctor", "1", "--user", USER)
    own(*connect, given=PASSWORD)
    own("once", "calendar/own")
    before = len(there(stub))
    second = stub.calendar("second")
    code, said = own(*connect, "--calendar", second, given=PASSWORD)
    assert code == 1
    assert str(before) in said
    assert "purge" in said
    assert own(*connect, "--calendar", second, "--yes", given=PASSWORD)[0] == 0
    assert own("once", "calendar/own")[0] == 0
    assert len(stub.items("second")) == before


def test_purge_asks_first(own: Clinic, stub: CalDavProcess) -> None:
    own("calendar", "connect", "own", "--doctor", "1", "--user", USER, given=PASSWORD)
    own("once", "calendar/own")
    before = there(stub)
    code, said = own("calendar", "purge", "own", given="n\n")
    assert code == 1
    assert str(len(before)) in said
    assert there(stub) == before
    assert own.listed()[1]["state"] == "on"


def test_a_calendar_that_a_person_deleted_is_gone_as_well(own: Clinic, stub: CalDavProcess) -> None:
    own("calendar", "connect", "own", "--doctor", "1", "--user", USER, given=PASSWORD)
    own("once", "calendar/own")
    [calendar] = stub.calendars()
    stub.person("drop", calendar["slug"])
    code, said = own("calendar", "purge", "own", "--yes")
    assert code == 0, said
    assert own.listed()[1]["state"] == "off"


def test_the_clinics_account_is_emptied_and_nobody_is_given_a_calendar_again(
    clinic: Clinic, stub: CalDavProcess
) -> None:
    url = stub.url.rstrip("/")
    clinic.settings(f'kind = "caldav"\nurl = "{url}"\nuser = "{USER}"\npassword = "env:CLINIC"\nrate = 500.0')
    assert clinic("once", "calendar/own")[0] == 0
    assert len(stub.calendars()) == 2
    assert clinic("calendar", "pause", "own")[0] == 0
    assert {doctor["state"] for doctor in clinic.listed().values()} == {"paused"}
    code, said = clinic("calendar", "purge", "own", "--yes")
    assert code == 0, said
    assert stub.calendars() == []
    clinic("once", "calendar/own")
    assert stub.calendars() == []
    assert clinic("calendar", "resume", "own")[0] == 0
    assert clinic("once", "calendar/own")[0] == 0
    assert len(stub.calendars()) == 2
    assert len(there(stub)) > 20


def test_what_a_branch_had_written_that_was_closed_is_purged_with_the_rest(clinic: Clinic, stub: CalDavProcess) -> None:
    url = stub.url.rstrip("/")
    clinic.settings(f'kind = "caldav"\nurl = "{url}"\nuser = "{USER}"\npassword = "env:CLINIC"\nrate = 500.0')
    engine = store_engine(database_url(f"sqlite:///{clinic.folder / 'identsync.db'}"))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO clinic_branch VALUES (7, '', 'Europe/Moscow', NULL, NULL)"))
        connection.execute(text("INSERT INTO clinic_staff VALUES (7, 70, 'N', '')"))
        connection.execute(text("UPDATE clinic_appointment SET branch_id=7, doctor_id=70 WHERE doctor_id=2"))
        connection.execute(text("DELETE FROM clinic_staff WHERE doctor_id=2"))
    assert clinic("once", "calendar/own")[0] == 0
    assert len(stub.calendars()) == 2
    with engine.begin() as connection:
        for table in ("clinic_branch", "clinic_staff", "clinic_appointment"):
            connection.execute(text(f"DELETE FROM {table} WHERE branch_id=7"))
    engine.dispose()
    code, said = clinic("calendar", "purge", "own", "--yes")
    assert code == 0, said
    assert "Удалено всё" in said
    assert stub.calendars() == []


def put(clinic: Clinic, **states: str) -> None:
    """Let the links of doctors d1, d2... be in these states."""
    store = open_store(f"sqlite:///{clinic.folder / 'identsync.db'}")
    store.migrate()
    with store.write() as connection:
        for doctor, state in states.items():
            link = books.Link(int(doctor[1:]), 1, f"https://there.example/{doctor}/", own=True, state=state)
            books.put_link(connection, "own", link, 1)
    store.close()


def states(clinic: Clinic) -> list[str]:
    links = clinic.read(lambda connection: books.links(connection, "own"))
    return [links[doctor].state for doctor in sorted(links)]


def test_a_pause_of_all_and_its_end_bring_nobody_back_who_had_left_and_cancel_no_purge(own: Clinic) -> None:
    put(own, d1="on", d2="refused", d3="off", d4="leaving", d5="paused")
    code, said = own("calendar", "pause", "own")
    assert (code, "2" in said) == (0, True)
    assert states(own) == ["paused", "paused", "off", "leaving", "paused"]
    code, said = own("calendar", "resume", "own")
    assert (code, "3" in said) == (0, True)
    assert states(own) == ["on", "on", "off", "leaving", "on"]
    code, said = own("calendar", "resume", "own")
    assert (code, "0" in said) == (0, True), "there is nothing to go on with, and nothing wrong"


def test_one_doctor_who_had_left_is_brought_back_by_his_number_unless_his_calendar_is_being_emptied(
    own: Clinic,
) -> None:
    put(own, d1="off", d2="leaving", d3="on")
    assert own("calendar", "resume", "own", "--doctor", "1")[0] == 0
    for command in ("pause", "resume"):
        code, said = own("calendar", command, "own", "--doctor", "2")
        assert (code, "удаляется" in said) == (1, True)
    assert states(own) == ["on", "leaving", "on"]


def test_purge_waits_for_another_client_and_says_so(own: Clinic, stub: CalDavProcess) -> None:
    own("calendar", "connect", "own", "--doctor", "1", "--user", USER, given=PASSWORD)
    own("once", "calendar/own")
    store = open_store(f"sqlite:///{own.folder / 'identsync.db'}")
    with store.write() as connection:
        slots.run_now(connection, "calendar/own", 1)
    claim = store.limiter().claim(
        "calendar/own", 1, holder="other", role=0, lease_ms=60_000, interval_ms=1_000, request="r",
        presence_ttl_ms=60_000,
    )  # fmt: skip
    store.close()
    assert claim.granted
    code, said = own("calendar", "purge", "own", "--yes", "--wait", "1")
    assert code == 1
    assert "не сейчас" in said
    assert own.listed()[1]["state"] == "leaving", "whoever runs the task next does it"


# -- Google ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cloud() -> Iterator[GoogleProcess]:
    with GoogleProcess(seed=4) as process:
        yield process


@pytest.fixture
def google(clinic: Clinic, cloud: GoogleProcess) -> Clinic:
    client, _secret = cloud.app
    clinic.settings(
        f'kind = "google"\nurl = "{cloud.url}"\nclient_id = "{client}"\nclient_secret = "env:APP"\n'
        'seal = "env:SEAL"\nrate = 500.0'
    )
    return clinic


def consent(clinic: Clinic, cloud: GoogleProcess, *arguments: str, user: str = OWNER) -> tuple[int, str]:
    """Connect, and be the person with the browser, who uses this account there."""
    process = clinic.start("calendar", "connect", "own", "--no-browser", *arguments, APP=cloud.app[1])
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("http"):
            browse(browse(f"{line.strip()}&login_hint={user}"))
            break
    out, said = process.communicate(timeout=60)
    return process.returncode, "".join(lines) + out + said


def browse(url: str) -> str:
    """Open an address; returns where it sends the browser."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=30)
    try:
        connection.request("GET", f"{place.path or '/'}?{place.query}")
        answer = connection.getresponse()
        answer.read()
        return answer.headers.get("Location", "")
    finally:
        connection.close()


def test_google_is_consented_to_in_a_browser_and_forgets_us_after_a_purge(google: Clinic, cloud: GoogleProcess) -> None:
    code, said = consent(google, cloud, "--doctor", "1")
    assert code == 0, said
    [link] = google.read(lambda connection: books.links(connection, "own")).values()
    app = {"APP": cloud.app[1]}
    assert google("once", "calendar/own", **app)[0] == 0
    assert len(cloud.events(link.address)) > 10
    assert google("check", **app)[0] == 0
    code, said = google("calendar", "purge", "own", "--yes", **app)
    assert code == 0, said
    with pytest.raises(ValueError, match=r"."):
        cloud.events(link.address)
    assert google.read(lambda connection: books.accounts(connection, "own")) == {}
    assert "отозван" not in said


def test_the_clinics_google_account_holds_a_calendar_for_each_doctor(google: Clinic, cloud: GoogleProcess) -> None:
    assert consent(google, cloud)[0] == 0
    app = {"APP": cloud.app[1]}
    assert google("once", "calendar/own", **app)[0] == 0
    links = google.read(lambda connection: books.links(connection, "own"))
    assert set(links) == {1, 2}
    assert all(cloud.events(link.address) for link in links.values())
    assert google("calendar", "purge", "own", "--yes", **app)[0] == 0
    assert google.read(lambda connection: books.accounts(connection, "own")) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX; Windows' own prompt cannot be driven here")
def test_a_person_at_a_terminal_chooses_and_sees_no_password(own: Clinic, stub: CalDavProcess) -> None:
    import pty

    stub.calendar("private", name="Личное")
    arguments = ["calendar", "connect", "own", "--doctor", "1"]
    environment = os.environ | ENVIRONMENT
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(own.folder)
        os.execve(sys.executable, [sys.executable, "-m", "identsync", *arguments], environment)
    shown = b""
    for question, answer in (("Логин", USER), ("видно", PASSWORD), ("Номер", "9"), ("Номер", "1")):
        at = len(shown)
        while question.encode() not in shown[at:]:
            shown += os.read(terminal, 1000)
        os.write(terminal, f"{answer}\n".encode())
    try:
        while piece := os.read(terminal, 1000):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown.decode()
    assert PASSWORD.encode() not in shown
    assert "Личное".encode() in shown
    [link] = own.read(lambda connection: books.links(connection, "own")).values()
    assert link.address.endswith("/private/")
    assert not link.own
