"""Zadarma's traps: hex before base64, three statistics a minute, the account's clock, menus, ids with every digit."""

import base64
import hashlib
import hmac
import urllib.error
import urllib.request
from typing import Any

import pytest

from identsync import errors
from identsync.demo.cloudpbx.desk import KEY, USER
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.flows.sending import Accepted
from identsync.integrations.telephony.call import Call, Direction, Reason, State
from identsync.integrations.telephony.wire import zadarma
from identsync.integrations.telephony.wire.zadarma_calls import call_from

from .clouds2_lines import cloud_process, clouds, command, extensions, history, line, run, window

__all__ = ["cloud_process", "clouds"]  # fixtures
STATISTICS = "GET /zadarma/v1/statistics/pbx/"


def test_the_signature_is_base64_of_the_hex_of_the_hmac(clouds: CloudProcess) -> None:
    """Base64 of its bytes is the common mistake: the same question signed like that is answered by 401."""
    path, query = "/v1/info/timezone/", ""
    asked = f"{path}{query}{hashlib.md5(query.encode()).hexdigest()}".encode()
    digest = hmac.new(KEY.encode(), asked, "sha1")
    assert base64.b64decode(zadarma.signature(path, query, KEY)).decode() == digest.hexdigest()
    header = {"Authorization": f"{USER}:{base64.b64encode(digest.digest()).decode()}"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(clouds.url("zadarma") + path, headers=header))
    assert caught.value.code == 401
    caught.value.close()


def test_a_query_is_spelled_as_php_does() -> None:
    fields = {"to": "79160000001", "start": "2026-01-02 03:04:05", "a~b": "ё"}
    assert zadarma.spelled(fields) == "a%7Eb=%D1%91&start=2026-01-02+03%3A04%3A05&to=79160000001"


def test_a_fourth_question_about_statistics_waits_for_its_minute(
    clouds: CloudProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def waits(seconds: float) -> None:
        waited.append(seconds)
        raise errors.Unavailable("enough")

    monkeypatch.setattr(zadarma.Zadarma, "waits", staticmethod(waits))
    for _run in range(3):  # other runs of this process count, too
        history(line(clouds, "zadarma"))
    with pytest.raises(errors.Unavailable, match="enough"):
        history(line(clouds, "zadarma"))
    assert 50 < waited[0] <= 60
    assert clouds.asked(STATISTICS) == 3
    assert clouds.refused("zadarma statistics") == 0


def test_the_journal_keeps_the_clock_of_the_account(clouds: CloudProcess) -> None:
    for zone in ("Asia/Yekaterinburg", "Europe/Lisbon", "Asia/Kolkata"):
        zadarma._RECENT.clear()
        clouds.clear()
        clouds.options(zone=zone)
        clouds.finished("zadarma", ago=600)
        [call] = history(line(clouds, "zadarma"), window(hours=0.25))
        assert abs(call.start_ms - window(0).start_ms + 600_000) < 15_000


def test_more_than_a_month_is_asked_in_pieces(clouds: CloudProcess) -> None:
    clouds.finished("zadarma", ago=60 * 86_400, phone="+79161112233")
    clouds.finished("zadarma", ago=600, phone="+79161112244")
    assert len(history(line(clouds, "zadarma"), window(hours=70 * 24))) == 2
    assert clouds.asked(STATISTICS) == 3


def test_a_recording_has_a_new_link_each_time(clouds: CloudProcess) -> None:
    clouds.finished("zadarma", ago=600, recorded=True)
    [call] = history(line(clouds, "zadarma"))
    for _time in range(2):
        audio = run(line(clouds, "zadarma"), lambda exchange: exchange.recording(call.recordings[0]))
        assert audio.content[:4] == b"RIFF"


def test_an_id_keeps_its_last_zero(clouds: CloudProcess) -> None:
    """It comes as a number: 1439981389.10000010 is another recording than 1439981389.1000001."""
    clouds.finished("zadarma", ago=600, recorded=True)
    [call] = history(line(clouds, "zadarma"))
    assert call.recordings[0].endswith("0")


def test_an_extension_of_four_digits_is_not_sent_as_sip(clouds: CloudProcess) -> None:
    people = {"101": "Громова Вера", "102": "Лапина Дарья", "103": "Зимин Егор"}
    clouds.options(employees={"1001": "Зимин Егор"})
    try:
        assert isinstance(run(line(clouds, "zadarma"), lambda exchange: exchange.dial(command("1001"))), Accepted)
    finally:
        clouds.options(employees=people)


def leg(**how: Any) -> dict[str, Any]:
    usual = {"pbx_call_id": "in_1", "call_id": "1.1", "callstart": "2026-01-02 03:04:05", "clid": "79161112233"}
    return usual | {"destination": "101", "sip": "101", "disposition": "cancel", "seconds": 0} | how


def told(*legs: dict[str, Any]) -> Call:
    call = call_from({"ahead_min": 0, "legs": list(legs)}, 5)
    assert isinstance(call, Call)
    return call


def test_a_voice_menu_that_took_the_call_is_nobody() -> None:
    call = told(
        leg(destination=1, sip="", disposition="answered", seconds=30), leg(), leg(destination="102", sip="102")
    )
    assert (call.state, call.talked) == (State.MISSED, ())
    assert extensions(call.rang) == ["101", "102"]
    assert call.reason is Reason.CANCELLED


def test_after_a_transfer_the_last_who_talked_is_the_last() -> None:
    first = leg(disposition="answered", seconds=20, is_recorded=True)
    second = leg(
        destination="102", sip="102", call_id="1.2", callstart="2026-01-02 03:04:30", disposition="answered", seconds=60
    )
    call = told(second | {"is_recorded": "true"}, first)
    assert extensions(call.talked) == ["101", "102"]
    assert call.recordings == ("1.1", "1.2")
    assert call.ended_ms == call.start_ms + 85_000


def test_a_name_around_the_number_is_not_the_number() -> None:
    assert told(leg(clid='"ООО Ромашка" <79161112233>')).phone == "79161112233"


def test_without_a_telling_key_the_numbers_say_who_called() -> None:
    assert told(leg(pbx_call_id="", clid="101", destination="79161112233")).direction is Direction.OUT
    assert told(leg(pbx_call_id="", clid="101", destination="102")).direction is Direction.INSIDE
    assert told(leg(pbx_call_id="")).direction is Direction.IN


@pytest.mark.parametrize(
    ("disposition", "reason"),
    [
        ("busy", Reason.BUSY),
        ("cancel", Reason.CANCELLED),
        ("no answer", Reason.NO_ANSWER),
        ("call failed", Reason.FAILED),
        ("no money", Reason.FAILED),
        ("unallocated number", Reason.FAILED),
        ("no day limit", Reason.FAILED),
        ("something new", Reason.NONE),
    ],
)
def test_why_nobody_talked(disposition: str, reason: Reason) -> None:
    call = told(leg(disposition=disposition))
    assert (call.state, call.reason) == (State.MISSED, reason)
