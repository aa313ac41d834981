"""``identsync calendar connect`` where the settings name another server or account than the calendars lie in."""

# ruff: noqa: F401, F811  fixtures are used by their names

from collections.abc import Iterator

import pytest
from cli_clinic import Clinic  # type: ignore[import-not-found]
from servers import PASSWORD, USER  # type: ignore[import-not-found]
from test_cli_calendar import cloud, consent, google, there  # type: ignore[import-not-found]

from identsync.demo.caldav.process import CalDavProcess
from identsync.demo.google.process import GoogleProcess
from identsync.integrations.calendar import books
from identsync.store import open_store


def of_clinic(clinic: Clinic, url: str, user: str = USER) -> None:
    """The settings name an account of the clinic."""
    clinic.settings(
        f'kind = "caldav"\nurl = "{url.rstrip("/")}"\nuser = "{user}"\npassword = "env:CLINIC"\nseal = "env:SEAL"\n'
        "rate = 500.0"
    )


@pytest.fixture
def other() -> Iterator[CalDavProcess]:
    """Another server with the same account."""
    with CalDavProcess(users={USER: PASSWORD}) as process:
        yield process


def test_another_server_of_the_clinic_is_begun_with_when_a_person_says_so(
    clinic: Clinic, stub: CalDavProcess, other: CalDavProcess
) -> None:
    of_clinic(clinic, stub.url)
    assert clinic("once", "calendar/own")[0] == 0
    before = there(stub)
    of_clinic(clinic, other.url)
    code, said = clinic("once", "calendar/own")
    assert "identsync calendar connect own --yes" in said
    code, said = clinic("calendar", "purge", "own", "--yes", "--wait", "1")
    assert (code, "верните его в url" in said) == (1, True)
    code, said = clinic("calendar", "connect", "own")
    assert code == 1
    assert str(len(before)) in said
    assert "верните прежние url" in said
    assert there(other) == {}
    of_clinic(clinic, stub.url)
    assert clinic("calendar", "purge", "own", "--yes")[0] == 0
    assert there(stub) == {}
    of_clinic(clinic, other.url)
    assert clinic("calendar", "connect", "own")[0] == 0, "nothing is left behind: nobody is asked"
    assert clinic("calendar", "resume", "own")[0] == 0
    assert clinic("once", "calendar/own")[0] == 0
    assert there(other).keys() == before.keys()


def test_the_clinics_old_account_is_left_with_what_is_in_it(clinic: Clinic, stub: CalDavProcess) -> None:
    stub.ask("POST", "users", {"new@clinic.example": PASSWORD})
    of_clinic(clinic, stub.url)
    assert clinic("once", "calendar/own")[0] == 0
    before = there(stub)
    of_clinic(clinic, stub.url, "new@clinic.example")
    assert "прежней учётной записи" in clinic("once", "calendar/own")[1]
    assert clinic("calendar", "connect", "own")[0] == 1
    code, said = clinic("calendar", "connect", "own", "--yes")
    assert (code, f"останутся наши события: {len(before)}" in said) == (0, True)
    assert clinic("once", "calendar/own")[0] == 0
    mine = {one["user"]: len(one["items"]) for one in stub.calendars() if one["items"]}
    assert set(mine) == {USER, "new@clinic.example"}
    assert clinic("calendar", "connect", "own")[0] == 0, "the same account once more: nothing is forgotten"
    assert clinic("calendar", "purge", "own", "--yes")[0] == 0
    assert there(stub) == before


