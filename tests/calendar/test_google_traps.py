"""Each trap of Google Calendar that the sheet knows (facts/calendar.md, A8), by its name."""

import asyncio
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from accounts import START, Doctor, event, name

from identsync.errors import Later, Limited, Refused, Unavailable, Unexpected
from identsync.flows.answer import Reply
from identsync.flows.mirror import Confirmed
from identsync.integrations.calendar import keeping
from identsync.integrations.calendar.event import Conflict, Found, Missing, Name, Unwanted, Written
from identsync.integrations.calendar.wire import google_batch
from identsync.integrations.calendar.wire.google import _written
from identsync.integrations.calendar.wire.google_answer import error_of
from identsync.integrations.calendar.wire.google_event import spelled

FAULTS = int(os.environ.get("IDENTSYNC_STORM", "300"))
FEW = [name(1), name(2), name(3)]


# -- quotas --------------------------------------------------------------------------------------------------------


async def test_n_calls_of_a_batch_count_as_n(doctor: Doctor, process):
    await doctor.written(1, 2, 3)
    spent = 3 + 1  # and the calendar that was made
    process.options(per_minute_user=spent + 3)
    assert len(await doctor.wire.fetch(FEW)) == 3
    assert doctor.account.asked() == 3
    with pytest.raises(Limited):
        await doctor.wire.get(name(1))


@pytest.mark.parametrize("form", ["403", "429", "details"])
async def test_a_spent_minute_is_a_slower_pace_and_no_refusal(doctor: Doctor, process, form: str):
    process.options(per_minute_user=1, quota_form=form)
    for question in (
        doctor.wire.put(name(1), event(1), None),
        doctor.wire.put(name(1), event(1), '"1"'),
        doctor.wire.remove(name(1), None),
        doctor.wire.get(name(1)),
        doctor.wire.changes(None),
        doctor.wire.fetch(FEW),
    ):
        with pytest.raises(Limited) as caught:
            await question
        assert caught.value.after_ms == 60_000
    process.order("clock", ahead_ms=60_000)
    assert isinstance(await doctor.wire.put(name(1), event(1), None), Written)


@pytest.mark.parametrize("form", ["403", "429"])
async def test_retry_after_is_obeyed(doctor: Doctor, process, form: str):
    process.options(per_minute_user=1, quota_form=form, retry_after=7)
    with pytest.raises(Limited) as caught:
        await doctor.wire.put(name(1), event(1), None)
    assert caught.value.after_ms == 7000


@pytest.mark.parametrize("form", ["403", "details"])
async def test_a_spent_day_waits_for_midnight_in_california(doctor: Doctor, process, form: str):
    process.options(per_day=1, quota_form=form)
    with pytest.raises(Limited) as caught:
        await doctor.wire.put(name(1), event(1), None)
    assert caught.value.after_ms is not None
    process.order("clock", ahead_ms=caught.value.after_ms + 60_000)
    process.options(per_day=1_000_000, quota_form=form)
    assert isinstance(await doctor.wire.put(name(1), event(1), None), Written)


def answer(status: int, reason: str, **headers: str) -> Reply:
    body = f'{{"error": {{"code": {status}, "message": "m", "errors": [{{"reason": "{reason}"}}]}}}}'
    return Reply(status, headers, body.encode())


