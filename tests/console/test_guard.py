"""What stands before the pages: foreign names, foreign origins, missing tokens, wrong passwords."""

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from seed import add_lead, rooms, seed, tasks, town
from structlog.testing import capture_logs

from identsync.console.desk import Desk
from identsync.console.guard import POLICY, Guard, Password, Token, host_name, is_loopback
from identsync.console.metrics import metrics
from identsync.console.pages import entries
from identsync.console.server import Console, listen
from identsync.console.site import Entry, Site
from identsync.engine.integration import Answer, Page, PageContext
from identsync.errors import AskPerson, NoDatabase, SettingsError, Unavailable
from identsync.store import Store, open_store

SECRET = "верный пароль"
HERE = "http://127.0.0.1:8765"


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture
def file(clone: Callable[[str], str]) -> str:
    return clone("sqlite")


@pytest.fixture
def place(file: str) -> Any:
    store = open_store(file)
    seed(store, town(3), failing=0.3)
    yield store
    store.close()


@pytest.fixture
async def site(place: Store) -> AsyncIterator[Site]:
    desk = Desk()
    listed = entries(rooms(), tasks(), lambda *_: None)
    site = Site(place, town(3), listed, desk=desk, language="ru", zone="Europe/Moscow", metrics=metrics)
    yield site
    site.watch.close()
    desk.close()


def visitor(site: Site, *, address: str = "127.0.0.1", **guard: Any) -> httpx.AsyncClient:
    options: dict[str, Any] = {"names": ["localhost"], "addresses": False, "password": None, "user": "Ира"} | guard
    transport = httpx.ASGITransport(Guard(site.app, **options), client=(address, 5), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=HERE)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost:8765", "LOCALHOST", "[::1]:8765", "127.0.0.2:1"])
async def test_our_own_names_are_answered(site: Site, name: str) -> None:
    async with visitor(site) as client:
        assert (await client.get("/overview", headers={"host": name})).status_code == 200


@pytest.mark.parametrize(
    "name", ["evil.example", "localhost.evil.example", "192.168.1.5:8765", "", "127.0.0.1.evil.example"]
)
async def test_a_foreign_name_is_refused_so_that_rebinding_gets_nothing(site: Site, name: str) -> None:
    async with visitor(site) as client:
        answer = await client.get("/leads", headers={"host": name})
    assert answer.status_code == HTTPStatus.MISDIRECTED_REQUEST
    assert "Заявитель" not in answer.text


async def test_every_answer_forbids_frames_inline_scripts_and_keeping(site: Site) -> None:
    async with visitor(site) as client:
        for path in ("/overview", "/nowhere", "/healthz", "/leads", "/static/nothing.js"):
            headers = (await client.get(path)).headers
            assert headers["content-security-policy"] == POLICY, path
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cache-control"] == "no-store"
    assert "unsafe" not in POLICY


async def test_pages_hold_no_inline_script_or_style(site: Site, place: Store) -> None:
    add_lead(place, 1)
    async with visitor(site) as client:
        for path in ("/overview", "/leads?lead=1", "/journal", "/nowhere"):
            text = (await client.get(path)).text.lower()
            assert "<style" not in text, path
            assert " style=" not in text, path
            assert " onclick=" not in text, path
            assert text.count("<script") == text.count("<script src="), path


async def test_cookies_are_strict_and_out_of_reach_of_scripts(site: Site) -> None:
    async with visitor(site) as client:
        said = (await client.get("/overview?lang=en")).headers.get_list("set-cookie")
    assert len(said) == 2
    for cookie in said:
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()


async def press(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    form = {"kind": "leads/site", "scope": "0"}
    return await client.post("/overview/pause", data=form, headers=headers)


async def token_of(client: httpx.AsyncClient) -> str:
    return (await client.get("/overview")).headers["x-token"]


async def test_a_post_needs_the_token_of_the_visitor(site: Site) -> None:
    async with visitor(site) as client, visitor(site) as stranger:
        assert (await press(client)).status_code == 403
        token, other = await token_of(client), await token_of(stranger)
        assert (await press(client, **{"x-token": other})).status_code == 403
        assert (await press(client, **{"x-token": token})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:9999"},
    ],
)
async def test_a_post_from_elsewhere_is_refused_even_with_the_token(site: Site, headers: dict[str, str]) -> None:
    async with visitor(site) as client:
        token = await token_of(client)
        assert (await press(client, **{"x-token": token}, **headers)).status_code == 403
        own = {"origin": HERE, "sec-fetch-site": "same-origin"}
        assert (await press(client, **{"x-token": token}, **own)).status_code == 200


