"""``identsync calendar`` as people use it: real processes against a strict calendar server and a strict Google."""

import http.client
import os
import sys
import webbrowser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from cli_clinic import ENVIRONMENT, Clinic  # type: ignore[import-not-found]
from servers import PASSWORD, USER, foreign  # type: ignore[import-not-found]

from identsync.demo.caldav.process import CalDavProcess
from identsync.demo.google.process import GoogleProcess
from identsync.integrations.calendar import books
from identsync.store import open_store, slots

OWNER = "doctor@example.com"


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
    assert len(there(stub)) > 5
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


def test_a_table_that_is_gone_from_the_settings_leaves_its_calendars_and_is_named(own: Clinic) -> None:
    """Renamed, it makes new calendars beside the old ones: doctors see every visit twice."""
    code, said = own("calendar", "connect", "own", "--doctor", "1", "--user", USER, given=PASSWORD + "\n")
    assert code == 0, said
    file = own.folder / "identsync.toml"
    before = file.read_text("utf-8")
    for text in (before.replace("[calendar.own]", "[calendar.mine]"), before.partition("[calendar")[0]):
        file.write_text(text, "utf-8")
        for command in (["check"], ["calendar", "list"]):
            code, said = own(*command)
            assert code == 0, "its server may be gone for good"
            assert "[calendar.own]: этой таблицы в настройках уже нет" in said
            assert "identsync calendar purge own" in said
    file.write_text(before, "utf-8")
    assert "уже нет" not in own("check")[1]
    assert own("calendar", "purge", "own", "--yes")[0] == 0
    file.write_text(text, "utf-8")
    assert "уже нет" not in own("check")[1]


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
    assert len(there(stub)) > 5
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
    """Connect, and be the person in the browser that is opened, who uses this account there."""
    with ThreadPoolExecutor() as person, clinic.patch.context() as patch:
        gone = []
        patch.setattr(webbrowser, "open", lambda url: gone.append(person.submit(allow, url, user)))
        done = clinic("calendar", "connect", "own", *arguments, APP=cloud.app[1])
    assert [one.result() for one in gone] == [None]
    return done


def consent_elsewhere(clinic: Clinic, cloud: GoogleProcess, *arguments: str) -> tuple[int, str]:
    """Connect, and be the person who opens the address that is said in a browser of his own."""
    process = clinic.start("calendar", "connect", "own", "--no-browser", *arguments, APP=cloud.app[1])
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("http"):
            allow(line.strip(), OWNER)
            break
    out, said = process.communicate(timeout=60)
    return process.returncode, "".join(lines) + out + said


def allow(url: str, user: str) -> None:
    """Allow what Google asks at this address, as this user, and go where it sends."""
    browse(browse(f"{url}&login_hint={user}"))


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
    code, said = consent_elsewhere(google, cloud, "--doctor", "1")
    assert code == 0, said
    [link] = google.read(lambda connection: books.links(connection, "own")).values()
    app = {"APP": cloud.app[1]}
    assert google("once", "calendar/own", **app)[0] == 0
    assert len(cloud.events(link.address)) > 5
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
