"""Published feeds: real files in a real folder, and on a strict WebDAV, as readers of subscriptions see them."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar
from msgspec.structs import replace
from sqlalchemy import create_engine, text, update
from webdav import PASSWORD as DAV_PASSWORD  # type: ignore[import-not-found]
from webdav import USER as DAV_USER
from webdav import WebDav, webdav

from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.engine.integration import Outcome, Role, Status
from identsync.engine.loop import Engine
from identsync.flows.mirror import approve
from identsync.integrations.calendar import INTEGRATION, books, feed, leaving
from identsync.integrations.calendar.books import Link
from identsync.integrations.calendar.published import CANCELLED_MS, Published
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.shelf import Folder
from identsync.language import said
from identsync.spans import DAY_MS
from identsync.store import Store, open_store
from identsync.store.tables import mirror_item, task_slot

DAYS = 12
TODAY = time.time_ns() // 86_400_000_000_000
PUBLIC = "https://clinic.example/ical"


@dataclass
class Scene:
    """A clinic of two branches with two doctors each, and the engine's tables."""

    store: Store
    clinic: ClinicSource
    engine: Any
    destination: CalendarDestination

    async def go(self, branch: int = 1) -> Outcome:
        tasks = INTEGRATION.tasks({"ical": self.destination}, self.clinic.branches())
        [task] = [task for task in tasks if task.scope == branch]
        engine = Engine(
            store=self.store, clinic=self.clinic, tasks=[task], role=Role.ADMINISTRATOR, branch=branch
        )  # fmt: skip
        outcome = await engine.run_once(task.kind, task.scope)
        assert isinstance(outcome, Outcome), outcome
        return outcome

    @property
    def links(self) -> dict[int, Link]:
        with self.store.read() as connection:
            return books.links(connection, "ical")

    def sql(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def write(self, change: Callable[[Any], Any]) -> Any:
        with self.store.write() as connection:
            return change(connection)

    def rotate(self, doctor: int) -> None:
        assert self.write(lambda connection: feed.rotate(connection, "ical", doctor, self.store.now_ms()))

    def appointment(self, doctor: int, number: int, minute: int, branch: int = 1) -> None:
        """An appointment of this test's own, ``minute`` minutes after tomorrow's midnight."""
        row = {"id": number, "branch": branch, "doctor": doctor, "start": (TODAY + 1) * 1440 + minute}
        self.sql(
            "INSERT INTO clinic_appointment (appointment_id, branch_id, doctor_id, patient_id, kind, start_minute,"
            " length_minutes, changed_ms) VALUES (:id, :branch, :doctor, 1, 0, :start, 30, 0)",
            **row,
        )

    def starts(self, doctor: int) -> set[datetime]:
        """When the clinic's appointments of a doctor begin."""
        zone = ZoneInfo(self.clinic.branches()[0].zone)
        with self.engine.begin() as connection:
            minutes = connection.execute(
                text("SELECT start_minute FROM clinic_appointment WHERE doctor_id=:doctor"), {"doctor": doctor}
            ).scalars()
            wall = [datetime(1970, 1, 1, tzinfo=zone) + timedelta(minutes=minute) for minute in minutes]
        return {at.astimezone(UTC) for at in wall}


@pytest.fixture
def scene(tmp_path: Path, clone: Callable[[str], str]) -> Iterator[Scene]:
    with scened(tmp_path, clone("sqlite")) as scene:
        yield scene


@contextmanager
def scened(tmp_path: Path, url: str) -> Iterator[Scene]:
    engine = create_engine(f"sqlite:///{tmp_path / 'clinic.db'}")
    generate(engine, GeneratorSettings(branches=2, doctors=2, days=DAYS, seed=5, first_day=TODAY - 2))
    store = open_store(url)
    folder = tmp_path / "подписки врачей"
    folder.mkdir()
    yield Scene(store, ClinicSource(engine), engine, published(folder=str(folder)))
    store.close()
    engine.dispose()


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebDav]:
    monkeypatch.setenv("TEST_DAV", DAV_PASSWORD)
    with webdav() as made:
        yield made