@pytest.mark.parametrize(
    ("now", "hours"),
    [("2026-07-01T06:00", 1), ("2026-07-01T07:00", 24), ("2026-12-01T07:00", 1), ("2026-03-08T08:00", 23)],
)
def test_midnight_in_california_knows_summer_time(now: str, hours: int):
    error = error_of(answer(403, "dailyLimitExceeded"), datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert isinstance(error, Limited)
    assert error.after_ms == hours * 3_600_000


@pytest.mark.parametrize(
    ("reason", "after"),
    [
        ("rateLimitExceeded", 60_000),
        ("userRateLimitExceeded", 60_000),
        ("quotaExceeded", 3_600_000),
        ("calendarUsageLimitsExceeded", 3_600_000),
    ],
)
def test_every_403_that_is_about_the_pace(reason: str, after: int):
    error = error_of(answer(403, reason))
    assert isinstance(error, Limited)
    assert error.after_ms == after


@pytest.mark.parametrize(
    "reason", ["forbidden", "insufficientPermissions", "accessNotConfigured", "requiredAccessLevel", ""]
)
def test_every_other_403_asks_a_person_and_says_what_to_do(reason: str):
    error = error_of(answer(403, reason))
    assert isinstance(error, Refused)
    assert error.hint


def test_a_refusal_of_one_event_is_about_that_event():
    assert isinstance(_written(answer(403, "forbiddenForNonOrganizer")), Unwanted)
    assert isinstance(_written(answer(413, "uploadTooLarge")), Unwanted)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"error": "x"}', b'{"error": {"errors": [1], "details": {}}}', b"<html>"]
)
def test_an_error_without_a_readable_body_is_still_one(body: bytes):
    assert isinstance(error_of(Reply(403, {}, body)), Refused)
    assert isinstance(error_of(Reply(429, {}, body)), Limited)
    assert isinstance(error_of(Reply(503, {}, body)), Unavailable)
    assert isinstance(error_of(Reply(418, {}, body)), Unexpected)


# -- ids, tombstones, versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lose", "cut", "fail_after"])
async def test_an_id_of_our_own_makes_a_lost_insert_harmless(doctor: Doctor, process, kind: str):
    process.fault(kind, "insert")
    with pytest.raises(Unavailable) as caught:
        await doctor.wire.put(name(1), event(1), None)
    assert caught.value.sent
    assert await doctor.wire.put(name(1), event(1), None) == Conflict()
    assert (await doctor.got(1)).event == event(1), "it had landed: adopted, not doubled"
    assert len(process.events(doctor.id)) == 1


async def test_a_lost_update_shows_another_etag(doctor: Doctor, process):
    etag = (await doctor.written(1))[1]
    process.fault("lose", "update")
    with pytest.raises(Unavailable):
        await doctor.wire.put(name(1), event(1, summary="Приём"), etag)
    assert await doctor.wire.put(name(1), event(1, summary="Приём"), etag) == Conflict()
    assert (await doctor.got(1)).event == event(1, summary="Приём")


async def test_a_lost_removal_is_missing_afterwards(doctor: Doctor, process):
    etag = (await doctor.written(1))[1]
    process.fault("lose", "delete")
    with pytest.raises(Unavailable):
        await doctor.wire.remove(name(1), etag)
    assert await doctor.wire.remove(name(1), etag) == Missing()


async def test_id_and_icaluid_are_never_sent_together():
    assert "iCalUID" not in spelled(event(1))


async def test_a_deleted_id_is_not_inserted_again_but_comes_back_to_life_by_update(doctor: Doctor, process):
    etag = (await doctor.written(1))[1]
    await doctor.wire.remove(name(1), etag)
    assert await doctor.wire.put(name(1), event(1), None) == Conflict()
    dead = await doctor.got(1)
    assert dead == Found(dead.etag, None, cancelled=True)
    assert dead.etag not in (None, etag)
    assert await doctor.wire.put(name(1), event(1), etag) == Conflict(), "the version before it died"
    revived = await doctor.wire.put(name(1), event(1), dead.etag)
    assert isinstance(revived, Written)
    assert await doctor.got(1) == Found(revived.etag, event(1))


async def test_a_tombstone_may_have_nothing_but_its_id(doctor: Doctor, process):
    await doctor.written(1, 2)
    token = (await doctor.wire.changes(None)).token
    process.options(tombstone_fields=False)
    await doctor.wire.remove(name(1), None)
    assert await doctor.got(1) == Found(None, None, cancelled=True)
    assert await doctor.wire.fetch(FEW) == {name(1): Found(None, None, cancelled=True), name(2): await doctor.got(2)}
    assert list((await doctor.wire.changes(token)).gone) == [name(1)]


async def test_a_tombstone_that_may_not_be_touched_leaves_the_next_generation(doctor: Doctor, process):
    await doctor.written(1)
    await doctor.wire.remove(name(1), None)
    process.options(tombstone="forbidden")
    refused = await doctor.wire.put(name(1), event(1), (await doctor.got(1)).etag)
    assert isinstance(refused, Unwanted)
    assert isinstance(await doctor.wire.put(name(1, 2), event(1), None), Written)


