"""The counterparty is strict: what a real receiver refuses, it refuses, and it writes everything down."""

import gzip
import http.client
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from identsync.demo.site.people import TRAPS, People
from identsync.demo.site.process import SiteProcess
from identsync.demo.site.timetable import BadBody, read_timetable

QUARTER = "2026-05-12T10:15:00+03:00"
LONG = {"dateTimeFrom": "2000-01-01T00:00:00+03:00", "dateTimeTo": "2200-01-01T23:59:59+03:00"}


@pytest.fixture(scope="module")
def running() -> Iterator[SiteProcess]:
    with SiteProcess("--max-bytes", "20000", key="the-key") as process:
        yield process


@pytest.fixture
def site(running: SiteProcess) -> SiteProcess:
    running.behave()
    running.options(gzip=True, refuse_with=401, max_days=0)
    return running


def ask(site: SiteProcess, verb: str, target: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(verb, target, body, {"IDENT-Integration-Key": site.key, **named})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def tickets(site: SiteProcess, **query: Any) -> list[dict[str, Any]]:
    status, body = ask(site, "GET", f"/ident/v1/GetTickets?{urlencode(LONG | query)}")
    assert status == 200, body
    return orjson.loads(body)


def interval(**change: Any) -> dict[str, Any]:
    row = {"DoctorId": 7, "BranchId": 2, "StartDateTime": "2026-05-12T10:00:00+03:00", "LengthInMinutes": 15}
    return row | {"IsBusy": False} | change


def body(*intervals: dict[str, Any], **change: Any) -> bytes:
    doctors, branches = [{"Id": 7, "Name": "Зимина В."}], [{"Id": 2, "Name": "Север"}]
    return orjson.dumps({"Doctors": doctors, "Branches": branches, "Intervals": list(intervals)} | change)


def post(site: SiteProcess, data: bytes, **headers: str) -> tuple[int, bytes]:
    return ask(site, "POST", "/PostTimeTable", data, **({"Content_Type": "application/json"} | headers))


class TestTickets:
    def test_pages_are_the_whole_in_order(self, site: SiteProcess) -> None:
        site.make(25)
        whole = tickets(site)
        paged = [row for offset in range(0, len(whole) + 7, 7) for row in tickets(site, limit=7, offset=offset)]
        assert paged == whole
        assert len(whole) >= 25

    def test_the_range_holds_both_its_ends(self, site: SiteProcess) -> None:
        at = "2011-11-11T11:11:11+03:00"
        ids = [site.make(1, "emoji", at)[0]]
        assert [row["Id"] for row in tickets(site, dateTimeFrom=at, dateTimeTo=at)] == ids
        before, after = "2011-11-11T11:11:10+03:00", "2011-11-11T11:11:12+03:00"
        assert tickets(site, dateTimeTo=before, dateTimeFrom=before) == []
        assert tickets(site, dateTimeTo=after, dateTimeFrom=after) == []

    @pytest.mark.parametrize(
        "query",
        [
            "dateTimeFrom=2026-01-01T00:00:00+03:00&dateTimeTo=2026-01-02T00:00:00%2B03:00",
            "dateTimeFrom=2026-01-01T00:00:00&dateTimeTo=2026-01-02T00:00:00%2B03:00",
            "dateTimeTo=2026-01-02T00:00:00%2B03:00",
            urlencode({"dateTimeFrom": LONG["dateTimeTo"], "dateTimeTo": LONG["dateTimeFrom"]}),
            urlencode(LONG | {"limit": "0"}),
            urlencode(LONG | {"offset": "-1"}),
        ],
    )
    def test_a_wrong_question_is_refused(self, site: SiteProcess, query: str) -> None:
        assert ask(site, "GET", f"/GetTickets?{query}")[0] == 400

    def test_the_books_know_what_was_handed_out(self, site: SiteProcess) -> None:
        before = site.books()["leads_made"]
        fresh = set(site.make(3))
        assert not any(made["served"] for made in site.leads() if made["id"] in fresh)
        tickets(site)
        assert all(made["served"] == 1 for made in site.leads() if made["id"] in fresh)
        assert site.books()["leads_made"] == before + 3

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_wrong_key_is_refused_in_words(self, site: SiteProcess, status: int) -> None:
        site.options(refuse_with=status)
        answer = ask(site, "GET", f"/GetTickets?{urlencode(LONG)}", IDENT_Integration_Key="wrong")
        assert answer == (status, b"site: unknown key")


class TestPeople:
    @pytest.mark.parametrize("trap", TRAPS)
    def test_every_trap_is_a_row_the_site_can_list(self, site: SiteProcess, trap: str) -> None:
        made = site.make(1, trap)[0]
        assert sum(row["Id"] == made for row in tickets(site)) == 1

    def test_the_same_seed_makes_the_same_people(self) -> None:
        at = datetime(2026, 5, 1, tzinfo=UTC)
        first, second = People(5), People(5)
        assert [first.lead(at, first.odd()) for _ in range(40)] == [second.lead(at, second.odd()) for _ in range(40)]


class TestTimetable:
    def test_a_good_body_is_confirmed_and_kept(self, site: SiteProcess) -> None:
        busy = interval(StartDateTime=QUARTER, LengthInMinutes=45, IsBusy=True)
        before = site.books()
        assert post(site, body(interval(), busy)) == (200, b"ok")
        after = site.books()
        assert after["timetables_confirmed"] == before["timetables_confirmed"] + 1
        assert after["intervals_last"] == 2
        assert site.ask("GET", "timetable")[-1]["Intervals"][1]["IsBusy"] is True

    @pytest.mark.parametrize(
        ("reason", "data"),
        [
            ("LengthInMinutes 0", body(interval(LengthInMinutes=0))),
            ("LengthInMinutes -15", body(interval(LengthInMinutes=-15))),
            ("free time of 30", body(interval(LengthInMinutes=30))),
            ("busy time of 735", body(interval(LengthInMinutes=735, IsBusy=True))),
            ("not declared in Doctors", body(interval(DoctorId=8))),
            ("not declared in Branches", body(interval(BranchId=3))),
            ("there already", body(interval(), interval())),
            (
                "overlaps",
                body(interval(LengthInMinutes=30, IsBusy=True), interval(StartDateTime=QUARTER)),
            ),
            ("not sorted", body(interval(StartDateTime="2026-05-12T11:00:00+03:00"), interval())),
            (
                "not merged",
                body(interval(IsBusy=True), interval(StartDateTime=QUARTER, IsBusy=True)),
            ),
            ("not on the grid", body(interval(StartDateTime="2026-05-12T10:05:00+03:00"))),
            ("is not YYYY", body(interval(StartDateTime="2026-05-12T10:00:00"))),
            ("is not YYYY", body(interval(StartDateTime="2026-05-12T10:00:00.000+03:00"))),
            ("is not YYYY", body(interval(StartDateTime="2026-02-30T10:00:00+03:00"))),
            ("no Name", body(interval(), Doctors=[{"Id": 7, "Name": " "}])),
            ("declared twice", body(interval(), Branches=[{"Id": 2, "Name": "А"}, {"Id": 2, "Name": "Б"}])),
            ("Expected `bool`", body(interval(IsBusy=0))),
            ("Expected `int`", body(interval(LengthInMinutes="15"))),
            ("unknown field `Patient`", body(interval(Patient="Зимина"))),
            ("Expected `array`", body(interval(), Branches=None)),
            ("not the JSON", body(interval())[:-9]),
        ],
    )
    def test_a_bad_body_is_refused_with_the_reason(self, reason: str, data: bytes) -> None:
        with pytest.raises(BadBody) as refused:
            read_timetable(data)
        assert any(reason in line for line in refused.value.reasons), refused.value.reasons

    def test_all_reasons_are_said(self) -> None:
        with pytest.raises(BadBody) as refused:
            read_timetable(body(interval(LengthInMinutes=0, DoctorId=9), interval(BranchId=9)))
        assert len(refused.value.reasons) == 3

    def test_the_hour_that_comes_twice_is_in_order(self) -> None:
        start = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)
        spelled = [start + timedelta(minutes=15 * cell) for cell in range(12)]
        rows = [interval(StartDateTime=at.astimezone(_berlin(at)).isoformat(timespec="seconds")) for at in spelled]
        assert len(read_timetable(body(*rows)).intervals) == 12

    def test_http_refusals(self, site: SiteProcess) -> None:
        assert post(site, body(interval(LengthInMinutes=0)))[0] == 400
        assert post(site, body(*[interval()] * 300))[0] == 413
        assert post(site, body(interval()), Content_Type="text/plain")[0] == 415
        assert ask(site, "GET", "/PostTimeTable")[0] == 405
        assert ask(site, "POST", "/PostTimetable", b"{}")[0] == 404

    def test_gzip_by_switch(self, site: SiteProcess) -> None:
        packed = gzip.compress(body(interval()))
        assert post(site, packed, Content_Encoding="gzip")[0] == 200
        assert post(site, packed[:-9], Content_Encoding="gzip")[0] == 400
        assert post(site, gzip.compress(b" " * 30_000), Content_Encoding="gzip")[0] == 413
        site.options(gzip=False)
        assert post(site, packed, Content_Encoding="gzip")[0] == 415


