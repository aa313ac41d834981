"""The worklist of missed calls: what calls and people make of an entry."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select

from identsync.integrations.telephony import missed as worklist
from identsync.integrations.telephony.call import Direction
from identsync.store import Store
from identsync.store.tables import phone_event

from .calls import MINUTE, NOW, answered, entries, missed, tell

OUT = Direction.OUT
ANNA, BORIS = "Анна (REG-1)", "Борис (REG-2)"


def _state(connection: Connection) -> list[tuple[str, int, int]]:
    return [(row.state, row.calls, row.tries) for row in entries(connection)]


def _events(connection: Connection) -> list[tuple[str, str]]:
    rows = connection.execute(select(phone_event.c.what, phone_event.c.by).order_by(phone_event.c.id))
    return [(row.what, row.by) for row in rows]


def test_three_calls_of_one_number_wait_as_one(store: Store) -> None:
    with store.write() as connection:
        for n, phone in enumerate(("89160000001", "+7 916 000-00-01", "9160000001")):
            tell(connection, missed(f"c{n}", phone, NOW + n * MINUTE))
        (entry,) = entries(connection)
    assert (entry.state, entry.calls, entry.first_ms, entry.last_ms) == ("waiting", 3, NOW, NOW + 2 * MINUTE)


def test_a_try_that_nobody_took_is_a_try_until_the_client_calls_again(store: Store) -> None:
    with store.write() as connection:
        tell(connection, missed("a"))
        tell(connection, missed("b", at=NOW + MINUTE, direction=OUT))
        assert _state(connection) == [("tried", 1, 1)]
        tell(connection, missed("c", at=NOW + 2 * MINUTE))
        assert _state(connection) == [("waiting", 2, 1)]


@pytest.mark.parametrize(("direction", "state"), [(Direction.OUT, "reached"), (Direction.IN, "came")])
def test_a_talk_closes_it_by_itself(store: Store, direction: Direction, state: str) -> None:
    with store.write() as connection:
        tell(connection, missed("a"))
        worklist.take(connection, entries(connection)[0].id, ANNA, NOW)
        tell(connection, answered("b", at=NOW + MINUTE, direction=direction), now=NOW + 2 * MINUTE)
        (entry,) = entries(connection)
        assert (entry.state, entry.closed_by, entry.closed_ms) == (state, "", NOW + 2 * MINUTE)
        assert [what for what, _by in _events(connection)] == ["missed", "taken", state]
        tell(connection, missed("c", at=NOW + 60 * MINUTE))  # another day's call is another entry
        assert [row.state for row in entries(connection)] == [state, "waiting"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("direction", "state"), [(Direction.OUT, "reached"), (Direction.IN, "came")])
def test_a_talk_by_another_of_the_patient_s_numbers_closes_it_too(
    store: Store, direction: Direction, state: str, late: bool
) -> None:
    people = {"9160000001": [7], "9160000002": [7], "9160000003": [8]}
    waits, other = missed("a", "89160000001"), answered("b", "89160000003", NOW + MINUTE, direction=direction)
    talk = answered("c", "89160000002", NOW + 2 * MINUTE, direction=direction)
    with store.write() as connection:
        for call in (talk, other, waits) if late else (waits, other, talk):
            tell(connection, call, people=people)
        assert [row.state for row in entries(connection)] == ([] if late else [state])
        tell(connection, missed("d", "89160000001", NOW + 3 * MINUTE), people=people)
        (entry,) = entries(connection, still_open=True)
        assert (entry.calls, entry.first_ms) == (1, NOW + 3 * MINUTE)


def test_two_patients_of_one_number_are_nobody_in_particular(store: Store) -> None:
    with store.write() as connection:
        for call in (missed("a"), answered("b", "89160000002", NOW + MINUTE)):
            tell(connection, call, people={"9160000001": [7, 8], "9160000002": [7]})
        assert _state(connection) == [("waiting", 1, 0)]


def test_a_pbx_that_says_somebody_called_back_is_believed(store: Store) -> None:
    with store.write() as connection:
        tell(connection, missed("a"))
        tell(connection, missed("a", calls_back=False), history=True)
        assert _state(connection) == [("waiting", 1, 0)]
        tell(connection, missed("a", calls_back=True), history=True)
        assert [(row.state, row.closed_by) for row in entries(connection)] == [("reached", "")]


def test_a_talk_that_was_before_the_missed_call_does_not_close_it(store: Store) -> None:
    with store.write() as connection:
        tell(connection, missed("a"))
        tell(connection, answered("b", at=NOW - 10 * MINUTE), history=True)
        assert _state(connection) == [("waiting", 1, 0)]


def test_what_history_tells_of_last_month_waits_for_nobody(store: Store) -> None:
    with store.write() as connection:
        tell(connection, missed("a", at=NOW - 4 * 86_400_000), history=True)
        assert entries(connection) == []


def test_an_entry_that_waits_for_a_week_still_waits(store: Store) -> None:
    with store.write() as connection:
        tell(connection, missed("a"))
        week = NOW + 7 * 86_400_000
        tell(connection, missed("b", at=week), now=week)
        assert _state(connection) == [("waiting", 2, 0)]


def test_one_takes_it_and_the_other_is_told_who(store: Store) -> None:
    with store.write() as connection:
        tell(connection, missed("a"))
        (entry,) = entries(connection)
        worklist.take(connection, entry.id, ANNA, NOW)
        worklist.take(connection, entry.id, ANNA, NOW + 1)  # her own double click
        for attempt in (worklist.take, worklist.leave):
            with pytest.raises(worklist.Changed) as told:
                attempt(connection, entry.id, BORIS, NOW + 2)
            assert told.value.by == ANNA
        with pytest.raises(worklist.Changed):
            worklist.close(connection, entry.id, "booked", "", BORIS, NOW + 3)
        worklist.leave(connection, entry.id, ANNA, NOW + 4)
        worklist.take(connection, entry.id, BORIS, NOW + 5)
        assert entries(connection)[0].taken_by == BORIS


def test_two_who_take_it_in_the_same_moment(store_url: str) -> None:
    from identsync.store import open_store

    for _round in range(5):
        first, second = open_store(store_url), open_store(store_url)
        with first.write() as connection:
            tell(connection, missed("a"))
            entry = entries(connection)[-1].id
            worklist.leave(connection, entry, ANNA, NOW)
        barrier, winners, losers = threading.Barrier(2), [], []

        def go(store: Store, who: str, entry: int = entry, barrier: threading.Barrier = barrier,
               winners: list[str] = winners, losers: list[str] = losers) -> None:  # fmt: skip
            barrier.wait(10)
            try:
                with store.write() as connection:
                    worklist.take(connection, entry, who, NOW)
                winners.append(who)
            except worklist.Changed as changed:
                losers.append(changed.by)

        threads = [threading.Thread(target=go, args=pair) for pair in ((first, ANNA), (second, BORIS))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert losers == winners
        assert len(winners) == 1
        with first.write() as connection:
            worklist.leave(connection, entry, winners[0], NOW)
        first.close()
        second.close()


def test_what_a_person_said_stands(store: Store) -> None:
    with store.write() as connection:
        tell(connection, missed("a"))
        (entry,) = entries(connection)
        worklist.close(connection, entry.id, "booked", " на вторник ", ANNA, NOW + MINUTE)
        tell(connection, missed("a"), history=True, now=NOW + 2 * MINUTE)  # told once more, now as history
        (entry,) = entries(connection)
        assert (entry.state, entry.outcome, entry.note, entry.closed_by) == ("closed", "booked", "на вторник", ANNA)
        with pytest.raises(worklist.Changed) as told:
            worklist.take(connection, entry.id, BORIS, NOW)
        assert told.value.by == ANNA
        tell(connection, missed("b", at=NOW + 9 * MINUTE), now=NOW + 10 * MINUTE)
        assert [(row.state, row.calls) for row in entries(connection)] == [("closed", 1), ("waiting", 1)]


def test_an_entry_that_is_not_there_is_nobodys(store: Store) -> None:
    with store.write() as connection, pytest.raises(worklist.Changed):
        worklist.take(connection, 77, ANNA, NOW)


DAY = 86_400_000
MIDNIGHT = 1_795_035_600_000  # 2026-11-19 00:00 in Moscow


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        (9.0, 10.5, 1.5),
        (7.0, 9.0, 1.0),  # the clinic opens at eight
        (20.5, 32.5, 1.0),  # half an hour before nine in the evening, half an hour after eight the next day
        (22.0, 31.0, 0.0),  # a night
        (10.0, 34.0, 13.0),  # a whole day is thirteen hours of work
        (10.0, 24 * 700 + 10.0, 700 * 13.0),  # nearly two years
        (10.0, 9.0, 0.0),  # a clock that went back
    ],
)
def test_waiting_is_counted_in_working_hours(since: float, until: float, hours: float) -> None:
    at: Callable[[float], int] = lambda hour: MIDNIGHT + int(hour * 3_600_000)  # noqa: E731
    assert worklist.waited_ms(at(since), at(until), "Europe/Moscow", (480, 1260)) == int(hours * 3_600_000)


def test_waiting_over_the_night_when_the_clocks_change() -> None:
    since, until = 1_774_681_200_000, 1_774_767_600_000  # 2026-03-28 08:00 and 03-29 09:00 in Berlin: a day of 23 hours
    assert worklist.waited_ms(since, until, "Europe/Berlin", (0, 1440)) == until - since