def published(**keys: Any) -> CalendarDestination:
    return CalendarDestination(kind="feed", public_url=PUBLIC, **keys)


def on_webdav(shared: WebDav, **keys: Any) -> CalendarDestination:
    return published(url=shared.url, user=DAV_USER, password="env:TEST_DAV", rate=1000.0, **keys)


def folder_of(scene: Scene) -> Path:
    assert scene.destination.folder is not None
    return Path(scene.destination.folder)


def read(content: bytes) -> dict[str, list[Any]]:
    """Events of a file by status, as icalendar reads them."""
    found: dict[str, list[Any]] = {"": [], "CANCELLED": []}
    for event in Calendar.from_ical(content).walk("VEVENT"):
        found[str(event.get("STATUS", ""))].append(event)
    return found


def of(scene: Scene, doctor: int) -> dict[str, list[Any]]:
    return read((folder_of(scene) / f"{scene.links[doctor].address}.ics").read_bytes())


async def test_each_doctor_has_a_file_that_holds_his_events_and_nothing_about_anybody(scene: Scene) -> None:
    outcome = await scene.go()
    assert outcome.status is Status.OK
    assert (outcome.counts["confirmed"], outcome.counts["desired"]) == (2, 2)
    home = {doctor.id for doctor in scene.clinic.staff([1])}
    assert set(scene.links) == home
    assert len(list(folder_of(scene).iterdir())) == 2
    for doctor in home:
        events = of(scene, doctor)[""]
        expected = {at for at in scene.starts(doctor) if at.timestamp() * 1000 > (TODAY - 8) * DAY_MS}
        assert {event.start for event in events} == expected
        assert {str(event["SUMMARY"]) for event in events} <= {"Занято", "Резерв"}
    [one, _two] = (content.read_bytes() for content in folder_of(scene).iterdir())
    for doctor in scene.clinic.staff([1]):
        assert doctor.name.split()[0].encode() not in one


async def test_the_token_is_random_long_and_fit_for_any_file_system(scene: Scene) -> None:
    await scene.go()
    tokens = [link.address for link in scene.links.values()]
    assert len(set(tokens)) == 2
    for token in tokens:
        assert len(bytes.fromhex(token)) * 8 >= 128
        assert token == token.lower()
    link = next(iter(scene.links.values()))
    assert feed.address_of(scene.destination, link) == f"{PUBLIC}/{link.address}.ics"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes: the folder's list says who may read")
async def test_a_web_server_of_another_user_may_read_the_files(scene: Scene) -> None:
    await scene.go()
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder_of(scene).iterdir()} == {0o644}


async def test_only_the_file_that_differs_is_written(scene: Scene, shared: WebDav) -> None:
    scene.destination = on_webdav(shared)
    await scene.go()
    assert [verb for verb, _path, _status in shared.requests] == ["PUT", "PUT"]
    shared.requests.clear()
    await scene.go()
    assert shared.requests == []
    doctor = min(scene.links)
    scene.appointment(doctor, 900_001, 600)
    await scene.go()
    assert shared.requests == [("PUT", f"/ical/{scene.links[doctor].address}.ics", 204)]


async def test_a_cancelled_visit_stands_as_cancelled_and_is_dropped_after_three_days(scene: Scene) -> None:
    doctor = min(doctor.id for doctor in scene.clinic.staff([1]))
    scene.appointment(doctor, 900_001, 600)
    await scene.go()
    before = {str(event["UID"]): event.start for event in of(scene, doctor)[""]}
    scene.sql("DELETE FROM clinic_appointment WHERE appointment_id = 900001")
    await scene.go()
    [gone] = of(scene, doctor)["CANCELLED"]
    assert before[str(gone["UID"])] == gone.start
    assert str(gone["SUMMARY"]) == "Занято"
    assert str(gone["UID"]) not in {str(event["UID"]) for event in of(scene, doctor)[""]}
    scene.write(lambda connection: _age(connection, doctor, CANCELLED_MS))
    await scene.go()
    assert of(scene, doctor)["CANCELLED"] == []


