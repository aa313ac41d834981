"""``identsync calendar pause``, ``resume``, ``purge`` where some are not concerned, or a branch is there no more."""

from cli_clinic import Clinic  # type: ignore[import-not-found]
from servers import USER  # type: ignore[import-not-found]
from sqlalchemy import text

from identsync.demo.caldav.process import CalDavProcess
from identsync.integrations.calendar import books
from identsync.store import open_store
from identsync.store.connect import store_engine


def test_what_a_branch_had_written_that_was_closed_is_purged_with_the_rest(clinic: Clinic, stub: CalDavProcess) -> None:
    url = stub.url.rstrip("/")
    clinic.settings(f'kind = "caldav"\nurl = "{url}"\nuser = "{USER}"\npassword = "env:CLINIC"\nrate = 500.0')
    engine = store_engine(f"sqlite:///{clinic.folder / 'identsync.db'}")
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