async def test_a_get_never_acts_and_other_methods_are_refused(site: Site) -> None:
    async with visitor(site) as client:
        assert (await client.get("/overview/pause")).status_code in (404, 405)
        assert (await client.put("/overview")).status_code == 405
        assert (await client.request("OPTIONS", "/overview")).status_code == 405


async def test_a_huge_form_is_refused(site: Site) -> None:
    async with visitor(site) as client:
        token = await token_of(client)
        answer = await client.post("/overview/run", content=b"kind=" + b"x" * 100_000, headers={"x-token": token})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "form", [{}, {"kind": "leads/site"}, {"kind": "nothing", "scope": "0"}, {"kind": "a", "scope": "x"}]
)
async def test_a_senseless_form_is_answered_in_words(site: Site, form: dict[str, str]) -> None:
    async with visitor(site) as client:
        answer = await client.post("/overview/run", data=form, headers={"x-token": await token_of(client)})
    assert answer.status_code == 409
    assert answer.json()["kind"] == "bad"
    assert answer.json()["notice"]


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static/en.po"]
)
async def test_nothing_but_the_static_files_is_served(site: Site, path: str) -> None:
    async with visitor(site) as client:
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/static/console.js")).status_code == 200


async def test_a_page_that_fails_says_what_to_do_and_no_traceback(site: Site, place: Store) -> None:
    add_lead(place, 1, full_name="Секретова")
    with place.write() as connection:
        connection.exec_driver_sql("DROP TABLE lead_event")
    async with visitor(site) as client:
        answer = await client.get("/leads?lead=1")
    assert answer.status_code == 503
    assert "База данных не отвечает" in answer.text
    assert "Traceback" not in answer.text
    assert "lead_event" not in answer.text


async def test_metrics_are_for_this_computer_only(site: Site) -> None:
    async with visitor(site) as client:
        assert 'identsync_task_eligible_seconds{kind="leads/site",scope="0"}' in (await client.get("/metrics")).text
    async with visitor(site, address="10.0.0.7", addresses=True) as client:
        assert (await client.get("/metrics")).status_code == 404


# -- the password ------------------------------------------------------------------------------------------------------


async def test_with_a_password_nothing_but_health_is_shown_without_it(site: Site) -> None:
    async with visitor(site, password=Password(lambda: SECRET)) as client:
        answer = await client.get("/leads")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
        assert (await client.get("/events")).status_code == 401
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/overview", headers=basic("Ира", SECRET))).status_code == 200


async def test_wrong_passwords_cost_more_and_more_time_and_only_their_own_address() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    password = Password(lambda: SECRET, sleep=sleep)
    for _attempt in range(6):
        assert await password.admit("10.0.0.1", basic("x", "wrong")["authorization"]) == HTTPStatus.UNAUTHORIZED
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert await password.admit("10.0.0.2", basic("Ира", SECRET)["authorization"]) == "Ира"
    assert len(waits) == 5
    assert await password.admit("10.0.0.1", basic("Ира", SECRET)["authorization"]) == "Ира"
    assert await password.admit("10.0.0.1", basic("Ира", SECRET)["authorization"]) == "Ира"
    assert len(waits) == 6


async def test_wrong_passwords_of_one_address_wait_in_line_and_the_line_has_an_end() -> None:
    gate = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        await gate.wait()

    password = Password(lambda: SECRET, sleep=sleep)
    wrong = basic("x", "wrong")["authorization"]
    await password.admit("10.0.0.1", wrong)
    line = [asyncio.create_task(password.admit("10.0.0.1", wrong)) for _ in range(40)]
    done, waiting = await asyncio.wait(line, timeout=0.2)
    assert {task.result() for task in done} == {HTTPStatus.TOO_MANY_REQUESTS}
    assert len(waiting) == 32
    gate.set()
    await asyncio.gather(*waiting)


async def test_metrics_of_a_silent_database_are_an_answer_in_words(site: Site) -> None:
    def silent(_context: Any) -> bytes:
        raise NoDatabase("база не отвечает", sent=False)

    site._metrics = silent
    async with visitor(site) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 503
    assert answer.json()["notice"] == "База данных не отвечает"