def test_a_clinic_that_has_no_account_any_more_is_left_and_its_doctors_connect_their_own(
    clinic: Clinic, stub: CalDavProcess, other: CalDavProcess
) -> None:
    of_clinic(clinic, stub.url)
    assert clinic("once", "calendar/own")[0] == 0
    before = there(stub)
    clinic.settings(f'kind = "caldav"\nurl = "{other.url.rstrip("/")}"\nseal = "env:SEAL"\nrate = 500.0')
    assert "connect own --yes" in clinic("once", "calendar/own")[1]
    assert "connect own --yes" in clinic("check")[1]
    code, said = clinic("calendar", "connect", "own")
    assert (code, str(len(before)) in said) == (1, True)
    code, said = clinic("calendar", "connect", "own", "--yes")
    assert (code, str(len(before)) in said) == (0, True)
    connect = ("calendar", "connect", "own", "--doctor", "1", "--user", USER)
    assert clinic(*connect, given=PASSWORD)[0] == 0
    assert clinic("once", "calendar/own")[0] == 0
    assert {doctor: one["state"] for doctor, one in clinic.listed().items()} == {1: "on", 2: "off"}
    assert there(other)
    assert there(stub) == before


def test_a_doctors_account_on_another_server_is_not_taken_for_the_one_on_the_old_server(
    own: Clinic, stub: CalDavProcess, other: CalDavProcess
) -> None:
    """Both spell their addresses alike."""
    connect = ("calendar", "connect", "own", "--doctor", "1", "--user", USER)
    assert own(*connect, given=PASSWORD)[0] == 0
    own("once", "calendar/own")
    before = there(stub)
    table = f'kind = "caldav"\nurl = "{other.url.rstrip("/")}"\nseal = "env:SEAL"\nrate = 500.0\n'
    own.settings(f'{table}show = ["initials"]')
    own("once", "calendar/own")
    assert there(stub) == before
    assert "--doctor 1 --yes" in own.listed()[1]["problem"]
    code, said = own(*connect, given=PASSWORD)
    assert (code, str(len(before)) in said) == (1, True)
    assert own(*connect, "--yes", given=PASSWORD)[0] == 0
    assert own("once", "calendar/own")[0] == 0
    assert there(other).keys() == there(stub).keys() == before.keys()
    assert own("calendar", "purge", "own", "--yes")[0] == 0
    assert (there(other), there(stub)) == ({}, before)


def test_a_calendar_into_which_another_destination_writes_is_not_taken(own: Clinic, stub: CalDavProcess) -> None:
    url = stub.calendar("private", name="Личное")
    connect = ("calendar", "connect", "own", "--doctor", "1", "--user", USER, "--calendar", url)
    other = books.Link(7, 1, url, own=False, state="on")
    store = open_store(f"sqlite:///{own.folder / 'identsync.db'}")
    store.migrate()
    with store.write() as connection:
        books.put_link(connection, "other", other, 0)
    code, said = own(*connect, given=PASSWORD)
    assert (code, "[calendar.other]" in said) == (1, True)
    assert own.listed() == {}
    with store.write() as connection:
        books.set_state(connection, "other", 7, "off", 0)
    store.close()
    assert own(*connect, given=PASSWORD)[0] == 0


def test_another_google_account_of_the_clinic_does_not_leave_events_behind_unasked(
    google: Clinic, cloud: GoogleProcess
) -> None:
    second = "second@clinic.example"
    app = {"APP": cloud.app[1]}
    assert consent(google, cloud)[0] == 0
    assert google("once", "calendar/own", **app)[0] == 0
    old = google.read(lambda connection: books.links(connection, "own"))
    count = sum(len(cloud.events(link.address)) for link in old.values())
    assert consent(google, cloud)[0] == 0, "the same account again"
    assert google.read(lambda connection: books.links(connection, "own")) == old
    code, said = consent(google, cloud, user=second)
    assert (code, str(count) in said) == (1, True)
    assert "purge" in said
    assert google.read(lambda connection: books.links(connection, "own")) == old
    code, said = consent(google, cloud, "--yes", user=second)
    assert (code, str(count) in said) == (0, True)
    assert google("once", "calendar/own", **app)[0] == 0
    new = google.read(lambda connection: books.links(connection, "own"))
    assert sum(len(cloud.events(link.address)) for link in new.values()) == count
    owners = {one["id"]: one["owner"] for one in cloud.ask("GET", "calendars")}
    assert {owners[link.address] for link in new.values()} == {second}
    assert google("calendar", "purge", "own", "--yes", **app)[0] == 0
    assert all(cloud.events(link.address) for link in old.values())
