"""The wire against real Radicale, real Xandikos and the strict stub: the same scenarios, whatever each answers."""

import pytest
from servers import PASSWORD, USER, Outside, event, foreign, name, permit

from identsync.errors import Refused
from identsync.flows.http import Http
from identsync.integrations.calendar.event import Conflict, Found, Missing, Name, NoCalendar, Written
from identsync.integrations.calendar.wire.caldav import CalDav
from identsync.integrations.calendar.wire.dav import Dav

ODD = "Приём; кабинет 3, «лечение» \\ 🦷👩‍⚕️ " * 5 + "\nвторая строка: с двоеточием"


async def created(outside: Outside, *numbers: int) -> dict[Name, str | None]:
    etags = {}
    for number in numbers:
        answer = await outside.wire.put(name(number), event(number), None)
        assert isinstance(answer, Written), answer
        etags[name(number)] = answer.etag
    return etags


async def summary(outside: Outside, number: int) -> str | None:
    found = await outside.wire.get(name(number))
    return found.event.summary if found and found.event else None


async def test_an_event_comes_back_as_it_went(outside: Outside) -> None:
    for number, one in enumerate((event(0), event(1, ODD, description=ODD, location="Кабинет 3", free=True))):
        answer = await outside.wire.put(name(number), one, None)
        assert isinstance(answer, Written)
        assert await outside.wire.get(name(number)) == Found(answer.etag, one)
    assert await outside.wire.get(name(2)) is None


async def test_one_request_for_each_write_and_leave_is_asked_for_each(outside: Outside) -> None:
    etag = (await created(outside, 1))[name(1)]
    assert len(outside.asked) == 1
    assert isinstance(await outside.wire.put(name(1), event(1, "Иначе"), etag), Written)
    assert len(outside.asked) == 2
    await outside.wire.remove(name(1), None)
    assert len(outside.asked) == 3


async def test_what_is_there_already_is_not_created_again(outside: Outside) -> None:
    await created(outside, 1)
    assert await outside.wire.put(name(1), event(1, "Другое"), None) == Conflict()
    assert await summary(outside, 1) == "Занято"


async def test_what_somebody_changed_is_not_overwritten(outside: Outside) -> None:
    old = (await created(outside, 1))[name(1)]
    new = await outside.wire.put(name(1), event(1, "Второе"), old)
    assert isinstance(new, Written)
    assert new.etag != old
    assert await outside.wire.put(name(1), event(1, "Третье"), old) == Conflict()
    assert await outside.wire.remove(name(1), old) == Conflict()
    assert await summary(outside, 1) == "Второе"
    assert await outside.wire.remove(name(1), new.etag) == Written(None)


async def test_deleting_twice_is_as_good_as_once(outside: Outside) -> None:
    etag = (await created(outside, 1))[name(1)]
    assert await outside.wire.remove(name(1), None) == Written(None)
    assert await outside.wire.remove(name(1), None) == Missing()
    assert isinstance(await outside.wire.remove(name(1), etag), Missing | Conflict)
    assert isinstance(await outside.wire.put(name(1), event(1), etag), Missing | Conflict)
    assert await outside.wire.get(name(1)) is None


async def test_the_same_put_again_keeps_the_etag(outside: Outside) -> None:
    etag = (await created(outside, 1))[name(1)]
    assert await outside.wire.put(name(1), event(1), etag) == Written(etag)


async def test_changes_since_a_token(outside: Outside) -> None:
    wire = outside.wire
    first = await wire.changes(None)
    assert (first.whole, first.there, first.foreign) == (True, {}, 0)
    etags = await created(outside, 1, 2, 3)
    second = await wire.changes(first.token)
    assert (second.whole, second.there, set(second.gone)) == (False, etags, set())
    await outside.put(f"{name(1)}.ics", (await _bytes(outside, 1)).replace("Занято".encode(), "Кино".encode()))
    await outside.delete(f"{name(2)}.ics")
    third = await wire.changes(second.token)
    assert (third.whole, set(third.there), set(third.gone)) == (False, {name(1)}, {name(2)})
    found = (await wire.fetch([name(1)]))[name(1)]
    assert found.etag == third.there[name(1)] != etags[name(1)]
    assert found.event == event(1, "Кино")
    assert (await wire.changes(third.token)).there == {}


async def _bytes(outside: Outside, number: int) -> bytes:
    return (await outside.dav.ask("GET", f"{outside.wire.url}{name(number)}.ics")).body


