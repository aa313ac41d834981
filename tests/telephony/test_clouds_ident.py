"""A service that speaks IDENT's protocol: calls without ids, null numbers, links to recordings."""

from datetime import datetime
from typing import Any

import pytest

from identsync import errors
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.flows.intake import OPEN_END_MS, Window
from identsync.integrations.telephony.call import Call, Direction, Employee, State
from identsync.integrations.telephony.wire import ident

from . import clouds_desk
from .clouds_desk import WRONG, history, lately, line, listening, opened

cloud_process, clouds = clouds_desk.cloud_process, clouds_desk.clouds

ROW = {
    "DateAndTime": "2026-05-12T10:00:00+03:00",
    "Direction": "in",
    "PhoneFrom": "+7 (916) 000-00-01",
    "PhoneTo": "74950000100",
    "WaitInSeconds": 7,
    "TalkInSeconds": 60,
}


def read(address: str = "https://pbx.example/ident", **change: Any) -> Any:
    return ident.finished(ROW | change, 4, address)


async def test_a_call_that_goes_on_becomes_the_finished_one(clouds: CloudProcess) -> None:
    async with opened(line(clouds, "ident")) as service, listening(service) as heard:
        number = clouds.begin("ident")
        [ringing] = await heard.until(bool)
        assert (ringing.state, ringing.phone, ringing.answered_ms) == (State.RINGING, "79160000001", None)
        clouds.answer(number)
        [talking] = await heard.until(lambda calls: calls and calls[0].state is State.TALKING)
        clouds.end(number)
        await heard.until(lambda calls: not calls)
        [over] = await history(service)
    assert ringing.key == talking.key == over.key
    assert len(over.key) == 64
    assert talking.answered_ms is not None


@pytest.mark.parametrize("direction", ["in", "out"])
async def test_hidden_numbers_keep_their_call(clouds: CloudProcess, direction: str) -> None:
    number = clouds.begin("ident", phone=None, direction=direction)
    async with opened(line(clouds, "ident")) as service, listening(service) as heard:
        [live] = await heard.until(bool)
        clouds.end(number)
        [over] = await history(service)
    assert live.phone == over.phone == ""
    assert live.key == over.key


async def test_history_is_asked_inclusively_in_pages_up_to_the_open_future(clouds: CloudProcess) -> None:
    for each in range(5):
        clouds.finished("ident", ago=600 - each)
    clouds.finished("ident", ago=-3_600, talk=None)
    async with opened(line(clouds, "ident")) as service:
        calls = await history(service, Window(lately().start_ms, OPEN_END_MS, last=True), limit=2)
        first = min(call.start_ms for call in calls)
        assert len(await history(service, Window(first, first + 999, last=False))) <= 2
    assert len({call.key for call in calls}) == 6


async def test_a_recording_is_fetched_with_the_key_from_the_service_alone(clouds: CloudProcess) -> None:
    clouds.finished("ident", recorded=True)
    async with opened(line(clouds, "ident")) as service:
        [call] = await history(service)
        [link] = call.recordings
        audio = await service.recording(link)
        assert (audio.media_type, audio.content[:4]) == ("audio/wav", b"RIFF")
        with pytest.raises(errors.Refused):  # another origin: it is not told the key
            await service.recording(link.replace("127.0.0.1", "localhost"))


async def test_a_recording_that_is_being_written_or_gone(clouds: CloudProcess) -> None:
    clouds.finished("ident", recorded=True, ready_in=3_600)
    async with opened(line(clouds, "ident")) as service:
        [call] = await history(service)
        with pytest.raises(errors.Unavailable) as caught:
            await service.recording(call.recordings[0])
        with pytest.raises(errors.Unexpected):
            await service.recording(call.recordings[0] + "-gone")
    assert caught.value.after_ms == 60_000


async def test_a_wrong_key_is_refused_with_the_reason_of_the_service(clouds: CloudProcess) -> None:
    async with opened(line(clouds, "ident", password="env:TEST_WRONG")) as service:
        with pytest.raises(errors.Refused) as caught:
            await service.check()
    assert "Неверный ключ" in caught.value.raw
    assert WRONG not in f"{caught.value} {caught.value.raw}"


