"""Mango Office: statistics in two steps, links that serve once, clicks, and the block after wrong requests."""

import asyncio
import logging

import pytest

from identsync import errors
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.flows.intake import OPEN_END_MS, Window
from identsync.flows.sending import Accepted, Lost, NotTaken, Refused
from identsync.integrations.telephony.call import Direction, Employee, Reason, State
from identsync.integrations.telephony.wire import mango, mango_calls

from . import clouds_desk
from .clouds_desk import WRONG, command, history, judged, lately, line, opened

cloud_process, clouds = clouds_desk.cloud_process, clouds_desk.clouds

VERA, DARYA, EGOR = Employee("101", "Громова Вера"), Employee("102", "Лапина Дарья"), Employee("103", "Зимин Егор")


async def test_a_ring_group_is_one_answered_call(clouds: CloudProcess) -> None:
    number = clouds.finished("mango", ago=100, talk=30, rang=["101", "102", "103"], talked=["102"], recorded=True)
    async with opened(line(clouds, "mango")) as pbx:
        [call] = await history(pbx)
    assert (call.key, call.direction, call.state) == (f"entry-{number}", Direction.IN, State.ANSWERED)
    assert (call.phone, call.line) == ("79160000001", "74950000100")
    assert (call.rang, call.talked) == ((VERA, DARYA, EGOR), (DARYA,))
    assert (call.ended_ms or 0) - (call.answered_ms or 0) == 30_000
    assert len(call.recordings) == 1


async def test_an_outgoing_call_names_who_called_and_whom(clouds: CloudProcess) -> None:
    clouds.finished("mango", direction="out", rang=["103"])
    clouds.finished("mango", direction="out", rang=["103"], talk=None, reason="busy", ago=50)
    async with opened(line(clouds, "mango")) as pbx:
        reached, busy = await history(pbx)
    assert (reached.direction, reached.phone, reached.talked) == (Direction.OUT, "79160000001", (EGOR,))
    assert (busy.state, busy.reason, busy.talked) == (State.MISSED, Reason.BUSY, ())


@pytest.mark.parametrize(("called_back", "told"), [(None, False), (False, False), (True, True)])
async def test_a_missed_call_says_whether_somebody_called_back(
    clouds: CloudProcess, called_back: bool | None, told: bool
) -> None:
    clouds.finished("mango", talk=None, called_back=called_back, reason="cancelled")
    async with opened(line(clouds, "mango")) as pbx:
        [call] = await history(pbx)
    assert (call.state, call.reason, call.calls_back) == (State.MISSED, Reason.CANCELLED, told)


async def test_an_answered_call_needs_no_calling_back(clouds: CloudProcess) -> None:
    clouds.finished("mango")
    async with opened(line(clouds, "mango")) as pbx:
        [call] = await history(pbx)
    assert call.calls_back is None


async def test_times_are_utc_and_no_hour_of_the_period_is_left_out(clouds: CloudProcess) -> None:
    """Sources differ whether a period is read in UTC or in Moscow's time: it is asked so that both will do."""
    clouds.finished("mango", ago=3_500)
    clouds.finished("mango", ago=20)
    [first, last] = clouds.calls()
    async with opened(line(clouds, "mango")) as pbx:
        calls = await history(pbx, lately(3_600_000))
    assert [call.start_ms for call in calls] == [int(first["start"]) * 1000, int(last["start"]) * 1000]


async def test_the_longest_window_and_an_open_end_are_taken(clouds: CloudProcess) -> None:
    now = lately().end_ms
    async with opened(line(clouds, "mango")) as pbx:
        assert await history(pbx, Window(now - mango.WINDOW_MS, now, last=False)) == []
        await asyncio.sleep(0)
    async with opened(line(clouds, "mango")) as pbx:
        clouds.clear()
        assert await history(pbx, Window(now - 20 * 86_400_000, OPEN_END_MS, last=True)) == []
    assert clouds.refused("mango 3100") == 0


async def test_pages_of_any_length_at_the_pace_that_is_allowed(clouds: CloudProcess) -> None:
    for each in range(4):
        clouds.finished("mango", ago=600 - each)
    async with opened(line(clouds, "mango")) as pbx:
        calls = await history(pbx, limit=3)
    assert len({call.key for call in calls}) == 4
    assert clouds.asked("POST /mango/stats/calls/request") == 2
    assert clouds.refused("stats too often") == 0


@pytest.mark.parametrize("empty", [True, False])
async def test_statistics_are_waited_for(clouds: CloudProcess, empty: bool) -> None:
    clouds.options(limits={"mango_work": 4, "mango_empty": empty})
    clouds.finished("mango")
    async with opened(line(clouds, "mango")) as pbx:
        assert len(await history(pbx)) == 1
    assert clouds.asked("POST /mango/stats/calls/result") == 5