async def test_a_refused_update_of_a_living_event_asks_a_person(doctor: Doctor, process):
    etag = (await doctor.written(1))[1]
    process.fault("fail", "update", status=403, reason="forbidden")
    with pytest.raises(Refused):
        await doctor.wire.put(name(1), event(1), etag)


@pytest.mark.parametrize(
    ("how", "generation"),
    [({}, 1), ({"tombstone_fields": False}, 2), ({"tombstone": "forbidden"}, 2), ("erased", 2)],
    ids=["revived", "without an etag", "not to be touched", "erased"],
)
async def test_a_deleted_event_that_is_wanted_again_is_there_once(doctor: Doctor, process, how, generation: int):
    await doctor.written(1)
    await doctor.wire.remove(name(1), None)
    if how == "erased":
        process.order("erase", calendar=doctor.id)
    process.options(**how if isinstance(how, dict) else {})
    verdict = await keeping.put(doctor.wire, event(1), keeping.Kept(1, name(1), START))
    assert isinstance(verdict, Confirmed)
    assert set((await doctor.wire.changes(None)).there) == {name(1, generation)}
    assert (await doctor.got(1, generation)).event == event(1)


async def test_an_erased_tombstone_still_holds_its_id(doctor: Doctor, process):
    await doctor.written(1)
    await doctor.wire.remove(name(1), None)
    assert process.order("erase", calendar=doctor.id) == 1
    assert await doctor.wire.get(name(1)) is None
    assert await doctor.wire.put(name(1), event(1), None) == Conflict()
    assert isinstance(await doctor.wire.put(name(1, 2), event(1), None), Written)


async def test_sequence_is_never_sent_and_so_never_too_low(doctor: Doctor):
    etag: str | None = (await doctor.written(1))[1]
    for number in range(2, 5):  # each move raises Google's own
        moved = await doctor.wire.put(name(1), event(1, start_ms=event(number).start_ms), etag)
        assert isinstance(moved, Written)
        etag = moved.etag
    assert doctor.there(1)["sequence"] == 3


async def test_a_hand_edit_in_between_is_a_conflict_and_not_overwritten(doctor: Doctor):
    etag = (await doctor.written(1))[1]
    doctor.edit(1, summary="Обед")
    assert await doctor.wire.put(name(1), event(1), etag) == Conflict()
    assert await doctor.wire.remove(name(1), etag) == Conflict()
    assert doctor.there(1)["summary"] == "Обед"


async def test_a_copied_event_is_foreign(doctor: Doctor, process):
    await doctor.written(1)
    copy = {key: doctor.there(1)[key] for key in ("summary", "start", "end", "extendedProperties")}
    process.add(doctor.id, copy)
    whole = await doctor.wire.changes(None)
    assert (set(whole.there), whole.foreign) == ({name(1)}, 1)


# -- lists and tokens ----------------------------------------------------------------------------------------------


async def test_410_means_a_whole_list_never_an_empty_one(doctor: Doctor, process):
    etags = await doctor.written(1, 2)
    token = (await doctor.wire.changes(None)).token
    process.order("expire", what="sync")
    doctor.account.asked()
    again = await doctor.wire.changes(token)
    assert doctor.account.asked() == 2
    assert again.whole
    assert again.there == {name(number): etag for number, etag in etags.items()}
    assert not (await doctor.wire.changes(again.token)).whole


@pytest.mark.parametrize("token", ["", "nonsense", "c3luYzpvdGhlcjox", "\u0001 &syncToken=x"])
async def test_a_token_google_does_not_know_means_a_whole_list(doctor: Doctor, token: str):
    await doctor.written(1)
    again = await doctor.wire.changes(token)
    assert again.whole
    assert set(again.there) == {name(1)}


async def test_a_token_of_another_calendar_means_a_whole_list(doctor: Doctor):
    await doctor.written(1)
    other = await doctor.account.google.make_calendar("Другой", "UTC")
    token = (await doctor.account.google.calendar(other).changes(None)).token
    assert (await doctor.wire.changes(token)).whole


