"""UIS, CoMagic and Novofon: who is calling, history, recordings, click-to-call, points and the closed door."""

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync import errors
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.flows.sending import Accepted, Lost, NotTaken, Refused
from identsync.integrations.telephony.call import Direction, Employee, Reason, State
from identsync.integrations.telephony.wire import asking_poll, uis_calls

from . import clouds_desk
from .clouds_desk import WRONG, command, history, judged, line, listening, opened

cloud_process, clouds = clouds_desk.cloud_process, clouds_desk.clouds

VERA, DARYA, EGOR = Employee("101", "Громова Вера"), Employee("102", "Лапина Дарья"), Employee("103", "Зимин Егор")


async def test_a_ring_group_is_one_call_from_ring_to_end(clouds: CloudProcess) -> None:
    async with opened(line(clouds, "uis")) as uis, listening(uis) as heard:
        await heard.until(lambda calls: not calls)
        number = clouds.begin("uis", rang=["101", "102", "103"])
        [ringing] = await heard.until(bool)
        assert (ringing.key, ringing.direction, ringing.state) == (str(number), Direction.IN, State.RINGING)
        assert (ringing.phone, ringing.line) == ("79160000001", "74950000100")
        assert ringing.rang == (VERA, DARYA, EGOR)
        assert ringing.answered_ms is None
        clouds.answer(number, "102")
        [talking] = await heard.until(lambda calls: calls and calls[0].state is State.TALKING)
        assert (talking.rang, talking.talked) == ((VERA, DARYA, EGOR), (DARYA,))
        assert talking.answered_ms is not None
        assert ringing.start_ms <= talking.answered_ms
        clouds.end(number)
        await heard.until(lambda calls: not calls)
    assert len({call.key for calls in heard.told for call in calls}) == 1


async def test_after_a_transfer_the_last_one_has_it(clouds: CloudProcess) -> None:
    async with opened(line(clouds, "uis")) as uis, listening(uis) as heard:
        number = clouds.begin("uis")
        await heard.until(bool)
        clouds.answer(number, "101")
        await heard.until(lambda calls: calls[0].talked == (VERA,))
        clouds.answer(number, "103")
        [call] = await heard.until(lambda calls: calls[0].talked != (VERA,))
    assert call.talked == (VERA, EGOR)
    assert call.state is State.TALKING


async def test_a_call_that_was_talk_already_has_no_made_up_answer(clouds: CloudProcess) -> None:
    clouds.begin("uis", ago=60, answered_ago=50)
    async with opened(line(clouds, "uis")) as uis, listening(uis) as heard:
        [call] = await heard.until(bool)
    assert (call.state, call.answered_ms) == (State.TALKING, None)