async def test_statistics_that_never_come_are_asked_for_another_time(clouds: CloudProcess) -> None:
    clouds.options(limits={"mango_work": 10**9})
    async with opened(line(clouds, "mango", timeout=100)) as pbx:
        with pytest.raises(errors.Unavailable):
            await pbx.fetch(lately(), 100, 0)


@pytest.mark.parametrize("status", ["error", "cancel", "not-found"])
async def test_statistics_that_are_gone_are_asked_for_another_time(clouds: CloudProcess, status: str) -> None:
    clouds.says(f'{{"result":1000,"status":"{status}"}}', path="stats/calls/result")
    async with opened(line(clouds, "mango")) as pbx:
        with pytest.raises(errors.Unavailable):
            await pbx.fetch(lately(), 100, 0)


async def test_a_recording_comes_by_a_link_that_serves_once(clouds: CloudProcess) -> None:
    clouds.finished("mango", recorded=True)
    async with opened(line(clouds, "mango")) as pbx:
        [call] = await history(pbx)
        first = await pbx.recording(call.recordings[0])
        second = await pbx.recording(call.recordings[0])
    assert first == second
    assert first.media_type == "audio/wav"
    assert first.content.startswith(b"RIFF")
    assert "://" not in call.recordings[0]
    assert clouds.asked("POST /mango/queries/recording/post") == 2


async def test_a_recording_that_is_not_ready_is_for_a_minute_later(clouds: CloudProcess) -> None:
    clouds.finished("mango", recorded=True, ready_in=3_600)
    async with opened(line(clouds, "mango")) as pbx:
        [call] = await history(pbx)
        with pytest.raises(errors.Unavailable) as caught:
            await pbx.recording(call.recordings[0])
    assert caught.value.after_ms == 60_000


async def test_the_link_of_a_recording_must_be_one(clouds: CloudProcess) -> None:
    async with opened(line(clouds, "mango")) as pbx:
        for place in ("file:///etc/passwd", "http://[", "javascript:1", ""):
            clouds.fault("fail", path="recording/post", status=302, location=place)
            with pytest.raises(errors.Unexpected):
                await pbx.recording("rec-1")
    assert sum(clouds.books()["counts"].values()) == 4


async def test_a_click_is_an_order_with_our_token(clouds: CloudProcess) -> None:
    one = command("102")
    async with opened(line(clouds, "mango")) as pbx:
        assert isinstance(await pbx.dial(one), Accepted)
    [dialled] = clouds.dialled()
    assert (dialled["token"], dialled["extension"], dialled["to"]) == (one.token, "102", "79160000002")
    assert not mango.ABILITIES.certain


@pytest.mark.parametrize("fault", ["lose", "cut", "hang", "late", "html", "half"])
async def test_a_click_whose_answer_is_lost_is_never_repeated(clouds: CloudProcess, fault: str) -> None:
    clouds.fault(fault, path="commands/callback")
    async with opened(line(clouds, "mango", timeout=1_500 if fault == "hang" else 20_000)) as pbx:
        verdict = await judged(pbx, command())
    assert isinstance(verdict, Lost | errors.Unavailable | errors.Unexpected)
    assert getattr(verdict, "sent", True)
    assert len(clouds.dialled()) == 1
    assert clouds.asked("POST /mango/commands/callback") == 1


@pytest.mark.parametrize("code", [5000, 5003, 7777])
async def test_a_click_that_broke_the_pbx_may_be_ringing(clouds: CloudProcess, code: int) -> None:
    clouds.fault("refuse", path="callback", code=code)
    async with opened(line(clouds, "mango")) as pbx:
        clouds.says(f'{{"result":{code}}}', path="callback", done=True)
        assert isinstance(await pbx.dial(command()), Lost)


async def test_no_money_is_for_a_person(clouds: CloudProcess) -> None:
    clouds.options(limits={"mango_money": False})
    async with opened(line(clouds, "mango")) as pbx:
        with pytest.raises(errors.AskPerson) as caught:
            await pbx.dial(command())
    assert not isinstance(caught.value, errors.Refused)
    assert caught.value.hint


async def test_the_same_wrong_click_is_not_sent_again_but_others_are(clouds: CloudProcess) -> None:
    async with opened(line(clouds, "mango")) as pbx:
        assert await pbx.dial(command("199")) == Refused("у АТС нет такого внутреннего номера", "3330")
    async with opened(line(clouds, "mango")) as pbx:
        again = await pbx.dial(command("199"))
        other = await pbx.dial(command("101"))
    assert isinstance(again, NotTaken)
    assert 0 < (again.after_ms or 0) <= 120_000
    assert isinstance(other, Accepted)
    assert clouds.refused("mango 3330") == 1
    assert clouds.refused("asked while blocked") == 0


