"""Sipuni's traps: the order under the hash, CSV of whole days by Moscow's clock, people spelled with their seconds."""

import hashlib
from typing import Any

import pytest

from identsync import errors
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.integrations.telephony.call import Call, Direction, Reason, State
from identsync.integrations.telephony.wire import sipuni
from identsync.integrations.telephony.wire.sipuni_calls import call_from

from .clouds2_lines import cloud_process, clouds, extensions, history, line, run, window

__all__ = ["cloud_process", "clouds"]  # fixtures
ORDER = (
    *("anonymous", "crmLinks", "dtmfUserAnswer", "firstTime", "from", "fromNumber", "hangupinitor", "ignoreSpecChar"),
    *(
        "names",
        "numbersInvolved",
        "numbersRinged",
        "outgoingLine",
        "rating",
        "showTreeId",
        "state",
        "timeFrom",
        "timeTo",
    ),
    *("to", "toAnswer", "toNumber", "tree", "type", "user"),
)


def test_the_hash_is_of_values_in_the_order_of_their_names() -> None:
    fields = {"phone": "79160000001", "sipnumber": "101", "user": "012345", "antiaon": "0", "reverse": "0"}
    assert sipuni.signature(fields, "key") == hashlib.md5(b"0+79160000001+0+101+012345+key").hexdigest()


def test_the_export_asks_for_everything_the_hash_is_known_for() -> None:
    asked = sipuni.EVERYTHING | {"from": "a", "to": "b", "user": "c"}
    assert tuple(sorted(asked)) == ORDER


def test_whole_days_are_asked_and_only_the_window_is_told(clouds: CloudProcess) -> None:
    for hours in (1, 3, 5, 30):
        clouds.finished("sipuni", ago=hours * 3_600, phone=f"+791600000{hours:02}")
    calls = history(line(clouds, "sipuni"), window(hours=4, until_h=2))
    assert [call.phone for call in calls] == ["+79160000003"]


def test_times_are_moscows(clouds: CloudProcess) -> None:
    clouds.finished("sipuni", ago=600)
    [call] = history(line(clouds, "sipuni"))
    assert abs(call.start_ms - window(0).start_ms + 600_000) < 15_000


def test_what_became_of_a_missed_call_is_told(clouds: CloudProcess) -> None:
    for ago, called_back in ((900, True), (600, False), (300, None)):
        clouds.finished("sipuni", ago=ago, talk=None, called_back=called_back, phone=f"+7916000{ago}")
    assert [call.calls_back for call in history(line(clouds, "sipuni"))] == [True, False, None]


def test_other_columns_are_said_and_the_journal_is_not_taken_for_empty(clouds: CloudProcess) -> None:
    clouds.says("Type;Status;Time\nin;ok;02.01.2026 03:04:05\n", path="export")
    with pytest.raises(errors.Unexpected, match="другие столбцы") as caught:
        history(line(clouds, "sipuni"))
    assert "Type" in caught.value.raw


@pytest.mark.parametrize("cut", [30, 200, 420])
def test_a_table_that_breaks_off_is_no_table(clouds: CloudProcess, cut: int) -> None:
    heads = "Тип;Статус;Время;Откуда;Куда;Кто ответил;ID записи;Запись существует"
    whole = f"{heads}\n" + "Входящий;Отвечен;02.01.2026 03:04:05;+79161112233;74950000100;101 (Вера);1.1;1\n" * 6
    clouds.says(whole[: whole.index("\n", cut) - 3], path="export")
    with pytest.raises(errors.Unexpected) as caught:
        history(line(clouds, "sipuni"), window(hours=24 * 30))
    assert "9161112233" not in f"{caught.value} {caught.value.raw}"


def test_no_calls_is_no_error(clouds: CloudProcess) -> None:
    assert history(line(clouds, "sipuni")) == []
    clouds.says("", path="export")
    assert history(line(clouds, "sipuni")) == []


def row(**how: Any) -> dict[str, str]:
    usual = {"Тип": "Входящий", "Статус": "Отвечен", "Время": "02.01.2026 03:04:05", "Откуда": "+79161112233"}
    spoken = {"Куда": "74950000100", "Длительность звонка, сек": "72", "Длительность разговора, сек": "65"}
    names = {"Кому звонили": "204 (Зимин Егор), 205 (Дуба) 65", "Кто разговаривал": "205 (Дуба) 65"}
    return (
        usual
        | spoken
        | names
        | {"Кто ответил": "205 (Дуба)", "ID записи": "1767323045.17", "Время ответа, сек": "7"}
        | how
    )


def told(**how: Any) -> Call:
    call = call_from(row(**how), 5, "060863")
    assert isinstance(call, Call)
    return call


def test_seconds_behind_a_name_are_no_extension() -> None:
    call = told()
    assert [(each.extension, each.name) for each in call.talked] == [("205", "Дуба")]
    assert [(each.extension, each.name) for each in call.rang] == [("204", "Зимин Егор"), ("205", "Дуба")]
    assert call.answered_ms == call.start_ms + 7_000
    assert call.ended_ms == call.start_ms + 72_000
    assert call.line == "74950000100"


def test_an_extension_with_the_clients_number_before_it_is_the_extension() -> None:
    call = told(**{"Кто разговаривал": "060863205", "Кто ответил": ""})
    assert extensions(call.talked) == ["205"]


def test_an_outgoing_call_goes_from_the_employee() -> None:
    call = told(
        **{
            "Тип": "Исходящий",
            "Откуда": "205 (Дуба)",
            "Куда": "+79161112233",
            "Кто разговаривал": "",
            "Кто ответил": "",
        }
    )
    assert (call.direction, call.phone) == (Direction.OUT, "+79161112233")
    assert extensions(call.talked) == ["205"]


def test_a_number_is_not_taken_for_an_extension() -> None:
    call = told(**{"Кто ответил": "+79031234567", "Кто разговаривал": "+79031234567 (Мобильный) 65"})
    assert call.talked == ()
    assert call.state is State.ANSWERED


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("Не отвечен", Reason.NO_ANSWER),
        ("Пропущен", Reason.NO_ANSWER),
        ("Занято", Reason.BUSY),
        ("Отменён", Reason.CANCELLED),
        ("Недоступен", Reason.FAILED),
        ("Непонятно", Reason.NONE),
    ],
)
def test_why_nobody_talked(status: str, reason: Reason) -> None:
    call = told(**{"Статус": status, "Длительность разговора, сек": "0"})
    assert (call.state, call.reason) == (State.MISSED, reason)


def test_a_call_without_an_id_has_a_key_of_its_own_and_no_recording() -> None:
    call = told(**{"ID записи": "", "Запись существует": "1"})
    other = told(**{"ID записи": "", "Откуда": "+79161112244"})
    assert call.recordings == ()
    assert call.key != other.key
    assert "9161112233" not in call.key


def test_a_recording_that_is_not_there_is_told_whatever_the_header_says(clouds: CloudProcess) -> None:
    with pytest.raises(errors.Unexpected, match="записи этого разговора нет"):
        run(line(clouds, "sipuni"), lambda exchange: exchange.recording("1.1"))
