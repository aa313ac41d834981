"""``identsync check`` of the calendars: every destination is tried, every problem has a hint, nothing is raised."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from servers import PASSWORD, USER  # type: ignore[import-not-found]
from webdav import PASSWORD as DAV_PASSWORD  # type: ignore[import-not-found]
from webdav import USER as DAV_USER
from webdav import WebDav, webdav

from identsync.demo.caldav.process import CalDavProcess
from identsync.demo.google.process import GoogleProcess
from identsync.errors import Problem
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import Account
from identsync.integrations.calendar.check import check
from identsync.integrations.calendar.seal import seal
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.store import Store, open_store

KEY = "длинный общий ключ сети клиник"
NOBODY = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def secrets_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASSWORD", PASSWORD)
    monkeypatch.setenv("TEST_DAV", DAV_PASSWORD)
    monkeypatch.setenv("TEST_WRONG", "wrong")
    monkeypatch.setenv("TEST_SEAL", KEY)
    monkeypatch.setenv("TEST_SHORT", "123456")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'engine.db'}")
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def shared() -> Iterator[WebDav]:
    with webdav() as made:
        yield made


Check = Callable[..., Any]


@pytest.fixture
def checked(store: Store) -> Check:
    async def tried(**keys: Any) -> list[Problem]:
        return await check({"one": CalendarDestination(**keys)}, SimpleNamespace(store=store))

    return tried


def connect(store: Store, doctor: int, login: str, password: str) -> None:
    sealed = seal("env:TEST_SEAL", "one", doctor, password)
    with store.write() as connection:
        books.put_account(connection, "one", Account(doctor, login, None, sealed), 1)


def caldav(url: str, **more: Any) -> Mapping[str, Any]:
    return {"kind": "caldav", "url": url.rstrip("/"), **more}


async def test_an_account_that_is_accepted_and_has_a_home_is_no_problem(checked: Check, stub: CalDavProcess) -> None:
    assert await checked(**caldav(stub.url, user=USER, password="env:TEST_PASSWORD")) == []


async def test_what_is_wrong_with_the_clinics_account_is_told_with_what_to_do(
    checked: Check, stub: CalDavProcess
) -> None:
    [refused] = await checked(**caldav(stub.url, user=USER, password="env:TEST_WRONG"))
    assert refused.where == "[calendar.one]"
    assert "401" in refused.what
    assert refused.hint
    [missing] = [
        one for one in await checked(**caldav(NOBODY, user=USER, password="env:TEST_NONE")) if "TEST_NONE" in one.what
    ]
    assert missing.where == "[calendar.one] password"
    [away] = await checked(**caldav(NOBODY, user=USER, password="env:TEST_PASSWORD"))
    assert "нет связи" in away.what
    [alone] = await checked(**caldav(NOBODY, seal="env:TEST_SEAL"))
    assert "нет связи" in alone.what, "nobody is connected yet: the server is asked all the same"


async def test_doctors_accounts_are_tried_and_named_by_number(
    checked: Check, store: Store, stub: CalDavProcess
) -> None:
    connect(store, 7, USER, PASSWORD)
    connect(store, 8, USER, "changed since")
    [problem] = await checked(**caldav(stub.url, seal="env:TEST_SEAL"))
    assert problem.what.startswith("врач 8: ")
    assert USER not in problem.what


async def test_a_weak_seal_and_another_computers_seal(
    checked: Check, store: Store, stub: CalDavProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    [weak] = await checked(**caldav(stub.url, seal="env:TEST_SHORT"))
    assert weak.where == "[calendar.one] seal"
    assert "16" in weak.what
    connect(store, 7, USER, PASSWORD)
    connect(store, 8, USER, PASSWORD)
    monkeypatch.setenv("TEST_SEAL", KEY + "!")
    [other] = await checked(**caldav(stub.url, seal="env:TEST_SEAL"))
    assert "другим ключом" in other.what
    assert "на всех компьютерах" in other.hint


async def test_a_folder_that_can_be_written_is_left_as_it_was(checked: Check, tmp_path: Path) -> None:
    folder = tmp_path / "подписки врачей"
    feed = {"kind": "feed", "folder": str(folder), "public_url": "https://clinic.example/ical"}
    [missing] = await checked(**feed)
    assert missing.where == "[calendar.one] folder"
    assert missing.hint
    folder.mkdir()
    assert await checked(**feed) == []
    assert list(folder.iterdir()) == []


async def test_a_webdav_is_written_and_cleaned(checked: Check, shared: WebDav) -> None:
    feed = {"kind": "feed", "url": shared.url, "user": DAV_USER, "public_url": "https://clinic.example/ical"}
    assert await checked(**feed, password="env:TEST_DAV") == []
    assert [verb for verb, _path, _status in shared.requests] == ["PUT", "DELETE"]
    assert shared.files == {}
    [refused] = await checked(**feed, password="env:TEST_WRONG")
    assert "401" in refused.what
    [elsewhere] = await checked(**feed | {"url": shared.url + "/deeper"}, password="env:TEST_DAV")
    assert "нет папки" in elsewhere.what


@pytest.fixture(scope="module")
def cloud() -> Iterator[GoogleProcess]:
    with GoogleProcess(seed=3) as process:
        yield process


async def test_google_is_asked_whether_it_knows_the_application(
    checked: Check, store: Store, cloud: GoogleProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, secret = cloud.app
    monkeypatch.setenv("TEST_CLIENT", secret)
    google = {"kind": "google", "url": cloud.url, "client_id": client, "seal": "env:TEST_SEAL"}
    assert await checked(**google, client_secret="env:TEST_CLIENT") == []
    [unknown] = await checked(**google, client_secret="env:TEST_WRONG")
    assert unknown.where == "[calendar.one] client_id"
    assert "Desktop app" in unknown.hint
    connect(store, 7, "", cloud.grant("seven@example.com"))
    connect(store, 8, "", "revoked long ago")
    [revoked] = await checked(**google, client_secret="env:TEST_CLIENT")
    assert revoked.what.startswith("врач 8: ")
    assert "заново" in revoked.hint


async def test_a_calendar_that_two_destinations_keep_is_told_by_both_with_what_to_do(
    store: Store, tmp_path: Path
) -> None:
    """It is refused to whoever connects it now; some were connected before it was."""
    with store.write() as connection:
        for name in ("one", "two", "three"):
            address = "https://there.example/seven/" if name != "three" else "https://there.example/eight/"
            books.put_link(connection, name, books.Link(7, 1, address, own=False, state="on"), 1)
    feed = CalendarDestination(kind="feed", folder=str(tmp_path), public_url="https://x.example")
    found = await check(dict.fromkeys(("one", "two", "three"), feed), SimpleNamespace(store=store))
    assert [problem.where for problem in found] == ["[calendar.one]", "[calendar.two]"]
    assert "[calendar.two]" in found[0].what
    assert found[0].hint.endswith("identsync calendar connect one --doctor 7")


async def test_all_destinations_are_tried_whatever_fails(store: Store, tmp_path: Path) -> None:
    settings = {
        "a": CalendarDestination(**caldav(NOBODY, user=USER, password="env:TEST_PASSWORD")),
        "b": CalendarDestination(kind="feed", folder=str(tmp_path / "none"), public_url="https://x.example"),
    }
    found = await check(settings, SimpleNamespace(store=None))
    assert [problem.where.split("]")[0] for problem in found] == ["[calendar.a", "[calendar.b"]
