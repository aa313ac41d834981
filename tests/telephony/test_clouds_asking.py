"""What the cloud PBXs share: what each failure of HTTP means, sounds told from pages, rows of garbage."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync import errors
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.flows.flaw import Flaw
from identsync.integrations.telephony.call import Call, State
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking, ident, mango_calls, uis_calls
from identsync.integrations.telephony.wire import asking_read as read

from . import clouds_desk
from .clouds_desk import lately, line, opened

cloud_process, clouds = clouds_desk.cloud_process, clouds_desk.clouds

KINDS = ("uis", "mango", "ident")
ASKED = {"uis": "get.calls_report", "mango": "stats/calls", "ident": "GetFinishedCalls"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("fail", 503, errors.Unavailable),
        ("fail", 408, errors.Unavailable),
        ("fail", 403, errors.Refused),
        ("fail", 404, errors.Unexpected),
        ("drop", 0, errors.Unavailable),
        ("hang", 0, errors.Unavailable),
        ("cut", 0, errors.Unavailable),
        ("html", 0, errors.Unexpected),
        ("half", 0, errors.Unexpected),
    ],
)
async def test_what_a_failed_question_means(
    clouds: CloudProcess, kind: str, fault: str, status: int, error: type[Exception]
) -> None:
    clouds.fault(fault, status=status, path=ASKED[kind], times=None)
    async with opened(line(clouds, kind, timeout=1_500 if fault == "hang" else 20_000)) as pbx:
        with pytest.raises(error):
            await pbx.fetch(lately(), 100, 0)
    assert sum(count for path, count in clouds.books()["counts"].items() if ASKED[kind] in path) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_asked_to_slow_down_it_is_told_for_how_long(clouds: CloudProcess, kind: str) -> None:
    clouds.fault("fail", status=429, path=ASKED[kind], retry_after=17)
    async with opened(line(clouds, kind)) as pbx:
        with pytest.raises(errors.Limited) as caught:
            await pbx.fetch(lately(), 100, 0)
    assert caught.value.after_ms == 17_000


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_there_is_certainly_nothing_done(clouds: CloudProcess, kind: str) -> None:
    nowhere = "http://127.0.0.1:9"
    async with opened(line(clouds, kind, url=nowhere, data_url=nowhere)) as pbx:
        with pytest.raises(errors.Unavailable) as caught:
            await (pbx.fetch(lately(), 100, 0) if kind == "ident" else pbx.dial(clouds_desk.command()))
    assert not caught.value.sent


@pytest.mark.parametrize("kind", KINDS)
async def test_the_connection_is_tried_without_any_effect(clouds: CloudProcess, kind: str) -> None:
    async with opened(line(clouds, kind)) as pbx:
        await pbx.check()
    assert not clouds.calls()
    assert not clouds.dialled()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_of_another_shape_is_not_kept_with_its_texts(clouds: CloudProcess, kind: str) -> None:
    clouds.says('{"person":"Иванов Иван","phone":"+7 916 000-00-09","n":79160000009}', path=ASKED[kind])
    async with opened(line(clouds, kind)) as pbx:
        with pytest.raises(errors.Unexpected) as caught:
            await pbx.fetch(lately(), 100, 0)
    told = f"{caught.value} {caught.value.raw}"
    assert "Иванов" not in told
    assert "000" not in told


async def test_half_an_emoji_in_one_call_does_not_cost_the_page(clouds: CloudProcess) -> None:
    clouds.finished("ident")
    async with opened(line(clouds, "ident")) as pbx:
        (good,) = asking.rows_of(await pbx.fetch(lately(), 100, 0))
        odd = good | {"UtmSource": "\ud83d", "Id": "2"}
        clouds.says(json.dumps([good, odd]), path=ASKED["ident"])
        calls = [pbx.parse(row) for row in asking.rows_of(await pbx.fetch(lately(), 100, 0))]
    assert all(isinstance(call, Call) for call in calls)


# -- recordings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told", "media"),
    [
        (b"RIFF....WAVE", "application/octet-stream", "audio/wav"),
        (b"ID3\x04", "text/plain", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "", "audio/mpeg"),
        (b"OggS", "audio/x-anything", "audio/ogg"),
        (b"\x00\x01", "audio/amr", "audio/amr"),
        (b"\x00\x01", "text/html", ""),
        (b"  <!doctype html>", "audio/mpeg", ""),
        (b'{"error": 1}', "audio/mpeg", ""),
        (b"", "audio/mpeg", ""),
    ],
)
def test_a_sound_is_told_from_a_page_by_its_first_bytes(content: bytes, told: str, media: str) -> None:
    assert asking.sound(content, told) == media


@given(st.binary(max_size=40), st.text(max_size=20))
def test_no_bytes_break_the_look(content: bytes, told: str) -> None:
    assert isinstance(asking.sound(content, told), str)


@pytest.mark.parametrize("target", ["http://host/x", "ftp://host/x", "http://[::1", "", "file:///x"])
def test_a_recording_never_leads_from_https_to_anything_less(target: str) -> None:
    with pytest.raises(errors.Unexpected):
        asking.safe_link(target, "https://pbx.example/x")


async def test_redirects_of_a_recording_end(clouds: CloudProcess) -> None:
    clouds.finished("mango", recorded=True)
    async with opened(line(clouds, "mango")) as pbx:
        clouds.fault("fail", status=302, path="/files/", times=None, location="/files/again")
        with pytest.raises(errors.Unexpected):
            await pbx.recording(clouds.calls()[0]["recording"])


async def test_a_redirect_to_another_origin_does_not_carry_the_key(clouds: CloudProcess) -> None:
    clouds.finished("ident", recorded=True)
    async with opened(line(clouds, "ident")) as pbx:
        link = pbx.parse((await pbx.fetch(lately(), 10, 0))[0]).recordings[0]
        clouds.fault("fail", status=302, path="/records/", location=link)
        assert (await pbx.recording(link)).content
        clouds.fault("fail", status=302, path="/records/", location=link.replace("127.0.0.1", "localhost"))
        with pytest.raises(errors.Refused):
            await pbx.recording(link)


# -- words and rows -------------------------------------------------------------------------------------------


def test_words_of_others_are_told_without_keys_numbers_and_addresses(clouds: CloudProcess) -> None:
    settings = line(clouds, "mango")

    async def inside() -> str:
        async with opened(settings) as pbx:
            said: str = pbx.discreet("demo-pbx-key demo-pbx-user +7 (916) 000-00-01 anna@clinic.example 3102")
            return said

    assert asyncio.run(inside()) == "*** *** *** *** 3102"


@given(st.integers(946_684_800_000 // 1000, 4_102_444_800 - 90_000), st.sampled_from(["UTC", "Asia/Tokyo", "nowhere"]))
def test_a_moment_spelled_by_a_wall_clock_is_read_back(second: int, zone: str) -> None:
    assert read.moment_ms({"t": read.spelled(second * 1000, zone)}, "t", zone) == second * 1000


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.integers(-(2**70), 2**70) | st.sampled_from([0, 1, 2, 3, 1_555_660_155, "1555660155", "1", 10**400])
DATES = st.sampled_from(
    ["2026-05-12 10:00:00", "2026-05-12T10:00:00.5+03:00", "0000-00-00", "0001-01-01T00:00:00+23:59"]
)
VALUE = JUNK | NUMBERS | DATES | st.sampled_from(["in", "out", "\ud83e", "7\x00916", "true"])


def rows(*names: str) -> st.SearchStrategy[Any]:
    """Rows with the right names and anything in them, and things that are no rows."""
    return JUNK | st.dictionaries(st.sampled_from(names), VALUE, min_size=1)


LEG = rows("employee_id", "employee_full_name", "is_talked", "state", "called_phone_number")
MEMBER = rows("call_type", "call_abonent_id", "call_abonent_info", "call_answer_time", "talk_duration", "recording_id")
UIS = st.tuples(rows(*uis_calls.FIELDS), st.lists(LEG, max_size=3) | VALUE)
MANGO_NAMES = ("entry_id", "context_type", "context_status", "caller_number", "called_number", "context_start_time")
MANGO = st.tuples(
    rows(*MANGO_NAMES, "duration", "talk_duration", "recall_status", "caller_id"), st.lists(MEMBER, max_size=3) | VALUE
)
IDENT_NAMES = ("DateAndTime", "Direction", "PhoneFrom", "PhoneTo", "WaitInSeconds", "TalkInSeconds", "RecordUrl")


def with_legs(drawn: tuple[Any, Any], name: str) -> Any:
    row, legs = drawn
    return row | {name: legs} if isinstance(row, dict) else row


def checked(call: Any) -> None:
    """A call that makes sense, or flaws that can be told."""
    if isinstance(call, list):
        assert call
        assert all(isinstance(flaw, Flaw) and str(flaw) for flaw in call)
        return
    assert isinstance(call, Call)
    assert 0 < len(call.key) <= 200
    assert call.state in (State.ANSWERED, State.MISSED)
    assert call.ended_ms is not None
    assert call.start_ms <= (call.start_ms if call.answered_ms is None else call.answered_ms) <= call.ended_ms
    assert (call.state is State.ANSWERED) == (call.answered_ms is not None)
    call.phone.encode()


@given(UIS)
def test_no_row_of_uis_breaks_the_reading(drawn: tuple[Any, Any]) -> None:
    checked(uis_calls.finished(with_legs(drawn, "employees"), uis_calls.Directory.of([drawn[0]]), "Europe/Moscow"))


@given(st.lists(st.tuples(rows("call_session_id", "direction", "start_time", "external_id"), VALUE | st.lists(LEG))))
def test_no_session_of_uis_breaks_the_reading(drawn: list[tuple[Any, Any]]) -> None:
    sessions = uis_calls.Sessions()
    for _again in range(2):
        calls = sessions.calls([with_legs(each, "legs") for each in drawn], 1_779_000_000_000)
        assert all(call.state in (State.RINGING, State.TALKING) and call.key for call in calls)
        assert len(sessions.seen) <= len(drawn)


@given(MANGO, JUNK)
def test_no_row_of_mango_breaks_the_reading(drawn: tuple[Any, Any], users: Any) -> None:
    checked(mango_calls.finished(with_legs(drawn, "context_calls"), mango_calls.extensions(users)))


@given(rows("users", "data", "list", "general"))
def test_no_statistics_of_mango_break_the_reading(answer: Any) -> None:
    mango_calls.extensions(answer)
    if isinstance(answer, dict):
        assert isinstance(mango_calls.listed(answer), list)


@given(rows(*IDENT_NAMES, "UtmSource", "LineDescription"))
def test_no_row_of_ident_breaks_the_reading(row: Any) -> None:
    checked(ident.finished(row, 4, "https://pbx.example/a"))
    assert isinstance(ident.ongoing(row, 4, {}), Call | list)


@pytest.mark.parametrize("make", [lambda: Line(kind="uis"), lambda: Line(kind="mango")])
def test_the_usual_addresses_are_those_of_the_services(make: Callable[[], Line]) -> None:
    pbx = opened(make())
    assert pbx.address.startswith("https://")
    assert not pbx.address.endswith("/")