async def test_the_same_is_told_again_only_after_a_silence(
    clouds: CloudProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds.begin("uis")
    asked, often = [0], asyncio.Event()

    async def permit() -> None:
        asked[0] += 1
        if asked[0] == 10:
            often.set()

    async with opened(line(clouds, "uis"), permit) as uis, listening(uis) as heard:
        await often.wait()
        assert len(heard.told) == 1
        monkeypatch.setattr(asking_poll, "SILENCE_S", 0.0)
        await heard.until(lambda _calls: len(heard.told) == 3)


async def test_a_click_is_one_call_that_is_known_by_its_token(clouds: CloudProcess) -> None:
    one = command()
    async with opened(line(clouds, "uis")) as uis, listening(uis) as heard:
        verdict = await uis.dial(one)
        assert isinstance(verdict, Accepted)
        [call] = await heard.until(bool)
        assert (call.key, call.token, call.direction) == (verdict.provider_id, one.token, Direction.OUT)
        assert (call.state, call.phone, call.rang) == (State.RINGING, "79160000002", (VERA,))
        clouds.answer(int(call.key))
        await heard.until(lambda calls: calls[0].state is State.TALKING)
        clouds.end(int(call.key))
        await heard.until(lambda calls: not calls)
        [over] = await history(uis)
    assert (over.key, over.token, over.state) == (call.key, one.token, State.ANSWERED)
    assert [each["to"] for each in clouds.dialled()] == ["79160000002"]


async def test_an_order_that_was_taken_twice_shows_as_one_call(clouds: CloudProcess) -> None:
    one = command()
    async with opened(line(clouds, "uis")) as uis:
        first, second = await uis.dial(one), await uis.dial(one)
    assert isinstance(first, Accepted)
    assert isinstance(second, Refused)
    assert len(clouds.calls()) == 1


@pytest.mark.parametrize("fault", ["lose", "cut", "hang", "late", "html", "half"])
async def test_a_click_whose_answer_is_lost_is_never_repeated(clouds: CloudProcess, fault: str) -> None:
    clouds.fault(fault, path="start.employee_call")
    async with opened(line(clouds, "uis", timeout=1_500 if fault == "hang" else 20_000)) as uis:
        verdict = await judged(uis, command())
    assert isinstance(verdict, Lost | errors.Unavailable | errors.Unexpected)
    assert getattr(verdict, "sent", True)
    assert len(clouds.dialled()) == 1
    assert clouds.asked("start.employee_call") == 1


@pytest.mark.parametrize("fault", ["lose", "fail", "half", "html"])
async def test_what_fails_before_a_click_is_certainly_no_call(clouds: CloudProcess, fault: str) -> None:
    clouds.fault(fault, path="get.employees")
    async with opened(line(clouds, "uis")) as uis:
        error = await judged(uis, command())
    assert isinstance(error, errors.Unavailable)
    assert not error.sent
    assert not clouds.dialled()


@pytest.mark.parametrize(
    ("code", "mnemonic", "kind"),
    [
        (-32002, "contact_in_blacklist", Refused),
        (-32004, "invalid_state", Refused),
        (-32007, "virtual_phone_number_not_found", Refused),
        (-32602, "no_active_phone_number", Refused),
        (-32029, "limit_exceeded", NotTaken),
        (-32603, "internal_error", Lost),
        (-31999, "never_heard_of", Lost),
        (-32008, "component_disabled", errors.AskPerson),
        (-32009, "account_inactive", errors.AskPerson),
        (-32001, "access_token_expired", errors.Refused),
    ],
)
async def test_what_a_refused_click_means(clouds: CloudProcess, code: int, mnemonic: str, kind: type) -> None:
    clouds.fault("refuse", path="start.employee_call", code=code, body=mnemonic)
    async with opened(line(clouds, "uis")) as uis:
        verdict = await judged(uis, command())
    assert isinstance(verdict, kind)
    assert not clouds.dialled()


async def test_unknown_extensions_numbers_and_lines_are_refused(clouds: CloudProcess) -> None:
    async with opened(line(clouds, "uis")) as uis, opened(line(clouds, "uis", number="")) as bare:
        unknown = await uis.dial(command("199"))
        short = await uis.dial(command(to="+79160000"))
        lineless = await bare.dial(command())
    assert unknown == Refused("у АТС нет такого внутреннего номера")
    assert short.reason == "АТС не звонит на такой номер"
    assert short.answer.startswith("-32602 ")
    assert "7916" not in short.answer
    assert isinstance(lineless, Refused)
    assert not clouds.dialled()


async def test_history_is_read_by_the_clock_of_the_account(clouds: CloudProcess) -> None:
    clouds.options(zone="Asia/Vladivostok")
    number = clouds.finished("uis", ago=100, talk=30, rang=["101", "102"], talked=["102"], recorded=True)
    [staged] = clouds.calls()
    async with opened(line(clouds, "uis")) as uis:
        [call] = await history(uis)
    assert call.key == str(number)
    assert call.start_ms == int(staged["start"]) * 1000
    assert (call.ended_ms or 0) - (call.answered_ms or 0) == 30_000
    assert (call.state, call.rang, call.talked) == (State.ANSWERED, (VERA, DARYA), (DARYA,))
    assert call.recordings


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("busy", Reason.BUSY),
        ("no answer", Reason.NO_ANSWER),
        ("cancelled", Reason.CANCELLED),
        ("failed", Reason.FAILED),
    ],
)
async def test_a_missed_call_says_why_and_where_from(clouds: CloudProcess, reason: str, told: Reason) -> None:
    clouds.finished("uis", talk=None, reason=reason, utm={"source": "yandex", "campaign": "зубы"}, phone=None)
    async with opened(line(clouds, "uis")) as uis:
        [call] = await history(uis)
    assert (call.state, call.reason, call.phone) == (State.MISSED, told, "")
    assert (call.answered_ms, call.talked) == (None, ())
    assert dict(call.utm) == {"source": "yandex", "campaign": "зубы"}


