"""The room against the strict site: its own process, a real socket, a real limiter, a generated network."""

import asyncio
import time
import zlib
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest

from identsync.core.board import Boards
from identsync.demo.site.process import SiteProcess
from identsync.engine.integration import PageContext, Status
from identsync.errors import Refused, StaleFence, SuspiciousChange
from identsync.flows.mirror import approve
from identsync.integrations.timetable.check import check
from identsync.integrations.timetable.kept import Gone, gone, packed, unpacked
from identsync.integrations.timetable.page import PAGES
from identsync.integrations.timetable.sent import sites_of
from identsync.integrations.timetable.settings import Destination
from identsync.integrations.timetable.snapshot import read
from identsync.integrations.timetable.task import scope_of

from .conftest import Network, destination


def posted(site: SiteProcess) -> list[dict]:
    return site.ask("GET", "posted")


def test_a_snapshot_is_confirmed_once_and_again_only_when_it_changes(network: Network, site: SiteProcess):
    before = len(posted(site))
    to = destination(site)
    outcome = network.go(to)
    assert (outcome.status, outcome.counts["confirmed"]) == (Status.OK, 1)
    (first,) = posted(site)[before:]
    assert (first["doctors"], first["branches"]) == (12, [1, 2, 3])
    assert network.go(to).counts["confirmed"] == 0
    network.sql("DELETE FROM clinic_appointment WHERE appointment_id % 50 = 0")
    assert network.go(to).counts["confirmed"] == 1
    second = posted(site)[-1]
    assert len(posted(site)) == before + 2
    assert second["intervals"] > first["intervals"]
    (item,) = network.items()
    assert (item.state, item.answer, item.label) == ("confirmed", "ok", "Все врачи одним телом")
    now = read(network.clinic, to, time.time_ns() // 1_000_000)
    assert unpacked(item.payload) == now.parts[0].boards


def test_the_body_is_what_the_clinic_says(network: Network, site: SiteProcess):
    network.go(destination(site, branches=[2], days=3))
    body = next(one for one in site.ask("GET", "timetable") if [row["Id"] for row in one["Branches"]] == [2])
    zone = ZoneInfo("Asia/Yekaterinburg")
    today = datetime.now(zone).date()
    starts = [datetime.fromisoformat(row["StartDateTime"]) for row in body["Intervals"]]
    assert {start.date() - today for start in starts} <= {timedelta(0), timedelta(1), timedelta(2)}
    assert {start.utcoffset() for start in starts} == {timedelta(hours=5)}
    assert starts[0].minute % 15 == 0
    (branch,) = [row for row in network.clinic.branches() if row.id == 2]
    assert body["Branches"] == [{"Id": 2, "Name": branch.name}]
    names = {row.id: row.name for row in network.clinic.staff() if row.branch_id == 2}
    assert {row["Id"]: row["Name"] for row in body["Doctors"]} == names
    assert network.items(scope=2), "a site of one branch is that branch's task"


def test_by_branch(network: Network, site: SiteProcess):
    before = len(posted(site))
    to = destination(site, split="branch")
    assert network.go(to).counts["confirmed"] == 3
    assert sorted(one["branches"] for one in posted(site)[before:]) == [[1], [2], [3]]
    network.sql("DELETE FROM clinic_appointment WHERE branch_id = 2 AND appointment_id % 40 = 0")
    assert network.go(to).counts["confirmed"] == 1
    assert posted(site)[-1]["branches"] == [2]
    labels = [item.label for item in network.items()]
    assert labels == [branch.name for branch in network.clinic.branches()]


SPLITS = pytest.mark.parametrize("split", [{"split": "branch"}, {"split": "doctors", "max_bytes": 100_000}])


@SPLITS
def test_a_doctor_who_left_has_no_time_at_a_site_that_puts_parts_together(network: Network, site: SiteProcess, split):
    to = destination(site, **split)
    network.go(to)
    left = next(row for row in network.clinic.staff() if row.branch_id == 2)
    network.sql(f"DELETE FROM clinic_staff WHERE branch_id = 2 AND doctor_id = {left.id}")
    bodies = sent(network, site, to)
    (told,) = [body for body in bodies if {"Id": left.id, "Name": left.name} in body["Doctors"]]
    assert [row["Id"] for row in told["Branches"]] == [2]
    assert not any(row["DoctorId"] == left.id for body in bodies for row in body["Intervals"])
    assert sent(network, site, to) == [], "once is enough"


@SPLITS
def test_a_branch_that_nobody_works_in_any_more_has_no_time_either(network: Network, site: SiteProcess, split):
    to = destination(site, **split, shrink=100)
    network.go(to)
    names = {row.id: row.name for row in network.clinic.staff() if row.branch_id == 2}
    (branch,) = [row for row in network.clinic.branches() if row.id == 2]
    network.sql("DELETE FROM clinic_staff WHERE branch_id = 2")
    bodies = sent(network, site, to)
    assert {row["Id"]: row["Name"] for body in bodies for row in body["Doctors"]} == names
    assert all(body["Branches"] == [{"Id": 2, "Name": branch.name}] and not body["Intervals"] for body in bodies)
    assert all(item.label != branch.name for item in network.items())


def test_who_is_gone_is_named_as_he_was_and_by_his_number_where_an_older_client_kept_no_name():
    boards = Boards([(2, 5), (2, 6)], 20_000, 1, 15)
    kept = packed(boards, {5: "Ершова", 6: "Белов", 7: "Чужой"}, {2: "Ленина"})
    assert unpacked(kept) == boards
    assert gone(kept, {(2, 6)}) == Gone({5: "Ершова"}, {2: "Ленина"})
    assert gone(zlib.compress(boards.pack()), {(2, 6)}) == Gone({5: "Врач № 5"}, {2: "Филиал № 2"})
    assert gone(kept, {(2, 5), (2, 6)}) == gone(None, ()) == gone(b"damaged", ()) == gone(kept[:-3], ()) == Gone()


def sent(network: Network, site: SiteProcess, to: Destination) -> list[dict]:
    """Run once and give the bodies that the site was sent."""
    before = len(posted(site))
    network.go(to)
    keys = [one["branches"] for one in posted(site)[before:]]
    return [body for body in site.ask("GET", "timetable") if sorted(row["Id"] for row in body["Branches"]) in keys]


def test_a_limit_of_the_site(network: Network, site: SiteProcess):
    to = destination(site, branches=[1, 2])
    whole = read(network.clinic, to, time.time_ns() // 1_000_000)
    from identsync.integrations.timetable import wire

    limit = wire.body(whole.parts[0].boards, whole.names).length() // 3
    site.options(max_bytes=limit)
    before = len(posted(site))

    blind = network.go(to, "blind")
    assert blind.counts["rejected"] == 1
    assert network.items()[0].answer.startswith("413: тело слишком велико")
    told = network.go(destination(site, branches=[1, 2], max_bytes=limit), "told")
    assert told.status is Status.PARTIAL
    assert told.counts["rejected"] == 1
    requests = site.ask("GET", "requests")
    branchwise = network.go(destination(site, branches=[1, 2], max_bytes=limit, split="branch"), "branches")
    assert branchwise.counts["rejected"] == 2, "a branch does not fit either, and the site is spared"
    assert len(site.ask("GET", "requests")) == len(requests)
    by_doctors = network.go(destination(site, branches=[1, 2], max_bytes=limit, split="doctors"), "doctors")
    assert by_doctors.status is Status.OK
    got = posted(site)[before:]
    assert len(got) == by_doctors.counts["confirmed"] > 2
    assert sum(one["doctors"] for one in got) == 8
    assert all(one["bytes"] <= limit for one in got)
    assert any("split" in item.answer for item in network.items() if item.stream == "timetable/told")


def test_gzip(network: Network, site: SiteProcess):
    assert network.go(destination(site, gzip=True)).status is Status.OK
    site.options(gzip=False)
    outcome = network.go(destination(site, gzip=True, days=29))
    assert outcome.counts["rejected"] == 1
    assert "gzip" in network.items()[0].answer


def test_doctors_without_a_name_stay_at_home(network: Network, site: SiteProcess):
    network.sql("UPDATE clinic_staff SET name = '  ' WHERE doctor_id = 3")
    network.sql("UPDATE clinic_staff SET name = 'Два' || char(10) || ' слова' WHERE doctor_id = 4")
    outcome = network.go(destination(site))
    assert outcome.status is Status.OK
    assert outcome.note == "без имени и потому не отправлены врачи: 3"
    assert posted(site)[-1]["doctors"] == 11
    body = next(one for one in site.ask("GET", "timetable") if len(one["Branches"]) == 3)
    assert {"Id": 4, "Name": "Два слова"} in body["Doctors"]
    assert network.go(destination(site, doctors=[1, 2])).counts["confirmed"] == 1
    assert posted(site)[-1]["doctors"] == 2


def test_a_branch_without_a_name_stays_at_home_and_is_said_so(network: Network, site: SiteProcess):
    network.sql("UPDATE clinic_branch SET name = ' ' WHERE branch_id = 2")
    outcome = network.go(destination(site))
    assert posted(site)[-1]["branches"] == [1, 3]
    assert outcome.note == "без названия и потому не отправлены филиалы: 2"


def test_zones_that_two_branches_had_the_wrong_way_round_are_sent_anew(network: Network, site: SiteProcess):
    """Noon in UTC: the day is the same in all of Russia but its east, so only the offsets differ."""
    noon = (time.time_ns() // 86_400_000_000_000 * 1440 + 720) * 60_000
    to = destination(site)
    zones = {branch.id: branch.zone for branch in network.clinic.branches()}
    before = read(network.clinic, to, noon).desired(to)
    network.sql(f"UPDATE clinic_branch SET time_zone = '{zones[3]}' WHERE branch_id = 2")
    network.sql(f"UPDATE clinic_branch SET time_zone = '{zones[2]}' WHERE branch_id = 3")
    after = read(network.clinic, to, noon).desired(to)
    assert len(before.difference(after).changed) == 1


def test_a_new_name_is_sent(network: Network, site: SiteProcess):
    to = destination(site)
    network.go(to)
    network.sql("UPDATE clinic_staff SET name = 'Новая Фамилия' WHERE doctor_id = 1")
    assert network.go(to).counts["confirmed"] == 1


def test_lost_answer(network: Network, site: SiteProcess):
    before = len(posted(site))
    site.fault("lose", method="PostTimeTable")
    outcome = network.go(destination(site, interval=1000))
    assert outcome.status is Status.LATER
    assert network.items()[0].state == "unknown"
    assert outcome.retry_ms is not None
    assert outcome.retry_ms <= 1200
    time.sleep(outcome.retry_ms / 1000)  # what the engine does with retry_ms
    assert network.go(destination(site, interval=1000)).status is Status.OK
    one, two = posted(site)[before:]
    assert (one["answered"], two["answered"]) == (False, True)
    assert one["sha256"] == two["sha256"]


def test_a_site_that_left_the_settings_asks_nobody_any_more(network: Network, site: SiteProcess):
    """Its rows stay, but the number in the menu would point at nothing that a page shows."""
    site.fault("fail", times=2, status=400)
    gone, moved = destination(site), destination(site, branches=[1])
    network.go(gone, "gone")
    network.go(moved, "moved")
    assert PAGES[0].attention is not None

    def asked(sites: dict[str, Destination]) -> int:
        return PAGES[0].attention(PageContext(network.store, network.clinic, sites, "", time.time_ns() // 1_000_000))

    assert asked({"gone": gone, "moved": moved}) == 2
    assert asked({"moved": moved}) == 1
    assert asked({"moved": destination(site, branches=[1, 2])}) == 0
    assert asked({}) == 0


def test_a_branch_whose_name_begins_like_anothers_is_not_shown_the_others_parts(network: Network, site: SiteProcess):
    network.sql("UPDATE clinic_branch SET name = 'Центр' WHERE branch_id = 1")
    network.sql("UPDATE clinic_branch SET name = 'Центр, у парка' WHERE branch_id = 2")
    to = destination(site, split="doctors", max_bytes=100_000)
    network.go(to)
    branches = network.clinic.branches()
    context = PageContext(network.store, network.clinic, {"site": to}, "", time.time_ns() // 1_000_000)
    (sent,) = sites_of(context, branches, branches[0])
    assert {branch for boards in sent.parts for branch, _doctor in boards.seats} == {1}
    assert sent.changed == 0


@pytest.mark.parametrize(
    ("fault", "state", "status"),
    [
        ({"kind": "html"}, "unknown", Status.PARTIAL),
        ({"kind": "fail", "status": 503, "retry_after": 77}, "unknown", Status.LATER),
        ({"kind": "fail", "status": 429, "retry_after": 77}, "later", Status.LATER),
        ({"kind": "fail", "status": 404}, "later", Status.PARTIAL),
        ({"kind": "fail", "status": 400}, "rejected", Status.PARTIAL),
        ({"kind": "redirect", "status": 302}, "unknown", Status.PARTIAL),
        ({"kind": "drop"}, "unknown", Status.LATER),
        ({"kind": "cut"}, "unknown", Status.LATER),
        ({"kind": "endless"}, "confirmed", Status.OK),
        ({"kind": "redirect", "status": 307}, "confirmed", Status.OK),
    ],
)
def test_faults_have_a_clear_state(network: Network, site: SiteProcess, fault, state, status):
    site.fault(method="PostTimeTable", **fault)
    outcome = network.go(destination(site))
    (item,) = network.items()
    assert (item.state, outcome.status) == (state, status)
    if "retry_after" in fault:
        assert outcome.retry_ms is not None
        assert 70_000 < outcome.retry_ms <= 77_000
    if state not in {"confirmed"}:
        assert item.answer
        assert item.attempts == 1


def test_a_wrong_key_asks_a_person(network: Network, site: SiteProcess, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_SITE_KEY", "wrong")
    with pytest.raises(Refused) as caught:
        network.go(destination(site))
    assert "wrong" not in str(caught.value)
    assert network.items()[0].answer == "site: unknown key"
    monkeypatch.setenv("TEST_SITE_KEY", site.key)
    assert network.go(destination(site)).status is Status.OK


def test_a_read_that_failed_quietly_sends_nothing(network: Network, site: SiteProcess):
    to = destination(site)
    network.go(to)
    before = len(posted(site))
    network.sql("CREATE TABLE away AS SELECT * FROM clinic_appointment")
    network.sql("DELETE FROM clinic_appointment")  # everything looks free: patients would be booked over each other
    with pytest.raises(SuspiciousChange):
        network.go(to)
    assert len(posted(site)) == before
    assert {row.asked_weight for row in network.streams().values()} == {None, 0}
    network.sql("INSERT INTO clinic_appointment SELECT * FROM away")
    assert network.go(to).status is Status.OK
    network.sql("DELETE FROM clinic_shift WHERE branch_id <> 1")
    with pytest.raises(SuspiciousChange):
        network.go(to)
    with network.store.write() as connection:
        assert approve(connection, "timetable/site", 0)
    assert network.go(to).status is Status.OK
    assert len(posted(site)) == before + 1


def test_who_lost_the_task_confirms_nothing(network: Network, site: SiteProcess):
    to = destination(site)
    task = network.task(to)

    def taken_over(fence):
        network.store.limiter().release(fence)

    with pytest.raises(StaleFence):
        asyncio.run(network.once(task, taken_over))
    assert network.items() == []


def test_scopes(network: Network, site: SiteProcess):
    branches = network.clinic.branches()
    assert scope_of(destination(site), branches) == 0
    assert scope_of(destination(site), branches[:1]) == 1
    assert scope_of(destination(site, branches=[3]), branches) == 3


def test_two_dates_in_one_country(network: Network, site: SiteProcess):
    """At 22:00 in Moscow it is tomorrow in Yekaterinburg (branch 2) and still today in Kaliningrad (branch 3)."""
    day = network.clinic.branches() and time.time_ns() // 86_400_000_000_000
    at_ms = (day * 1440 + 19 * 60) * 60_000
    parts = read(network.clinic, destination(site, split="branch"), at_ms).parts
    assert {part.key: part.boards.first_day - day for part in parts} == {1: 0, 2: 1, 3: 0}
    assert {part.boards.days for part in parts} == {30}
    (whole,) = read(network.clinic, destination(site), at_ms).parts
    assert (whole.boards.first_day - day, whole.boards.days) == (0, 31)


def test_check_knocks_without_sending(network: Network, site: SiteProcess, monkeypatch: pytest.MonkeyPatch):
    before = len(posted(site))
    context = PageContext(network.store, network.clinic, None, "", 0)
    fine, nowhere = destination(site), destination(site, branches=[1, 77])
    dead = type(fine)(url="http://127.0.0.1:9", key="env:TEST_SITE_KEY")
    no_key = type(fine)(url=site.url, key="env:NOT_SET_AT_ALL")
    sites = {"fine": fine, "nowhere": nowhere, "dead": dead, "no_key": no_key}
    found = asyncio.run(check(sites, context))
    assert [problem.where for problem in found] == [f"timetable.{name}" for name in sites if name != "fine"]
    assert "77" in found[0].what
    site.fault("fail", status=404, method="PostTimeTable")
    (lost,) = asyncio.run(check({"fine": fine}, context))
    assert "404" in lost.what
    monkeypatch.setenv("TEST_SITE_KEY", "wrong")
    (refused,) = asyncio.run(check({"fine": fine}, context))
    assert "401" in refused.what
    assert len(posted(site)) == before


def test_no_patient_ever(network: Network, site: SiteProcess):
    network.go(destination(site))
    body = orjson.dumps(site.ask("GET", "timetable")).decode()
    with network.engine.connect() as connection:
        surnames = connection.exec_driver_sql("SELECT surname || ' ' || name FROM clinic_patient LIMIT 200").scalars()
        assert not [name for name in surnames if name in body]
