"""From an address and a password to calendars: real servers, odd servers, and where the password does not go."""

import contextlib
import html
import socket
import threading
from collections.abc import Iterator

import pytest
from servers import PASSWORD, USER, Server, permit

from identsync.demo.caldav.process import CalDavProcess
from identsync.errors import IdentsyncError, Limited, Refused, Unexpected
from identsync.flows.http import Http
from identsync.integrations.calendar.wire.caldav import CalDav
from identsync.integrations.calendar.wire.dav import Dav
from identsync.integrations.calendar.wire.discovery import (
    Account,
    discover,
    make_calendar,
    may_see_the_password,
    starts,
)


@pytest.fixture
def dav(http: Http) -> Dav:
    return Dav(http, USER, PASSWORD, permit)


@pytest.fixture
def stranger() -> Iterator[tuple[int, list[bytes]]]:
    """A server under another name that keeps whatever it is told."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        def listen() -> None:
            try:
                while True:
                    connection, _address = listening.accept()
                    heard.append(connection.recv(65536))
                    connection.close()
            except OSError:
                return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield listening.getsockname()[1], heard
        with contextlib.suppress(OSError):  # Windows ends accept() at close
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(30)


class TestServers:
    async def test_a_calendar_is_made_found_and_written_to(self, server: Server, dav: Dav) -> None:
        account = await discover(dav, server.url)
        assert account.hosts == ("127.0.0.1",)
        url = await make_calendar(dav, account.homes[0], "ivanov", "Иванов А. <терапевт>", "#2266cc")
        listed = {one.url: one for one in (await discover(dav, server.url)).calendars}[url]
        name = html.unescape(listed.name) if server.name == "davical" else listed.name  # which escapes it once more
        assert (name, listed.writable, listed.events) == ("Иванов А. <терапевт>", True, True)
        assert listed.colour.lower() == "#2266cc"
        assert (await CalDav(dav, url).changes(None)).whole

    async def test_one_that_is_there_is_as_good_as_made(self, server: Server, dav: Dav) -> None:
        home = (await discover(dav, server.url)).homes[0]
        first = await make_calendar(dav, home, "petrov", "Петров")
        assert await make_calendar(dav, home, "petrov", "Петров снова") == first
        names = [one.name for one in (await discover(dav, server.url)).calendars if one.url == first]
        assert names == ["Петров"]

    async def test_the_address_of_a_home_or_of_a_calendar_does_too(self, server: Server, dav: Dav) -> None:
        homes = (await discover(dav, server.url)).homes
        url = await make_calendar(dav, homes[0], "sidorov", "Сидоров")
        for address in (homes[0], url, url.rstrip("/")):
            found = await discover(dav, address)
            assert found.homes == homes
            assert url in {one.url for one in found.calendars}

    async def test_a_wrong_password_is_tried_once(self, stub: CalDavProcess, http: Http) -> None:
        """Yandex and iCloud lock accounts."""
        with pytest.raises(Refused) as caught:
            await discover(Dav(http, USER, "wrong", permit), stub.url)
        assert "пароль приложения" in caught.value.hint
        assert [one["status"] for one in stub.requests()] == [301, 401]


class TestOddServers:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_well_known_leads_on(self, stub: CalDavProcess, dav: Dav, status: int) -> None:
        stub.options(well_known=status)
        assert (await discover(dav, stub.url)).homes == (f"{stub.url}dav/calendars/{USER}/",)

    async def test_no_well_known_at_all(self, stub: CalDavProcess, dav: Dav) -> None:
        stub.options(well_known=404)
        assert (await discover(dav, stub.url)).homes == (f"{stub.url}dav/calendars/{USER}/",)

    async def test_an_at_sign_may_be_escaped(self, stub: CalDavProcess, dav: Dav) -> None:
        stub.calendar("ivanov")
        stub.fault("escaped", times=None)
        account = await discover(dav, stub.url)
        assert [one.url.replace("%40", "@") for one in account.calendars] == [f"{stub.url}dav/calendars/{USER}/ivanov/"]
        assert (await CalDav(dav, account.calendars[0].url).changes(None)).whole

    async def test_a_calendar_listed_twice_is_one_and_a_read_only_one_is_told(
        self, stub: CalDavProcess, dav: Dav
    ) -> None:
        stub.calendar("holidays", read_only=True)
        stub.fault("duplicate", times=None)
        assert [(one.name, one.writable) for one in (await discover(dav, stub.url)).calendars] == [("holidays", False)]

    async def test_calendars_listed_under_a_proxys_inner_host_are_where_they_were_listed(
        self, stub: CalDavProcess, dav: Dav
    ) -> None:
        url = stub.calendar("ivanov")
        stub.fault("absolute", times=None)
        assert [one.url for one in (await discover(dav, stub.url)).calendars] == [url]

    async def test_a_login_page_or_no_caldav_says_what_to_do(self, stub: CalDavProcess, dav: Dav) -> None:
        stub.fault("html", times=None)
        with pytest.raises(Unexpected) as caught:
            await discover(dav, stub.url)
        assert "не найдены" in str(caught.value)
        assert "remote.php/dav" in caught.value.hint

    async def test_without_mkcalendar_an_extended_mkcol_does(self, stub: CalDavProcess, dav: Dav) -> None:
        stub.options(mkcalendar=False)
        home = (await discover(dav, stub.url)).homes[0]
        url = await make_calendar(dav, home, "ivanov", "Иванов")
        assert [(one.url, one.name) for one in (await discover(dav, stub.url)).calendars] == [(url, "Иванов")]

    async def test_where_calendars_cannot_be_made_a_person_is_told_to(self, stub: CalDavProcess, dav: Dav) -> None:
        stub.options(creating=False)
        with pytest.raises(Refused) as caught:
            await make_calendar(dav, (await discover(dav, stub.url)).homes[0], "ivanov", "Иванов")
        assert "Создайте календарь «Иванов»" in caught.value.hint

    async def test_the_address_of_a_deleted_calendar_may_not_be_had_again(self, stub: CalDavProcess, dav: Dav) -> None:
        stub.options(trashbin=True)
        home = (await discover(dav, stub.url)).homes[0]
        assert await make_calendar(dav, home, "ivanov", "Иванов") == f"{home}ivanov/"
        stub.person("drop", "ivanov")
        for _again in range(2):
            assert await make_calendar(dav, home, "ivanov", "Иванов") == f"{home}ivanov-2/"

    async def test_nextcloud_makes_few_calendars_an_hour(self, stub: CalDavProcess, dav: Dav) -> None:
        home = (await discover(dav, stub.url)).homes[0]
        stub.fault("fail", method="MKCALENDAR", status=429, retry_after=600)
        with pytest.raises(Limited) as caught:
            await make_calendar(dav, home, "ivanov", "Иванов")
        assert caught.value.after_ms == 600_000
        assert [one["what"] for one in stub.requests()].count("MKCOL") == 0


class TestWhereThePasswordGoes:
    async def test_not_to_another_host(self, stub: CalDavProcess, dav: Dav, stranger: tuple[int, list[bytes]]) -> None:
        port, heard = stranger
        stub.options(well_known_to=f"http://localhost:{port}/dav/")
        with pytest.raises(Refused, match="пароль туда не посылается") as caught:
            await discover(dav, stub.url)
        assert f"localhost:{port}" in str(caught.value)
        assert "можно доверить" in caught.value.hint
        stub.options(well_known=404, homes_at=f"http://localhost:{port}")
        with pytest.raises(Refused, match="пароль туда не посылается"):
            await discover(dav, stub.url)
        assert heard == []

    async def test_not_round_in_circles(self, stub: CalDavProcess, dav: Dav) -> None:
        stub.options(well_known_to="/.well-known/caldav")
        homes = (await discover(dav, stub.url)).homes
        assert homes == (f"{stub.url}dav/calendars/{USER}/",), "another usual place answers"
        assert [one["status"] for one in stub.requests()].count(301) == 5

    @pytest.mark.parametrize(
        ("old", "new", "may"),
        [
            ("https://a.example/", "https://a.example/dav/", True),
            ("http://a.example/", "https://a.example/", True),
            ("https://a.example/", "http://a.example/", False),
            ("https://a.example/", "ftp://a.example/", False),
            ("https://a.example/", "https://dav.a.example/", True),
            ("https://www.a.example/", "https://a.example/", True),
            ("https://a.example/", "https://example/", False),
            ("https://a.example/", "https://b.example/", False),
            ("https://a.example/", "https://evil-a.example/", False),
            ("https://a.example/", "https://a.example.evil.example/", False),
            ("https://a.example/", "https://a.example:8443/", False),
            ("https://a.example:8443/", "https://a.example:8443/dav/", True),
            ("https://a.example:8443/", "https://a.example/", True),
            ("https://a.example/", "https://me@a.example/", False),
            ("https://caldav.icloud.com/", "https://p42-caldav.icloud.com:443/1/", True),
            ("https://caldav.icloud.com/", "https://p42-caldav.icloud.com.evil.example/", False),
            ("https://p42.icloud.example/", "https://p43.icloud.example/", False),
            ("http://127.0.0.1:5/", "http://0.0.1:5/", False),
            ("https://10.0.0.5/", "https://10.0.0.6/", False),
        ],
    )
    def test_only_to_the_same_owner(self, old: str, new: str, may: bool) -> None:
        assert may_see_the_password(old, new) is may

    @pytest.mark.parametrize(
        ("home", "told"),
        [
            ("https://a.example/c/", False),
            ("http://127.0.0.1:5/c/", False),
            ("http://[::1]/c/", False),
            ("http://localhost/c/", False),
            ("http://10.0.0.5:5232/c/", True),
            ("http://cloud.example/c/", True),
        ],
    )
    def test_an_open_line_is_told(self, home: str, told: bool) -> None:
        assert Account((home,), (), ()).open_line is told


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "first"),
        [
            ("doctor@yandex.ru", "https://caldav.yandex.ru/"),
            ("Doctor@YA.ru", "https://caldav.yandex.ru/"),
            ("doctor@icloud.com", "https://caldav.icloud.com/"),
            ("doctor@me.com", "https://caldav.icloud.com/"),
            ("doctor@clinic.example", "https://clinic.example/.well-known/caldav"),
            (" cloud.clinic.example ", "https://cloud.clinic.example/.well-known/caldav"),
            ("http://10.0.0.5:5232", "http://10.0.0.5:5232/.well-known/caldav"),
            ("https://c.example/remote.php/dav?x=1#y", "https://c.example/remote.php/dav"),
        ],
    )
    def test_where_a_search_begins(self, address: str, first: str) -> None:
        """Yandex: SRV and well-known lead to hosts that answer 405 (Mailspring-Sync#87)."""
        assert next(starts(address)) == first

    @pytest.mark.parametrize("address", ["", "ftp://x.example/", "https://user:secret@x.example/", "https://", "a/b"])
    async def test_what_is_no_address_is_said_without_repeating_it(self, http: Http, address: str) -> None:
        with pytest.raises(IdentsyncError) as caught:
            await discover(Dav(http, USER, PASSWORD, permit), address)
        assert "secret" not in f"{caught.value}{caught.value.hint}{caught.value.raw}"