async def test_a_token_stands_alone_on_every_page(doctor: Doctor, process):
    """The strict side answers 400 to a filter beside it, which would be seen as a whole list."""
    await doctor.written(1, 2, 3)
    token = (await doctor.wire.changes(None)).token
    for number in (1, 2, 3):
        doctor.edit(number, summary="Обед")
    process.options(page_size=1)
    doctor.account.asked()
    delta = await doctor.wire.changes(token)
    assert doctor.account.asked() == 3
    assert (len(delta.there), delta.whole) == (3, False)


async def test_a_token_that_expires_between_pages_means_a_whole_list(doctor: Doctor, process):
    await doctor.written(1, 2, 3)
    token = (await doctor.wire.changes(None)).token
    for number in (1, 2):
        doctor.edit(number, summary="Обед")
    process.options(page_size=1)
    process.fault("fail", "list", skip=1, status=410, reason="fullSyncRequired")
    again = await doctor.wire.changes(token)
    assert (len(again.there), again.whole) == (3, True)


async def test_a_whole_list_that_breaks_is_tried_later(doctor: Doctor, process):
    await doctor.written(1, 2, 3)
    process.options(page_size=1)
    process.fault("fail", "list", skip=1, status=410)
    with pytest.raises(Later):
        await doctor.wire.changes(None)
    process.fault("half", "list")
    with pytest.raises(Unexpected):
        await doctor.wire.changes(None)
    process.fault("cut", "list")
    with pytest.raises(Unavailable):
        await doctor.wire.changes(None)


async def test_our_own_writes_come_back_with_the_etag_we_were_given(doctor: Doctor):
    token = (await doctor.wire.changes(None)).token
    etags = await doctor.written(1, 2)
    assert dict((await doctor.wire.changes(token)).there) == {name(n): etag for n, etag in etags.items()}


# -- what is not ours ----------------------------------------------------------------------------------------------


async def test_the_doctors_own_calendar_is_out_of_sight(doctor: Doctor, process):
    own = doctor.account.google.calendar("primary")
    for question in (own.changes(None), own.get(name(1)), own.put(name(1), event(1), None), own.remove(name(1), None)):
        with pytest.raises(Refused):
            await question
    assert process.books()["foreign_touched"] == 0


# -- answers that are none -----------------------------------------------------------------------------------------


async def test_a_page_of_a_portal_is_no_receipt(doctor: Doctor, process):
    etag = (await doctor.written(1))[1]
    process.fault("html", times=None)
    for question in (
        doctor.wire.put(name(2), event(2), None),
        doctor.wire.put(name(1), event(1), etag),
        doctor.wire.remove(name(1), etag),
        doctor.wire.get(name(1)),
        doctor.wire.fetch(FEW),
        doctor.wire.changes(None),
        doctor.account.google.make_calendar("x", "UTC"),
        doctor.account.google.delete_calendar(doctor.id),
    ):
        with pytest.raises(Unexpected):
            await question
    process.behave()
    assert set((await doctor.wire.changes(None)).there) == {name(1)}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_is_later(doctor: Doctor, process, status: int):
    process.fault("fail", status=status, retry_after=3)
    with pytest.raises(Unavailable) as caught:
        await doctor.wire.put(name(1), event(1), None)
    assert caught.value.after_ms == 3000


async def test_a_batch_with_a_part_refused_for_its_token_is_asked_again(doctor: Doctor, process):
    await doctor.written(1, 2, 3)
    process.order("expire", what="access")
    assert len(await doctor.wire.fetch(FEW)) == 3


async def test_half_a_batch_is_no_batch(doctor: Doctor, process):
    await doctor.written(1, 2, 3)
    for kind in ("half", "cut", "lose"):
        process.fault(kind, "batch")
        with pytest.raises((Unexpected, Unavailable)):
            await doctor.wire.fetch(FEW)


def part(identity: str, status: int = 200) -> str:
    tag = f"Content-ID: {identity}\r\n" if identity else ""
    return f"--b\r\nContent-Type: application/http\r\n{tag}\r\nHTTP/1.1 {status} OK\r\nETag: x\r\n\r\n{{}}\r\n"