def _age(connection: Any, doctor: int, ms: int) -> None:
    """Let what was kept of a doctor's file be older."""
    row = connection.execute(mirror_item.select().where(mirror_item.c.key == doctor)).one()
    old = Published.unpack(row.payload)
    gone = tuple((one, since - ms) for one, since in old.cancelled)
    older = Published(old.token, old.what, old.place, old.events, gone).pack()
    aged = {"payload": older, "changed_ms": row.changed_ms - ms}
    connection.execute(update(mirror_item).where(mirror_item.c.key == doctor).values(aged))


async def test_another_folder_in_the_settings_takes_the_files_along(scene: Scene, tmp_path: Path) -> None:
    old = folder_of(scene)
    (tmp_path / "new").mkdir()
    await scene.go()
    doctor, other = sorted(scene.links)
    scene.write(lambda connection: books.set_state(connection, "ical", other, "paused", 1))
    scene.destination = replace(scene.destination, folder=str(tmp_path / "new"))
    assert (await scene.go()).status is Status.OK
    assert names(scene) == {scene.links[doctor].address}
    assert {file.stem for file in old.iterdir()} == {scene.links[other].address}, "his stays as it is"
    scene.write(lambda connection: leaving.begin(connection, "ical", scene.destination, [doctor, other], 1))
    await scene.go()
    assert names(scene) == {file.stem for file in old.iterdir()} == set()
    assert {link.state for link in scene.links.values()} == {"off"}


async def test_a_folder_that_is_out_of_reach_is_told_to_a_person(scene: Scene, tmp_path: Path) -> None:
    old = folder_of(scene)
    (tmp_path / "new").mkdir()
    await scene.go()
    old.rename(tmp_path / "away")
    scene.destination = replace(scene.destination, folder=str(tmp_path / "new"))
    assert (await scene.go()).status is Status.OK
    assert len(names(scene)) == 2
    assert all(str(old) in said(link.problem or "") for link in scene.links.values())


async def test_another_address_on_the_same_server_takes_the_files_along(scene: Scene, shared: WebDav) -> None:
    scene.destination = on_webdav(shared)
    await scene.go()
    before = set(shared.files)
    assert len(before) == 2
    scene.destination = replace(scene.destination, url=f"{shared.url}/")
    assert (await scene.go()).status is Status.OK
    assert set(shared.files) == before, "the same place, spelled otherwise"
    scene.destination = replace(scene.destination, url=f"{shared.url}/new")
    assert (await scene.go()).status is Status.OK
    assert set(shared.files) == {f"new/{name}" for name in before}


async def test_another_server_is_not_shown_the_password_of_the_old_one_nor_the_other_way_round(
    scene: Scene, shared: WebDav
) -> None:
    scene.destination = on_webdav(shared)
    await scene.go()
    before, asked = set(shared.files), len(shared.requests)
    with webdav() as another:
        scene.destination = replace(scene.destination, url=another.url)
        assert (await scene.go()).status is Status.OK
        assert set(another.files) == before
    assert (set(shared.files), len(shared.requests)) == (before, asked)
    assert all(shared.url in said(link.problem or "") for link in scene.links.values()), "a person is told"


def names(scene: Scene) -> set[str]:
    return {file.stem for file in folder_of(scene).iterdir()}


async def test_a_new_address_takes_the_old_file_away_however_often(scene: Scene) -> None:
    await scene.go()
    doctor = min(scene.links)
    old = scene.links[doctor].address
    scene.rotate(doctor)
    scene.rotate(doctor)
    new = scene.links[doctor].address
    assert new != old
    assert (folder_of(scene) / f"{old}.ics").exists(), "until the task has run"
    await scene.go()
    assert {file.stem for file in folder_of(scene).iterdir()} == {link.address for link in scene.links.values()}
    assert scene.links[doctor].token is None
    assert of(scene, doctor)[""]


