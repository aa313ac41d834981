"""Exolve's traps: two editions of the journal, sides that must not be swapped, a resource that must be named."""

from typing import Any

import pytest

from identsync import errors
from identsync.demo.cloudpbx.desk import NUMBER
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.flows.sending import Accepted, Refused
from identsync.integrations.telephony.call import Call, Direction, Reason, State
from identsync.integrations.telephony.wire.exolve_calls import call_from

from .clouds2_lines import cloud_process, clouds, command, extensions, history, line, run, window

__all__ = ["cloud_process", "clouds"]  # fixtures


@pytest.mark.parametrize("lack", [{"user": None}, {"number": ""}, {"user": "ресурс"}])
def test_without_a_resource_or_a_number_nothing_is_asked(clouds: CloudProcess, lack: dict[str, Any]) -> None:
    verdict = run(line(clouds, "exolve", **lack), lambda exchange: exchange.dial(command()))
    assert isinstance(verdict, Refused)
    assert "user" in verdict.reason
    assert sum(clouds.books()["counts"].values()) == 0


def test_our_token_comes_back_with_the_call(clouds: CloudProcess) -> None:
    one = command()
    verdict = run(line(clouds, "exolve"), lambda exchange: exchange.dial(one))
    assert isinstance(verdict, Accepted)
    [there] = clouds.dialled()
    assert there["token"] == one.token
    clouds.answer(there["call"])
    clouds.end(there["call"])
    [call] = history(line(clouds, "exolve"), window(until_h=-0.1))
    assert (call.token, call.key, call.direction) == (one.token, verdict.provider_id, Direction.OUT)


def test_the_other_edition_counts_in_milliseconds(clouds: CloudProcess) -> None:
    clouds.options(limits={"exolve": "old"})
    clouds.finished("exolve", ago=600, talk=40, phone="+79161112233")
    clouds.finished("exolve", ago=300, talk=None, direction="out", phone="+79161112244")
    first, second = history(line(clouds, "exolve"))
    assert (first.state, first.direction, first.phone) == (State.ANSWERED, Direction.IN, "79161112233")
    assert first.ended_ms is not None
    assert 44_000 <= first.ended_ms - first.start_ms <= 46_000
    assert (second.state, second.direction) == (State.MISSED, Direction.OUT)


def test_a_question_it_does_not_like_is_told_in_its_words(clouds: CloudProcess) -> None:
    clouds.says('{"error": {"code": 3, "message": "date_from: too old, 79161112233"}}', status=400)
    with pytest.raises(errors.Unexpected) as caught:
        history(line(clouds, "exolve"))
    assert "too old" in caught.value.raw
    assert "79161112233" not in caught.value.raw


def row(**how: Any) -> dict[str, Any]:
    return {"call_id": 7, "number_a": "79161112233", "number_b": NUMBER, "date_start": "2026-01-02T03:04:05Z"} | how


def told(*rows: dict[str, Any]) -> Call:
    call = call_from(list(rows), NUMBER, 5)
    assert isinstance(call, Call)
    return call


def test_a_length_is_what_fits_between_beginning_and_end() -> None:
    ends = {"date_end": "2026-01-02T03:04:50Z"}
    assert told(row(duration=40, **ends)).state is State.ANSWERED
    assert told(row(duration=40_000, **ends)).ended_ms == told(row(duration=40, **ends)).ended_ms
    assert told(row(duration=600_000)).ended_ms == told(row(duration=600)).ended_ms
    assert told(row(duration=0, **ends)).state is State.MISSED


@pytest.mark.parametrize(
    ("fields", "direction"),
    [
        ({"direction": "outbound"}, Direction.OUT),
        ({"direction": "INBOUND", "number_a": NUMBER}, Direction.IN),
        ({"call_type": "callback"}, Direction.OUT),
        ({}, Direction.IN),
        ({"number_a": f"+{NUMBER}", "number_b": "79161112233"}, Direction.OUT),
        ({"number_a": "101", "number_b": "79161112233"}, Direction.OUT),
        ({"number_a": "101", "number_b": "102"}, Direction.INSIDE),
        ({"direction": "internal", "number_a": "101", "number_b": "102"}, Direction.INSIDE),
    ],
)
def test_who_called_whom(fields: dict[str, Any], direction: Direction) -> None:
    assert told(row(**fields)).direction is direction


def test_a_recording_is_offered_unless_the_row_says_there_is_none() -> None:
    spoken = {"duration": 40}
    assert told(row(**spoken)).recordings == ("7",)
    assert told(row(**spoken, is_recorded=True)).recordings == ("7",)
    assert told(row(**spoken, record_url="https://x/1")).recordings == ("7",)
    assert told(row(**spoken, is_recorded=False)).recordings == ()
    assert told(row(**spoken, record_url="")).recordings == ()
    assert told(row(duration=0)).recordings == ()


def test_rows_of_one_id_are_one_call() -> None:
    first = row(duration=0, sip_id="883140000101", call_status="no_answer")
    second = row(duration=30, sip_id="883140000102", date_start="2026-01-02T03:04:25Z")
    call = told(second, first)
    assert (call.state, call.reason) == (State.ANSWERED, Reason.NONE)
    assert extensions(call.rang) == ["883140000101", "883140000102"]
    assert extensions(call.talked) == ["883140000102"]
