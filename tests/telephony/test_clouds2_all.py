"""What holds for each of the five clouds without live calls, against its strict stand-in over real sockets."""

import logging
import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync import errors
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Accepted, Lost, Refused
from identsync.integrations.telephony.call import Call, Direction, Reason, State
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import beeline, exolve, megafon, sipuni, zadarma

from .clouds2_lines import (
    KINDS,
    TO,
    cloud_process,
    clouds,
    command,
    extensions,
    history,
    judged,
    line,
    nothing,
    raws,
    run,
    window,
)

__all__ = ["cloud_process", "clouds"]  # fixtures
WIRES = {"zadarma": zadarma, "megafon": megafon, "beeline": beeline, "sipuni": sipuni, "exolve": exolve}
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_what_it_cannot_do_is_said_and_never_asked(clouds: CloudProcess, kind: str) -> None:
    can = WIRES[kind].ABILITIES
    assert (can.live, can.click, can.history, can.recordings, can.certain) == (False, True, True, True, False)
    assert "карточка звонящего не появится" in can.words
    assert "На живой АТС ещё не проверено" in can.words
    with pytest.raises(NotImplementedError):
        run(line(clouds, kind), lambda exchange: exchange.listen(nothing))


@each_kind
def test_an_answered_call_is_told_whole(clouds: CloudProcess, kind: str) -> None:
    clouds.finished(kind, ago=600, talk=40, phone="+79161112233", rang=["101"], recorded=True)
    [call] = history(line(clouds, kind))
    assert (call.direction, call.state, call.reason) == (Direction.IN, State.ANSWERED, Reason.NONE)
    assert call.phone.endswith("9161112233")
    assert extensions(call.talked)[:1] == ["101"]
    assert abs(call.start_ms - window(0).start_ms + 600_000) < 15_000
    assert call.ended_ms is not None
    assert 39_000 <= call.ended_ms - call.start_ms <= 46_000
    assert len(call.recordings) == 1
    assert len(call.key) <= 200


@each_kind
def test_a_missed_call_is_missed(clouds: CloudProcess, kind: str) -> None:
    clouds.finished(kind, ago=600, talk=None, rang=["101", "102"])
    [call] = history(line(clouds, kind))
    assert (call.direction, call.state) == (Direction.IN, State.MISSED)
    assert call.reason in (Reason.NO_ANSWER, Reason.NONE)
    assert not call.talked
    assert not call.recordings


@each_kind
def test_one_answered_group_of_twenty_phones_is_one_call(clouds: CloudProcess, kind: str) -> None:
    phones = [str(number) for number in range(101, 121)]
    clouds.finished(kind, ago=900, talk=60, rang=phones, talked=["103"], phone="+79161112233")
    [call] = history(line(clouds, kind))
    assert call.state is State.ANSWERED
    assert extensions(call.talked) == ["103"]


@each_kind
def test_an_outgoing_call_is_ours(clouds: CloudProcess, kind: str) -> None:
    clouds.finished(kind, ago=600, talk=30, direction="out", phone="+79161112233", rang=["102"])
    clouds.finished(kind, ago=300, talk=None, direction="out", phone="+79161112244", rang=["102"])
    reached, not_reached = history(line(clouds, kind))
    assert (reached.direction, reached.state) == (Direction.OUT, State.ANSWERED)
    assert (not_reached.direction, not_reached.state) == (Direction.OUT, State.MISSED)
    assert reached.phone.endswith("9161112233")
    assert extensions(reached.talked) == ["102"]


@each_kind
def test_a_hidden_number_does_not_cost_the_call(clouds: CloudProcess, kind: str) -> None:
    clouds.finished(kind, ago=600, phone=None)
    [call] = history(line(clouds, kind))
    assert call.phone in ("", "Anonymous")
    assert call.state is State.ANSWERED


@each_kind
def test_asked_twice_it_is_the_same_call_by_the_same_key(clouds: CloudProcess, kind: str) -> None:
    for ago in (3_000, 2_000, 1_000):
        clouds.finished(kind, ago=ago, phone=f"+7916000{ago}")
    first = history(line(clouds, kind))
    again = history(line(clouds, kind), window(hours=1.0, until_h=-0.5))
    assert [call.key for call in first] == [call.key for call in again]
    assert len({call.key for call in first}) == 3