async def test_a_doctor_who_takes_leave_has_no_file_and_may_come_back(scene: Scene) -> None:
    await scene.go()
    doctor, other = sorted(scene.links)
    old = scene.links[doctor].address
    now = scene.store.now_ms()
    scene.write(lambda connection: leaving.begin(connection, "ical", scene.destination, {doctor, other}, now))
    await scene.go()
    assert {link.state for link in scene.links.values()} == {"off"}
    assert list(folder_of(scene).iterdir()) == []
    with scene.store.read() as connection:
        assert leaving.held(connection, "ical", scene.destination) == []
    await scene.go()
    assert list(folder_of(scene).iterdir()) == [], "nobody is given a feed again by himself"
    scene.write(lambda connection: books.set_state(connection, "ical", doctor, "on", now))
    await scene.go()
    assert [file.stem for file in folder_of(scene).iterdir()] == [scene.links[doctor].address] == [old]


async def test_a_paused_feed_stays_as_it_is(scene: Scene) -> None:
    await scene.go()
    doctor, other = sorted(scene.links)
    scene.write(lambda connection: books.set_state(connection, "ical", doctor, "paused", 1))
    scene.appointment(doctor, 900_001, 600)
    scene.appointment(other, 900_002, 600)
    was = len(of(scene, doctor)[""]), len(of(scene, other)[""])
    await scene.go()
    assert (len(of(scene, doctor)[""]), len(of(scene, other)[""])) == (was[0], was[1] + 1)
    scene.write(lambda connection: books.set_state(connection, "ical", doctor, "on", 1))
    await scene.go()
    assert len(of(scene, doctor)[""]) == was[0] + 1


async def test_a_feed_paused_during_a_run_is_not_written_any_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.go()
    for number, doctor in enumerate(scene.links):
        scene.appointment(doctor, 900_000 + number, 600)
    put = Folder.put

    async def paused(folder: Folder, token: str, content: bytes) -> Any:
        for doctor in scene.links:
            scene.write(lambda connection, doctor=doctor: books.set_state(connection, "ical", doctor, "paused", 1))
        return await put(folder, token, content)

    monkeypatch.setattr(Folder, "put", paused)
    before = {file: file.read_bytes() for file in folder_of(scene).iterdir()}
    scene.destination = replace(scene.destination, parallel=1)
    await scene.go()
    monkeypatch.undo()
    assert sum(file.read_bytes() != content for file, content in before.items()) == 1, "what was on its way"


async def test_a_doctor_who_moves_to_another_branch_keeps_his_address(scene: Scene) -> None:
    await scene.go(1)
    doctor = min(scene.links)
    address = scene.links[doctor].address
    scene.sql("UPDATE clinic_staff SET branch_id = 2 WHERE doctor_id = :doctor", doctor=doctor)
    await scene.go(2)
    await scene.go(1)
    assert (scene.links[doctor].address, scene.links[doctor].scope) == (address, 2)
    assert (folder_of(scene) / f"{address}.ics").exists()


async def test_a_file_that_somebody_removed_is_back_within_the_time_of_repairs(scene: Scene) -> None:
    await scene.go()
    doctor = min(scene.links)
    (folder_of(scene) / f"{scene.links[doctor].address}.ics").unlink()
    scene.write(lambda connection: _age(connection, doctor, scene.destination.repair))
    await scene.go()
    assert of(scene, doctor)[""]


async def test_a_folder_that_is_away_asks_a_person_and_counts_as_no_removal(scene: Scene) -> None:
    await scene.go()
    doctors, now = sorted(scene.links), scene.store.now_ms()
    folder_of(scene).rename(folder_of(scene).with_name("away"))
    scene.write(lambda connection: leaving.begin(connection, "ical", scene.destination, doctors, now))
    assert (await scene.go()).status is Status.ASK
    assert {link.state for link in scene.links.values()} == {"leaving"}
    folder_of(scene).with_name("away").rename(folder_of(scene))
    await scene.go()
    assert {link.state for link in scene.links.values()} == {"off"}
    assert list(folder_of(scene).iterdir()) == []


