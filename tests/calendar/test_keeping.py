"""One event, one calendar: whatever the other side answers, it ends as it shall, and costs no request more."""

from dataclasses import replace

import pytest
from calendar_model import Model

from identsync.errors import Unavailable
from identsync.flows.mirror import Confirmed, Rejected
from identsync.integrations.calendar import keeping
from identsync.integrations.calendar.event import Changes, Event, Name, NoCalendar
from identsync.integrations.calendar.keeping import Kept, Last
from identsync.spans import DAY_MS

A = Name("a" * 32)
EVENT = Event(A.name, 1_000_000, 2_800_000, "Занято")
MOVED = replace(EVENT, start_ms=1_900_000, end_ms=3_700_000)
NEW = Kept(1, A, 0)
NOW = 50 * DAY_MS


@pytest.fixture
def there() -> Model:
    return Model()


def after(verdict) -> Kept:
    assert isinstance(verdict, Confirmed)
    return Kept.unpack(verdict.payload)


async def test_a_new_event_and_a_change_cost_one_request_each(there: Model):
    kept = after(await keeping.put(there, EVENT, NEW))
    kept = after(await keeping.put(there, MOVED, kept))
    assert there.requests == ["put", "put"]
    assert there.events == [MOVED]
    assert isinstance(await keeping.remove(there, kept, doubtful=False), Confirmed)
    assert there.requests == ["put", "put", "remove"]


async def test_a_lost_answer_is_adopted_not_doubled(there: Model):
    there.faults = ["lost answer"]
    with pytest.raises(Unavailable):
        await keeping.put(there, EVENT, NEW)
    kept = after(await keeping.put(there, EVENT, NEW))
    assert kept.etag == there.there[A][0]
    assert there.count == 1, "written once"


async def test_a_lost_answer_of_a_change_is_adopted_too(there: Model):
    kept = after(await keeping.put(there, EVENT, NEW))
    there.faults = ["lost answer"]
    with pytest.raises(Unavailable):
        await keeping.put(there, MOVED, kept)
    kept = after(await keeping.put(there, MOVED, kept))
    assert (there.events, there.count) == ([MOVED], 2)


async def test_a_hand_edit_met_by_a_change_is_overwritten(there: Model):
    kept = after(await keeping.put(there, EVENT, NEW))
    there.edit(A, "моё")
    after(await keeping.put(there, MOVED, kept))
    assert there.events == [MOVED]


async def test_a_deleted_event_is_made_again(there: Model):
    kept = after(await keeping.put(there, EVENT, NEW))
    there.drop(A)
    after(await keeping.put(there, MOVED, kept))
    assert there.events == [MOVED]


async def test_a_name_that_is_not_taken_back_gets_a_generation(there: Model):
    there.trashbin = True
    kept = after(await keeping.put(there, EVENT, NEW))
    await keeping.remove(there, kept, doubtful=False)
    kept = after(await keeping.put(there, EVENT, NEW))
    assert kept.name == Name(A.name, 2)
    await keeping.remove(there, kept, doubtful=False)
    kept = after(await keeping.put(there, EVENT, NEW))
    assert (kept.name, len(there.events)) == (Name(A.name, 3), 1)


async def test_a_lost_answer_of_a_later_generation_is_adopted(there: Model):
    there.trashbin = True
    there.trash.add(A)
    there.faults = ["lost answer"]
    with pytest.raises(Unavailable):
        await keeping.put(there, EVENT, NEW)
    kept = after(await keeping.put(there, EVENT, NEW))
    assert (kept.name.generation, there.count) == (2, 1)


async def test_what_may_have_arrived_under_a_later_generation_is_removed(there: Model):
    there.trashbin = True
    there.trash.add(A)
    there.faults = ["lost answer"]
    with pytest.raises(Unavailable):
        await keeping.put(there, EVENT, NEW)
    assert isinstance(await keeping.remove(there, NEW, doubtful=True), Confirmed)
    assert there.events == []


async def test_so_is_what_may_have_arrived_there_after_the_first_was_deleted_by_hand(there: Model):
    there.trashbin = True
    kept = after(await keeping.put(there, EVENT, NEW))
    there.drop(A)
    there.faults = ["lost answer"]
    with pytest.raises(Unavailable):
        await keeping.put(there, MOVED, kept)
    assert isinstance(await keeping.remove(there, kept, doubtful=True), Confirmed)
    assert there.events == []


async def test_a_name_is_taken_up_again_more_often_than_people_change_their_minds(there: Model):
    there.trashbin = True
    for generation in range(1, keeping.GENERATIONS + 1):
        kept = after(await keeping.put(there, EVENT, NEW))
        assert (kept.name.generation, there.events) == (generation, [EVENT])
        await keeping.remove(there, kept, doubtful=False)


async def test_what_the_server_never_takes_is_rejected_with_its_reason(there: Model):
    there.faults = ["unwanted"] * 20
    assert await keeping.put(there, EVENT, NEW) == Rejected("not today")
    assert there.events == []


async def test_a_calendar_that_is_gone_is_told_apart_from_a_missing_event(there: Model):
    there.exists = False
    with pytest.raises(NoCalendar):
        await keeping.put(there, EVENT, NEW)


async def test_an_edited_event_that_is_to_go_goes(there: Model):
    kept = after(await keeping.put(there, EVENT, NEW))
    there.edit(A, "моё")
    assert isinstance(await keeping.remove(there, kept, doubtful=False), Confirmed)
    assert there.events == []