async def test_history_comes_in_pages_and_none_is_left_out(clouds: CloudProcess) -> None:
    numbers = [clouds.finished("uis", ago=600 - each) for each in range(7)]
    clouds.finished("uis", ago=7_000)
    async with opened(line(clouds, "uis")) as uis:
        calls = await history(uis, limit=3)
    assert [int(call.key) for call in calls] == numbers


async def test_an_open_end_is_no_period_that_uis_refuses(clouds: CloudProcess) -> None:
    clouds.finished("uis")
    from identsync.flows.intake import OPEN_END_MS, Window

    window = Window(clouds_desk.lately(80 * 86_400_000).start_ms, OPEN_END_MS, last=True)
    async with opened(line(clouds, "uis")) as uis:
        assert len(await history(uis, window)) == 1


@pytest.mark.parametrize("parts", [False, True])
async def test_a_recording_is_fetched_by_its_lasting_link_or_part(clouds: CloudProcess, parts: bool) -> None:
    clouds.options(limits={"uis_parts": parts})
    clouds.finished("uis", recorded=True)
    clouds.finished("uis", recorded=True, ready_in=3_600, ago=50)
    async with opened(line(clouds, "uis")) as uis:
        ready, later = await history(uis)
        assert later.recordings == ()
        [reference] = ready.recordings
        assert ("://" in reference) is not parts
        audio = await uis.recording(reference)
        assert (audio.media_type, audio.content[:4]) == ("audio/wav", b"RIFF")
        with pytest.raises(errors.Unexpected):
            await uis.recording(reference + "-gone")


async def test_a_closed_door_names_the_address_and_what_to_do(clouds: CloudProcess) -> None:
    clouds.options(limits={"uis_closed": True})
    async with opened(line(clouds, "uis")) as uis:
        for ask in (uis.check(), uis.listen(None), uis.fetch(clouds_desk.lately(), 10, 0), uis.dial(command())):
            with pytest.raises(errors.AskPerson) as caught:
                await ask
            assert not isinstance(caught.value, errors.Refused)
            assert "203.0.113.7" in str(caught.value)
            assert "IP-адреса" in caught.value.hint


async def test_a_component_that_is_off_is_named(clouds: CloudProcess) -> None:
    clouds.options(limits={"uis_components": ["Call API Управление вызовами"]})
    clouds.finished("uis")
    async with opened(line(clouds, "uis")) as uis:
        with pytest.raises(errors.AskPerson) as caught:
            await uis.check()
        assert "Управление вызовами" in caught.value.hint
        assert len(await history(uis)) == 1
        assert isinstance(await uis.dial(command()), Accepted)


async def test_a_wrong_token_is_refused_and_told_to_nobody(
    clouds: CloudProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(line(clouds, "uis", password="env:TEST_WRONG")) as uis:
        with pytest.raises(errors.Refused) as caught:
            await uis.dial(command())
    told = f"{caught.value} {caught.value.raw} {caught.value.hint} {caplog.text}"
    assert WRONG not in told
    assert "9160000002" not in told


async def test_who_is_calling_is_told_even_where_data_api_is_closed(clouds: CloudProcess) -> None:
    clouds.fault("fail", path="/uis/data", times=None)
    clouds.begin("uis")
    async with opened(line(clouds, "uis")) as uis, listening(uis) as heard:
        [call] = await heard.until(bool)
    assert (call.phone, call.rang) == ("79160000001", (Employee("101", "Громова Вера"),))


async def test_a_lone_session_may_come_without_its_list(clouds: CloudProcess) -> None:
    clouds.options(limits={"uis_wild": True})
    clouds.begin("uis")
    async with opened(line(clouds, "uis")) as uis, listening(uis) as heard:
        assert len(await heard.until(bool)) == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","id":"1","result":{"data":null}}',
        '{"jsonrpc":"2.0","id":"1","result":{}}',
        '{"jsonrpc":"2.0","id":"1","result":{"data":"none"}}',
        "[]",
        "null",
        '{"jsonrpc":"2.0","id":"1","resu',
    ],
)
async def test_a_strange_answer_never_looks_like_nobody_calling(clouds: CloudProcess, body: str) -> None:
    number = clouds.begin("uis")
    clouds.says(body, path="list.calls")
    heard = clouds_desk.Heard()
    async with opened(line(clouds, "uis")) as uis:
        with pytest.raises(errors.Unexpected):
            await uis.listen(heard)
    assert heard.told == []
    assert number