def _berlin(at: datetime) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo("Europe/Berlin")


class TestFaults:
    def test_an_answer_can_be_lost_after_the_work(self, site: SiteProcess) -> None:
        before = site.books()["timetables_confirmed"]
        site.fault("lose", method="PostTimeTable")
        with pytest.raises(ConnectionResetError):
            post(site, body(interval()))
        assert site.books()["timetables_confirmed"] == before + 1
        assert site.ask("GET", "posted")[-1]["answered"] is False
        assert post(site, body(interval()))[0] == 200

    def test_a_request_can_be_dropped_before_the_work(self, site: SiteProcess) -> None:
        before = site.books()["timetables_confirmed"]
        site.fault("drop")
        with pytest.raises(ConnectionResetError):
            post(site, body(interval()))
        assert site.books()["timetables_confirmed"] == before

    def test_garbage(self, site: SiteProcess) -> None:
        site.make(2)
        target = f"/GetTickets?{urlencode(LONG)}"
        for kind, start in (("html", b"<!doctype"), ("null", b"null"), ("object", b"{"), ("half", b"[{")):
            site.fault(kind)
            status, data = ask(site, "GET", target)
            assert (status, data[: len(start)]) == (200, start)
            if kind == "half":
                with pytest.raises(orjson.JSONDecodeError):
                    orjson.loads(data)
        site.fault("fail", status=503, retry_after=7, skip=1, times=2)
        assert [ask(site, "GET", target)[0] for _ in range(4)] == [200, 503, 503, 200]

    def test_a_broken_answer(self, site: SiteProcess) -> None:
        site.make(2)
        site.fault("cut")
        with pytest.raises(http.client.IncompleteRead):
            ask(site, "GET", f"/GetTickets?{urlencode(LONG)}")

    def test_an_endless_answer_ends_with_the_reader(self, site: SiteProcess) -> None:
        site.fault("endless")
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        connection.request("GET", f"/GetTickets?{urlencode(LONG)}", headers={"IDENT-Integration-Key": site.key})
        assert len(connection.getresponse().read(1 << 20)) == 1 << 20
        connection.close()
        assert isinstance(tickets(site), list)

    def test_moved(self, site: SiteProcess) -> None:
        site.fault("redirect", status=307)
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        connection.request("GET", f"/a/GetTickets?{urlencode(LONG)}", headers={"IDENT-Integration-Key": site.key})
        answer = connection.getresponse()
        location = answer.headers["Location"]
        connection.close()
        assert answer.status == 307
        assert ask(site, "GET", location)[0] == 200

    def test_paging_can_be_ignored(self, site: SiteProcess) -> None:
        site.make(3)
        site.fault("same_page")
        assert len(tickets(site, limit=1, offset=1)) >= 3


def test_the_admin_door_has_its_own_key(site: SiteProcess) -> None:
    assert ask(site, "GET", "/_site/books", X_Site_Key=site.key)[0] == 401
    with pytest.raises(ValueError, match="no GET"):
        site.ask("GET", "nothing")
    with pytest.raises(ValueError, match="no such trap"):
        site.make(1, "joke")


def test_leads_come_at_a_rate_and_the_process_ends_with_its_parent() -> None:
    with SiteProcess("--lead-rate", "60000", "--bad-share", "0.1") as site:
        while site.books()["leads_made"] < 20:
            pass
        rows = tickets(site)
    assert len({row["Id"] for row in rows if isinstance(row, dict) and isinstance(row.get("Id"), str)}) >= 20
    assert site._process.returncode == 0