# -- looking again ---------------------------------------------------------------------------------------------------


async def filled(there: Model) -> tuple[dict[int, Kept], dict[int, Event]]:
    events = {key: Event(f"{key:032d}", key * 1_000_000, key * 1_000_000 + 900_000, "Занято") for key in range(1, 8)}
    mine = {key: after(await keeping.put(there, event, Kept(1, Name(event.name), 0))) for key, event in events.items()}
    there.requests.clear()
    return mine, events


async def test_our_own_writes_come_back_and_cost_nothing(there: Model):
    mine, events = await filled(there)
    look = await keeping.look(there, Last(), mine, events, NOW)
    assert (there.requests, look.doubt, look.keep) == (["changes"], set(), {})
    assert (await keeping.look(there, Last(look.token), mine, events, NOW)).doubt == set()


@pytest.mark.parametrize("token", ["7", None])
async def test_edits_deletions_and_strangers_are_told(there: Model, token):
    mine, events = await filled(there)
    there.edit(mine[1].name, "обед")
    there.drop(mine[2].name)
    there.write(Name("f" * 32), replace(EVENT, summary="чужое"))
    there.write(Name(events[3].name, 2), events[3])
    look = await keeping.look(there, Last(token, 1), mine, events, NOW)
    assert (look.doubt, look.edited, look.foreign) == ({1, 2}, 2, 1)
    assert look.keep[1].etag == there.there[mine[1].name][0]
    assert look.keep[2].etag is None
    assert look.strays == [Name(events[3].name, 2)]
    for key in look.doubt:
        after(await keeping.put(there, events[key], look.keep[key]))
    assert {event.name for event in there.events if event.summary == "обед"} == set()


async def test_an_edit_that_was_taken_back_is_only_noted(there: Model):
    mine, events = await filled(there)
    there.edit(mine[1].name, "обед")
    there.write(mine[1].name, events[1])
    look = await keeping.look(there, Last("7", 1), mine, events, NOW)
    assert (look.doubt, look.edited) == (set(), 0)
    assert look.keep[1].etag == there.there[mine[1].name][0]


async def test_a_listing_that_is_suddenly_empty_is_asked_for_twice(there: Model):
    mine, events = await filled(there)
    there.empty_once = True
    look = await keeping.look(there, Last(), mine, events, NOW)
    assert (look.doubt, there.requests) == (set(), ["changes", "changes"])


async def test_a_listing_that_lacks_some_is_no_edit_as_long_as_they_are_there(there: Model, monkeypatch):
    """Else three of them in a day would make a person's edit of that event the last word until the next."""
    mine, events = await filled(there)
    whole = there.changes

    async def cut(token: str | None) -> Changes:
        found = await whole(token)
        return replace(found, there={name: etag for name, etag in found.there.items() if name != mine[1].name})

    monkeypatch.setattr(there, "changes", cut)
    for _turn in range(4):
        look = await keeping.look(there, Last(), mine, events, NOW)
        assert (look.doubt, look.edited, look.stubborn) == (set(), 0, 0)
    there.drop(mine[1].name)
    assert (await keeping.look(there, Last(), mine, events, NOW)).doubt == {1}


async def test_what_has_not_gone_out_yet_is_not_asked_for(there: Model):
    """In the middle of a first fill: hundreds are still to come."""
    mine, events = await filled(there)
    mine |= {key: Kept(1, Name(f"{key:032d}"), 0) for key in range(100, 500)}
    assert (await keeping.look(there, Last(), mine, events, NOW)).doubt == set()
    assert there.requests == ["changes"]


async def test_a_refused_token_never_means_that_everything_was_deleted(there: Model):
    mine, events = await filled(there)
    there.forgets_tokens = True
    assert (await keeping.look(there, Last("3", 1), mine, events, NOW)).doubt == set()


async def test_who_edits_one_event_again_and_again_gets_his_way_for_a_day(there: Model):
    mine, events = await filled(there)
    token: str | None = "7"
    for turn in range(4):
        there.edit(mine[1].name, f"обед {turn}")
        look = await keeping.look(there, Last(token, 1), mine, events, NOW + turn)
        assert (look.doubt, look.stubborn) == (({1}, 0) if turn < 3 else (set(), 1))
        token = look.token
        if look.doubt:
            mine[1] = after(await keeping.put(there, events[1], look.keep[1]))
    assert token is None
    look = await keeping.look(there, Last(token, 1), mine, events, NOW + DAY_MS + 10)
    assert look.doubt == {1}, "the day is over"


async def test_what_is_on_its_way_anyway_is_no_edit(there: Model):
    mine, events = await filled(there)
    there.edit(mine[1].name, "обед")
    del events[1]
    look = await keeping.look(there, Last("7", 1), mine, events, NOW)
    assert (look.doubt, look.edited) == (set(), 0)
    assert look.keep[1].etag == there.there[mine[1].name][0]


@pytest.mark.parametrize("etags", [True, False])
async def test_what_came_and_went_since_the_last_look_is_missed(there: Model, etags):
    """A server need not tell what was made and deleted after the token, nor an ETag for what it takes."""
    mine, events = await filled(there)
    mine = {key: replace(kept, at_ms=NOW, etag=kept.etag if etags else None) for key, kept in mine.items()}
    there.forgetful = True
    there.drop(mine[4].name)
    look = await keeping.look(there, Last("0", NOW), mine, events, NOW)
    assert (look.doubt, there.requests) == ({4}, ["changes", "fetch"])
