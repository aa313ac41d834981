"""Beeline's traps: a row for each phone, no id of a call, lengths in milliseconds, recordings listed apart."""

from typing import Any

import pytest

from identsync import errors
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.integrations.telephony.call import Call, Direction, State
from identsync.integrations.telephony.wire.beeline_calls import call_from, together

from .clouds2_lines import cloud_process, clouds, extensions, history, line, run

__all__ = ["cloud_process", "clouds"]  # fixtures
AT = 1_767_323_045_000


def row(after_s: float = 0, **how: Any) -> dict[str, Any]:
    usual = {"startDate": AT + round(after_s * 1_000), "direction": "INBOUND", "status": "MISSED", "duration": 0}
    person = {"userId": "9600000101@x", "extension": "101", "lastName": "Громова", "firstName": "Вера"}
    return usual | {"phone_from": "9161112233", "phone_to": "4950000100", "abonent": person} | how


def who(extension: str) -> dict[str, str]:
    return {"extension": extension, "lastName": "X", "userId": f"{extension}@x"}


def calls_of(*rows: dict[str, Any], records: tuple[Any, ...] = ()) -> list[Call]:
    found = [call_from(each, 5) for each in together(rows, records)]
    assert all(isinstance(each, Call) for each in found)
    return [each for each in found if isinstance(each, Call)]


def test_phones_that_rang_together_or_in_turn_are_one_call() -> None:
    rows = [row(0), row(1, abonent=who("102")), row(16, abonent=who("103"), status="RECIEVED", duration=30_000)]
    [call] = calls_of(*reversed(rows))
    assert (call.state, extensions(call.rang), extensions(call.talked)) == (
        State.ANSWERED,
        ["101", "102", "103"],
        ["103"],
    )
    assert call.start_ms == AT
    assert call.ended_ms == AT + 46_000


def test_the_same_number_a_minute_later_is_another_call() -> None:
    assert len(calls_of(row(0), row(60))) == 2


def test_a_redial_is_another_call() -> None:
    out = {"direction": "OUTBOUND", "phone_to": "9161112233", "status": "PLACED", "duration": 0}
    calls = calls_of(row(0, **out), row(10, **out), row(20, **(out | {"duration": 45_000})))
    assert [call.state for call in calls] == [State.MISSED, State.MISSED, State.ANSWERED]
    assert {call.direction for call in calls} == {Direction.OUT}


def test_two_hidden_numbers_at_one_time_are_two_calls() -> None:
    rows = [row(0, phone_from="", duration=60_000, status="RECIEVED"), row(30, phone_from="", abonent=who("102"))]
    assert [call.state for call in calls_of(*rows)] == [State.ANSWERED, State.MISSED]


def test_one_number_spelled_in_two_ways_is_one_call() -> None:
    assert len(calls_of(row(0, phone_from="79161112233"), row(1, phone_from="9161112233"))) == 1


def test_a_call_redirected_elsewhere_is_answered_where_it_lasted() -> None:
    [taken] = calls_of(row(status="REDIRECTED", duration=20_000))
    [not_taken] = calls_of(row(status="REDIRECTED", duration=0))
    assert (taken.state, taken.talked) == (State.ANSWERED, ())
    assert not_taken.state is State.MISSED


def test_an_unknown_status_and_a_missing_employee_do_not_cost_the_row() -> None:
    [call] = calls_of(row(status="НОВЫЙ", abonent=None, duration="много"))
    assert (call.state, call.rang) == (State.MISSED, ())


def test_a_row_without_a_time_stays_a_row_with_its_flaw() -> None:
    [odd] = together([row(startDate="вчера")], ())
    flaws = call_from(odd, 5)
    assert isinstance(flaws, list)
    assert "непонятно, когда" in str(flaws[0])


def test_the_key_holds_no_number() -> None:
    [call] = calls_of(row())
    assert "9161112233" not in call.key
    assert call.key == calls_of(row(), row(1, abonent=who("102")))[0].key


def test_a_recording_finds_its_call_by_number_and_time() -> None:
    first = row(0, status="RECIEVED", duration=30_000)
    later = row(600, status="RECIEVED", duration=30_000)
    other = row(605, phone_from="9990000000", status="RECIEVED", duration=30_000)
    records = (
        {"id": "7", "phone": "79161112233", "direction": "INBOUND", "date": AT + 606_000},
        {"id": "8", "phone": "9990000000", "direction": "INBOUND", "date": AT + 607_000},
        {"id": "9", "phone": "9161112233", "direction": "OUTBOUND", "date": AT + 606_000},
        "мусор",
    )
    assert [call.recordings for call in calls_of(first, later, other, records=records)] == [(), ("7",), ("8",)]


def test_rows_with_an_id_are_told_by_it(clouds: CloudProcess) -> None:
    clouds.options(limits={"beeline": "tracked"})
    clouds.finished("beeline", ago=600, rang=["101", "102"], recorded=True)
    [call] = history(line(clouds, "beeline"))
    assert call.key.startswith("bl-")
    assert call.key.endswith(":0")
    assert call.recordings


def test_no_access_to_recordings_costs_no_call(clouds: CloudProcess) -> None:
    clouds.options(limits={"beeline": "deaf"})
    clouds.finished("beeline", ago=600, recorded=True)
    [call] = history(line(clouds, "beeline"))
    assert call.state is State.ANSWERED
    assert call.recordings == ()


def test_more_than_a_page_is_read(clouds: CloudProcess) -> None:
    for number in range(130):
        clouds.finished("beeline", ago=4_000 - number * 20, talk=3, phone=f"+7916{number:07}", recorded=True)
    calls = history(line(clouds, "beeline"))
    assert len(calls) == 130
    assert all(len(call.recordings) == 1 for call in calls)
    assert clouds.asked("GET /beeline/v2/statistics") == 2


def test_a_recording_still_being_written_is_asked_for_in_a_minute(clouds: CloudProcess) -> None:
    clouds.finished("beeline", ago=60, recorded=True, ready_in=600)
    [call] = history(line(clouds, "beeline"))
    with pytest.raises(errors.Unavailable) as caught:
        run(line(clouds, "beeline"), lambda exchange: exchange.recording(call.recordings[0]))
    assert caught.value.after_ms == 60_000