@pytest.mark.parametrize(
    ("status", "ends"), [(503, Status.LATER), (413, Status.PARTIAL), (403, Status.ASK), (409, Status.ASK)]
)
async def test_whatever_a_webdav_answers_it_is_put_right_later(
    scene: Scene, shared: WebDav, status: int, ends: Status
) -> None:
    scene.destination = on_webdav(shared, parallel=1)
    shared.statuses.append(status)
    outcome = await scene.go()
    assert outcome.status is ends
    told = outcome.note + "".join(str(link.problem) for link in scene.links.values())
    assert not any(link.address in told for link in scene.links.values()), "an address is a secret"
    scene.write(lambda connection: connection.execute(update(mirror_item).values(retry_ms=None)))
    assert (await scene.go()).status is Status.OK
    assert {name.removesuffix(".ics") for name in shared.files} == {link.address for link in scene.links.values()}


async def test_an_old_address_on_a_webdav_that_cannot_be_deleted_is_tried_again(scene: Scene, shared: WebDav) -> None:
    scene.destination = on_webdav(shared)
    await scene.go()
    doctor = min(scene.links)
    scene.rotate(doctor)
    shared.statuses.append(423)
    await scene.go()
    assert scene.links[doctor].token
    assert len(shared.files) == 3
    await scene.go()
    assert scene.links[doctor].token is None
    assert {name.removesuffix(".ics") for name in shared.files} == {link.address for link in scene.links.values()}


def feeds_of(scene: Scene) -> set[int]:
    """Whose files are in the folder."""
    folder = Path(scene.destination.folder or "")
    return {link.doctor for link in scene.links.values() if (folder / f"{link.address}.ics").exists()}


async def test_a_branch_that_is_not_chosen_any_more_publishes_nothing_and_chosen_again_the_same_addresses(scene: Scene):
    for branch in (1, 2):
        await scene.go(branch)
    addresses = {link.address for link in scene.links.values()}
    for chosen in [2], []:
        scene.destination = replace(scene.destination, branches=chosen)
        for branch in (1, 2):
            assert (await scene.go(branch)).status is Status.OK
        staff = scene.clinic.staff()
        assert feeds_of(scene) == {doctor.id for doctor in staff if doctor.branch_id in (chosen or [1, 2])}
    assert {link.address for link in scene.links.values()} == addresses


async def test_the_files_of_a_closed_branch_go_and_who_works_elsewhere_keeps_his(
    tmp_path: Path, clone: Callable[[str], str], dialect: str
):
    with scened(tmp_path, clone(dialect)) as scene:
        both, only = (doctor.id for doctor in scene.clinic.staff() if doctor.branch_id == 1)
        scene.sql("INSERT INTO clinic_staff SELECT 2, doctor_id, name, '' FROM clinic_staff WHERE doctor_id=:d", d=both)
        for branch in (1, 2):
            await scene.go(branch)
        for table in ("clinic_branch", "clinic_staff", "clinic_appointment"):
            scene.sql(f"DELETE FROM {table} WHERE branch_id=1")
        await scene.go(2)  # the doctor has moved in
        scene.write(lambda connection: connection.execute(update(task_slot).values(finished_ms=0)))
        for _ in range(2):
            assert (await scene.go(2)).status is Status.OK
        assert feeds_of(scene) == scene.links.keys() - {only}
        assert both in scene.links


def content(scene: Scene, doctor: int) -> bytes:
    return (folder_of(scene) / f"{scene.links[doctor].address}.ics").read_bytes()


async def test_a_doctor_whose_visits_vanish_keeps_his_file_until_a_person_decides(scene: Scene):
    await scene.go()
    doctor, other = sorted(link.doctor for link in scene.links.values() if link.scope == 1)[:2]
    for number in range(11):
        scene.appointment(doctor, 900_000 + number, 480 + 40 * number)
    scene.destination = replace(scene.destination, shrink=100)
    await scene.go()
    before, others = content(scene, doctor), content(scene, other)
    scene.sql("DELETE FROM clinic_appointment WHERE doctor_id=:doctor", doctor=doctor)
    scene.appointment(other, 900_100, 1200)
    outcome = await scene.go()
    assert outcome.status is Status.PARTIAL
    assert content(scene, doctor) == before
    assert content(scene, other) != others
    scene.write(lambda connection: approve(connection, "calendar/ical", 1, str(doctor)))
    assert (await scene.go()).status is Status.OK
    assert content(scene, doctor) != before