def batch(*parts: str) -> Reply:
    return Reply(200, {"content-type": 'multipart/mixed; boundary="b"'}, ("".join(parts) + "--b--\r\n").encode())


def test_the_parts_of_a_batch_may_come_in_any_order():
    replies = google_batch.unpacked(batch(part("<response-1>", 404), part("<response-0>", 200)), 2)
    assert [reply.status for reply in replies] == [200, 404]
    replies = google_batch.unpacked(batch(part("", 200), part("", 404)), 2)
    assert [reply.status for reply in replies] == [200, 404]


@pytest.mark.parametrize(
    "reply",
    [
        batch(part("<response-0>")),
        batch(part("<response-0>"), part("<response-0>")),
        batch(part("<response-0>"), part("<response-7>")),
        batch(part("<response-0>"), "--b\r\nContent-Type: application/http\r\n\r\nnonsense\r\n"),
        batch(part("<response-0>"), "--b\r\n\r\n\r\n"),
        Reply(200, {"content-type": "application/json"}, b"{}"),
        Reply(200, {}, b""),
    ],
)
def test_a_batch_that_lacks_an_answer_is_unexpected(reply: Reply):
    with pytest.raises(Unexpected):
        google_batch.unpacked(reply, 2)


# -- personal data -------------------------------------------------------------------------------------------------


async def test_nothing_of_an_event_or_a_token_stands_in_an_error(
    doctor: Doctor, process, caplog: pytest.LogCaptureFixture
):
    told: list[str] = []
    with caplog.at_level("DEBUG"):
        for number, fault in enumerate(("lose", "fail", "html", "half", "cut")):
            process.fault(fault, "insert")
            with pytest.raises((Unexpected, Unavailable)) as caught:
                await doctor.wire.put(name(number), event(number, summary="Иванов И.", description="кариес"), None)
            told += [str(caught.value), caught.value.hint]
    told += [record.getMessage() for record in caplog.records]
    token = await doctor.account.access.token()
    assert not [text for text in told if "Иванов" in text or "кариес" in text or token in text or doctor.id in text]


# -- many faults ---------------------------------------------------------------------------------------------------


async def settle(doctor: Doctor, one: Name, wanted: Any) -> None:
    """What whoever decides does with the answers, in the fewest words: try, and look after every doubt."""
    etag: str | None = None
    for _attempt in range(100):
        try:
            if isinstance(await doctor.wire.put(one, wanted, etag), Written):
                return
        except (Later, Unexpected):
            pass
        try:
            found = await doctor.wire.get(one)
        except (Later, Unexpected):
            continue
        if found is not None and found.event == wanted:
            return
        etag = found.etag if found else None
    pytest.fail("never settled")


async def test_hundreds_of_faults_double_nothing_and_lose_nothing(doctor: Doctor, process):
    process.options(per_minute_user=0)
    noon = {"dateTime": "2026-08-01T12:00:00Z"}
    process.add(doctor.id, {"summary": "Моё", "start": noon, "end": noon})
    for kind in ("lose", "cut", "drop", "fail", "fail_after", "html", "half"):
        process.fault(kind, share=0.15, times=None)
    before, rounds = process.books(), 0
    while sum(faults(process).values()) - sum(faults_of(before).values()) < FAULTS:
        rounds += 1
        wanted = [event(number, summary=f"Занято {rounds}") for number in range(40)]
        await asyncio.gather(*(settle(doctor, name(number), one) for number, one in enumerate(wanted)))
    process.behave()
    whole = await doctor.wire.changes(None)
    assert (set(whole.there), whole.foreign) == ({name(number) for number in range(40)}, 1)
    for number, found in (await doctor.wire.fetch([name(n) for n in range(40)])).items():
        assert found.event == event(int(number.name), summary=f"Занято {rounds}")
    after = process.books()
    assert after["inserted_twice"] == before["inserted_twice"] == 0
    assert after["foreign_touched"] == before["foreign_touched"] == 0
    assert after["unheard"] > before["unheard"], "answers were really lost"


def faults(process: Any) -> dict[str, int]:
    return faults_of(process.books())


def faults_of(books: dict[str, Any]) -> dict[str, int]:
    return {key: count for key, count in books["counts"].items() if key.startswith("fault ")}