async def test_a_missing_secret_lets_nobody_in() -> None:
    def missing() -> str:
        raise AskPerson("env:NOTHING")

    assert await Password(missing).admit("1", basic("x", "")["authorization"]) == HTTPStatus.SERVICE_UNAVAILABLE


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Bearer x", "Basic " + base64.b64encode(b"\xff:x").decode()]
)
async def test_a_broken_authorization_is_no_authorization(header: str) -> None:
    assert await Password(lambda: SECRET, sleep=asyncio.sleep).admit("1", header) == HTTPStatus.UNAUTHORIZED


async def test_a_name_is_what_can_be_seen_of_it() -> None:
    who = basic("\u202eИра\0\r\n\u200b П.", SECRET)["authorization"]
    assert await Password(lambda: SECRET).admit("1", who) == "Ира П."
    assert await Password(lambda: SECRET).admit("1", basic("\0", SECRET)["authorization"]) == HTTPStatus.UNAUTHORIZED


def test_tokens_fit_their_visitor_only_and_die_with_the_process() -> None:
    token = Token()
    assert token.fits("a", token.of("a"))
    assert not token.fits("b", token.of("a"))
    assert not token.fits("", token.of(""))
    assert not Token().fits("a", token.of("a"))


def test_names_of_hosts() -> None:
    assert [host_name(text) for text in ("A.b:1", "[::1]:80", "[::1]", "x")] == ["a.b", "::1", "::1", "x"]
    assert [is_loopback(text) for text in ("127.0.0.5", "::1", "localhost", "10.0.0.1", "host")] == [True] * 3 + [
        False
    ] * 2


# -- the door --------------------------------------------------------------------------------------------------


async def test_no_open_door_without_a_password(place: Store) -> None:
    with pytest.raises(SettingsError, match=r"console\.host"):
        await Console(place, town(1), host="0.0.0.0", port=0).start()  # type: ignore[arg-type]


def test_a_taken_port_gives_the_next_one() -> None:
    first = listen("127.0.0.1", 0)
    port = first.getsockname()[1]
    second = listen("127.0.0.1", port)
    try:
        assert port < second.getsockname()[1] < port + 10
    finally:
        first.close()
        second.close()


def test_the_eleventh_client_of_a_terminal_server_works_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identsync.console.server.PORTS", 2)
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    clients: list[socket.socket] = []
    try:
        clients += [listen("127.0.0.1", port) for _ in range(4)]
        assert len({client.getsockname()[1] for client in clients}) == 4
    finally:
        for client in clients:
            client.close()


def test_an_address_that_is_not_ours_is_said_so() -> None:
    with pytest.raises(Unavailable, match="страницу негде открыть"):
        listen("203.0.113.1", 0)


async def test_the_web_server_is_imported_at_the_first_connection(place: Store) -> None:
    console = Console(place, town(1), port=0)  # type: ignore[arg-type]
    await console.start()
    assert console._server is None
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{console.url}healthz")).text == "ok\n"
    assert console._server is not None
    await console.stop()
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(console.url)


async def test_a_client_that_ends_while_its_first_page_is_being_opened_ends(place: Store) -> None:
    console = Console(place, town(1), port=0)  # type: ignore[arg-type]
    host, port = await console.start()
    _reader, writer = await asyncio.open_connection(host, port)
    if console._opening is None:
        console._knock()  # what the loop is about to do; the web server is imported in a thread now
    await asyncio.wait_for(console.stop(), 60)
    writer.close()


# -- strangers on a real socket ----------------------------------------------------------------------------------------


@pytest.fixture
async def open_page(place: Store) -> AsyncIterator[Console]:
    console = Console(place, town(1), port=0, password=lambda: SECRET)  # type: ignore[arg-type]
    await console.start()
    async with httpx.AsyncClient() as client:
        await client.get(f"{console.url}healthz")
    yield console
    await console.stop()