@pytest.mark.parametrize("body", ["null", "{}", '{"error":"x"}', '"none"', "[{}", "<html></html>", ""])
async def test_a_strange_answer_never_looks_like_nobody_calling(clouds: CloudProcess, body: str) -> None:
    clouds.begin("ident")
    clouds.says(body)
    heard = clouds_desk.Heard()
    async with opened(line(clouds, "ident")) as service:
        with pytest.raises(errors.Unexpected):
            await service.listen(heard)
    assert heard.told == []


async def test_a_bad_row_among_calls_that_go_on_costs_only_itself(clouds: CloudProcess) -> None:
    clouds.says('[null, 7, {"Direction":"in"}, {"DateAndTime":"2026-05-12T10:00:00+03:00","Direction":"IN"}]')
    async with opened(line(clouds, "ident")) as service, listening(service) as heard:
        [call] = await heard.until(bool)
    assert (call.phone, call.state) == ("", State.RINGING)


async def test_it_is_never_asked_to_dial(clouds: CloudProcess) -> None:
    assert not ident.ABILITIES.click
    async with opened(line(clouds, "ident")) as service:
        with pytest.raises(NotImplementedError):
            await service.dial(clouds_desk.command())


async def test_an_address_with_a_path_of_its_own_works(clouds: CloudProcess) -> None:
    clouds.fault("fail", path="/ident/GetOngoingCalls", status=418)
    async with opened(line(clouds, "ident", url=clouds.url("ident"))) as service:
        with pytest.raises(errors.Unexpected):
            await service.check()
        await service.check()


def test_nobody_answered_where_talk_is_null_or_nought() -> None:
    for talk in (None, 0, "0", ""):
        call = read(TalkInSeconds=talk)
        assert (call.state, call.answered_ms, call.talked) == (State.MISSED, None, ())
        assert call.ended_ms == call.start_ms + 7_000


def test_a_wait_of_null_is_nought() -> None:
    call = read(WaitInSeconds=None)
    assert call.answered_ms == call.start_ms
    assert call.ended_ms == call.start_ms + 60_000


def test_a_time_without_an_offset_is_this_computers() -> None:
    call = read(DateAndTime="2026-05-12T10:00:00")
    assert call.start_ms == datetime(2026, 5, 12, 10).astimezone().timestamp() * 1000


def test_an_extension_names_the_employee_and_two_make_a_call_inside() -> None:
    came = read(PhoneTo="101", LineDescription="Городская")
    went = read(Direction="out", PhoneFrom="102", PhoneTo="89160000002", LineDescription="Городская")
    within = read(PhoneFrom="103", PhoneTo="101")
    assert (came.talked, came.line) == ((Employee("101"),), "Городская")
    assert (went.talked, went.phone, went.direction) == ((Employee("102"),), "89160000002", Direction.OUT)
    assert within.direction is Direction.INSIDE


def test_the_key_is_the_four_fields_however_they_are_spelled() -> None:
    same = read(DateAndTime="2026-05-12T07:00:00Z", PhoneFrom="7 916 0000001", TalkInSeconds=None)
    assert same.key == read().key
    for change in ({"DateAndTime": "2026-05-12T10:00:01+03:00"}, {"Direction": "out"}, {"PhoneFrom": None}):
        assert read(**change).key != read().key


def test_links_may_be_relative_and_must_be_links() -> None:
    assert read(RecordUrl="/rec/1.mp3").recordings == ("https://pbx.example/rec/1.mp3",)
    assert read(RecordUrl="rec/1.mp3").recordings == ("https://pbx.example/ident/rec/1.mp3",)
    for bad in (None, "", "file:///etc/passwd", "\\\\pbx\\share\\1.wav", "javascript:alert(1)", "http://[", 7):
        assert all(link.startswith(("http://", "https://")) for link in read(RecordUrl=bad).recordings)


def test_what_is_wrong_with_a_row_is_said_all_at_once() -> None:
    flaws = read(DateAndTime="вчера", Direction="sideways")
    assert [str(flaw) for flaw in flaws] == [
        "непонятно, когда звонок начался (DateAndTime)",
        "непонятно, кто кому звонил (Direction)",
    ]


def test_where_callers_come_from_is_kept() -> None:
    call = read(UtmSource="yandex", UtmCampaign="зубы", HttpReferer="https://site.example/", UtmTerm=None)
    assert isinstance(call, Call)
    assert dict(call.utm) == {"source": "yandex", "campaign": "зубы", "referer": "https://site.example/"}