async def test_the_last_tenth_of_the_points_is_never_spent_on_polling(
    clouds: CloudProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds.options(limits={"uis_minute": 60, "uis_cost": 3})
    waits: list[float] = []

    async def counted(seconds: float) -> None:
        waits.append(seconds)
        if seconds > 30:
            raise asyncio.CancelledError

    monkeypatch.setattr(asking_poll.asyncio, "sleep", counted)
    async with opened(line(clouds, "uis")) as uis:
        with pytest.raises(asyncio.CancelledError):
            await uis.listen(clouds_desk.Heard())
        monkeypatch.undo()
        monkeypatch.setenv("TEST_PBX", "demo-pbx-key")
        spent = 3 * clouds.asked("list.calls") + 2
        assert 40 < spent <= 54
        assert waits == sorted(waits)
        assert isinstance(await uis.dial(command()), Accepted)


async def test_no_points_left_means_wait_for_the_next_minute(clouds: CloudProcess) -> None:
    clouds.options(limits={"uis_minute": 2})
    async with opened(line(clouds, "uis")) as uis:
        await uis.check()
        with pytest.raises(errors.Limited) as caught:
            await uis.listen(clouds_desk.Heard())
    assert 1_000 <= (caught.value.after_ms or 0) <= 61_000


async def test_each_request_asks_for_a_permit_first(clouds: CloudProcess) -> None:
    asked: list[int] = []

    async def permit() -> Any:
        asked.append(1)
        if len(asked) > 2:
            raise errors.Limited("the channel is taken", after_ms=5_000)

    async with opened(line(clouds, "uis"), permit) as uis:
        await uis.check()
        with pytest.raises(errors.Limited):
            await uis.fetch(clouds_desk.lately(), 10, 0)
    assert clouds.asked("get.calls_report") == 0


async def test_a_clock_that_is_ahead_does_not_begin_calls_in_the_future(clouds: CloudProcess) -> None:
    clouds.options(ahead=4 * 3_600.0)
    number = clouds.begin("uis")
    async with opened(line(clouds, "uis")) as uis, listening(uis) as heard:
        [first] = await heard.until(bool)
        clouds.answer(number)
        [second] = await heard.until(lambda calls: calls[0].state is State.TALKING)
    assert first.start_ms == second.start_ms <= clouds_desk.lately().end_ms


@pytest.mark.parametrize(
    ("url", "data"),
    [
        (None, "https://dataapi.uiscom.ru/v2.0"),
        ("https://callapi.comagic.ru/v4.0", "https://dataapi.comagic.ru/v2.0"),
        ("https://callapi-jsonrpc.novofon.ru/v4.0", "https://dataapi-jsonrpc.novofon.ru/v2.0"),
        ("https://pbx.example/v4.0", "https://dataapi.uiscom.ru/v2.0"),
    ],
)
def test_the_address_of_one_service_names_the_other(clouds: CloudProcess, url: str | None, data: str) -> None:
    assert opened(line(clouds, "uis", url=url, data_url=None)).data_address == data
    assert opened(line(clouds, "uis", url=url, data_url="https://own.example")).data_address == "https://own.example"


EMPLOYEES = st.sampled_from([None, 1, 2, 3])
LEGS = st.lists(st.tuples(EMPLOYEES, st.sampled_from(["Дозвон", "Разговор", "На очереди", "На удержании"])), max_size=4)


@given(st.sampled_from(["in", "out"]), st.lists(LEGS, min_size=1, max_size=8))
def test_legs_in_any_order_are_one_call_that_never_forgets(direction: str, polls: list[Any]) -> None:
    sessions = uis_calls.Sessions()
    sessions.calls([], 0)
    before = None
    for at, legs in enumerate(polls):
        told = [{"employee_id": who, "employee_full_name": f"n{who}", "state": state} for who, state in legs]
        row = {"call_session_id": 7, "direction": direction, "start_time": "2026-05-12 10:00:00", "legs": told}
        [call] = sessions.calls([row], 1_779_000_000_000 + at)
        assert set(call.talked) <= set(call.rang)
        assert (call.state is State.TALKING) == bool(call.talked) == (call.answered_ms is not None)
        if before is not None:
            assert before.rang == call.rang[: len(before.rang)]
            assert set(before.talked) <= set(call.talked)
            assert before.answered_ms in (None, call.answered_ms)
        before = call
    assert sessions.calls([], 0) == []
    assert sessions.seen == {}