async def told(console: Console, *pieces: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*console._address)
    for piece in pieces:
        writer.write(piece)
    try:
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /leads HTTP/1.1\r\nHost: loc",
        b"POST /overview/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nkind=",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he",
    ],
)
async def test_a_request_that_never_ends_is_hung_up_on(
    open_page: Console, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("identsync.console.door.Door.whole_s", 0.05)
    reader, writer = await asyncio.open_connection(*open_page._address)
    writer.write(begun)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(60):
            while await reader.read(4096):
                pass
    writer.close()


async def test_a_stream_is_no_request_that_comes_slowly(open_page: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identsync.console.door.Door.whole_s", 0.05)
    monkeypatch.setattr("identsync.console.events.HEARTBEAT", 0.2)
    async with (
        httpx.AsyncClient(headers=basic("Ира", SECRET), timeout=60) as client,
        client.stream("GET", f"{open_page.url}events") as answer,
    ):
        heard = 0
        async for line in answer.aiter_lines():
            heard += line.startswith(": still here")
            if heard == 2:
                break
    assert heard == 2


async def test_other_computers_crowd_out_neither_each_other_nor_the_desk(
    open_page: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "10.0.0.1"
    monkeypatch.setattr("identsync.console.door.OF_ONE", 2)
    monkeypatch.setattr("identsync.console.door.OF_ALL", 3)
    monkeypatch.setattr("uvicorn.protocols.http.h11_impl.get_remote_addr", lambda _transport: (address, 5))
    ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def answered() -> bool:
        reader, writer = await asyncio.open_connection(*open_page._address)
        held.append(writer)
        writer.write(ask)
        with contextlib.suppress(ConnectionError):
            return bool(await asyncio.wait_for(reader.read(1), 60))
        return False

    held: list[asyncio.StreamWriter] = []
    assert [await answered() for _ in range(3)] == [True, True, False]
    address = "10.0.0.2"
    assert [await answered() for _ in range(2)] == [True, False]
    address = "127.0.0.1"
    assert all([await answered() for _ in range(5)])
    for writer in held:
        writer.close()


async def test_what_strangers_send_writes_no_line_into_the_journal(
    open_page: Console, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert b"400" in await told(open_page, b"\x16\x03\x01\x02\r\n\r\n")
    upgrade = b"GET /leads HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    assert b"401" in await told(open_page, upgrade)
    assert capfd.readouterr().err == ""
    assert not caplog.records


async def test_a_page_that_breaks_names_its_error_in_the_journal_and_no_values() -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ValueError("Секретова")

    guard = Guard(broken, names=["localhost"], addresses=False, password=None, user="")
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    with capture_logs() as told:
        await guard(scope, None, None)  # type: ignore[arg-type]
    assert [line["error"] for line in told] == ["ValueError"]
    assert "Секретова" not in str(told)


@pytest.mark.parametrize(
    ("mode", "wanted", "status"),
    [("no-cors", "script", 403), ("cors", "empty", 403), ("navigate", "iframe", 403), ("navigate", "document", 200)],
)
@pytest.mark.parametrize("from_where", ["cross-site", "same-site"])
async def test_another_site_may_lead_here_and_ask_for_nothing(
    site: Site, from_where: str, mode: str, wanted: str, status: int
) -> None:
    asked = {"sec-fetch-site": from_where, "sec-fetch-mode": mode, "sec-fetch-dest": wanted}
    async with visitor(site) as client:
        assert (await client.get("/overview", headers=asked)).status_code == status
        assert (await client.get("/overview", headers=asked | {"sec-fetch-site": "same-origin"})).status_code == 200


async def test_no_browser_keeps_what_is_told_of_people(place: Store) -> None:
    def told_of(answer: Answer) -> Callable[..., Answer]:
        return lambda _context, _query: answer

    async def sound(_context: PageContext, _query: Mapping[str, str]) -> Answer:
        return Answer(b"RIFF", "audio/wav", "tag")

    data = {
        "houses": told_of(Answer(b"[]")),
        "export": told_of(Answer(b"a", "text/csv", file="a.csv")),
        "town": told_of(Answer(b"{}", tag="tag")),
    }
    page = Page("room", "Комната", "", lambda *_: {}, version=lambda _: "1", data=data, media={"sound": sound})
    desk = Desk()
    site = Site(place, town(1), [Entry(page)], desk=desk, language="ru", zone="Europe/Moscow", metrics=metrics)
    async with visitor(site) as client:
        kept = {name: (await client.get(f"/room/{name}")).headers["cache-control"] for name in (*data, "sound")}
        again = await client.get("/room/town", headers={"if-none-match": '"tag"'})
    assert kept == {"houses": "no-store", "export": "no-store", "town": "private, no-cache", "sound": "no-store"}
    assert again.status_code == 304
    desk.close()