@pytest.mark.parametrize("token", ["bad", "", "http://radicale.org/ns/sync/" + "0" * 64, "ы<&>", "0" * 40])
async def test_an_unknown_token_is_never_everything_deleted(outside: Outside, token: str) -> None:
    etags = await created(outside, 1, 2)
    changes = await outside.wire.changes(token)
    assert (changes.there, set(changes.gone)) == (etags, set())
    assert changes.token is not None
    assert (await outside.wire.changes(changes.token)).there == {}


async def test_the_whole_listing_and_the_events_of_others(outside: Outside) -> None:
    etags = await created(outside, 1, 2)
    await outside.put("vacation.ics", foreign("a-person-made-this"))
    changes = await outside.wire.changes(None)
    assert (changes.whole, changes.there, changes.foreign) == (True, etags, 1)
    await outside.delete("vacation.ics")
    delta = await outside.wire.changes(changes.token)
    assert (delta.there, set(delta.gone), delta.foreign) == ({}, set(), 0)


async def test_many_are_fetched_in_portions(outside: Outside) -> None:
    await created(outside, 0, 120, 249)
    outside.asked.clear()
    found = await outside.wire.fetch([name(number) for number in (*range(250), 0)])
    assert {one: value.event for one, value in found.items()} == {name(n): event(n) for n in (0, 120, 249)}
    assert len(outside.asked) == 3
    assert await outside.wire.fetch([]) == {}


async def test_generations_lie_beside_each_other(outside: Outside) -> None:
    await created(outside, 1)
    assert isinstance(await outside.wire.put(name(1, 2), event(1, "Снова"), None), Written)
    assert set((await outside.wire.changes(None)).there) == {name(1), name(1, 2)}
    found = await outside.wire.get(name(1, 2))
    assert found is not None
    assert found.event == event(1, "Снова")


async def test_a_uid_that_lies_elsewhere_is_a_conflict(outside: Outside) -> None:
    """Radicale says 409 no-uid-conflict, Xandikos 412, Cyrus 403 unique-scheduling-object-resource."""
    if outside.server.name == "davical":
        pytest.skip("DAViCal does not mind one UID in two places")
    await outside.put("moved.ics", foreign(str(name(1))))
    assert await outside.wire.put(name(1), event(1), None) == Conflict()
    assert await outside.wire.get(name(1)) is None


async def test_what_a_person_made_unreadable_is_found_without_an_event(outside: Outside) -> None:
    await created(outside, 1)
    series = (await _bytes(outside, 1)).replace(b"END:VEVENT", b"RRULE:FREQ=DAILY;COUNT=3\r\nEND:VEVENT")
    await outside.put(f"{name(1)}.ics", series)
    for found in (await outside.wire.get(name(1)), (await outside.wire.fetch([name(1)]))[name(1)]):
        assert found is not None
        assert found.event is None
        assert found.etag is not None


async def test_a_calendar_that_is_gone_asks_a_person(outside: Outside) -> None:
    await created(outside, 1)
    token = (await outside.wire.changes(None)).token
    if outside.server.stub:
        outside.server.stub.person("drop", outside.wire.url.split("/")[-2])
    else:
        await outside.dav.ask("DELETE", outside.wire.url)
    for known in (token, None):
        with pytest.raises(NoCalendar, match="календаря на сервере больше нет"):
            await outside.wire.changes(known)
    with pytest.raises(NoCalendar):
        await outside.wire.put(name(2), event(2), None)
    with pytest.raises(NoCalendar):
        await outside.wire.fetch([name(1)])
    with pytest.raises(NoCalendar):
        await outside.wire.remove(name(1), None)
    assert await outside.wire.get(name(1)) is None


async def test_a_wrong_password_asks_a_person_and_is_said_without_it(outside: Outside, http: Http) -> None:
    if not outside.server.guarded:
        pytest.skip("Xandikos asks for no password unless it has TLS")
    wire = CalDav(Dav(http, USER, PASSWORD + "x", permit), outside.wire.url)
    for call in (wire.changes(None), wire.get(name(1)), wire.put(name(1), event(1), None), wire.remove(name(1), None)):
        with pytest.raises(Refused) as caught:
            await call
        assert "пароль приложения" in caught.value.hint
        assert not any(secret in f"{caught.value}{caught.value.hint}{caught.value.raw}" for secret in (USER, PASSWORD))
