"""What a published file says of an event through the runs: when it was cancelled, and that what changed is newer."""

from dataclasses import replace as replaced
from datetime import datetime
from typing import Any

import pytest
from icalendar import Calendar

from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.published import CANCELLED_MS, Published, written
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.spans import DAY_MS


def published(**keys: Any) -> CalendarDestination:
    return CalendarDestination(kind="feed", public_url="https://clinic.example/ical", **keys)


def event(name: str, start_ms: int) -> Event:
    return Event(name, start_ms, start_ms + 1_800_000, "Занято")


def test_what_only_left_the_window_or_came_back_is_not_cancelled() -> None:
    destination, now = published(folder="/x"), 40 * DAY_MS
    ago, ahead = now - 7 * DAY_MS, now + 60 * DAY_MS
    first = [event("past", ago), event("next", now + DAY_MS), event("far", ahead), event("moved", now + DAY_MS)]
    before = Published("t", destination.what).next("t", destination, first, now)
    assert before.cancelled == ()
    after = before.next("t", destination, [event("moved", now + 2 * DAY_MS)], now + 1)
    assert [row[0] for row, _since in after.cancelled] == ["next"]
    again = after.next("t", destination, [event("moved", now), event("next", now + DAY_MS)], now + 2)
    assert again.cancelled == ()
    late = after.next("t", destination, [event("moved", now)], now + 1 + CANCELLED_MS)
    assert late.cancelled == ()
    other = published(folder="/x", what="busy")
    assert after.next("t", other, [event("busy", now)], now + 2).cancelled == (), "other names altogether"
    assert Published.unpack(after.pack()) == after


def stamps(destination: CalendarDestination, runs: list[tuple[list[Event], int]]) -> list[datetime]:
    """Publish one event, run by run; its DTSTAMP in each file."""
    before, told = Published("t", destination.what), []
    for events, now in runs:
        before = Published.unpack(before.next("t", destination, events, now).pack())
        [one] = Calendar.from_ical(written(destination, events, before)).walk("VEVENT")
        told.append(one["DTSTAMP"].dt)
    return told


def test_a_visit_that_comes_back_is_newer_than_its_cancelling() -> None:
    now = 1_800_000_000_000
    visit = replaced(event("v" * 32, now + 3_600_000), changed_ms=now - DAY_MS)
    told = stamps(published(folder="/x"), [([visit], now), ([], now + 60_000), ([visit], now + 120_000)])
    assert sorted(set(told)) == told


@pytest.mark.parametrize("changed_ms", [0, 1_790_000_000_000])
def test_what_has_changed_is_newer_whatever_the_clinic_says_and_what_has_not_is_not(
    changed_ms: int,
) -> None:
    """A busy run has no time of its change at all."""
    now = 1_800_000_000_000
    short = replaced(event("v" * 32, now + 3_600_000), changed_ms=changed_ms)
    long = replaced(short, end_ms=short.end_ms + 1_800_000)
    runs = [([short], now), ([short], now + 60_000), ([long], now + 120_000), ([long], now + 180_000)]
    first, again, longer, still = stamps(published(folder="/x", what="busy"), runs)
    assert first == again < longer == still
    assert first.year > 2000