@each_kind
def test_what_began_outside_of_the_window_is_not_told_or_told_again(clouds: CloudProcess, kind: str) -> None:
    clouds.finished(kind, ago=5 * 3_600, phone="+79161112233")
    clouds.finished(kind, ago=600, phone="+79161112244")
    [call] = history(line(clouds, kind), window(hours=1))
    assert call.phone.endswith("9161112244")


@each_kind
def test_windows_that_overlap_or_touch_lose_and_double_nothing(
    clouds: CloudProcess, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls in turn from three numbers, groups that ring over a border: pieces tell the same calls as the whole."""
    chance = random.Random(kind)
    for at in range(40):
        phone, talk = f"+7916000000{chance.randrange(3)}", chance.choice((None, 5.0, 90.0))
        ago = 7_000 - at * 170 - chance.randrange(100)
        clouds.finished(kind, ago=ago, talk=talk, phone=phone, rang=["101", "102", "103"][: chance.randint(1, 3)])
    whole = history(line(clouds, kind))
    start, pieces = window().start_ms, list[Call]()
    monkeypatch.setattr(zadarma, "STATISTICS", 1_000)  # the pace is another test's
    zadarma._RECENT.clear()
    clouds.options(limits={"zadarma": 1_000})
    for step in range(16):
        begins = start + step * 450_000
        piece = Window(begins, begins + 450_000 + chance.choice((0, 60_000)), last=False)
        pieces += history(line(clouds, kind), piece)
    assert len(whole) == len({call.key for call in whole}) == 40
    assert set(pieces) == set(whole)


@pytest.mark.parametrize("kind", ["beeline", "zadarma"])
def test_a_window_that_begins_or_ends_among_the_legs_of_a_call_tells_all_of_it(clouds: CloudProcess, kind: str) -> None:
    """Told anew without its first legs it would lose who took it and what was recorded, a day after it was over."""
    clouds.finished(kind, ago=600, rang=["101", "102", "103"], talk=30.0, recorded=True)
    [call] = history(line(clouds, kind))
    assert call.recordings
    for second in range(1, 12):
        at = call.start_ms + second * 1_000
        assert history(line(clouds, kind), Window(at, at + 500_000, last=True)) == []
        zadarma._RECENT.clear()
        clouds.options(limits={"zadarma": 1_000})
        assert history(line(clouds, kind), Window(at - 60_000, at, last=False)) == [call]


@each_kind
def test_the_flow_gets_its_pages_from_one_question(clouds: CloudProcess, kind: str) -> None:
    for number in range(7):
        clouds.finished(kind, ago=3_600 - number * 300, phone=f"+7916000000{number}")
    rows = raws(line(clouds, kind), limit=3)
    assert len(rows) == 7
    assert len(history(line(clouds, kind), limit=7)) == 7


@each_kind
def test_each_question_asks_the_permit(clouds: CloudProcess, kind: str) -> None:
    asked: list[int] = []

    async def permit() -> None:
        asked.append(1)

    run(line(clouds, kind), lambda exchange: exchange.fetch(window(), 100, 0), permit)
    assert len(asked) == sum(clouds.books()["counts"].values())


@each_kind
def test_a_recording_is_fetched(clouds: CloudProcess, kind: str) -> None:
    clouds.finished(kind, ago=600, recorded=True)
    [call] = history(line(clouds, kind))
    audio = run(line(clouds, kind), lambda exchange: exchange.recording(call.recordings[0]))
    assert audio.media_type == "audio/wav"
    assert audio.content[:4] == b"RIFF"


@each_kind
def test_a_recording_that_is_gone_is_said_to_be(clouds: CloudProcess, kind: str) -> None:
    clouds.finished(kind, ago=600, recorded=True)
    [call] = history(line(clouds, kind))
    clouds.clear()
    with pytest.raises(errors.Unexpected, match=r"запис"):
        run(line(clouds, kind), lambda exchange: exchange.recording(call.recordings[0]))


@each_kind
def test_a_click_makes_one_call(clouds: CloudProcess, kind: str) -> None:
    one = command()
    verdict = run(line(clouds, kind), lambda exchange: exchange.dial(one))
    assert isinstance(verdict, Accepted)
    [there] = clouds.dialled()
    assert (there["provider"], there["extension"], there["to"]) == (kind, "101", TO)


@each_kind
def test_a_phone_nobody_has_is_refused_and_no_call_is_made(clouds: CloudProcess, kind: str) -> None:
    verdict = run(line(clouds, kind), lambda exchange: exchange.dial(command("999")))
    assert isinstance(verdict, Refused)
    assert verdict.reason
    assert clouds.dialled() == []


@each_kind
def test_a_number_that_is_none_is_refused(clouds: CloudProcess, kind: str) -> None:
    verdict = run(line(clouds, kind), lambda exchange: exchange.dial(command(to="+7916")))
    assert isinstance(verdict, Refused)
    assert "79160000001" not in verdict.reason
    assert clouds.dialled() == []


@pytest.mark.parametrize("fault", ["lose", "cut", "hang", "late", "html", "half"])
@each_kind
def test_a_lost_answer_may_be_a_call_and_is_never_dialled_again(clouds: CloudProcess, kind: str, fault: str) -> None:
    clouds.fault(fault)
    verdict = run(
        line(clouds, kind, timeout=1_500 if fault == "hang" else 20_000), lambda exchange: judged(exchange, command())
    )
    assert len(clouds.dialled()) == 1
    if not (kind == "beeline" and fault == "half"):  # its whole answer is empty: half of it is the same
        assert isinstance(verdict, Lost | errors.Unavailable | errors.Unexpected)
        assert getattr(verdict, "sent", True)
    assert "9160000002" not in f"{verdict} {getattr(verdict, 'raw', '')}"


@each_kind
def test_nobody_there_is_certainly_no_call(clouds: CloudProcess, kind: str) -> None:
    settings = line(clouds, kind, url="http://127.0.0.1:9")
    with pytest.raises(errors.Unavailable) as caught:
        run(settings, lambda exchange: exchange.dial(command()))
    assert not caught.value.sent


@pytest.mark.parametrize("work", ["fetch", "check", "dial"])
@each_kind
def test_a_wrong_key_is_told_and_never_shown(
    clouds: CloudProcess, kind: str, work: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    works: dict[str, Any] = {
        "fetch": lambda exchange: exchange.fetch(window(), 100, 0),
        "check": lambda exchange: exchange.check(),
        "dial": lambda exchange: exchange.dial(command()),
    }
    with pytest.raises(errors.Refused) as caught:
        run(line(clouds, kind, password="env:TEST_WRONG"), works[work])
    told = f"{caught.value} {caught.value.raw} {caught.value.hint} {caplog.text}"
    assert "not-the-key" not in told
    assert "9160000002" not in told
    assert clouds.dialled() == []


@each_kind
def test_check_tries_the_key_and_makes_no_call(clouds: CloudProcess, kind: str) -> None:
    run(line(clouds, kind), lambda exchange: exchange.check())
    assert clouds.dialled() == []
    assert sum(clouds.books()["counts"].values()) >= 1


@each_kind
def test_asked_to_slow_down_it_rests_a_minute_where_no_time_is_named(clouds: CloudProcess, kind: str) -> None:
    for told, expected in ((None, 60_000), (7, 7_000)):
        clouds.fault("fail", status=429, retry_after=told)
        with pytest.raises(errors.Limited) as caught:
            run(line(clouds, kind), lambda exchange: exchange.fetch(window(), 100, 0))
        assert caught.value.after_ms == expected


@pytest.mark.parametrize("fault", ["lose", "cut", "html", "half", "drop", "fail"])
@each_kind
def test_a_journal_that_is_cut_off_is_no_journal(clouds: CloudProcess, kind: str, fault: str) -> None:
    """Half an answer must not move the cursor over calls that were never read."""
    clouds.finished(kind, ago=600, phone="+79161112233")
    clouds.fault(fault, times=None)
    with pytest.raises((errors.Unavailable, errors.Unexpected)) as caught:
        run(line(clouds, kind), lambda exchange: exchange.fetch(window(), 100, 0))
    assert "9161112233" not in f"{caught.value} {caught.value.raw}"


@each_kind
def test_a_journal_that_never_answers_is_given_up(clouds: CloudProcess, kind: str) -> None:
    clouds.fault("hang", times=None)
    with pytest.raises(errors.Unavailable):
        run(line(clouds, kind, timeout=1_000), lambda exchange: exchange.fetch(window(), 100, 0))


@each_kind
def test_a_clock_hours_ahead_hides_no_call(clouds: CloudProcess, kind: str) -> None:
    clouds.options(ahead=5 * 3_600)
    clouds.finished(kind, ago=600)
    [call] = history(line(clouds, kind), window(until_h=-24))
    assert abs(call.start_ms - window(0).start_ms - 5 * 3_600_000 + 600_000) < 15_000


GOOD = {
    "zadarma": {
        "pbx_call_id": "in_1",
        "callstart": "2026-01-02 03:04:05",
        "clid": "79160000001",
        "disposition": "answered",
    },
    "megafon": {
        "uid": "1",
        "type": "in",
        "status": "Success",
        "start": "2026-01-02T03:04:05Z",
        "client": "79160000001",
    },
    "beeline": {
        "startDate": 1_767_323_045_000,
        "direction": "INBOUND",
        "status": "MISSED",
        "phone_from": "79160000001",
    },
    "exolve": {"call_id": 1, "date_start": "2026-01-02T03:04:05Z", "number_a": "79160000001", "duration": 5},
}
PLACES = {"zadarma": "statistics", "megafon": "history", "beeline": "v2/statistics", "exolve": "GetList"}


@pytest.mark.parametrize("kind", GOOD)
def test_a_bad_row_costs_itself_alone(clouds: CloudProcess, kind: str) -> None:
    page: list[Any] = [None, 5, "мусор", [], {}, {"uid": {}, "call_id": [], "pbx_call_id": None}, GOOD[kind]]
    held: Any = {"zadarma": {"status": "success", "stats": page}, "exolve": {"calls": page}}.get(kind, page)
    clouds.says(orjson.dumps(held).decode(), path=PLACES[kind])
    at = Window(1_767_300_000_000, 1_767_400_000_000, last=True)
    rows = raws(line(clouds, kind), at)
    parsed = [run(line(clouds, kind), lambda exchange, row=row: _parsed(exchange, row)) for row in rows]
    assert len(parsed) == len(page)
    assert [each.phone for each in parsed if isinstance(each, Call)] == ["79160000001"]


def test_a_bad_line_of_a_table_costs_itself_alone(clouds: CloudProcess) -> None:
    heads = "Тип;Статус;Время;Откуда;Куда;ID записи"
    lines = (
        "Входящий;Отвечен;когда-то;79160000002;1;1.1",
        "мусор",
        ";;;;;",
        "Входящий;Отвечен;02.01.2026 06:04:05;79160000001;1;1.2",
    )
    clouds.says("\n".join([heads, *lines, ""]), path="export")
    at = Window(1_767_300_000_000, 1_767_400_000_000, last=True)
    rows = raws(line(clouds, "sipuni"), at)
    parsed = [run(line(clouds, "sipuni"), lambda exchange, row=row: _parsed(exchange, row)) for row in rows]
    assert [each.phone for each in parsed if isinstance(each, Call)] == ["79160000001"]
    assert len(parsed) == 3


async def _parsed(exchange: Any, row: Any) -> Any:
    return exchange.parse(row)


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    *("pbx_call_id", "call_id", "callstart", "clid", "destination", "disposition", "seconds", "is_recorded", "sip"),
    *("legs", "ahead_min", "records", "uid", "type", "status", "client", "start", "wait", "duration", "record", "user"),
    *("missed_status", "startDate", "direction", "phone_from", "phone_to", "abonent", "extension", "Тип", "Статус"),
    *("Время", "Откуда", "Куда", "number_a", "number_b", "date_start", "date_end", "end_time"),
)
ROWS = st.dictionaries(
    st.sampled_from(NAMES),
    JSONISH | st.sampled_from(["in_1", "2026-01-02 03:04:05", 1_767_323_045, "INBOUND", "RECIEVED"]),
)


@given(raw=JSONISH | ROWS | st.lists(ROWS, max_size=3) | st.fixed_dictionaries({"legs": st.lists(ROWS, max_size=3)}))
@each_kind
def test_parse_never_raises(kind: str, raw: Any) -> None:
    exchange = WIRES[kind].open(Line(kind=kind, url="http://127.0.0.1:9", user="1"), nothing)  # type: ignore[arg-type]
    parsed = exchange.parse(raw)
    if isinstance(parsed, Call):
        assert parsed.state in (State.ANSWERED, State.MISSED)
        assert parsed.ended_ms is not None
        assert parsed.ended_ms >= parsed.start_ms
        assert 0 < len(parsed.key) <= 200
    else:
        assert parsed
        assert all(isinstance(flaw, Flaw) and str(flaw) for flaw in parsed)
