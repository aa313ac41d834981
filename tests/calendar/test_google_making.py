"""A calendar whose making was answered to nobody: found again where the list may be seen, told of where it may not."""

from typing import Any

import pytest
from accounts import Account, endpoints

from identsync.demo.google.options import APP_CREATED
from identsync.demo.google.process import GoogleProcess
from identsync.errors import Refused, Unavailable, Unexpected
from identsync.flows.http import Http
from identsync.integrations.calendar.connecting import mark_of
from identsync.integrations.calendar.wire import google_making
from identsync.integrations.calendar.wire.google import Google
from identsync.integrations.calendar.wire.google_access import Access, App
from identsync.integrations.calendar.wire.google_making import LIST, found_again

KEY = bytes(range(32))
MARK = mark_of(KEY, "google", 5)
LOST = ["lose", "cut", "half", "fail_after"]  # what Google does with the answer to what it has done


@pytest.fixture
def listing(account: Account, http: Http) -> Account:
    """The same person, who lets his list of calendars be seen too."""
    process = account.process
    token = process.grant(account.user, scope=f"{APP_CREATED} {LIST}")
    return Account(process, http, account.user, Access(http, App(*process.app), token, endpoints=endpoints(process)))


def made(account: Account) -> list[dict[str, Any]]:
    """What our app has made in an account."""
    every: list[dict[str, Any]] = account.process.ask("GET", "calendars")
    return [one for one in every if (one["owner"], one["app"]) == (account.user, account.process.app[0])]


async def make(google: Google, mark: str = MARK) -> str:
    return await google_making.make(google, 5, "Приём: Иванов", "Europe/Moscow", mark)


@pytest.mark.parametrize("kind", LOST)
async def test_a_calendar_whose_making_was_not_answered_is_found_again(
    listing: Account, process: GoogleProcess, kind: str
) -> None:
    process.fault(kind, "make")
    with pytest.raises((Unavailable, Unexpected)):
        await make(listing.google)
    [there] = made(listing)
    assert await make(listing.google) == there["id"] == await make(listing.google)
    assert len(made(listing)) == 1


@pytest.mark.parametrize("kind", LOST)
async def test_where_nobody_may_look_the_run_says_what_may_be_left_behind(
    account: Account, process: GoogleProcess, kind: str
) -> None:
    process.fault(kind, "make")
    with pytest.raises(Unavailable) as told:
        await make(account.google)
    assert "лишний пустой календарь" in str(told.value)
    assert "врач 5" in str(told.value)
    assert "Иванов" not in str(told.value)
    assert told.value.sent
    assert await make(account.google) in {one["id"] for one in made(account)}


async def test_what_certainly_was_not_made_is_told_as_it_is(account: Account, process: GoogleProcess) -> None:
    process.fault("fail", "make", status=403, reason="insufficientPermissions")
    with pytest.raises(Refused):
        await make(account.google)
    assert made(account) == []


async def test_the_mark_is_found_on_any_page_and_no_other_is_taken_for_it(
    listing: Account, process: GoogleProcess
) -> None:
    others = [await make(listing.google, mark_of(KEY, "google", doctor)) for doctor in range(6, 11)]
    mine = await make(listing.google)
    process.options(page_size=2)
    listing.asked()
    assert await found_again(listing.google, MARK) == mine
    assert listing.asked() == 4, "six of ours and the person's own, two a page"
    assert await found_again(listing.google, mark_of(KEY, "google", 10)) == others[-1]
    assert await found_again(listing.google, MARK[:-1]) is None
    assert await found_again(listing.google, mark_of(KEY, "other", 5)) is None


async def test_of_two_with_one_mark_every_run_takes_the_same(listing: Account, account: Account) -> None:
    """They were made by a client that was not let to look."""
    first, second = [await make(account.google) for _ in range(2)]
    assert first != second
    assert await make(listing.google) == min(first, second) == await make(listing.google)


@pytest.mark.parametrize("kind", ["fail", "html", "half", "drop"])
async def test_a_list_that_cannot_be_read_makes_nothing(listing: Account, process: GoogleProcess, kind: str) -> None:
    await make(listing.google)
    process.fault(kind, "calendars")
    with pytest.raises((Unavailable, Unexpected)):
        await make(listing.google)
    assert len(made(listing)) == 1


async def test_a_list_without_an_end_is_no_answer(listing: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    listing.process.options(page_size=1)
    await make(listing.google, "identsync-other")
    monkeypatch.setattr(google_making, "_PAGES", 1)
    with pytest.raises(Unexpected):
        await make(listing.google)


def test_a_mark_is_the_same_for_ever_and_tells_nothing() -> None:
    marks = {mark_of(key, name, doctor) for key in (KEY, bytes(32)) for name in "ab" for doctor in range(50)}
    assert len(marks) == 200
    assert mark_of(KEY, "google", 5) == MARK
    assert all(set(mark.removeprefix("identsync-")) <= set("0123456789abcdefghijklmnopqrstuv") for mark in marks)