async def test_after_a_401_nothing_is_asked_until_the_block_may_have_ended(
    clouds: CloudProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = line(clouds, "mango", password="env:TEST_WRONG")
    async with opened(wrong) as pbx:
        with pytest.raises(errors.Refused) as caught:
            await pbx.check()
    async with opened(wrong) as pbx:
        for ask in (pbx.check(), pbx.fetch(lately(), 100, 0), pbx.recording("rec-1")):
            with pytest.raises(errors.Limited) as limited:
                await ask
            assert 0 < (limited.value.after_ms or 0) <= 120_000
        assert isinstance(await pbx.dial(command()), NotTaken)
    assert sum(clouds.books()["counts"].values()) == 1
    assert clouds.refused("asked while blocked") == 0
    assert WRONG not in f"{caught.value} {caught.value.raw} {caught.value.hint} {caplog.text}"


async def test_when_the_block_ends_all_is_asked_again(clouds: CloudProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mango, "BLOCK_S", 0.0)
    clouds.fault("fail", status=401, path="users")
    async with opened(line(clouds, "mango")) as pbx:
        with pytest.raises(errors.Refused):
            await pbx.check()
        await pbx.check()


async def test_bad_parameters_make_history_wait_and_clicks_go_on(clouds: CloudProcess) -> None:
    clouds.fault("refuse", path="stats/calls/request", code=3104)
    async with opened(line(clouds, "mango")) as pbx:
        with pytest.raises(errors.Unexpected):
            await pbx.fetch(lately(), 100, 0)
        with pytest.raises(errors.Limited) as caught:
            await pbx.fetch(lately(), 100, 0)
        assert isinstance(await pbx.dial(command()), Accepted)
    assert 0 < (caught.value.after_ms or 0) <= 120_000
    assert clouds.asked("POST /mango/stats/calls/request") == 1


async def test_who_is_calling_is_never_promised(clouds: CloudProcess) -> None:
    assert not mango.ABILITIES.live
    async with opened(line(clouds, "mango")) as pbx:
        with pytest.raises(NotImplementedError):
            await pbx.listen(clouds_desk.Heard())


async def test_without_the_list_of_employees_their_names_serve(clouds: CloudProcess) -> None:
    clouds.fault("fail", path="users")
    clouds.finished("mango", rang=["101", "102"], talked=["101"])
    async with opened(line(clouds, "mango")) as pbx:
        [call] = await history(pbx)
    assert call.talked == (Employee("", "Громова Вера"),)


def test_the_example_of_the_official_document_is_read() -> None:
    """A group of two, one answered after 5 s and talked 9 s (facts of the document's own sample, times UTC)."""
    member = {"call_type": "user", "call_abonent_id": 7, "call_abonent_info": "Сергей", "members": None}
    member |= {"call_answer_time": 1555660160, "call_end_time": 1555660169, "talk_duration": 9, "recording_id": ["a"]}
    group = {"call_type": "group", "call_abonent_info": "Два сотрудника", "recording_id": ["b"], "members": [member]}
    row = {"entry_id": "NTAw", "context_type": 1, "context_status": 1, "caller_number": "74956496674"}
    row |= {"called_number": "74952233567", "context_start_time": 1555660155, "duration": 14, "talk_duration": 9}
    call = mango_calls.finished(row | {"recall_status": 2, "context_calls": [group]}, {7: Employee("12", "Сергей")})
    assert not isinstance(call, list)
    assert (call.start_ms, call.answered_ms, call.ended_ms) == (1555660155_000, 1555660160_000, 1555660169_000)
    assert (call.talked, call.recordings) == ((Employee("12", "Сергей"),), ("b", "a"))


async def test_who_does_not_wait_is_locked_out(clouds: CloudProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the rests are for: a second wrong request within two minutes closes the door for right ones, too."""
    monkeypatch.setattr(mango, "BLOCK_S", 0.0)
    async with opened(line(clouds, "mango")) as pbx:
        for extension in ("198", "199"):
            await pbx.dial(command(extension))
        with pytest.raises(errors.Refused):
            await pbx.check()
    assert clouds.refused("asked while blocked") == 1


async def test_a_recording_may_come_at_once(clouds: CloudProcess) -> None:
    clouds.says("RIFF0000WAVEfmt ", path="recording/post")
    async with opened(line(clouds, "mango")) as pbx:
        assert (await pbx.recording("rec-1")).media_type == "audio/wav"
